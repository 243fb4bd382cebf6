"""Which errors a caller's default score may stand for, and the answer that it makes."""

from typing import Any

from numpy.typing import NDArray

from scorebridge.errors import ScoringError
from scorebridge.result import DefaultedRows, Scores, Source
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["default_answer", "event_name", "falls_back", "may_fall_back"]

_NAMES = {"DEADLINE_EXCEEDED": "DEADLINE"}  # as the gateway names the same event
_THROWN = frozenset(("INVALID_ARGUMENT", "NOT_FOUND", "UNAUTHENTICATED", "PERMISSION_DENIED", "CANCELLED"))


def event_name(error: ScoringError) -> str:
    """The reason that rows are given for an error: one word for one event, in the client and the gateway alike."""
    return _NAMES.get(error.reason, error.reason)


def falls_back(error: ScoringError) -> bool:
    """Whether an error is one that a default score stands for, because it is no fault of the caller."""
    if error.status == "RESOURCE_EXHAUSTED":
        return error.by_gateway  # without: a message that is too large for one of the libraries
    return error.status not in _THROWN


def may_fall_back(request: pb.ScoreRequest, error: ScoringError) -> bool:
    """Whether a call that ended with an error is to be answered with its default score: it has one, and allows it."""
    never = request.default_policy == pb.DEFAULT_POLICY_NEVER
    return not never and request.HasField("default_score") and falls_back(error)


def default_answer(
    request: pb.ScoreRequest, rows: int, error: ScoringError, columns: dict[str, NDArray[Any]]
) -> Scores:
    """The answer to a call whose rows all get its default score.

    Args:
        request: what was asked.
        rows: how many it had.
        error: what no default would have ended the call with; its event and sentence are the rows' reason.
        columns: the default score of each row, by name of the output.
    """
    reason = event_name(error)
    return Scores(
        request_id=request.request_id,
        model=request.model,
        version=request.version,
        digest="",
        columns=columns,
        source=Source.CLIENT_DEFAULT,
        defaults=(DefaultedRows(0, rows, reason, str(error), by_client=True),) if rows else (),
        rows=rows,
        attempts=0,
        queue_s=0.0,
        backend_s=0.0,
    )
