"""The servicer of scorebridge.v1: messages to calls, outcomes to messages."""

import functools
import logging
import time
import uuid
from contextlib import suppress
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from scorebridge.v1 import scoring_pb2 as pb

from bridge.beside import beside, is_much
from bridge.bounds import is_short, read_asked
from bridge.calls import Call, Deadline, DefaultScore, Exchange, Outcome, Range, now
from bridge.columns import Batch, Column, Matrix, constant
from bridge.defaults import default_scores
from bridge.errors import (
    BridgeError,
    InternalError,
    InvalidRequest,
    ModelNotFound,
)
from bridge.extras import without_extras
from bridge.intake import Intake, let_go
from bridge.messages import read_batch
from bridge.model_messages import write_detail, write_version
from bridge.recorder import LogRecorder
from bridge.registry import Registry
from bridge.replies import write_reply
from bridge.shares import Shares, caller_of
from bridge.status import Status, status_number, status_of
from bridge.version import Version

__all__ = ["SERVICE", "ScoringService"]

_log = logging.getLogger(__name__)

SERVICE = "scorebridge.v1.ScoringService"
_SCORE = f"/{SERVICE}/Score"
_MAX_REQUEST_ID = 128
_TOO_LONG = status_of(InvalidRequest("the message is longer than any that asks for models"))
_NO_DEADLINE_S = 1e8  # pygrpc-native gives a huge number where grpcio gives None


class ScoringService:
    """Answers requests given as bytes, so that a message is parsed once and its bytes can be kept.

    A method returns the bytes of its answer, or the status that it fails with: an exception on its way through gRPC
    would hold the frames it went through, and the request in them.
    """

    def __init__(
        self,
        registry: Registry,
        recorder: LogRecorder | None = None,
        *,
        max_columns: int = 16_384,
        max_inflight_bytes: int = 256 << 20,
        by_certificate: bool = False,
    ) -> None:
        self._registry = registry
        self._recorder = recorder
        self._max_columns = max_columns
        self._intake = Intake(registry, max_columns)
        self._inflight = Shares(max_inflight_bytes, "bytes in flight")
        self._by_certificate = by_certificate

    @property
    def refused_by_bounds(self) -> int:
        """How many messages held more than they may."""
        return self._intake.refused

    def handlers(self) -> dict[str, Any]:
        """The methods by name."""
        return {
            "Score": grpc.unary_unary_rpc_method_handler(self.score),
            "ListModels": grpc.unary_unary_rpc_method_handler(self.list_models),
            "GetModel": grpc.unary_unary_rpc_method_handler(self.get_model),
        }

    async def score(self, request: bytes, context: Any) -> bytes | Status:
        """Scores one batch."""
        arrived, peer = now(), context.peer()
        caller = _name_of(context) if self._by_certificate else caller_of(peer)
        exchange = Exchange(_SCORE, request, peer, time.time_ns(), write_reply, status_number, caller)
        held = 0
        try:
            try:
                self._inflight.take(caller, len(request))
                held = len(request)
                call, version = self._short(exchange, arrived, context) or await self._read(exchange, arrived, context)
            except BridgeError as error:
                refusal = let_go(error)
            else:
                return await self._answer(call, version)
            await self._refused(exchange, refusal, arrived)
            return status_of(refusal)
        except BridgeError as error:
            return status_of(let_go(error))  # else it and the frames it went through hold each other
        except Exception:  # noqa: BLE001 - gRPC would send its text, which may hold input values, to the caller
            _log.exception("a call failed inside the bridge")
            return status_of(InternalError("the bridge failed; its log says where"))
        finally:
            self._inflight.give_back(caller, held)

    async def list_models(self, request: bytes, _: Any) -> bytes | Status:
        """Every version of every model."""
        if not is_short(request):
            return _TOO_LONG
        return pb.ListModelsResponse(
            versions=[write_version(version, serving=self._serves(version)) for version in self._registry.versions()]
        ).SerializeToString()

    async def get_model(self, request: bytes, _: Any) -> bytes | Status:
        """All there is to know of one model."""
        if not is_short(request):
            return _TOO_LONG
        try:
            asked = pb.GetModelRequest.FromString(request)
        except DecodeError:
            return status_of(InvalidRequest("the bytes are not a scorebridge.v1.GetModelRequest"))
        found = [
            version for version in self._registry.versions(asked.model) if asked.version in (0, version.stored.version)
        ]
        if not found:
            which = f"version {asked.version} of '{asked.model}'" if asked.version else f"model '{asked.model}'"
            return status_of(ModelNotFound(f"there is no {which}"))
        return pb.GetModelResponse(
            versions=[write_detail(version, serving=self._serves(version)) for version in found]
        ).SerializeToString()

    def _serves(self, version: Version) -> bool:
        return self._registry.serving(version.stored.model) is version

    def _short(self, exchange: Exchange, arrived: float, context: Any) -> tuple[Call, Version] | None:
        """The call of a request that is read at once; None if it takes longer."""
        request = self._intake.read_short(exchange.request)
        if request is None:
            return None
        version = self._registry.resolve(request.model, request.version)
        return self._call(exchange, request, version, arrived, context.time_remaining()), version

    async def _read(self, exchange: Exchange, arrived: float, context: Any) -> tuple[Call, Version]:
        """The call of any request; what takes longer is done beside the event loop."""
        left_s = context.time_remaining()
        request, little = await self._intake.read(exchange.request, left_s, exchange.caller)
        version = self._registry.resolve(request.model, request.version)
        work = functools.partial(self._call, exchange, request, version, arrived, left_s)
        if little:
            return work(), version
        with version.in_use():
            loaded = version.accepted
            call = await self._intake.beside(work, left_s, exchange.caller)
            if (
                version.accepted is not loaded
            ):  # meanwhile: the rows are as they came, and it would take them for its own
                rest_s = None if left_s is None else left_s - (now() - arrived)
                call = await self._intake.beside(work, rest_s, exchange.caller)
            return call, version

    def _call(
        self, exchange: Exchange, request: pb.ScoreRequest, version: Version, arrived: float, left_s: float | None
    ) -> Call:
        request_id, partial = _request_id(request), request.partial and version.row_wise
        try:
            batch, ignored = self._bound(request, version, alone=partial)
            return Call(
                request_id=request_id,
                model=version.ref,
                batch=batch,
                arrived=arrived,
                deadline=_deadline(arrived, left_s),
                defaults=_defaults(request, version),
                exchange=exchange,
                partial=partial,
                ignored=ignored,
            )
        except BridgeError as error:
            _name(error, version)
            raise

    def _bound(self, request: pb.ScoreRequest, version: Version, *, alone: bool) -> tuple[Batch, tuple[int, ...]]:
        """The rows as the model takes them, and the places of columns that were ignored."""
        most, keys = version.settings.max_batch_rows, len(request.row_keys)
        if keys > most:
            raise InvalidRequest(f"{keys} row_keys; {version.ref} takes {most} rows", limit=f"{most} rows")
        batch = read_batch(request)
        columns = batch.values.shape[1] if isinstance(batch, Matrix) else len(batch.columns)
        if columns > self._max_columns and columns > version.width:
            widest = max(self._max_columns, version.width)
            raise InvalidRequest(f"{columns} columns; a call has at most {widest}", limit=f"{widest} columns")
        rows = batch.rows
        if keys and keys != rows:
            raise InvalidRequest(f"{keys} row_keys for {rows} rows")
        if rows > most:
            raise InvalidRequest(f"{rows} rows; {version.ref} takes {most} a call", limit=f"{most} rows")
        if not rows and isinstance(batch, Matrix) and not batch.names:
            return batch, ()  # nothing in it could be wrong
        ignored: tuple[int, ...] = ()
        known = version.feature_names if request.ignore_extra else None
        if known is not None:
            batch, ignored = without_extras(batch, known)
        return version.bind(batch, alone=alone), ignored

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
        if outcome.reply:
            return outcome.reply
        write = functools.partial(write_reply, call, outcome)
        return await beside(write, call.caller) if is_much(call.rows, len(outcome.ranges)) else write()

    async def _refused(self, exchange: Exchange, error: BridgeError, arrived: float) -> None:
        if self._recorder is not None:
            request_id, model = _asked(exchange.request)
            await self._recorder.refused(exchange, error, now() - arrived, request_id, model)


