"""The servicer of the Open Inference Protocol over gRPC: its six methods, and three of Triton's model repository."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError

from bridge.addresses import caller_at
from bridge.callers.caller import Caller
from bridge.calls import Arrival, now
from bridge.codecs.open_inference import inference_pb2 as pb
from bridge.codecs.scorebridge_v1.bounds import is_short
from bridge.errors import BridgeError, InvalidRequest, Unauthenticated
from bridge.models.registry import Registry
from bridge.services.answer import Answering, let_go
from bridge.services.identity import GrpcIdentity
from bridge.services.open_inference_intake import InferIntake
from bridge.services.open_inference_models import (
    load,
    model_metadata,
    model_ready,
    repository_index,
    server_metadata,
    unload,
)
from bridge.services.open_inference_wire import InferWire
from bridge.services.status import Status

__all__ = ["INFERENCE_SERVICE", "InferenceService"]

INFERENCE_SERVICE = "inference.GRPCInferenceService"
_INFER = f"/{INFERENCE_SERVICE}/ModelInfer"
_TOO_LONG = "the message is longer than any valid one of this method"

_Request = TypeVar("_Request")
_Answer = bytes | Status


class InferenceService:
    """The methods of `inference.GRPCInferenceService`, on bytes, so that a request's bytes can be recorded.

    Each method returns the bytes of its answer, or the status of the call that failed.

    Args:
        registry: the gateway's versions.
        answering: answers requests for scores.
        intake: reads their messages.
        identity: finds out who calls.
        ready: whether calls should be sent to this gateway.
    """

    def __init__(
        self,
        registry: Registry,
        answering: Answering,
        intake: InferIntake,
        identity: GrpcIdentity,
        ready: Callable[[], bool],
    ) -> None:
        self._registry = registry
        self._answering = answering
        self._wire = InferWire(intake)
        self._identity = identity
        self._ready = ready

    def handlers(self) -> dict[str, Any]:
        """Returns the gRPC method handlers by method name."""
        methods: dict[str, Callable[[bytes, Any], Awaitable[_Answer]]] = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelInfer": self.model_infer,
            "RepositoryIndex": self.repository_index,
            "RepositoryModelLoad": self.repository_model_load,
            "RepositoryModelUnload": self.repository_model_unload,
        }
        return {name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()}

    async def model_infer(self, request: bytes, context: Any) -> _Answer:
        """Answers ModelInfer: scores one batch."""
        peer = context.peer()
        try:
            by = self._identity.caller(context)
        except Unauthenticated as error:
            arrival = Arrival(_INFER, request, peer, caller_at(peer), now(), time.time_ns())
            return await self._answering.refuse(self._wire, arrival, error)
        parent = self._answering.parent(context.invocation_metadata)
        arrival = Arrival(_INFER, request, peer, by.name, now(), time.time_ns(), parent=parent)
        return await self._answering.answer(self._wire, arrival, context.time_remaining(), by)

    async def server_live(self, _request: bytes, _context: Any) -> _Answer:
        """Answers ServerLive, to anybody, as grpc.health.v1 does."""
        return pb.ServerLiveResponse(live=True).SerializeToString()

    async def server_ready(self, _request: bytes, _context: Any) -> _Answer:
        """Answers ServerReady, to anybody, as grpc.health.v1 does."""
        return pb.ServerReadyResponse(ready=self._ready()).SerializeToString()

    async def server_metadata(self, request: bytes, context: Any) -> _Answer:
        """Answers ServerMetadata: tells what the server is."""

        async def tell(_asked: pb.ServerMetadataRequest, _by: Caller) -> pb.ServerMetadataResponse:
            return server_metadata()

        return await self._told(pb.ServerMetadataRequest, request, context, tell)

    async def model_ready(self, request: bytes, context: Any) -> _Answer:
        """Answers ModelReady: tells whether a version scores calls."""

        async def tell(asked: pb.ModelReadyRequest, by: Caller) -> pb.ModelReadyResponse:
            return pb.ModelReadyResponse(ready=model_ready(self._registry, by, asked.name, asked.version))

        return await self._told(pb.ModelReadyRequest, request, context, tell)

    async def model_metadata(self, request: bytes, context: Any) -> _Answer:
        """Answers ModelMetadata: tells the inputs and outputs of a version."""

        async def tell(asked: pb.ModelMetadataRequest, by: Caller) -> pb.ModelMetadataResponse:
            return model_metadata(self._registry, by, asked.name, asked.version)

        return await self._told(pb.ModelMetadataRequest, request, context, tell)

    async def repository_index(self, request: bytes, context: Any) -> _Answer:
        """Answers RepositoryIndex: lists the versions of all models that the caller may ask for."""

        async def tell(asked: pb.RepositoryIndexRequest, by: Caller) -> pb.RepositoryIndexResponse:
            return repository_index(self._registry, by, ready_only=asked.ready)

        return await self._told(pb.RepositoryIndexRequest, request, context, tell)

    async def repository_model_load(self, request: bytes, context: Any) -> _Answer:
        """Answers RepositoryModelLoad: loads what is missing of a model."""

        async def tell(asked: pb.RepositoryModelLoadRequest, by: Caller) -> pb.RepositoryModelLoadResponse:
            await load(self._registry, by, asked.model_name, asked.parameters, asked.repository_name)
            return pb.RepositoryModelLoadResponse()

        return await self._told(pb.RepositoryModelLoadRequest, request, context, tell)

    async def repository_model_unload(self, request: bytes, context: Any) -> _Answer:
        """Answers RepositoryModelUnload: takes a model out of memory."""

        async def tell(asked: pb.RepositoryModelUnloadRequest, by: Caller) -> pb.RepositoryModelUnloadResponse:
            await unload(self._registry, by, asked.model_name, asked.parameters, asked.repository_name)
            return pb.RepositoryModelUnloadResponse()

        return await self._told(pb.RepositoryModelUnloadRequest, request, context, tell)

    async def _told(
        self, message: type[_Request], request: bytes, context: Any, tell: Callable[[_Request, Caller], Awaitable[Any]]
    ) -> _Answer:
        """Reads a request, finds out who calls, and returns the bytes of what `tell` answers."""
        if not is_short(request):
            return self._refused(InvalidRequest(_TOO_LONG))
        kind: Any = message
        try:
            by = self._identity.caller(context)
            answer = await tell(kind.FromString(request), by)
        except DecodeError:
            return self._refused(InvalidRequest(f"the bytes are not an {kind.DESCRIPTOR.full_name}"))
        except BridgeError as error:
            return self._refused(error)
        return bytes(answer.SerializeToString())

    def _refused(self, error: BridgeError) -> Status:
        self._answering.counters.refused(error.reason)
        return Status.of(let_go(error))
