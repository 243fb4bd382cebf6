"""The options by which every command that calls a gateway learns where it is, and how to be known there."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from scorebridge import ScoringClient, environment
from scorebridge.tls_files import TlsFiles
from scorebridge.token_file import TokenFile

from bridge.cli.commands import CommandFailed

__all__ = ["ClientCert", "ClientKey", "GatewayOptions", "TlsCa", "Token", "Url", "timeout_of"]

Url = Annotated[
    str,
    typer.Option(
        envvar=environment.URL,
        help="Where the gateway takes gRPC calls: HOST:PORT, several between commas, grpcs:// before them for TLS.",
    ),
]
TlsCa = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca", envvar=environment.TLS_CA, help="PEM file of the authorities of the gateway's certificate."
    ),
]
ClientCert = Annotated[
    Path | None, typer.Option("--tls-cert", envvar=environment.CLIENT_CERT, help="PEM file of your own certificate.")
]
ClientKey = Annotated[
    Path | None, typer.Option("--tls-key", envvar=environment.CLIENT_KEY, help="PEM file of your certificate's key.")
]
Token = Annotated[
    Path | None,
    typer.Option(
        "--token-file", envvar=environment.TOKEN_FILE, help="File of the token that the gateway knows you by."
    ),
]


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """Where a gateway is, and how a command is known there.

    Attributes:
        url: where the gateway takes gRPC calls, as `scorebridge.environment.reach` takes it.
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
        """Returns a new client of the gateway.

        Args:
            more: further arguments of the client.

        Raises:
            CommandFailed: the URL or a file is not what it must be; the message names it.
            OSError: a file can't be read.
        """
        named = (None if path is None else str(path) for path in (self.tls_ca, self.tls_cert, self.tls_key))
        try:
            target, credentials = environment.reach(self.url, TlsFiles(*named))
            token = None if self.token_file is None else TokenFile(self.token_file)
            return ScoringClient(target, credentials=credentials, token=token, **more)
        except ValueError as error:
            raise CommandFailed(str(error)) from error


def timeout_of(given: float | None) -> float | None:
    """Returns the timeout of a call, seconds: the option's, else the environment's; None if there is neither.

    Raises:
        CommandFailed: the environment's is no number of seconds.
    """
    try:
        return environment.timeout_s(os.environ) if given is None else given
    except ValueError as error:
        raise CommandFailed(str(error)) from error