def _name(error: BridgeError, version: Version) -> None:
    ref = version.ref
    error.model, error.version, error.digest = ref.model, ref.version, ref.digest


def _request_id(request: pb.ScoreRequest) -> str:
    given = request.request_id
    if not given:
        return str(uuid.uuid4())
    if not _is_request_id(given):
        raise InvalidRequest(
            f"request_id must be 1 to {_MAX_REQUEST_ID} printable ASCII characters",
            limit=f"{_MAX_REQUEST_ID} characters",
        )
    return given


def _asked(request: bytes) -> tuple[str, str]:
    """Id and model of a request that was refused; empty if they can't be read, or the id is none."""
    request_id = model = ""
    if not is_short(request):
        request_id, model = read_asked(request)
        return (request_id if _is_request_id(request_id) else ""), model
    with suppress(DecodeError, InvalidRequest):
        asked = pb.ScoreRequest.FromString(request)
        model = asked.model
        request_id = _request_id(asked)
    return request_id, model


def _is_request_id(given: str) -> bool:
    return len(given) <= _MAX_REQUEST_ID and given.isascii() and given.isprintable()


def _name_of(context: Any) -> str:
    """The name in the caller's certificate; its address if it has shown none."""
    names = context.peer_identities()
    return "certificate:" + b",".join(sorted(names)).decode(errors="replace") if names else caller_of(context.peer())


def _deadline(arrived: float, remaining_s: float | None) -> Deadline | None:
    return None if remaining_s is None or remaining_s > _NO_DEADLINE_S else Deadline(arrived + remaining_s)


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
