"""The rows of a table as lines of CSV and of JSON, from which the same values are read."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from bridge.offline.output_rows import OutputError
from bridge.row_files.csv_cells import Cell, format_cells

__all__ = ["check_texts", "csv_header", "csv_lines", "json_lines"]

_AS_THEY_ARE: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_float32,
    pa.types.is_float64,
    pa.types.is_string,
    pa.types.is_large_string,
)
_AS_TEXT: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_date,
    pa.types.is_time,
    pa.types.is_timestamp,
    pa.types.is_decimal,
)


def check_texts(schema: pa.Schema) -> None:
    """Checks that lines of text can hold the columns.

    Raises:
        OutputError: a column has a type that has no text of its own, such as lists or bytes.
    """
    for field in schema:
        if not any(one(field.type) for one in (*_AS_THEY_ARE, *_AS_TEXT)):
            raise OutputError(
                f"column '{field.name}' is {field.type}, which CSV and JSON lines can't hold: write .parquet or .arrow,"
                " or leave out the column"
            )


def csv_header(schema: pa.Schema) -> str:
    """Returns the header of a CSV file, with its end of line."""
    return format_cells([[Cell(name, quoted=True) for name in schema.names]])


def csv_lines(table: pa.Table) -> Iterator[str]:
    """Yields each row as a line of CSV, with its end, as `format_cells` writes the cells of `Cell.of`.

    Text is quoted, numbers have up to 17 digits, which give the same bits, and what is missing is an empty cell.
    """
    columns = [_texts(column, _CSV_FORMS) for column in table.columns]
    for row in zip(*columns, strict=True):
        yield ",".join(row) + "\n"


def json_lines(table: pa.Table) -> Iterator[str]:
    """Yields each row as a line with a JSON object that has all columns.

    What is missing is null, and so is NaN; infinite numbers are the texts "Infinity" and "-Infinity"; dates, times and
    decimal numbers are texts.
    """
    names = [f"{json.dumps(name, ensure_ascii=False)}: " for name in table.column_names]
    columns = [_texts(column, _JSON_FORMS) for column in table.columns]
    for row in zip(*columns, strict=True):
        yield "{" + ", ".join(map("".join, zip(names, row, strict=True))) + "}\n"


_Forms = dict[str, Callable[[Sequence[Any]], list[str]]]


def _texts(column: Any, forms: _Forms) -> list[str]:
    kind = column.type
    if any(one(kind) for one in _AS_TEXT):
        return forms["named"](column.cast(pa.string()).to_pylist())
    if pa.types.is_floating(kind):
        return forms["float"](column.cast(pa.float64()).to_pylist())
    if pa.types.is_boolean(kind):
        return forms["bool"](column.to_pylist())
    return forms["int" if pa.types.is_integer(kind) else "text"](column.to_pylist())


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _number(number: float) -> str:
    if math.isfinite(number):
        return repr(number)
    return "null" if math.isnan(number) else '"Infinity"' if number > 0 else '"-Infinity"'


_CSV_FORMS: _Forms = {
    "float": lambda found: ["" if one is None or one != one else f"{one:.17g}" for one in found],  # noqa: PLR0124 - NaN
    "bool": lambda found: ["" if one is None else "TRUE" if one else "FALSE" for one in found],
    "int": lambda found: ["" if one is None else str(one) for one in found],
    "text": lambda found: ["" if one is None else _quoted(one) for one in found],
    "named": lambda found: ["" if one is None else one for one in found],
}
_JSON_FORMS: _Forms = {
    "float": lambda found: ["null" if one is None else _number(one) for one in found],
    "bool": lambda found: ["null" if one is None else "true" if one else "false" for one in found],
    "int": lambda found: ["null" if one is None else str(one) for one in found],
    "text": lambda found: ["null" if one is None else json.dumps(one, ensure_ascii=False) for one in found],
    "named": lambda found: ["null" if one is None else json.dumps(one, ensure_ascii=False) for one in found],
}
