"""What all commands of the command line share: their errors are one sentence and exit code 1."""

import errno
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import typer

from bridge.errors import BridgeError

__all__ = ["CommandFailed", "command", "sigterm_unwinds"]


class CommandFailed(BridgeError):
    """The gateway refused, or a file can't be used."""


def command(app: typer.Typer) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a function a command of `app`; its name and its docstring are the command's."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            try:
                function(*args, **kwargs)
            except (BridgeError, OSError) as error:
                if isinstance(error, OSError) and error.errno == errno.EPIPE:
                    raise  # the reader of our output has left, and typer knows what to do
                typer.echo(_sentence(error), err=True)
                raise typer.Exit(1) from error

        return app.command()(run)

    return register


@contextmanager
def sigterm_unwinds() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does, so that what is half written is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _sentence(error: BridgeError | OSError) -> str:
    if isinstance(error, BridgeError):
        return error.in_full()
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)
