"""Turns a logged column of categories into the codes that a booster was trained with, NaN where missing."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bridge.columns import Array, Mask
from bridge.reconcile.xgboost_levels import Levels

__all__ = ["SentColumn", "UnfitRows", "checked_codes", "codes_of"]

_WORDS = {
    "doubles": "double",
    "floats": "float",
    "int32s": "int",
    "int64s": "int64",
    "bools": "bool",
    "strings": "string",
}
_EXACT = {"doubles": 2.0**53, "floats": 2.0**24}  # up to here the type holds every whole number exactly


class UnfitRows(ValueError):
    """Rows that can't be given to the booster; the message names the column."""


class SentColumn(NamedTuple):
    """A column of a table as the caller sent it.

    Attributes:
        name: the caller's name of the column.
        kind: the type of the values, by the name of their field in the message, such as "int64s".
        entries: the values as Python objects.
        missing: which entries are missing, shape (rows,).
    """

    name: str
    kind: str
    entries: Sequence[Any]
    missing: Mask


def codes_of(column: SentColumn, levels: Levels | None, sentinel: float) -> Array:
    """Returns the codes of a column's values, NaN where missing. Whole numbers are compared exactly, not as floats.

    Args:
        column: the column that was sent.
        levels: the levels of the feature; None if it is not a category.
        sentinel: the number that stands for missing, unless it is a level.

    Raises:
        UnfitRows: a value is no level, a float may have rounded it, the column has another type than the levels, or
            the levels are not known.
    """
    if column.missing.all():
        return np.full(len(column.entries), np.nan)  # of whatever type: a caller's library can't know it
    known = _known(column, levels)
    codes = np.array([known.get(entry, -1) for entry in column.entries], np.float64)
    codes[column.missing] = np.nan
    unknown = ~column.missing & (codes < 0)
    if column.kind != "strings" and unknown.any():
        stands_for = np.float32(sentinel).item() if column.kind == "floats" else sentinel
        absent = unknown & np.array([entry == stands_for for entry in column.entries], np.bool_)
        codes[absent] = np.nan
        unknown &= ~absent
    return _without_unknown(column.name, codes, unknown, levels or Levels())


def checked_codes(name: str, codes: Array, levels: Levels, sentinel: float) -> Array:
    """Returns codes that were sent as codes, after a check; the number that stands for missing is left to xgboost.

    Raises:
        UnfitRows: a number is not a code, or is the code of no level.
    """
    given = ~np.isnan(codes) & (codes != codes.dtype.type(sentinel))
    if (given & ((codes < 0) | (codes != np.rint(codes)))).any():
        raise UnfitRows(f"column '{name}' has a number that is not the code of a category")
    beyond = given & (codes >= len(levels.known)) & bool(levels.known)
    return _without_unknown(name, codes, beyond, levels)


def _known(column: SentColumn, levels: Levels | None) -> dict[Any, int]:
    """Returns the codes by level; raises UnfitRows if the column's type is not the levels', or no levels are known."""
    name, kind = column.name, column.kind
    if levels is not None and not (levels.known or levels.by_codes):
        raise UnfitRows(
            f"column '{name}' is a category whose levels neither the model file nor model.toml states: state them in "
            "[features], or send codes in a matrix"
        )
    takes_text = levels is not None and levels.are_text
    if levels is None or takes_text != (kind == "strings") or kind == "bools":
        raise UnfitRows(f"column '{name}' is {_WORDS[kind]}, the model takes {'text' if takes_text else 'numbers'}")
    present = (entry for entry, missing in zip(column.entries, column.missing, strict=True) if not missing)
    if kind in _EXACT and any(abs(entry) > _EXACT[kind] for entry in present):
        raise UnfitRows(f"column '{name}' holds a whole number that a {_WORDS[kind]} may have rounded: send int64")
    return {level: code for code, level in enumerate(levels.known)}


def _without_unknown(name: str, codes: Array, unknown: Mask, levels: Levels) -> Array:
    """Returns the codes with NaN for unknown levels, if the feature's rule is "missing"; else raises UnfitRows.

    Under the rule "default" the model never scores such rows, so they are unfit, too.
    """
    if unknown.any() and levels.rule != "missing":
        raise UnfitRows(f"column '{name}' has a value that is none of the {len(levels.known)} levels")
    return np.where(unknown, codes.dtype.type(np.nan), codes)
