"""Golden rows: inputs with their expected scores, which a version must reproduce (R's `identical`) before it serves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bridge.columns import Array, Column, Table, Type
from bridge.errors import BundleError
from bridge.features.feature import Feature, by_name
from bridge.files import read_regular
from bridge.row_files.csv_cells import Cell, CellError, column_names, place, read_cells
from bridge.row_files.csv_columns import parse_column

__all__ = ["FILE_NAME", "GoldenRows", "compare", "read_golden"]

FILE_NAME = "golden.csv"
_MOST_BYTES = 64 << 20
_SCORE_PREFIX = "score."


@dataclass(frozen=True, slots=True, eq=False)
class GoldenRows:
    """The golden rows of a bundle.

    Attributes:
        inputs: the input columns, as a caller would send them.
        expected: for each output, by name, the expected score of each row, as the text of its cell: the cells get a
            type only when they are compared, from the model's answer.
    """

    inputs: Table
    expected: dict[str, list[Cell]]


def read_golden(bundle: Path, features: Sequence[Feature]) -> GoldenRows | None:
    """Reads the golden rows of a bundle; None if it has none. Types come from the features, never from the cells.

    Raises:
        BundleError: the file is not a regular one, larger than 64 MiB or not CSV, a column is not a feature, is there
            twice or has no declared type, or a cell is not of its column's type.
        OSError: the file can't be read.
    """
    path = bundle / FILE_NAME
    if not path.exists():
        return None
    try:
        rows = read_cells(read_regular(path, _MOST_BYTES).decode("utf-8-sig"))
        return _typed(rows, features)
    except (CellError, UnicodeDecodeError) as error:
        raise BundleError(f"{FILE_NAME}: {error}") from error


def _typed(rows: list[list[Cell]], features: Sequence[Feature]) -> GoldenRows:
    if len(rows) < 2:  # noqa: PLR2004 - a header and a row
        raise CellError("there is no row in it")
    known = by_name(features)
    inputs: list[Column] = []
    expected: dict[str, list[Cell]] = {}
    for position, name in enumerate(column_names(rows[0])):
        cells = [row[position] for row in rows[1:]]
        if name in known:
            feature_type = known[name].type
            if feature_type is None:
                raise CellError(f"column '{name}' has no type; declare it in [features]")
            inputs.append(parse_column(name, feature_type, cells))
        elif name.startswith(_SCORE_PREFIX):
            expected[name.removeprefix(_SCORE_PREFIX)] = cells
        else:
            raise CellError(f"column '{name}' is neither a feature of the model nor named 'score.<output>'")
    if not expected:
        raise CellError("there is no column 'score.<output>' in it")
    return GoldenRows(Table(tuple(inputs), len(rows) - 1), expected)


def compare(golden: GoldenRows, scores: Sequence[Column], tolerance: float = 0.0) -> None:
    """Compares the scores that the model gave to the golden rows with those that are expected.

    Args:
        golden: the rows and their expected scores.
        scores: one column per output, in the rows' order.
        tolerance: the largest difference of two numbers that still counts as equal; 0 asks for what R calls identical.

    Raises:
        BundleError: the names of the outputs differ, or a score; the message counts the rows that differ and names
            the first of them.
    """
    names = [column.name for column in scores]
    if sorted(names) != sorted(golden.expected):
        raise BundleError(f"{FILE_NAME} expects the outputs {sorted(golden.expected)}, the model gives {sorted(names)}")
    for column in scores:
        cells = golden.expected[column.name]
        try:
            expected = parse_column(column.name, column.type, cells)
        except CellError as error:
            raise BundleError(f"{FILE_NAME}: score.{column.name} is not of the output's type: {error}") from error
        differs = _differs(expected, column, tolerance)
        if differs.any():
            raise BundleError(
                f"golden rows don't come out: output '{column.name}' differs in {int(differs.sum())} of {len(column)} "
                f"rows, first in {place(int(differs.argmax()))}"
            )


def _differs(expected: Column, actual: Column, tolerance: float) -> Array:
    missing = expected.missing()
    if expected.type in {Type.STRING, Type.BOOL} or not tolerance:
        unequal = expected.values != actual.values
    else:
        unequal = ~np.isclose(expected.values, actual.values, rtol=0, atol=tolerance)
    return np.asarray((missing != actual.missing()) | (~missing & unequal))
