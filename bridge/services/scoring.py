"""The servicer of scorebridge.v1: its three methods, and the wire of its method Score."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from scorebridge.v1 import scoring_pb2 as pb

from bridge.addresses import caller_at
from bridge.callers.access import Access
from bridge.calls import Arrival, Call, ModelRef, Outcome, now
from bridge.codecs.scorebridge_v1.bounds import is_short, read_asked
from bridge.codecs.scorebridge_v1.replies import write_reply
from bridge.codecs.scorebridge_v1.requests import read_batch
from bridge.errors import BridgeError, InvalidRequest, Unauthenticated
from bridge.models.registry import Registry
from bridge.services.answer import Answering, let_go
from bridge.services.asked import Asked, call_id, is_request_id
from bridge.services.identity import GrpcIdentity
from bridge.services.intake import Intake
from bridge.services.models import describe_model, list_models
from bridge.services.status import Status

__all__ = ["SERVICE", "ScoringService", "ScoringWire"]

SERVICE = "scorebridge.v1.ScoringService"
_SCORE = f"/{SERVICE}/Score"
_TOO_LONG = "the message is longer than any valid ListModelsRequest or GetModelRequest"
# Whether a policy allows default scores. Other numbers come from newer clients, and their meaning is not known here.
_POLICIES: Mapping[int, bool] = {pb.DEFAULT_POLICY_UNSPECIFIED: True, pb.DEFAULT_POLICY_NEVER: False}


class ScoringWire:
    """The wire of the method `ScoringService.Score` of scorebridge.v1; implements `services.wire.Wire`."""

    name = "scorebridge.v1"
    answer_json_bytes = 0

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def parse_short(self, raw: bytes) -> Asked | None:
        """Reads a request of few bytes and columns; returns None if it has more, and `parse` has to read it."""
        request = self._intake.read_short(raw)
        return None if request is None else _asked(request)

    async def parse(self, raw: bytes, left_s: float | None, caller: str) -> tuple[Asked, bool]:
        """Reads a request of any size; returns it, and whether binding its rows may hold the event loop."""
        request, little = await self._intake.read(raw, left_s, caller)
        return _asked(request), little

    def read_name(self, raw: bytes) -> tuple[str, str]:
        """Returns the request id and the model of a refused request, for its record; empty where unreadable.

        A short request without an id gets a made one.
        """
        if not is_short(raw):
            request_id, model = read_asked(raw)
            return (request_id if is_request_id(request_id) else ""), model
        try:
            request = pb.ScoreRequest.FromString(raw)
        except DecodeError:
            return "", ""
        return (call_id(request.request_id) if is_request_id(request.request_id) else ""), request.model

    def encode(self, call: Call, outcome: Outcome, _: Any) -> bytes:
        """Returns the bytes of the ScoreResponse that answers a call."""
        return write_reply(call, outcome)

    def status(self, error: BridgeError, ref: ModelRef | None) -> Status:
        """Returns the gRPC status of a failed call, with a google.rpc.ErrorInfo in its metadata."""
        return Status.of(error, ref)


class ScoringService:
    """The methods of scorebridge.v1, on bytes: a message is parsed only once, and its bytes can be recorded.

    Each method returns the bytes of its answer, or the status of the call that failed.

    Args:
        registry: the gateway's versions.
        answering: answers requests for scores.
        intake: reads their messages.
        identity: finds out who calls; the default lets everybody call.
    """

    def __init__(
        self, registry: Registry, answering: Answering, intake: Intake, identity: GrpcIdentity | None = None
    ) -> None:
        self._registry = registry
        self._wire = ScoringWire(intake)
        self._answering = answering
        self._identity = identity or GrpcIdentity(Access(None))

    def handlers(self) -> dict[str, Any]:
        """Returns the gRPC method handlers by method name."""
        return {
            "Score": grpc.unary_unary_rpc_method_handler(self.score),
            "ListModels": grpc.unary_unary_rpc_method_handler(self.list_models),
            "GetModel": grpc.unary_unary_rpc_method_handler(self.get_model),
        }

    async def score(self, request: bytes, context: Any) -> bytes | Status:
        """Answers Score: scores one batch."""
        peer = context.peer()
        try:
            by = self._identity.caller(context)
        except Unauthenticated as error:
            arrival = Arrival(_SCORE, request, peer, caller_at(peer), now(), time.time_ns())
            return await self._answering.refuse(self._wire, arrival, error)
        parent = self._answering.parent(context.invocation_metadata)
        arrival = Arrival(_SCORE, request, peer, by.name, now(), time.time_ns(), parent=parent)
        return await self._answering.answer(self._wire, arrival, context.time_remaining(), by)

    async def list_models(self, request: bytes, context: Any) -> bytes | Status:
        """Answers ListModels: lists every version of every model that the caller may ask for."""
        if not is_short(request):
            return self._refused(InvalidRequest(_TOO_LONG))
        try:
            by = self._identity.caller(context)
        except Unauthenticated as error:
            return self._refused(error)
        return list_models(self._registry, by).SerializeToString()

    async def get_model(self, request: bytes, context: Any) -> bytes | Status:
        """Answers GetModel: describes one version of a model, or all its versions if the request names none."""
        if not is_short(request):
            return self._refused(InvalidRequest(_TOO_LONG))
        try:
            by = self._identity.caller(context)
            asked = pb.GetModelRequest.FromString(request)
            return describe_model(self._registry, by, asked.model, asked.version).SerializeToString()
        except DecodeError:
            return self._refused(InvalidRequest("the bytes are not a scorebridge.v1.GetModelRequest"))
        except BridgeError as error:
            return self._refused(error)

    def _refused(self, error: BridgeError) -> Status:
        self._answering.counters.refused(error.reason)
        return Status.of(let_go(error))


def _asked(request: pb.ScoreRequest) -> Asked:
    return Asked(
        model=request.model,
        version=request.version,
        request_id=request.request_id,
        batch=partial(read_batch, request),
        row_keys=len(request.row_keys),
        partial=request.partial,
        ignore_extra=request.ignore_extra,
        default=request.default_score if request.HasField("default_score") else None,
        defaults_allowed=_POLICIES.get(request.default_policy),
    )
