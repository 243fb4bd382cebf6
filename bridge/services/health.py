"""The health service: whether the gateway and its models serve, for callers who may know the models' names."""

from collections.abc import Callable, Collection
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2

from bridge.callers.access import Access
from bridge.errors import BridgeError
from bridge.services.identity import GrpcIdentity

__all__ = ["Health"]


class Health:
    """Implements grpc.health.v1: "" and the names of services are the gateway as a whole, any other name is a model's.

    Where a file of callers is set, a model is unknown to those who may not ask for it. The state of the gateway is for
    everybody: load balancers and clients look at it.

    Args:
        access: who may call.
        identity: finds out who calls.
        services: the names of the gateway's services.
        refused: called with the reason of each question that is refused, to count it; None counts nothing.

    Attributes:
        states: keeps the state of each name, and tells those who watch.
    """

    def __init__(
        self,
        access: Access,
        identity: GrpcIdentity,
        services: Collection[str] = (),
        refused: Callable[[str], None] | None = None,
    ) -> None:
        servicers: Any = health  # the type stubs lack its asyncio half
        self.states: Any = servicers.aio.HealthServicer()
        self._access = access
        self._identity = identity
        self._services = services
        self._refused = refused

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Answers Check: the state of a name; NOT_FOUND for one that is unknown or not for this caller."""
        await self._require(request.service, context)
        return await self.states.Check(request, context)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: N802 - gRPC's name
        """Answers Watch: the state of a name and its changes; NOT_FOUND for a name that is not for this caller."""
        await self._require(request.service, context)
        await self.states.Watch(request, context)

    async def List(self, _: Any, context: Any) -> None:  # noqa: N802 - gRPC's name
        """Refuses List, which would tell everybody the names of all models."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "ask for one name by Check")

    async def _require(self, name: str, context: Any) -> None:
        if not name or name in self._services or self._access.is_open:
            return
        try:
            self._identity.caller(context).require(name)
        except BridgeError as error:
            if self._refused is not None:
                self._refused(error.reason)
            await context.abort(grpc.StatusCode.NOT_FOUND)
