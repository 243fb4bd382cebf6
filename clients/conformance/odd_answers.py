"""A server that answers as its model's name asks for: with any status, with scores, or with what makes no sense."""

from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from scorebridge.v1 import scoring_pb2 as pb

TOKEN = "secret"  # noqa: S105 - of a test
LARGE = 5 << 20  # over what gRPC's libraries receive unless told otherwise
EXPLAINED = [
    pb.OutputColumn(name="score", type=pb.COLUMN_TYPE_DOUBLE),
    pb.OutputColumn(name="share", type=pb.COLUMN_TYPE_FLOAT, additional=True),
    pb.OutputColumn(name="reason_1", type=pb.COLUMN_TYPE_STRING, additional=True),
]


class Says:
    """What its models do.

    "status:CODE" or "status:CODE:REASON" fails so; "first:CODE" is scored if it is tried again, "second:CODE" fails for
    all but the first of a big batch's calls. "answer:KIND" is scored oddly. "whole" is scored if the call says all that
    it can, "needs-token" if it shows the token. "explained" is described, and fails. Every model is row-wise, and has
    one version.
    """

    def handler(self) -> Any:
        """Only these methods are known."""
        score = grpc.unary_unary_rpc_method_handler(
            self._score, pb.ScoreRequest.FromString, pb.ScoreResponse.SerializeToString
        )
        model = grpc.unary_unary_rpc_method_handler(
            self._model, pb.GetModelRequest.FromString, pb.GetModelResponse.SerializeToString
        )
        methods = {"Score": score, "GetModel": model}
        return grpc.method_handlers_generic_handler("scorebridge.v1.ScoringService", methods)

    def _model(self, request: pb.GetModelRequest, _: grpc.ServicerContext) -> pb.GetModelResponse:
        version = pb.ModelVersion(model=request.model, version=1, serving=True)
        outputs = EXPLAINED if request.model == "explained" else []
        return pb.GetModelResponse(versions=[pb.ModelDetail(version=version, row_wise=True, outputs=outputs)])

    def _score(self, request: pb.ScoreRequest, context: grpc.ServicerContext) -> pb.ScoreResponse:
        kind, _, asked = request.model.partition(":")
        retried = any(name == "grpc-previous-rpc-attempts" for name, _ in context.invocation_metadata())
        if kind == "needs-token" and ("authorization", f"Bearer {TOKEN}") not in context.invocation_metadata():
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token, or a wrong one")
        if kind == "whole" and not says_all(request):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call has lost some of what it said")
        second = kind == "second" and not request.request_id.endswith("/0")
        if kind == "status" or second or (kind == "first" and not retried):
            fail(context, *asked.split(":"))
        if kind == "explained":
            fail(context, "INTERNAL", "MODEL_ERROR")
        response = answer(request)
        if kind == "answer":
            make_odd(response, asked)
        return response


def says_all(request: pb.ScoreRequest) -> bool:
    """As the case "a call of a big batch says all that the batch says" has it."""
    return (
        request.request_id.startswith("call/")
        and request.version == 1
        and request.default_score == 0.5
        and request.default_policy == pb.DEFAULT_POLICY_NEVER
        and request.partial
        and dict(request.labels) == {"a": "b"}
        and request.batch_id != ""
        and len(request.row_keys) == request.matrix.rows
    )


def fail(context: grpc.ServicerContext, code: str, reason: str = "") -> None:
    """Ends the call, with the gateway's word for it if there is a reason."""
    status = grpc.StatusCode[code]
    if reason:
        details = AnyMessage()
        details.Pack(ErrorInfo(reason=reason, domain="scorebridge.io"))
        told = Status(code=status.value[0], message="as asked", details=[details])
        context.set_trailing_metadata((("grpc-status-details-bin", told.SerializeToString()),))
    context.abort(status, "as asked")


def answer(request: pb.ScoreRequest) -> pb.ScoreResponse:
    """A score of 1 for each row."""
    response = pb.ScoreResponse(
        request_id=request.request_id, model=request.model, version=1, source=pb.SCORE_SOURCE_MODEL
    )
    column = response.scores.add()
    column.name = "score"
    column.doubles.values.extend([1.0] * request.matrix.rows)
    return response


def make_odd(response: pb.ScoreResponse, kind: str) -> None:
    """An answer that only a newer, or a broken, gateway gives; but for "large", "explained" and lookups."""
    column, rows = response.scores[0], len(response.scores[0].doubles.values)
    if kind == "large":
        response.digest = "x" * LARGE
    elif kind == "short":
        column.doubles.values.pop()
    elif kind == "no-scores":
        response.scores.pop()
    elif kind == "missing-row":
        column.missing_rows.append(rows)
    elif kind == "explained":
        explain(response)
    elif kind.startswith("looked-up"):
        look_up(response, kind.removeprefix("looked-up").removeprefix("-"), rows)
    elif kind.startswith("source-"):
        response.source = int(kind.removeprefix("source-"))  # type: ignore[assignment]
    else:
        what, *numbers = kind.split("-")
        first, count, reason = map(int, numbers)
        response.source = pb.SCORE_SOURCE_MIXED
        rows_told = response.failed_rows if what == "failed" else response.defaulted_rows
        rows_told.add(first=first, count=count, reason=reason)


def explain(response: pb.ScoreResponse) -> None:
    """Of two rows the second has a default score, which nothing explains; one reason is enough for the first."""
    response.source = pb.SCORE_SOURCE_MIXED
    response.defaulted_rows.add(first=1, count=1, reason=pb.DEFAULT_REASON_UNKNOWN_LEVEL)
    for name, texts, missing in (("reason_1", ["age", ""], [1]), ("reason_2", ["", ""], [0, 1])):
        response.scores.add(name=name, strings=pb.StringArray(values=texts), missing_rows=missing)


def look_up(response: pb.ScoreResponse, kind: str, rows: int) -> None:
    """Two lookups, one of a stream's group.

    "many" and "far-too-many" count more rows than there are, "failed-N" failed for the reason N. In a big batch a new
    batch was published before the second chunk ("flip"), the first chunk waited longer ("same"), or the store was away
    for the second ("down").
    """
    first = response.request_id.endswith("/0")
    history = response.lookups.add(name="history", group="users", batch="2026-11-24", previous_rows=1)
    history.age.FromMilliseconds(3500)
    today = response.lookups.add(name="today", group="users_today", batch="2026-11-25", missing_rows=1)
    if kind == "many":
        today.missing_rows = rows + 1
    elif kind == "far-too-many":
        history.previous_rows = 2**32 - 1
    elif kind == "flip" and not first:
        history.batch = "2026-11-25"
        history.age.FromMilliseconds(250)
    elif kind == "same" and first:
        history.age.FromMilliseconds(7250)
    elif kind == "down" and not first:
        history.Clear()
        history.MergeFrom(pb.Lookup(name="history", group="users", missing_rows=rows))
        history.failure = pb.DEFAULT_REASON_STORE_UNAVAILABLE
    elif kind.startswith("failed-"):
        history.failure = int(kind.removeprefix("failed-"))  # type: ignore[assignment]
