"""The servicer of scorebridge.v1: messages to calls, outcomes to messages, the one table from errors to statuses."""

import logging
import time
import uuid
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status as RichStatus
from scorebridge.v1 import scoring_pb2 as pb

from bridge.calls import Call, Deadline, DefaultScore, Exchange, Outcome, Range, now
from bridge.columns import Batch, Column, Matrix, constant
from bridge.defaults import default_scores
from bridge.errors import (
    BridgeError,
    CircuitOpen,
    DeadlineExceeded,
    Draining,
    InternalError,
    InvalidRequest,
    LogUnavailable,
    ModelNotFound,
    ModelNotReady,
    Overloaded,
    RefusedLevel,
    UnfitRow,
    UnknownLevel,
    VersionRefused,
    WorkerLost,
)
from bridge.messages import parse_request, read_batch
from bridge.model_messages import write_detail, write_version
from bridge.recorder import LogRecorder
from bridge.registry import Registry
from bridge.replies import write_reply
from bridge.version import Version

__all__ = ["SERVICE", "ScoringService", "Status", "status_of"]

_log = logging.getLogger(__name__)

SERVICE = "scorebridge.v1.ScoringService"
_DOMAIN = "scorebridge.io"
_DETAILS_KEY = "grpc-status-details-bin"
_MAX_REQUEST_ID = 128
_MOST_MESSAGE = 400  # characters: as UTF-8, escaped in grpc-message and again in the details, they can be 7 KiB
_NO_DEADLINE_S = 1e8  # pygrpc-native gives a huge number where grpcio gives None

# What is not here is INTERNAL: the model's fault, or ours.
_STATUS: dict[type[BridgeError], grpc.StatusCode] = {
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownLevel: grpc.StatusCode.INVALID_ARGUMENT,
    UnfitRow: grpc.StatusCode.INVALID_ARGUMENT,
    RefusedLevel: grpc.StatusCode.INVALID_ARGUMENT,
    ModelNotFound: grpc.StatusCode.NOT_FOUND,
    VersionRefused: grpc.StatusCode.FAILED_PRECONDITION,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    CircuitOpen: grpc.StatusCode.UNAVAILABLE,
    ModelNotReady: grpc.StatusCode.UNAVAILABLE,
    Draining: grpc.StatusCode.UNAVAILABLE,
    WorkerLost: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    LogUnavailable: grpc.StatusCode.UNAVAILABLE,
}


class ScoringService:
    """Answers requests given as bytes, so that a message is parsed once and its bytes can be kept."""

    def __init__(self, registry: Registry, recorder: LogRecorder | None = None) -> None:
        self._registry = registry
        self._recorder = recorder

    def handlers(self) -> dict[str, Any]:
        """The methods by name."""
        return {
            "Score": grpc.unary_unary_rpc_method_handler(self.score),
            "ListModels": grpc.unary_unary_rpc_method_handler(self.list_models),
            "GetModel": grpc.unary_unary_rpc_method_handler(self.get_model),
        }

    async def score(self, request: bytes, context: Any) -> bytes:
        """Scores one batch."""
        arrived = now()
        exchange = Exchange(f"/{SERVICE}/Score", request, context.peer(), time.time_ns(), write_reply, _status)
        try:
            try:
                call, version = self._call(exchange, arrived, context.time_remaining())
            except BridgeError as error:
                await self._refused(exchange, error, arrived)
                raise
            return await self._answer(call, version)
        except BridgeError as error:
            await _abort(context, error)
        except Exception:  # noqa: BLE001 - gRPC would send its text, which may hold input values, to the caller
            _log.exception("a call failed inside the bridge")
            await _abort(context, InternalError("the bridge failed; its log says where"))

    async def list_models(self, request: bytes, context: Any) -> bytes:
        """Every version of every model."""
        del request, context
        return pb.ListModelsResponse(
            versions=[write_version(version, serving=self._serves(version)) for version in self._registry.versions()]
        ).SerializeToString()

    async def get_model(self, request: bytes, context: Any) -> bytes:
        """All there is to know of one model."""
        try:
            asked = pb.GetModelRequest.FromString(request)
        except DecodeError:
            await _abort(context, InvalidRequest("the bytes are not a scorebridge.v1.GetModelRequest"))
        found = [
            version for version in self._registry.versions(asked.model) if asked.version in (0, version.stored.version)
        ]
        if not found:
            which = f"version {asked.version} of '{asked.model}'" if asked.version else f"model '{asked.model}'"
            await _abort(context, ModelNotFound(f"there is no {which}"))
        return pb.GetModelResponse(
            versions=[write_detail(version, serving=self._serves(version)) for version in found]
        ).SerializeToString()

    def _serves(self, version: Version) -> bool:
        return self._registry.serving(version.stored.model) is version

    def _call(self, exchange: Exchange, arrived: float, remaining_s: float | None) -> tuple[Call, Version]:
        request = parse_request(exchange.request)
        request_id = _request_id(request)
        version = self._registry.resolve(request.model, request.version)
        partial = request.partial and version.row_wise
        try:
            call = Call(
                request_id=request_id,
                model=version.ref,
                batch=_bound(request, version, alone=partial),
                arrived=arrived,
                deadline=_deadline(arrived, remaining_s),
                defaults=_defaults(request, version),
                exchange=exchange,
                partial=partial,
            )
        except BridgeError as error:
            _name(error, version)
            raise
        return call, version

    async def _answer(self, call: Call, version: Version) -> bytes:
        try:
            if call.rows:
                outcome = await version.score(call)
            else:
                outcome = _nothing(version)
                if self._recorder is not None:
                    outcome, written = self._recorder.answered(call, outcome)
                    if written is not None:
                        await written
            if (failure := outcome.first_failure()) is not None:
                raise failure
        except BridgeError as error:
            _name(error, version)
            raise
        return outcome.reply or write_reply(call, outcome)

    async def _refused(self, exchange: Exchange, error: BridgeError, arrived: float) -> None:
        if self._recorder is not None:
            request_id, model = _asked(exchange.request)
            await self._recorder.refused(exchange, error, now() - arrived, request_id, model)


