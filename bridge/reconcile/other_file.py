"""Scores that were made elsewhere, in a file or folder: its row keys and its columns of scores."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bridge.columns import Array, Column, Mask, Type
from bridge.row_files.other_tables import AgainstNotReadable, OtherTables

__all__ = ["OtherFile", "ScoreColumn"]

_PREFIX = "score."
_ONE = "score"
_MARKS = ("source", "reason", "version")  # what batch writes behind the scores
_MISSING = frozenset({"", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "NaN", "nan"})
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}
_LONGS = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True, eq=False)
class ScoreColumn:
    """A column of scores in the file.

    Attributes:
        place: the names of the file and the column, for messages.
        where: returns the place of a row, from its number, for messages.
        type: the type of the values; strings are parsed later, as the type of the model's output.
        values: the values, shape (rows,).
        missing: which values are missing, shape (rows,).
    """

    place: str
    where: Callable[[int], str]
    type: Type
    values: Array
    missing: Mask

    def scores(self, rows: Array, output: Column) -> Column:
        """Returns the scores of some rows as a column with the name of a logged output.

        It also has the output's type, unless the file's own type says more: text is parsed as that type, and doubles
        become floats for a float output.

        Args:
            rows: the 0-based numbers of the rows in the file; a negative number gives a missing score.
            output: the logged output.

        Raises:
            AgainstNotReadable: a text is not of the output's type, or the output is text and the file has numbers.
        """
        column_type = self._type_for(output)
        known = rows >= 0
        known[known] = ~self.missing[rows[known]]
        values = np.empty(len(rows), column_type.dtype)
        values[:] = "" if column_type is Type.STRING else np.nan if column_type.is_floating else 0
        if self.type is Type.STRING:
            found = self._parsed(rows[known].tolist(), column_type)
            known[known] = [entry is not None for entry in found]
            found = [entry for entry in found if entry is not None]
        else:
            found = self.values[rows[known]]
        with np.errstate(over="ignore"):
            values[known] = found
        return Column(output.name, column_type, values, None if column_type.is_floating else ~known)

    def _type_for(self, output: Column) -> Type:
        if self.type is Type.STRING:
            return Type.INT64 if output.type is Type.INT else output.type
        if output.type is Type.STRING:
            raise AgainstNotReadable(f"{self.place} is {self.type}, the model's output '{output.name}' is text")
        # Most programs write a float score as a double.
        return Type.FLOAT if self.type is Type.DOUBLE and output.type is Type.FLOAT else self.type

    def _parsed(self, rows: Sequence[int], column_type: Type) -> Any:
        parse = _PARSERS[column_type]
        found = []
        for row in rows:
            try:
                found.append(parse(self.values[row]))
            except (ValueError, KeyError):
                raise AgainstNotReadable(
                    f"{self.place}, {self.where(row)}: the score is not of type {column_type}"
                ) from None  # the original error holds the value
        return found


class OtherFile:
    """A file or folder with one row for each key, and a column of scores for each output.

    The column of an output is `score.<output>`, or `score` for a single output, or has the output's own name, as in
    what `scorebridge batch` writes. The used columns are held in memory.

    Attributes:
        name: the name of the file or folder.
        rows: the 0-based number of the row, by its key.
        without_key: the number of rows without a key.
    """

    def __init__(self, path: Path, key: str) -> None:
        """Reads the keys.

        Args:
            path: the file, whose suffix says its format, Parquet for an unknown one; or a folder of such files.
            key: the name of the column of row keys.

        Raises:
            AgainstNotReadable: the file can't be read, has no column but the key, or a column or key occurs twice.
        """
        self.name = path.name
        self._tables = OtherTables(path)
        self._key = key
        names = self._tables.names
        keys = _keys(self._tables.column(key), f"{path.name}: the column '{key}'")
        if set(names) == {key}:
            raise AgainstNotReadable(f"{path.name} has no column of scores")
        self.rows = {text: row for row, text in enumerate(keys) if text is not None}
        self.without_key = keys.count(None)
        if len(self.rows) + self.without_key != len(keys):
            raise AgainstNotReadable(f"{path.name}: a key occurs twice in the column '{key}': every row needs its own")
        self._columns: dict[str, ScoreColumn] = {}

    def column(self, output: str, *, alone: bool) -> ScoreColumn | None:
        """Returns the column of scores of an output; None if the file has none.

        Args:
            output: the name of the output.
            alone: whether the output is the model's only one, for which the column `score` will do.

        Raises:
            AgainstNotReadable: the column can't be read, is there twice, or has a type that no score has.
        """
        candidates = [f"{_PREFIX}{output}", *([_ONE] if alone else []), output]
        if set(_MARKS) <= set(self._tables.names):  # `score` may be a column that batch has copied
            candidates = [f"{_PREFIX}{output}", output, *([_ONE] if alone else [])]
        name = next((name for name in candidates if name != self._key and name in self._tables.names), None)
        if name is None:
            return None
        if name not in self._columns:
            place = f"{self.name}: the column '{name}'"
            self._columns[name] = _score_column(self._tables.column(name), place, self._tables.where)
        return self._columns[name]


def _keys(column: Any, place: str) -> list[str | None]:
    """Returns the row keys as text; None for a row without a key."""
    import pyarrow.types as kinds  # noqa: PLC0415 - `OtherTables` has shown that it is there

    texts = _texts(column)
    if texts is not None:
        return texts
    if not kinds.is_integer(column.type) and not kinds.is_floating(column.type):
        raise AgainstNotReadable(f"{place} is {column.type}: keys are text or whole numbers")
    keys: list[str | None] = []
    for number in column.to_pylist():
        if number is None or math.isnan(number):  # NaN is what pandas makes of a missing integer
            keys.append(None)
        elif number != number // 1:
            raise AgainstNotReadable(f"{place}, row {len(keys) + 1}: the key is a number, but not a whole one")
        else:
            keys.append(str(int(number)))
    return keys


def _texts(column: Any) -> list[str | None] | None:
    """Returns the values of a column of text; None if the column is of another type."""
    import pyarrow.types as kinds  # noqa: PLC0415 - `OtherTables` has shown that it is there

    kind = column.type.value_type if kinds.is_dictionary(column.type) else column.type
    if not kinds.is_string(kind) and not kinds.is_large_string(kind) and not kinds.is_null(kind):
        return None
    texts: list[str | None] = column.to_pylist()
    return texts


def _score_column(column: Any, place: str, where: Callable[[int], str]) -> ScoreColumn:
    import pyarrow as pa  # noqa: PLC0415 - `OtherTables` has shown that it is there
    import pyarrow.types as kinds  # noqa: PLC0415

    missing = np.array(column.is_null().to_pylist(), np.bool_)
    texts, kind = _texts(column), column.type
    if texts is not None:
        values = np.empty(len(texts), object)
        values[:] = texts
        return ScoreColumn(place, where, Type.STRING, values, missing)
    if kinds.is_floating(kind):
        column_type = Type.DOUBLE if kinds.is_float64(kind) else Type.FLOAT
    elif kinds.is_integer(kind) and not kinds.is_uint64(kind):
        column_type = Type.INT64
    elif kinds.is_boolean(kind):
        column_type = Type.BOOL
    else:
        raise AgainstNotReadable(f"{place} is {kind}: scores are floats, integers up to int64, truth values or text")
    filled = column.cast(pa.from_numpy_dtype(column_type.dtype)).fill_null(False if column_type is Type.BOOL else 0)
    return ScoreColumn(place, where, column_type, filled.to_numpy(), missing)


def _number(text: str) -> float:
    if "_" in text:  # Python's float reads 1_0 as 10
        raise ValueError(text)
    return math.nan if text in _MISSING else float(text)


def _whole(text: str) -> int | None:
    number = _number(text)
    if math.isnan(number):
        return None
    if not number.is_integer():
        raise ValueError(text)
    exact = int(text) if text.strip("+-").isdecimal() else int(number)
    if exact not in _LONGS:
        raise ValueError(text)
    return exact


def _truth(text: str) -> bool | None:
    return None if text in _MISSING else _TRUTHS[text.lower()]


_PARSERS: dict[Type, Callable[[str], Any]] = {
    Type.DOUBLE: _number,
    Type.FLOAT: _number,
    Type.INT64: _whole,
    Type.BOOL: _truth,
    Type.STRING: str,
}
