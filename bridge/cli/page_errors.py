"""The generated part of docs/errors.md: a table row an error, from the classes, their statuses and their remedies."""

from collections.abc import Iterator

from bridge import errors, lookup_errors
from bridge.cli.page_tables import table
from bridge.described import summary_of
from bridge.errors import BridgeError, BundleError
from bridge.remedies import REMEDIES
from bridge.services.http_calls import http_status_of
from bridge.services.status import code_of

__all__ = ["NoRemedy", "errors_part"]

# What the others extend, and nothing raises by itself.
_ABSTRACT = (BridgeError, errors.CallerError, errors.CapacityError, errors.BackendError, lookup_errors.LookupFailed)
_HEADS = ("reason", "gRPC, HTTP", "default score", "again?", "what happened", "what to do")


class NoRemedy(LookupError):
    """An error has no entry in `bridge.remedies`."""


def errors_part() -> str:
    """Returns the tables of all errors of calls and of bundles, for docs/errors.md.

    Raises:
        NoRemedy: an error is not in `bridge.remedies`.
        NotDescribed: an error's class has no docstring.
    """
    found = list(_errors())
    calls = [_row(kind) for kind in found if not issubclass(kind, BundleError)]
    bundles = [_row(kind) for kind in found if issubclass(kind, BundleError)]
    of_bundles = table((_HEADS[0], *_HEADS[3:]), [(row[0], *row[3:]) for row in bundles])
    return f"## Of calls\n\n{table(_HEADS, calls)}\n\n## Of bundles\n\n{of_bundles}"


def _errors() -> Iterator[type[BridgeError]]:
    """Yields the classes of errors that are raised, in the order of their modules."""
    for module in (errors, lookup_errors):
        for kind in vars(module).values():
            own = isinstance(kind, type) and kind.__module__ == module.__name__
            if own and issubclass(kind, BridgeError) and kind not in _ABSTRACT:
                yield kind


def _row(kind: type[BridgeError]) -> tuple[str, ...]:
    if kind not in REMEDIES:
        raise NoRemedy(f"{kind.__name__} has no entry in bridge/remedies.py")
    error, remedy = kind("it failed"), REMEDIES[kind]
    default = f"`{kind.default_reason}`" if kind.default_reason else "never"
    if kind.default_reason is None and error.failed_reason is not None:
        default += f"; its row: `{error.failed_reason}`"
    return (
        f"`{kind.reason}` ({kind.__name__})",
        f"{code_of(error).name}, {http_status_of(error).value}",
        default,
        remedy.again,
        summary_of(kind),
        remedy.text,
    )
