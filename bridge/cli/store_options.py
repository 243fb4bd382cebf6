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

__all__ = ["StoreOptions"]


@dataclass(frozen=True, kw_only=True)
class StoreOptions:
    """Where a store is, and how a command is known there; every field is an option, and described by its help."""

    store: Annotated[
        str,
        typer.Option(
            envvar="SCOREBRIDGE_STORE",
            metavar="URL",
            show_default=False,
            help="Where the store is, such as redis://HOST:6379/0 or sentinel://HOST:26379/SERVICE/0.",
        ),
    ]
    username: Annotated[str | None, typer.Option(help="The user to log in as; else Redis' default user.")] = None
    password_file: Annotated[Path | None, typer.Option(help="The file with the user's password.")] = None
    tls_ca: Annotated[Path | None, typer.Option(help="PEM file of the authorities of the store's certificate.")] = None
    tls_cert: Annotated[Path | None, typer.Option(help="PEM file of your own certificate for the store.")] = None
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of your certificate's key.")] = None

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
            return StoreSettings(url=self.store, **{name: one for name, one in given.items() if one is not None})
        except ValidationError as error:
            raise CommandFailed(f"--store and its options: {describe_invalid(error)}") from error
