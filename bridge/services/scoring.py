"""The servicer of scorebridge.v1: its methods, and the wire by which scores are asked for."""

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
_TOO_LONG = Status.of(InvalidRequest("the message is longer than any that asks for models"))
# Whether default scores are allowed; of other numbers, which are a newer client's, nobody knows.
_POLICIES: Mapping[int, bool] = {pb.DEFAULT_POLICY_UNSPECIFIED: True, pb.DEFAULT_POLICY_NEVER: False}


class ScoringWire:
    """`ScoringService.Score` of scorebridge.v1: see `bridge.services.answer.Wire`."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def parse_short(self, raw: bytes) -> Asked | None:
        """What a request of few bytes and columns asks for; None if it has more."""
        request = self._intake.read_short(raw)
        return None if request is None else _asked(request)

    async def parse(self, raw: bytes, left_s: float | None, caller: str) -> tuple[Asked, bool]:
        """What any request asks for, and whether it is little work to go on with it."""
        request, little = await self._intake.read(raw, left_s, caller)
        return _asked(request), little

    def read_name(self, raw: bytes) -> tuple[str, str]:
        """Id and model of a request that was refused: a made id where a short one has none, empty if unreadable."""
        if not is_short(raw):
            request_id, model = read_asked(raw)
            return (request_id if is_request_id(request_id) else ""), model
        try:
            request = pb.ScoreRequest.FromString(raw)
        except DecodeError:
            return "", ""
        return (call_id(request.request_id) if is_request_id(request.request_id) else ""), request.model

    def encode(self, call: Call, outcome: Outcome) -> bytes:
        """A ScoreResponse."""
        return write_reply(call, outcome)

    def status(self, error: BridgeError, ref: ModelRef | None) -> Status:
        """A gRPC status with a google.rpc.ErrorInfo."""
        return Status.of(error, ref)


class ScoringService:
    """Answers requests given as bytes, so that a message is parsed once and its bytes can be kept.

    A method returns the bytes of its answer, or the status that it fails with.

    Args:
        registry: of the versions.
        recorder: of the prediction log; None keeps none.
        max_columns: of a request, if no resident model has more features.
        max_inflight_bytes: of the requests of all callers that are not answered yet.
        by_certificate: callers are told apart by the names in their certificates, not by their addresses.
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
        peer = context.peer()
        caller = _name_of(context) if self._by_certificate else caller_of(peer)
        arrival = Arrival(_SCORE, request, peer, caller, now(), time.time_ns())
        return await self._answering.answer(self._wire, arrival, context.time_remaining())

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
            return Status.of(InvalidRequest("the bytes are not a scorebridge.v1.GetModelRequest"))
        found = [
            version for version in self._registry.versions(asked.model) if asked.version in (0, version.stored.version)
        ]
        if not found:
            which = f"version {asked.version} of '{asked.model}'" if asked.version else f"model '{asked.model}'"
            return Status.of(ModelNotFound(f"there is no {which}"))
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
    """The name in the caller's certificate; its address if it has shown none."""
    names = context.peer_identities()
    return "certificate:" + b",".join(sorted(names)).decode(errors="replace") if names else caller_of(context.peer())
