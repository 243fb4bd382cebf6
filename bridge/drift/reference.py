"""Reference rows, such as those that a model was trained on: their columns, and the bins that are made of them."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bridge.columns import Array
from bridge.drift.bins import Bins, Family, LevelBins, NumberBins
from bridge.drift.shift import Kind
from bridge.errors import BridgeError
from bridge.prediction_log.lookups import LOOKED_UP
from bridge.prediction_log.rows import INPUT, SCORE
from bridge.row_files.csv_numbers import NoNumber, is_nan, read_double

__all__ = ["CountedColumn", "Reference", "ReferenceColumns", "ReferenceNotReadable"]

_PREFIXES = (INPUT, LOOKED_UP)
_ONE_SCORE = "score"
_BLANKS = " \t"
_NO_NUMBERS = frozenset({"", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "\\N"})
_TRUTHS = {"TRUE": "true", "True": "true", "true": "true", "T": "true", "t": "true"}
_TRUTHS |= {"FALSE": "false", "False": "false", "false": "false", "F": "false", "f": "false"}


class ReferenceNotReadable(BridgeError):
    """Reference rows, or a column of them, can't be read or used; the message says what to do."""

    reason = "REFERENCE_NOT_READABLE"


@dataclass(frozen=True, slots=True)
class CountedColumn:
    """One column of the reference: how often each value is in it.

    Attributes:
        family: what the values are; texts of CSV files and JSON lines may also be read as numbers or truth values.
        values: the values that are in it: numbers for numbers, else texts, truth values as "true" and "false".
        weights: how many rows have each value, shape (values,).
        missing: how many rows are missing.
        typed: whether the file itself says what the values are; False where all it has are texts.
    """

    family: Family
    values: Sequence[Any] | Array
    weights: Array
    missing: int
    typed: bool


class ReferenceColumns(Protocol):
    """Where a reference is read from.

    Attributes:
        name: the name of the file, for messages.
        names: the names of its columns, in order.
        rows: the number of its rows.
    """

    name: str
    names: list[str]
    rows: int

    def column(self, name: str, kind: Kind) -> CountedColumn:
        """Returns a column; of scores only those that the model gave, where the file says so.

        Raises:
            ReferenceNotReadable: the column can't be read.
        """


class Reference:
    """Reference rows of a version.

    The column of a feature is `input.<feature>` or `looked_up.<feature>`, as in an exported log, or has the feature's
    own name. The column of an output is `score.<output>`, or has the output's own name, or is `score` for the only one.

    Args:
        columns: where the rows are read from, column by column.
    """

    def __init__(self, columns: ReferenceColumns) -> None:
        self._columns = columns
        self._names = frozenset(columns.names)
        self._bins: dict[tuple[str, Kind, Family | None], Bins] = {}

    @property
    def name(self) -> str:
        """The name of the file, for messages."""
        return self._columns.name

    @property
    def rows(self) -> int:
        """The number of its rows."""
        return self._columns.rows

    def column_of(self, name: str, kind: Kind, *, alone: bool = False) -> str | None:
        """Returns the name of the column of a feature or output; None if there is none.

        Args:
            name: the name of the feature or output.
            kind: which of them it is.
            alone: whether it is the only output, for which the column `score` will do.
        """
        prefixes = _PREFIXES if kind == "feature" else (SCORE,)
        candidates = [*(prefix + name for prefix in prefixes), name]
        if alone and kind == "score":
            candidates.append(_ONE_SCORE)
        return next((one for one in candidates if one in self._names), None)

    def others(self, used: frozenset[str]) -> list[tuple[str, Kind]]:
        """Returns the features and outputs in the reference that are none of the used columns, in their order.

        Of an exported log only its inputs and scores; else a column without a prefix counts as a feature.

        Args:
            used: the names of the used columns.
        """
        left = [name for name in self._columns.names if name not in used]
        if any(name.startswith(_PREFIXES) for name in self._names):
            left = [name for name in left if name.startswith((*_PREFIXES, SCORE))]
        found: list[tuple[str, Kind]] = []
        for name in left:
            prefix = next((one for one in (*_PREFIXES, SCORE) if name.startswith(one)), "")
            found.append((name.removeprefix(prefix), "score" if prefix == SCORE else "feature"))
        return found

    def bins(self, column: str, kind: Kind, family: Family | None) -> Bins:
        """Returns the bins of a column, made once for each family of values.

        Args:
            column: the name of the column, as `column_of` gives it.
            kind: whether it is a feature or a score.
            family: what its logged values are; None if all of them are missing, so that any bins will do.

        Raises:
            ReferenceNotReadable: the column can't be read, or its values are of another family.
        """
        key = column, kind, family
        if key not in self._bins:
            found = self._columns.column(column, kind)
            self._bins[key] = _bins(found, found.family if family is None else family)
        return self._bins[key]


def _bins(column: CountedColumn, family: Family) -> Bins:
    if column.typed and column.family is not family and len(column.values):
        raise ReferenceNotReadable(f"calls have {family.value}, the reference has {column.family.value}")
    if family is Family.NUMBERS:
        numbers = np.array(column.values, np.float64) if column.typed else _numbers(column.values)
        absent = np.isnan(numbers)
        return NumberBins(numbers[~absent], column.weights[~absent], column.missing + int(column.weights[absent].sum()))
    levels = column.values if column.typed or family is Family.TEXTS else _truths(column.values)
    counts: Counter[str | None] = Counter({None: column.missing})
    for level, count in zip(levels, column.weights.tolist(), strict=True):
        counts[level] += count
    missing = counts.pop(None)
    return LevelBins({level: count for level, count in counts.items() if level is not None}, missing)


def _numbers(texts: Sequence[str] | Array) -> Array:
    """Returns the numbers that texts state, NaN for a missing one."""
    try:
        return np.fromiter(map(_number, texts), np.float64, len(texts))
    except NoNumber:
        # The first error may hold the value.
        raise ReferenceNotReadable("calls have numbers, the reference has a text that is none") from None


def _number(text: str) -> float:
    bare = text.strip(_BLANKS)
    return math.nan if bare in _NO_NUMBERS or is_nan(bare) else read_double(bare)


def _truths(texts: Sequence[str] | Array) -> list[str | None]:
    """Returns "true" or "false" for each text, None for a missing one."""
    bare = [text.strip(_BLANKS) for text in texts]
    if not all(text in _TRUTHS or text in _NO_NUMBERS for text in bare):
        raise ReferenceNotReadable("calls have truth values, the reference has a text that is none")
    return [_TRUTHS.get(text) for text in bare]
