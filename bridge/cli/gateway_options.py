"""The options by which every command that calls a gateway learns where it is, and how to be known there."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer
from scorebridge import ScoringClient, arguments_from_env

from bridge.cli.commands import CommandFailed

__all__ = ["ClientCert", "ClientKey", "GatewayOptions", "Timeout", "TlsCa", "Token", "Url"]

Url = Annotated[
    str,
    typer.Option(
        envvar="SCOREBRIDGE_URL",
        help="Where the gateway takes gRPC calls: HOST:PORT, several between commas, grpcs:// before them for TLS.",
    ),
]
TlsCa = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca", envvar="SCOREBRIDGE_TLS_CA", help="PEM file of the authorities of the gateway's certificate."
    ),
]
ClientCert = Annotated[
    Path | None, typer.Option("--tls-cert", envvar="SCOREBRIDGE_CLIENT_CERT", help="PEM file of your own certificate.")
]
ClientKey = Annotated[
    Path | None, typer.Option("--tls-key", envvar="SCOREBRIDGE_CLIENT_KEY", help="PEM file of your certificate's key.")
]
Token = Annotated[
    Path | None,
    typer.Option(
        "--token-file", envvar="SCOREBRIDGE_TOKEN_FILE", help="File of the token that the gateway knows you by."
    ),
]

# Read by the client itself: a number in a variable is held to stricter rules than one in an option.
Timeout = Annotated[
    float | None,
    typer.Option(help="Seconds to wait for the answer; else those of SCOREBRIDGE_TIMEOUT_S.", show_default=False),
]


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """Where a gateway is, and how a command is known there.

    Attributes:
        url: where the gateway takes gRPC calls, in the forms of SCOREBRIDGE_URL.
        tls_ca: the PEM file of the authorities of the gateway's certificate; None for none.
        tls_cert: the PEM file of the command's own certificate; None for none.
        tls_key: the PEM file of the own certificate's key; None for none.
        token_file: the file of the token; None for none.
    """

    url: str
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    token_file: Path | None = None

    def client(self, **more: Any) -> ScoringClient:
        """Returns a new client of the gateway; its timeout is the environment's unless `more` has one.

        Args:
            more: further arguments of the client.

        Raises:
            CommandFailed: an option, variable or file is not what it must be; the message names it.
            OSError: a file can't be read.
        """
        try:
            return ScoringClient.from_env(**self._given(), **more)
        except ValueError as error:
            raise CommandFailed(str(error)) from error

    def way(self) -> tuple[str, grpc.ChannelCredentials | None, Callable[[], str] | None]:
        """Returns the target, the TLS credentials and the function that returns the token; None for none.

        Raises:
            CommandFailed: an option, variable or file is not what it must be; the message names it.
            OSError: a file can't be read.
        """
        try:
            found = arguments_from_env(**self._given())
        except ValueError as error:
            raise CommandFailed(str(error)) from error
        return found["target"], found["credentials"], found.get("token")

    def _given(self) -> dict[str, Any]:
        return {
            "target": self.url,
            "tls_ca": self.tls_ca,
            "client_cert": self.tls_cert,
            "client_key": self.tls_key,
            "token_file": self.token_file,
        }
