"""What all commands share: an error is printed as one sentence, with exit code 1, and SIGTERM cleans up."""

import errno
import inspect
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import typer

from bridge.errors import BridgeError

__all__ = ["CommandFailed", "command", "sigterm_unwinds", "with_options_of"]

_Options = TypeVar("_Options")


class CommandFailed(BridgeError):
    """A command failed: the gateway refused its call, or a file can't be used."""


def command(app: typer.Typer, name: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Returns a decorator that registers a function as a command of `app`, by the function's name and docstring.

    Args:
        app: the commands that it joins.
        name: the command's name; None for the function's.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            try:
                function(*args, **kwargs)
            except (BridgeError, OSError) as error:
                if isinstance(error, OSError) and error.errno == errno.EPIPE:
                    raise  # the program that read our output has ended; typer handles this error
                typer.echo(_sentence(error), err=True)
                raise typer.Exit(1) from error

        return app.command(name)(run)

    return register


def with_options_of(kind: type[_Options]) -> Callable[[Callable[[_Options], None]], Callable[..., None]]:
    """Returns a decorator for a command whose arguments and options are the fields of a dataclass.

    The command is called with one object of that class. A command with many options stays short in this way.
    """

    def give(function: Callable[[_Options], None]) -> Callable[..., None]:
        def run(**given: Any) -> None:
            function(kind(**given))

        run.__name__, run.__doc__, run.__module__ = function.__name__, function.__doc__, function.__module__
        described: Any = run  # typer reads the signature, and mypy knows none that can be set
        described.__signature__ = inspect.signature(kind).replace(return_annotation=None)
        described.__annotations__ = {
            name: field.annotation for name, field in described.__signature__.parameters.items()
        }
        return run

    return give


@contextmanager
def sigterm_unwinds() -> Iterator[None]:
    """Makes SIGTERM end the command by an exception, as Ctrl-C does, so that half-written files are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set signal handlers
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
