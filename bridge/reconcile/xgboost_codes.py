"""A logged column of categories as the codes that a booster counts them by, NaN where missing."""

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
_EXACT = {"doubles": 2.0**53, "floats": 2.0**24}  # up to here such a number is every whole one


class UnfitRows(ValueError):
    """Rows that the booster can't be given; the sentence names the column."""


class SentColumn(NamedTuple):
    """A column of a table as it was sent.

    Attributes:
        name: as the caller has it.
        kind: of the values, by the name that the message has for them.
        entries: the values as Python's own.
        missing: which are not there.
    """

    name: str
    kind: str
    entries: Sequence[Any]
    missing: Mask


def codes_of(column: SentColumn, levels: Levels | None, sentinel: float) -> Array:
    """The values held against the levels as what they are; no whole number becomes a float on the way.

    Args:
        column: of a table.
        levels: of the feature; None if it is a number.
        sentinel: what stands for missing where it is no level.

    Raises:
        UnfitRows: a value is none of the levels or can't be told from its neighbours, or nobody knows the levels.
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
    """Codes that were sent as such; the number that stands for missing is left to the library.

    Raises:
        UnfitRows: a number is no code, or that of no level.
    """
    given = ~np.isnan(codes) & (codes != codes.dtype.type(sentinel))
    if (given & ((codes < 0) | (codes != np.rint(codes)))).any():
        raise UnfitRows(f"column '{name}' has a number that is not the code of a category")
    beyond = given & (codes >= len(levels.known)) & bool(levels.known)
    return _without_unknown(name, codes, beyond, levels)


def _known(column: SentColumn, levels: Levels | None) -> dict[Any, int]:
    """The codes of the levels, if the column can hold such levels at all."""
    name, kind = column.name, column.kind
    if levels is not None and not (levels.known or levels.by_codes):
        raise UnfitRows(
            f"column '{name}' is a category whose levels neither the model file nor model.toml says: state them in "
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
    """Unknown levels are missing if their rule says so; rows that get a default for them are never scored."""
    if unknown.any() and levels.rule != "missing":
        raise UnfitRows(f"column '{name}' has a value that is none of the {len(levels.known)} levels")
    return np.where(unknown, codes.dtype.type(np.nan), codes)
