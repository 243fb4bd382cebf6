"""Writes and reads golden.csv: input columns, then the expected scores in columns named `score.<output>`.

Numbers have 17 significant digits, text is always quoted, missing is empty and unquoted, lines end in LF, UTF-8.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from scorebridge.authoring.conditions import BundleNotWritten
from scorebridge.runner.vectors import DTYPES, Vector

__all__ = ["golden_csv", "read_golden_csv"]

_MOST_BYTES = 64 << 20  # what a gateway reads
_PREFIX = "score."
_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\n]*))([,\n])')


def golden_csv(inputs: Sequence[Vector], scores: Sequence[Vector]) -> bytes:
    """Returns the bytes of a golden file.

    Args:
        inputs: the columns of the features.
        scores: the outputs, of as many rows.

    Raises:
        BundleNotWritten: a text is not UTF-8, or the file would be larger than the 64 MiB that a gateway reads.
    """
    header = [_quoted(vector.name) for vector in inputs] + [_quoted(_PREFIX + vector.name) for vector in scores]
    columns = [_cells(vector) for vector in (*inputs, *scores)]
    text = "".join(",".join(row) + "\n" for row in (header, *zip(*columns, strict=True)))
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise BundleNotWritten("a text of the golden rows, or of their scores, is not UTF-8") from error
    if len(raw) > _MOST_BYTES:
        raise BundleNotWritten(f"golden.csv would be larger than {_MOST_BYTES >> 20} MiB: give fewer golden rows")
    return raw


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _cells(vector: Vector) -> list[str]:
    values = vector.values.tolist()
    if vector.type in ("double", "float"):
        return ["" if value != value else f"{value:.17g}" for value in values]  # noqa: PLR0124 - NaN differs from itself
    if vector.type == "factor":
        values = [vector.levels[code] for code in values]
    absent = [False] * len(values) if vector.mask is None else vector.mask.tolist()
    return ["" if gone else _cell(value) for value, gone in zip(values, absent, strict=True)]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return _quoted(value) if isinstance(value, str) else str(value)


def read_golden_csv(raw: bytes, described: Sequence[Vector]) -> list[Vector]:
    """Returns the columns of a golden file that `golden_csv` wrote.

    Args:
        raw: the file's bytes.
        described: a column for each one of the file, in their order, which says its name, type and levels.
    """
    cells = [(match[1], match[2] or "") for match in _CELL.finditer(raw.decode())]
    width = len(described)
    return [_column(vector, cells[place + width :: width]) for place, vector in enumerate(described)]


def _column(vector: Vector, cells: Sequence[tuple[str | None, str]]) -> Vector:
    missing = np.array([quoted is None and not bare for quoted, bare in cells], np.bool_)
    values = np.empty(len(cells), DTYPES[vector.type])
    values[:] = [_value(vector, quoted, bare) for quoted, bare in cells]
    masked = bool(missing.any()) and vector.type not in ("double", "float")
    return vector._replace(values=values, mask=missing if masked else None)


def _value(vector: Vector, quoted: str | None, bare: str) -> Any:
    """Returns what a cell holds, or a placeholder if it is missing."""
    text = bare if quoted is None else quoted.replace('""', '"')
    if vector.type == "string":
        return text
    if vector.type == "factor":
        return 0 if quoted is None else vector.levels.index(text)
    if vector.type in ("double", "float"):
        return float(text) if text else np.nan
    return text == "TRUE" if vector.type == "bool" else int(text or 0)
