"""The gRPC server underneath the gateway: grpc.aio, or pygrpc-native where the settings ask for it."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from itertools import chain
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from bridge.config import ConfigError, GatewaySettings
from bridge.counters import FrontRefusal
from bridge.fronts.address import cannot_listen, with_port
from bridge.fronts.arrivals import Arrivals
from bridge.fronts.certificates import Certificates
from bridge.fronts.grpc_options import server_options

__all__ = ["Front", "Methods", "add_health_and_reflection"]

_NATIVE = "pygrpc_native"


class Methods:
    """The methods of all services behind one generic handler, which grpcio looks up faster than several.

    It can be passed as the server to the `add_…_to_server` functions of generated code.
    """

    def __init__(self) -> None:
        self._by_path: dict[str, Any] = {}
        self._refuses: Any = None
        self._max_header_bytes = 0
        self._refused: Callable[[str], None] = _not_counted

    def add_generic_rpc_handlers(self, handlers: Iterable[Any]) -> None:
        """Ignores the handlers: generated code passes their methods to `add_registered_method_handlers` as well."""

    def add_registered_method_handlers(self, service: str, methods: dict[str, Any]) -> None:
        """Adds the methods of a service, given by the service's full name and the methods' names."""
        self._by_path |= {f"/{service}/{name}": method for name, method in methods.items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Returns the handler of the method that a call names.

        Returns None for an unknown method, and a handler that refuses the call where its headers are too large.
        """
        metadata = handler_call_details.invocation_metadata
        if self._refuses is not None and _size(metadata) > self._max_header_bytes:
            return self._refuses
        found = self._by_path.get(handler_call_details.method)
        if found is None:
            self._refused(FrontRefusal.NOT_FOUND)
        return found

    def count(self, refused: Callable[[str], None]) -> None:
        """Lets `refused` be called with the reason of each call of an unknown method."""
        self._refused = refused

    def bound(self, arrivals: Arrivals, max_header_bytes: int) -> None:
        """Limits how long the messages of unary methods may take to arrive, and how large a call's headers may be.

        grpc-core's own limit of headers is in force only after the caller has acknowledged grpc-core's settings.

        Args:
            arrivals: wraps the methods' handlers, and has the limit of time.
            max_header_bytes: the limit of a call's headers, counted as HTTP/2 does.
        """
        self._max_header_bytes = max_header_bytes
        sentence = f"the call's headers are larger than the allowed {max_header_bytes} bytes"
        self._refuses = arrivals.refusal(FrontRefusal.HEADERS_TOO_LARGE, sentence)
        for path, method in self._by_path.items():
            if method.unary_unary is not None:
                self._by_path[path] = arrivals.handler(method)

    def of(self, services: Sequence[str]) -> dict[str, Any]:
        """Returns the functions of the unary methods of some services, by path."""
        own = tuple(f"/{service}/" for service in services)
        return {path: method.unary_unary for path, method in self._by_path.items() if path.startswith(own)}


class Front:
    """The gateway's gRPC server: `start` binds its port, and it answers until `stop`.

    Attributes:
        name: the library that serves, "grpc" or "native".

    Args:
        settings: the gateway's settings.
        methods: the methods of all services.
        services: the names of the services whose methods have to be fast; they take and return bytes.
        group: a context manager for calls that are answered together: what they record is written when it ends.
        refused: called with the reason of each call that is refused here, to count it.

    Raises:
        ConfigError: the settings ask for the native front, which is not installed.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        methods: Methods,
        services: Sequence[str],
        group: Callable[[], AbstractContextManager[None]] = nullcontext,
        *,
        refused: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._refused = refused or _not_counted
        methods.count(self._refused)
        self._group = group
        self._methods = methods
        self._services = services
        self._server: Any = None
        self._certificates: Certificates | None = None
        self._watches: set[asyncio.Task[None]] = set()
        self.name = self._choose()

    async def start(self) -> int:
        """Binds the port, begins to serve, and returns the port's number.

        Raises:
            ConfigError: the port can't be bound, or a TLS file is wrong.
        """
        host, port = self._settings.host, self._settings.grpc_port
        address = with_port(host, port)
        try:
            return await (self._start_native(address) if self.name == "native" else self._start_grpc(address))
        except (RuntimeError, OSError) as error:
            raise cannot_listen("gRPC", host, port) from error

    async def stop(self, grace_s: float) -> None:
        """Takes no new calls, and ends the calls that are still under way after `grace_s` seconds."""
        if self._server is not None:
            await self._server.stop(grace_s)
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)

    @property
    def tls_context(self) -> Callable[[], ssl.SSLContext] | None:
        """What returns the TLS context for a new connection of another port, once started; None without TLS."""
        return None if self._certificates is None else self._certificates.context

    @property
    def tls_fault(self) -> str:
        """What is wrong with the TLS files as they are now; empty if they are served or there is no TLS."""
        return "" if self._certificates is None else self._certificates.fault

    async def _start_native(self, address: str) -> int:
        from bridge.fronts.native import NativeFront  # noqa: PLC0415 - its library is an optional extra

        own = self._methods.of(self._services)
        self._server = NativeFront(address, own, self._methods, self._group, self._settings, refused=self._refused)
        await self._server.start()
        return int(self._server.port)

    async def _start_grpc(self, address: str) -> int:
        self._certificates = await asyncio.to_thread(Certificates.of, self._settings)
        arrivals = Arrivals(self._settings.message_s, self._refused)
        self._methods.bound(arrivals, self._settings.max_header_bytes)
        self._server = grpc.aio.server(options=server_options(self._settings))
        self._server.add_generic_rpc_handlers((self._methods,))
        if self._certificates is None:
            port = self._server.add_insecure_port(address)
        else:
            port = self._server.add_secure_port(address, self._certificates.credentials())
        await self._server.start()
        self._watch(arrivals.watch())
        if self._certificates is not None:
            self._watch(self._certificates.watch(self._settings.watch_interval_s))
        return int(port)

    def _watch(self, watch: Coroutine[Any, Any, None]) -> None:
        self._watches.add(asyncio.get_running_loop().create_task(watch))

    def _choose(self) -> str:
        if self._settings.front != "native":
            return "grpc"
        if find_spec(_NATIVE) is None:
            raise ConfigError("front = 'native' is not installed: run pip install 'scorebridge-gateway[fast]'")
        return "native"


def _not_counted(_: str) -> None:
    """Does nothing: nobody counts what is refused."""


def _size(metadata: Sequence[tuple[str, str | bytes]]) -> int:
    """Returns the size of headers in bytes as HTTP/2 counts it (RFC 9113 section 6.5.2)."""
    return sum(map(len, chain.from_iterable(metadata))) + 32 * len(metadata)


def add_health_and_reflection(methods: Methods, health: Any, services: Sequence[str]) -> None:
    """Adds the services grpc.health.v1 and server reflection to the methods.

    Args:
        methods: the methods to add to.
        health: the servicer of grpc.health.v1.
        services: the names of the gateway's own services, which reflection lists.
    """
    health_pb2_grpc.add_HealthServicer_to_server(health, methods)
    names = (*services, "grpc.health.v1.Health", reflection.SERVICE_NAME)
    collected: Any = methods  # has the methods of a server that generated code calls
    reflection.enable_server_reflection(names, collected)