def _name(error: BridgeError, version: Version) -> None:
    ref = version.ref
    error.model, error.version, error.digest = ref.model, ref.version, ref.digest


def _status(error: BridgeError) -> int:
    return int(_code(error).value[0])


def _code(error: BridgeError) -> grpc.StatusCode:
    return _STATUS.get(type(error), grpc.StatusCode.INTERNAL)


def _request_id(request: pb.ScoreRequest) -> str:
    given = request.request_id
    if not given:
        return str(uuid.uuid4())
    if len(given) > _MAX_REQUEST_ID or not (given.isascii() and given.isprintable()):
        raise InvalidRequest(
            f"request_id must be 1 to {_MAX_REQUEST_ID} printable ASCII characters",
            limit=f"{_MAX_REQUEST_ID} characters",
        )
    return given


def _asked(request: bytes) -> tuple[str, str]:
    """Id and model of a request that was refused; empty if they can't be read, or the id is none."""
    request_id = model = ""
    with suppress(DecodeError, InvalidRequest):
        asked = pb.ScoreRequest.FromString(request)
        model = asked.model
        request_id = _request_id(asked)
    return request_id, model


def _deadline(arrived: float, remaining_s: float | None) -> Deadline | None:
    return None if remaining_s is None or remaining_s > _NO_DEADLINE_S else Deadline(arrived + remaining_s)


def _bound(request: pb.ScoreRequest, version: Version, *, alone: bool) -> Batch:
    batch = read_batch(request)
    if request.row_keys and len(request.row_keys) != batch.rows:
        raise InvalidRequest(f"{len(request.row_keys)} row_keys for {batch.rows} rows")
    most = version.settings.max_batch_rows
    if batch.rows > most:
        raise InvalidRequest(f"{batch.rows} rows; {version.ref} takes {most} a call", limit=f"{most} rows")
    if isinstance(batch, Matrix) and not batch.rows and not batch.names:
        return batch  # nothing in it could be wrong
    return version.bind(batch, alone=alone)


def _defaults(request: pb.ScoreRequest, version: Version) -> tuple[DefaultScore, ...]:
    if request.default_policy == pb.DEFAULT_POLICY_NEVER:
        return ()
    if request.default_policy != pb.DEFAULT_POLICY_UNSPECIFIED:
        raise InvalidRequest("default_policy is none that this gateway knows")
    if not request.HasField("default_score"):
        return version.defaults
    return default_scores(request.default_score, version.outputs)


def _nothing(version: Version) -> Outcome:
    """The outcome of a batch of zero rows, for which nobody is asked."""
    columns: tuple[Column, ...] = tuple(
        constant(output.name, output.type, "" if output.type.dtype == object else 0, 0)
        for output in version.outputs or ()
    )
    return Outcome((Range(0, 0, columns),)) if columns else Outcome(())


class Status(NamedTuple):
    """How a call ends that failed, as gRPC puts it."""

    code: grpc.StatusCode
    message: str
    metadata: tuple[tuple[str, bytes], ...]


def status_of(error: BridgeError) -> Status:
    """The error's status, with a google.rpc.ErrorInfo that names it."""
    code, message = _code(error), _short(str(error))
    info = ErrorInfo(reason=error.reason, domain=_DOMAIN)
    if error.model:
        info.metadata["model"] = _short(error.model)
    if error.version:
        info.metadata["version"] = str(error.version)
    if error.limit:
        info.metadata["limit"] = error.limit
    detail = AnyMessage()
    detail.Pack(info)
    rich = RichStatus(code=code.value[0], message=message, details=[detail])
    return Status(code, message, ((_DETAILS_KEY, rich.SerializeToString()),))


def _short(message: str) -> str:
    """Names in it are the caller's, and over 8 KiB of metadata the caller would get another error than this one."""
    return message if len(message) <= _MOST_MESSAGE else f"{message[:_MOST_MESSAGE]}…"


async def _abort(context: Any, error: BridgeError) -> NoReturn:
    status = status_of(error)
    await context.abort(status.code, status.message, trailing_metadata=status.metadata)
    raise AssertionError("abort returned")
