"""The keywords of `write_bundle` that become settings of the model, or say how it is proven."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

__all__ = ["BundleKeywords"]


class BundleKeywords(TypedDict, total=False):
    """The keywords of `write_bundle` that become settings of the model, or say how it is proven.

    Attributes:
        row_wise: True if no row's score depends on the others; left out, calls are never cut or joined.
        row_by_row: True for a function that was written for one row: each row is scored by a call of it (False).
        default_score: a number, truth value or text, or a dict with one for each output.
        timeout_s: the time for a call that has no deadline of its own, seconds.
        python: the name of the interpreter in `[pythons]` of the gateway's settings; left out, it is the gateway's own.
        requirements: the lines of requirements.txt; False for no such file. Left out, it has the exact versions of what
            the bundle imports.
        accept_warnings: True writes the bundle even if it warns while it is loaded, as of an object that another
            version of a library saved, or that it goes on with other data than it was given (False).
    """

    row_wise: bool | None
    row_by_row: bool
    default_score: float | str | Mapping[str, float | str] | None
    timeout_s: float | None
    python: str | None
    requirements: Sequence[str] | Literal[False] | None
    accept_warnings: bool
