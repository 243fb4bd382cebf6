"""The blocking client: each call waits for its answer."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, NoReturn, Self, Unpack

import grpc
from google.protobuf.message import Message

from scorebridge.arguments import check_text, check_version
from scorebridge.batch import Batch, CallOptions
from scorebridge.calls import GET_MODEL, LIST_MODELS, SCORE, Method, Patience, less_reserve_s
from scorebridge.channel import bearer, plan_channel
from scorebridge.chunks import MOST_IN_FLIGHT, Chunk, answers_of, cut, put_together, row_wise_version
from scorebridge.client_base import ClientBase
from scorebridge.client_options import ClientOptions
from scorebridge.connection import Connection, GivenChannel
from scorebridge.errors import ScoringError
from scorebridge.models import ModelDetail, ModelVersion, read_details, read_versions
from scorebridge.reachability import Reachability
from scorebridge.result import Scores
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["ScoringClient"]


class ScoringClient(ClientBase):
    """Scores batches at one or several gateways. May be shared by threads. Close it, or use it in `with`.

    Where no gateway gives an answer and the call has a default score, the client returns that score within the call's
    timeout, marked as `Source.CLIENT_DEFAULT`. This holds for an expired deadline, a gateway that is away or drains, a
    broken connection, and every other failure except those that the caller has to mend and a cancelled call.

    Args:
        target: "host:port" of a gateway, several of them between commas, or any target that gRPC knows. Calls take
            turns among all addresses that are healthy.
        timeout_s: the timeout of calls that give none, seconds. With None the model's own `timeout_s` applies, and a
            silent gateway is waited for until its connection breaks.
        default: the default score of calls that give none; None for no default score.
        credentials: what `grpc.ssl_channel_credentials` returns, for TLS; None for plain text.
        token: a function that returns the token, which is sent as "authorization: Bearer ..."; it is called for every
            call, on the thread that makes it. None for no token.
        options: options of the gRPC channel, pairs of a name and a value; they override the client's own options.
        channel: a gRPC channel that is used instead of the target; the caller closes it.
        more: keepalive, circuit, file of client defaults and hook; `ClientOptions` lists the keywords.

    Raises:
        TypeError, ValueError: an argument or option is not valid; the message names it.
        OSError: the file of client defaults can't be opened.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout_s: float | None = None,
        default: float | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        token: Callable[[], str] | None = None,
        options: Sequence[tuple[str, Any]] = (),
        channel: grpc.Channel | None = None,
        **more: Unpack[ClientOptions],
    ) -> None:
        plan = None
        if channel is None:
            plan = plan_channel(target, credentials, options, more, token=token is not None)
        super().__init__(timeout_s, default, token, more)
        self._connection = GivenChannel(channel) if plan is None else Connection(plan, self._circuit.invite)
        self._reachability = Reachability(self._circuit, self._connection, closed=ValueError)

    def score(
        self,
        model: str,
        rows: Any,
        *,
        timeout_s: float | None = None,
        default: float | None = None,
        **options: Unpack[CallOptions],
    ) -> Scores:
        """Scores a batch; a big batch of a row-wise model is sent in chunks, up to eight calls at once.

        Args:
            model: the model's name.
            rows: a pandas or polars frame, a pyarrow table, a dict of columns, a list of dicts, a numpy array of shape
                (rows, columns), or a sparse matrix of scipy. NaN, None, nulls and the entries that a sparse matrix does
                not hold are missing values.
            timeout_s: seconds within which the answer or the default score is returned; None for the client's timeout.
            default: this call's default score, in place of the model's and the client's; None for the client's.
            options: version, row keys, labels and more; `CallOptions` lists the keywords.

        Raises:
            CallerError: the call must be mended; the unchanged call would fail again.
            DeadlineExceeded: no score came in time, and there is no default score to give.
            Unavailable: gateways can't score now, and there is no default score to give; `reason` says why.
            PredictionFailed: the model failed, and there is no default score to give.
            TypeError, ValueError: an argument is what no gateway would take; the message names it. Nothing was sent.
            ClientForked: gRPC does not work in this process, a forked child.
            RuntimeError: the client is closed.
        """
        self._check_keywords(options)
        patience = Patience(self._begin(timeout_s))
        batch = self._batch(model, rows, default, options)
        if batch.is_big:
            return self._score_big(batch, patience)
        return self._score(batch.message(), batch.rows, patience)

    def models(self, *, timeout_s: float | None = None) -> list[ModelVersion]:
        """Returns every version of every model that the gateway has, sorted by model and version.

        Args:
            timeout_s: how long to wait, seconds; None for the client's own timeout, or without limit if it has none.

        Raises:
            ScoringError: no gateway answered in time, or the gateway refused the call.
            TypeError, ValueError: the timeout is not a positive number of seconds; nothing was sent.
            RuntimeError: the client is closed.
        """
        response: pb.ListModelsResponse = self._call(
            LIST_MODELS, pb.ListModelsRequest(), Patience(self._begin(timeout_s))
        )
        return read_versions(response)

    def model(self, name: str, version: int = 0, *, timeout_s: float | None = None) -> list[ModelDetail]:
        """Returns the features, outputs, default scores and more of a model's versions, ascending by version.

        Default scores that the client gives later have the outputs that this call describes.

        Args:
            name: the model's name.
            version: the number of the one version to return; 0 for all versions.
            timeout_s: how long to wait, seconds; None for the client's own timeout, or without limit if it has none.

        Raises:
            ModelNotFound: the gateway has no such model or version.
            ScoringError: no gateway answered in time, or the gateway refused the call.
            TypeError, ValueError: the name, version or timeout is not valid; nothing was sent.
            RuntimeError: the client is closed.
        """
        request = pb.GetModelRequest(model=check_text("name", name), version=check_version(version))
        return self._details(request, Patience(self._begin(timeout_s)))

    def warm_up(self, *, timeout_s: float | None = None) -> None:
        """Connects before the first call needs it, and waits until a gateway has answered.

        Args:
            timeout_s: how long to wait, seconds; None for the client's own timeout, or without limit if it has none.

        Raises:
            DeadlineExceeded: no gateway answered in time.
            ScoringError: a gateway refused the call, for example because it needs a token.
            TypeError, ValueError: the timeout is not a positive number of seconds; nothing was sent.
            RuntimeError: the client is closed.
        """
        self._call(LIST_MODELS, pb.ListModelsRequest(), Patience(self._begin(timeout_s)), wait_for_ready=True)

    def close(self) -> None:
        """Closes the client's connections and cancels the calls on them. A channel that the caller gave stays open."""
        self._closed = True
        self._connection.close()
        self._answers.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a ScoringClient holds connections and can't be pickled or copied: make one in each process")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _score_big(self, batch: Batch, patience: Patience) -> Scores:
        began, head = time.monotonic(), batch.head
        try:
            self._reachability.admit(patience.timeout_s)
            details = self._details(pb.GetModelRequest(model=head.model, version=head.version), patience)
        except ScoringError as error:
            return self._answers.fall_back(head, batch.rows, error, began)
        version = row_wise_version(details, head.version)
        if version is None:
            return self._score(batch.message(), batch.rows, patience)
        return self._score_chunks(cut(batch, version), patience)

    def _score_chunks(self, chunks: Sequence[Chunk], patience: Patience) -> Scores:
        def one(chunk: Chunk) -> Scores | ScoringError:
            try:
                with chunk.naming_rows():
                    return self._score(chunk.message(), chunk.rows, patience)
            except ScoringError as error:
                return chunk.alone(error)

        with ThreadPoolExecutor(MOST_IN_FLIGHT) as pool:
            answers = answers_of(chunks, list(pool.map(one, chunks)))
        return put_together(answers, chunks[0].batch.head.request_id)

    def _score(self, request: pb.ScoreRequest, rows: int, patience: Patience) -> Scores:
        began = time.monotonic()
        try:
            self._reachability.admit(patience.timeout_s)
            response: pb.ScoreResponse = self._call(SCORE, request, patience)
        except ScoringError as error:
            return self._answers.fall_back(request, rows, error, began)
        return self._answers.scored(request, rows, response, began)

    def _details(self, request: pb.GetModelRequest, patience: Patience) -> list[ModelDetail]:
        response: pb.GetModelResponse = self._call(GET_MODEL, request, patience)
        details = read_details(response)
        self._answers.described(details)
        return details

    def _call(self, method: Method, request: Message, patience: Patience, *, wait_for_ready: bool = False) -> Any:
        with self._reachability.call(patience.timeout_s):
            metadata = bearer(self._token)
            with self._connection.line(patience.left_s()) as channel:
                left_s = less_reserve_s(patience.left_s())
                return method.on(channel)(request, timeout=left_s, metadata=metadata, wait_for_ready=wait_for_ready)
