"""The options by which a command learns where a store of features is, and how to be known there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from bridge.cli.commands import CommandFailed
from bridge.store_settings import StoreSettings
from bridge.validation import describe_invalid

__all__ = ["PasswordFile", "StoreCa", "StoreCert", "StoreKey", "StoreOptions", "StoreUrl", "Username"]

StoreUrl = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="SCOREBRIDGE_STORE",
        metavar="URL",
        show_default=False,
        help="Where the store is, such as redis://HOST:6379/0 or sentinel://HOST:26379/SERVICE/0.",
    ),
]
Username = Annotated[str | None, typer.Option("--username", help="The user to log in as; else Redis' default user.")]
PasswordFile = Annotated[Path | None, typer.Option("--password-file", help="The file with the user's password.")]
StoreCa = Annotated[
    Path | None, typer.Option("--tls-ca", help="PEM file of the authorities of the store's certificate.")
]
StoreCert = Annotated[Path | None, typer.Option("--tls-cert", help="PEM file of your own certificate for the store.")]
StoreKey = Annotated[Path | None, typer.Option("--tls-key", help="PEM file of your certificate's key.")]


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Where a store is, and how a command is known there.

    Attributes:
        url: the store's URL.
        username: the user to log in as; None for Redis' default user.
        password_file: the file with the password; None for none.
        tls_ca: the PEM file of the authorities of the store's certificate; None for the machine's own.
        tls_cert: the PEM file of the command's own certificate; None for none.
        tls_key: the PEM file of that certificate's key; None for none.
    """

    url: str
    username: str | None = None
    password_file: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @contextmanager
    def client(self) -> Iterator[Any]:
        """Yields a client of the store, and closes it.

        Raises:
            CommandFailed: an option is not what it must be, or redis-py is not installed.
        """
        try:
            from bridge.features.publishing.connection import connect  # noqa: PLC0415 - redis-py is an extra
        except ImportError as error:
            raise CommandFailed(
                f"{error.name} is not installed: pip install 'scorebridge-gateway[features]'"
            ) from error
        client = connect(self.settings())
        try:
            yield client
        finally:
            client.close()

    def settings(self) -> StoreSettings:
        """Returns the settings that the options describe.

        Raises:
            CommandFailed: an option is not what it must be.
        """
        given: dict[str, Any] = {
            "username": self.username,
            "password_file": self.password_file,
            "tls_ca": self.tls_ca,
            "tls_certificate": self.tls_cert,
            "tls_key": self.tls_key,
        }
        try:
            return StoreSettings(url=self.url, **{name: one for name, one in given.items() if one is not None})
        except ValidationError as error:
            raise CommandFailed(f"--store and its options: {describe_invalid(error)}") from error
