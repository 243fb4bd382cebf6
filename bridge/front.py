"""The gRPC server underneath, with the same servicers on either: pygrpc-native where it can serve, or grpc.aio."""

import ssl
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from bridge.address import cannot_listen, with_port
from bridge.config import ConfigError, GatewaySettings

__all__ = ["Front", "Methods", "add_health_and_reflection"]

_NATIVE = "pygrpc_native"


class Methods:
    """All methods of all services behind ONE generic handler, which is what grpcio looks up fastest.

    It also takes the place of a server for the `add_…_to_server` functions of generated code.
    """

    def __init__(self) -> None:
        self._by_path: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, handlers: Iterable[Any]) -> None:
        """Does nothing: what they hold comes by `add_registered_method_handlers` too."""

    def add_registered_method_handlers(self, service: str, methods: dict[str, Any]) -> None:
        """Adds one service."""
        self._by_path |= {f"/{service}/{name}": method for name, method in methods.items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The method that a call is for."""
        return self._by_path.get(handler_call_details.method)

    def of(self, service: str) -> dict[str, Any]:
        """The functions of one service's unary methods, by path."""
        own = f"/{service}/"
        return {path: method.unary_unary for path, method in self._by_path.items() if path.startswith(own)}


class Front:
    """A server that is bound by `start` and answers until `stop`.

    Args:
        settings: the gateway's.
        methods: all there are.
        service: whose methods have to be fast; they take and give bytes.
        group: what calls record within it is written at its end.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        methods: Methods,
        service: str,
        group: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._settings = settings
        self._group = group
        self._methods = methods
        self._service = service
        self._server: Any = None
        self.name = self._choose()

    async def start(self) -> int:
        """Binds and serves; the port.

        Raises:
            ConfigError: the port can't be had, or a file of TLS is not what it must be.
        """
        host, port = self._settings.host, self._settings.grpc_port
        address = with_port(host, port)
        try:
            return await (self._start_native(address) if self.name == "native" else self._start_grpc(address))
        except (RuntimeError, OSError) as error:
            raise cannot_listen("gRPC", host, port) from error

    async def stop(self, grace_s: float) -> None:
        """Takes no new calls; ends the last ones after the grace, seconds."""
        if self._server is not None:
            await self._server.stop(grace_s)

    async def _start_native(self, address: str) -> int:
        from bridge.native_front import NativeFront  # noqa: PLC0415 - the package under it is an extra

        own = self._methods.of(self._service)
        self._server = NativeFront(address, own, self._methods, self._group, self._settings.max_message_bytes)
        await self._server.start()
        return int(self._server.port)

    async def _start_grpc(self, address: str) -> int:
        options = [
            ("grpc.so_reuseport", 0),  # else a second gateway takes the same port without a word
            ("grpc.max_receive_message_length", self._settings.max_message_bytes),
            ("grpc.max_send_message_length", -1),
        ]
        credentials = _credentials(self._settings)
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers((self._methods,))
        if credentials is None:
            port = self._server.add_insecure_port(address)
        else:
            port = self._server.add_secure_port(address, credentials)
        await self._server.start()
        return int(port)

    def _choose(self) -> str:
        if self._settings.front == "grpc" or self._settings.tls_certificate is not None:
            return "grpc"
        if find_spec(_NATIVE) is not None:
            return "native"
        if self._settings.front == "native":
            raise ConfigError("front = 'native' needs pip install 'scorebridge-gateway[fast]'")
        return "grpc"


def _credentials(settings: GatewaySettings) -> grpc.ServerCredentials | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    try:
        key, chain = settings.tls_key.read_bytes(), settings.tls_certificate.read_bytes()
        client_ca = settings.tls_client_ca.read_bytes() if settings.tls_client_ca else None
    except OSError as error:
        raise ConfigError(f"TLS: {error}") from error
    _check_pem(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    return grpc.ssl_server_credentials([(key, chain)], client_ca, require_client_auth=client_ca is not None)


def _check_pem(certificate: Path, key: Path, client_ca: Path | None) -> None:
    """What is wrong with a file, because gRPC only says that it could not bind, or takes no authority for any."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # how strong a key must be is gRPC's to say
    try:
        context.load_cert_chain(certificate, key, password=lambda: "none")  # else it asks the terminal for one
    except ssl.SSLError as error:
        raise ConfigError(f"TLS: {certificate} and {key} are no certificate and its unencrypted key in PEM") from error
    try:
        if client_ca is not None:
            context.load_verify_locations(client_ca)
    except ssl.SSLError as error:
        raise ConfigError(f"TLS: {client_ca} holds no certificate in PEM") from error


def add_health_and_reflection(methods: Methods, health: Any, service: str) -> None:
    """Registers grpc.health.v1 and server reflection beside the services that are there."""
    health_pb2_grpc.add_HealthServicer_to_server(health, methods)
    names = (service, "grpc.health.v1.Health", reflection.SERVICE_NAME)
    collected: Any = methods  # a server as far as generated code looks
    reflection.enable_server_reflection(names, collected)
