"""A file of scores that were made elsewhere: its keys, and its columns of scores."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bridge.columns import Array, Column, Mask, Type
from bridge.errors import BridgeError

__all__ = ["AgainstNotReadable", "OtherFile", "ScoreColumn"]

_PREFIX = "score."
_ONE = "score"
_CSV = ".csv"
_HEADER_LINES = 1
_MISSING = frozenset({"", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "NaN", "nan"})
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}
_LONGS = range(-(2**63), 2**63)


class AgainstNotReadable(BridgeError):
    """The file of other scores is not what it must be."""

    reason = "AGAINST_NOT_READABLE"


@dataclass(frozen=True, slots=True, eq=False)
class ScoreColumn:
    """The scores of one output as the file has them.

    Attributes:
        place: the file and the column, for whoever has to mend it.
        first_line: where the first row is, in the file's own counting from 1.
        type: of the values; a string may yet stand for any type.
        values: shape (rows,).
        missing: which of them are, shape (rows,).
    """

    place: str
    first_line: int
    type: Type
    values: Array
    missing: Mask

    def scores(self, rows: Array, output: Column) -> Column:
        """The scores of these rows under the name of a logged output and, as far as the file leaves it open, its type.

        Args:
            rows: their numbers, 0-based; below 0 there is none, and the score is missing.
            output: the logged one.

        Raises:
            AgainstNotReadable: text stands where the output is a number, or the other way round.
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
        # A double is what most files make of a float.
        return Type.FLOAT if self.type is Type.DOUBLE and output.type is Type.FLOAT else self.type

    def _parsed(self, rows: Sequence[int], column_type: Type) -> Any:
        parse = _PARSERS[column_type]
        found = []
        for row in rows:
            try:
                found.append(parse(self.values[row]))
            except (ValueError, KeyError):
                line = self.first_line + row
                raise AgainstNotReadable(
                    f"{self.place}, line {line}: not a {column_type}"
                ) from None  # it has the value
        return found


class OtherFile:
    """A Parquet or CSV file with one row a key and the columns `score.<output>`, or `score` for one output.

    What is used of it is held in memory.

    Attributes:
        name: of the file.
        rows: by key, the number of its row, 0-based.
        without_key: how many rows have none.
    """

    def __init__(self, path: Path, key: str) -> None:
        """Reads the file.

        Args:
            path: by its suffix, .parquet or .csv.
            key: the column that holds the row keys.

        Raises:
            AgainstNotReadable: the file or a column is missing or of no use, or a column or a key is there twice.
        """
        self.name = path.name
        table = _read(path, key)
        first_line = 1 + (_HEADER_LINES if path.suffix.lower() == _CSV else 0)
        keys = _keys(table.column(key), f"{path.name}: the column '{key}'")
        self.rows = {text: row for row, text in enumerate(keys) if text is not None}
        self.without_key = keys.count(None)
        if len(self.rows) + self.without_key != len(keys):
            raise AgainstNotReadable(f"{path.name}: a key in the column '{key}' is there twice")
        self._columns = {
            name: _score_column(table.column(name), f"{path.name}: the column '{name}'", first_line)
            for name in table.column_names
            if name != key
        }

    def column(self, output: str, *, alone: bool) -> ScoreColumn | None:
        """The scores of an output; None if the file has none.

        Args:
            output: its name.
            alone: the model has no other.
        """
        column = self._columns.get(f"{_PREFIX}{output}")
        return self._columns.get(_ONE) if column is None and alone else column


def _read(path: Path, key: str) -> Any:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
        from pyarrow import csv  # noqa: PLC0415
    except ImportError as error:
        raise AgainstNotReadable("pyarrow is not installed: pip install 'scorebridge-gateway[log]'") from error
    try:
        if path.suffix.lower() != _CSV:
            with pq.ParquetFile(path) as file:
                used = _used(path.name, file.schema_arrow.names, key)
                return file.read().select(used)
        with csv.open_csv(path) as reader:
            used = _used(path.name, reader.schema.names, key)
        # Text that looks like a number or a date is a matter of the model's output, not of the file.
        options = csv.ConvertOptions(
            include_columns=used,
            column_types=dict.fromkeys(used, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        return csv.read_csv(path, convert_options=options)
    except (OSError, pa.ArrowException) as error:
        raise AgainstNotReadable(f"{path.name} can't be read: {str(error).splitlines()[0]}") from error


def _used(file: str, names: Sequence[str], key: str) -> list[str]:
    """The columns that count: what else the file holds may be anything."""
    scores = [name for name in names if name != key and (name == _ONE or name.startswith(_PREFIX))]
    if key not in names:
        raise AgainstNotReadable(f"{file} has no column '{key}'")
    if not scores:
        raise AgainstNotReadable(f"{file} has no column 'score' or 'score.<output>'")
    for name in (key, *scores):
        if names.count(name) > 1:
            raise AgainstNotReadable(f"{file}: the column '{name}' is there twice")
    return [key, *scores]


def _keys(column: Any, place: str) -> list[str | None]:
    """The row keys as text; None where there is none."""
    import pyarrow.types as kinds  # noqa: PLC0415 - `_read` has shown that it is there

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
            raise AgainstNotReadable(f"{place}, line {len(keys) + 1}: no whole number, and so no key")
        else:
            keys.append(str(int(number)))
    return keys


def _texts(column: Any) -> list[str | None] | None:
    """The values of a column of text; None if it is another."""
    import pyarrow.types as kinds  # noqa: PLC0415 - `_read` has shown that it is there

    kind = column.type.value_type if kinds.is_dictionary(column.type) else column.type
    if not kinds.is_string(kind) and not kinds.is_large_string(kind) and not kinds.is_null(kind):
        return None
    texts: list[str | None] = column.to_pylist()
    return texts


def _score_column(column: Any, place: str, first_line: int) -> ScoreColumn:
    import pyarrow as pa  # noqa: PLC0415 - `_read` has shown that it is there
    import pyarrow.types as kinds  # noqa: PLC0415

    missing = np.array(column.is_null().to_pylist(), np.bool_)
    texts, kind = _texts(column), column.type
    if texts is not None:
        values = np.empty(len(texts), object)
        values[:] = texts
        return ScoreColumn(place, first_line, Type.STRING, values, missing)
    if kinds.is_floating(kind):
        column_type = Type.DOUBLE if kinds.is_float64(kind) else Type.FLOAT
    elif kinds.is_integer(kind) and not kinds.is_uint64(kind):
        column_type = Type.INT64
    elif kinds.is_boolean(kind):
        column_type = Type.BOOL
    else:
        raise AgainstNotReadable(f"{place} is {kind}: scores are floats, integers up to int64, truth values or text")
    filled = column.cast(pa.from_numpy_dtype(column_type.dtype)).fill_null(False if column_type is Type.BOOL else 0)
    return ScoreColumn(place, first_line, column_type, filled.to_numpy(), missing)


def _number(text: str) -> float:
    if "_" in text:  # Python alone reads 1_0 as ten
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
