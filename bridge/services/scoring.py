"""The servicer of scorebridge.v1: its three methods, and the wire of its method Score."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from scorebridge.v1 import scoring_pb2 as pb

from bridge.calls import Arrival, Call, ModelRef, Outcome, now
from bridge.codecs.scorebridge_v1.bounds import is_short, read_asked
from bridge.codecs.scorebridge_v1.replies import write_reply
from bridge.codecs.scorebridge_v1.requests import read_batch
from bridge.errors import BridgeError, InvalidRequest, ModelNotFound
from bridge.layers.shares import Shares, caller_of
from bridge.models.registry import Registry
from bridge.models.version import Version
from bridge.prediction_log.recorder import LogRecorder
from bridge.services.answer import Answering
from bridge.services.asked import Asked, call_id, is_request_id
from bridge.services.intake import Intake
from bridge.services.models import write_detail, write_version
from bridge.services.status import Status

__all__ = ["SERVICE", "ScoringService", "ScoringWire"]

SERVICE = "scorebridge.v1.ScoringService"
_SCORE = f"/{SERVICE}/Score"
_TOO_LONG = Status.of(InvalidRequest("the message is longer than any valid ListModelsRequest or GetModelRequest"))
# Whether a policy allows default scores. Other numbers come from newer clients, and their meaning is not known here.
_POLICIES: Mapping[int, bool] = {pb.DEFAULT_POLICY_UNSPECIFIED: True, pb.DEFAULT_POLICY_NEVER: False}


class ScoringWire:
    """The wire of the method `ScoringService.Score` of scorebridge.v1; implements `bridge.services.answer.Wire`."""

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

    def encode(self, call: Call, outcome: Outcome) -> bytes:
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
        recorder: writes the prediction log; None keeps no log.
        max_columns: the most columns of a request, if no resident version has more features.
        max_inflight_bytes: the most bytes of unanswered requests, of all callers together.
        by_certificate: whether callers are told apart by the names in their certificates instead of their addresses.
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
        self._intake = Intake(registry, max_columns)
        self._wire = ScoringWire(self._intake)
        self._answering = Answering(registry, recorder, Shares(max_inflight_bytes, "bytes in flight"), max_columns)
        self._by_certificate = by_certificate

    @property
    def refused_by_bounds(self) -> int:
        """The number of messages that were refused since the start because they held more than allowed."""
        return self._intake.refused

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
        caller = _name_of(context) if self._by_certificate else caller_of(peer)
        arrival = Arrival(_SCORE, request, peer, caller, now(), time.time_ns())
        return await self._answering.answer(self._wire, arrival, context.time_remaining())

    async def list_models(self, request: bytes, _: Any) -> bytes | Status:
        """Answers ListModels: lists every version of every model."""
        if not is_short(request):
            return _TOO_LONG
        return pb.ListModelsResponse(
            versions=[write_version(version, serving=self._serves(version)) for version in self._registry.versions()]
        ).SerializeToString()

    async def get_model(self, request: bytes, _: Any) -> bytes | Status:
        """Answers GetModel: describes one version of a model, or all its versions if the request names none."""
        if not is_short(request):
            return _TOO_LONG
        try:
            asked = pb.GetModelRequest.FromString(request)
        except DecodeError:
            return Status.of(InvalidRequest("the bytes are not a scorebridge.v1.GetModelRequest"))
        found = [
            version for version in self._registry.versions(asked.model) if asked.version in (0, version.stored.version)
        ]
        if not found:
            which = f"version {asked.version} of '{asked.model}'" if asked.version else f"model '{asked.model}'"
            return Status.of(ModelNotFound(f"this gateway has no {which}"))
        return pb.GetModelResponse(
            versions=[write_detail(version, serving=self._serves(version)) for version in found]
        ).SerializeToString()

    def _serves(self, version: Version) -> bool:
        return self._registry.serving(version.stored.model) is version


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


def _name_of(context: Any) -> str:
    """Returns a caller's name: the names in its certificate, or its address if it has shown no certificate."""
    names = context.peer_identities()
    return "certificate:" + b",".join(sorted(names)).decode(errors="replace") if names else caller_of(context.peer())
