"""The client for asyncio: the same calls as the blocking one, to be awaited."""

import asyncio
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

import grpc
import grpc.aio
from google.protobuf.message import Message

from scorebridge.batches import (
    MOST_IN_FLIGHT,
    batch_rows,
    cut,
    cut_array,
    is_big,
    is_big_array,
    put_together,
    row_wise_version,
)
from scorebridge.channel import address, bearer, channel_options
from scorebridge.errors import ScoringError, translate
from scorebridge.request import (
    GET_MODEL,
    LIST_MODELS,
    SCORE,
    CallOptions,
    Method,
    build_head,
    build_request,
    check_timeout,
    less_reserve_s,
    time_left_s,
)
from scorebridge.result import Scores
from scorebridge.safety import Safety, SafetyOptions
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["AsyncScoringClient"]


class AsyncScoringClient:
    """Scores batches at a gateway, on one event loop. Close it, or use it in an `async with` statement.

    Cancelling a call tells the gateway, which stops waiting for the model. The arguments are those of `ScoringClient`.
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
        channel: grpc.aio.Channel | None = None,
        **safety: Unpack[SafetyOptions],
    ) -> None:
        self._timeout_s = check_timeout(timeout_s)
        self._default = default
        self._token = token
        self._safety = Safety(safety)
        self._owned = channel is None
        if channel is not None:
            self._channel = channel
            return
        at, options = address(target), channel_options(target, options)
        self._channel = (
            grpc.aio.insecure_channel(at, options=options)
            if credentials is None
            else grpc.aio.secure_channel(at, credentials, options=options)
        )

    async def score(
        self,
        model: str,
        rows: Any,
        *,
        timeout_s: float | None = None,
        default: float | None = None,
        **options: Unpack[CallOptions],
    ) -> Scores:
        """Scores a batch; see `ScoringClient.score`."""
        chosen_s = self._chosen_s(timeout_s)
        ends = None if chosen_s is None else time.monotonic() + chosen_s
        default = self._default if default is None else default
        request = None if is_big_array(rows) else build_request(model, rows, default, **options)
        if request is not None and not is_big(request):
            return await self._score(request, chosen_s)
        return await self._score_big(request or build_head(model, default, options), rows, options, ends)

    async def models(self, *, timeout_s: float | None = None) -> list[pb.ModelVersion]:
        """Every version of every model, within the client's timeout if none is given."""
        response: pb.ListModelsResponse = await self._call(
            LIST_MODELS, pb.ListModelsRequest(), self._chosen_s(timeout_s)
        )
        return list(response.versions)

    async def model(self, name: str, version: int = 0, *, timeout_s: float | None = None) -> list[pb.ModelDetail]:
        """All there is to know of a model's versions, or of one; likewise."""
        request = pb.GetModelRequest(model=name, version=version)
        response: pb.GetModelResponse = await self._call(GET_MODEL, request, self._chosen_s(timeout_s))
        return list(response.versions)

    @property
    def client_defaults(self) -> dict[str, int]:
        """How many rows got the client's own default score, by reason."""
        return dict(self._safety.defaults)

    async def close(self) -> None:
        """Closes the connections; calls under way are cancelled. A channel that was given stays open."""
        if self._owned:
            await self._channel.close(None)
        self._safety.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _chosen_s(self, timeout_s: float | None) -> float | None:
        return check_timeout(self._timeout_s if timeout_s is None else timeout_s)

    async def _score_big(self, request: pb.ScoreRequest, rows: Any, options: CallOptions, ends: float | None) -> Scores:
        """The rows are in the request, or an array that is not."""
        began, array = time.monotonic(), is_big_array(rows)
        default = request.default_score if request.HasField("default_score") else None
        asked = request.version
        options = options.copy()
        options["request_id"] = request.request_id
        try:
            self._safety.admit()
            version = row_wise_version(await self.model(request.model, asked, timeout_s=time_left_s(ends)), asked)
        except ScoringError as error:
            count = len(rows) if array else batch_rows(request)
            return self._safety.fall_back(request, count, error, began)
        if version is None:
            whole = build_request(request.model, rows, default, **options) if array else request
            return await self._score(whole, time_left_s(ends))
        request_id, pieces = (
            cut_array(request.model, rows, default, options, version) if array else cut(request, version)
        )
        return await self._score_pieces(pieces, request_id, ends)

    async def _score_pieces(
        self, pieces: Sequence[Callable[[], pb.ScoreRequest]], request_id: str, ends: float | None
    ) -> Scores:
        free = asyncio.Semaphore(MOST_IN_FLIGHT)

        async def one(piece: Callable[[], pb.ScoreRequest]) -> Scores:
            async with free:
                return await self._score(piece(), time_left_s(ends))

        tasks = [asyncio.create_task(one(piece)) for piece in pieces]
        try:
            return put_together(await asyncio.gather(*tasks), request_id)
        finally:
            for task in tasks:
                task.cancel()

    async def _score(self, request: pb.ScoreRequest, timeout_s: float | None) -> Scores:
        began = time.monotonic()
        try:
            self._safety.admit()
            response: pb.ScoreResponse = await self._call(SCORE, request, timeout_s)
        except ScoringError as error:
            return self._safety.fall_back(request, batch_rows(request), error, began)
        return self._safety.scored(request, response, began)

    async def _call(self, method: Method, request: Message, timeout_s: float | None) -> Any:
        stub: Any = self._channel.unary_unary(
            method.path,
            request_serializer=type(request).SerializeToString,
            response_deserializer=method.response.FromString,
        )
        try:
            response = await stub(request, timeout=less_reserve_s(timeout_s), metadata=bearer(self._token))
        except grpc.RpcError as error:
            failure = translate(error)
            self._safety.failed(failure)
            raise failure from error
        self._safety.answered()
        return response
