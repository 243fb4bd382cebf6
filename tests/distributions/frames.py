"""Prints, in JSON, what the client sends of columns in the pandas and pyarrow of the environment that it is run in."""

import json
import math
import sys
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scorebridge.columns import build_column

COLUMNS: dict[str, Any] = {
    "text": pd.Series(["a", None, "é"]),
    "string": pd.Series(["a", None, "é"], dtype="string"),
    "labels": pd.Index(["a", "b", "é"]),
    "category of text": pd.Series(["b", None, "a"], dtype="category"),
    "category of whole numbers": pd.Series([8, 7, 8], dtype="category"),
    "nullable whole numbers": pd.Series([1, None, 3], dtype="Int64"),
    "whole numbers of arrow": pd.Series([1, None, 3], dtype="int64[pyarrow]"),
    "truth values": pd.Series([True, None, False], dtype="boolean"),
    "fractions": pd.Series([0.5, np.nan, 2.0]),
    "whole numbers": pd.Series([1, 2, 3]),
    "text of arrow": pa.array(["a", None, "é"]),
    "chunks of arrow": pa.chunked_array([[0.5, None], [2.0]]),
    "times": pd.Series(np.array(["2026-01-01", "NaT", "2026-01-03"], "datetime64[s]")),
    "other things": pd.Series([b"a", None, b"c"]),
}


def _sent(name: str, values: Any) -> list[Any] | str:
    try:
        column = build_column(name, values)
    except TypeError as error:
        return str(error).partition(": ")[2]  # without the column's dtype, whose name differs
    kind = str(column.WhichOneof("values"))
    cells = list(getattr(column, kind).values)
    for row, cell in enumerate(cells):
        if row in column.missing_rows or (isinstance(cell, float) and math.isnan(cell)):
            cells[row] = None
    return [kind, *cells]


if __name__ == "__main__":
    json.dump({name: _sent(name, values) for name, values in COLUMNS.items()}, sys.stdout)
