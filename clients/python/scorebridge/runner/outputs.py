"""Turns what a function returned into typed and named columns; what reads two ways is refused, not guessed.

Serving and reconciliation share these rules, as they share the function. pandas and polars are never imported here: who
has not imported them has returned nothing of theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .conditions import Malformed, class_name
from .output_columns import column_of, is_frame, is_series
from .refusals import refuse
from .vectors import all_missing, says_nothing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .vectors import Vector

__all__ = ["joined", "one_row", "outputs_of"]

_MOST_OUTPUTS = 16_384


def outputs_of(prediction: Any, rows: int) -> list[Vector]:
    """Returns the outputs of a prediction, each with one value for each row.

    Args:
        prediction: what the function returned: an array, a list of scores, a dict of arrays, a series or a frame.
        rows: the number of rows that the function was given.

    Raises:
        Malformed: it is something else, or has not one score for each row.
    """
    vectors: list[Vector] = []
    for name, values in _named(prediction, rows):
        if len(vectors) == _MOST_OUTPUTS:
            raise Malformed(f"predict returned more than {_MOST_OUTPUTS} outputs")
        vectors.append(column_of(name, values, rows))
    if not vectors:
        raise Malformed(f"predict returned {class_name(prediction)} without any output")
    names = [vector.name for vector in vectors]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"predict returned two outputs of the name '{twice}'")
    return vectors


def one_row(prediction: Any) -> Any:
    """Returns the prediction of a single row with a list for each score that is alone, and for a dict's None."""
    if isinstance(prediction, dict):
        return {name: [None] if value is None else _listed(value) for name, value in prediction.items()}
    return _listed(prediction)


def _listed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [value[()]] if value.ndim == 0 else value
    return [value] if isinstance(value, (bool, int, float, str, np.generic)) else value


def joined(parts: list[list[Vector]]) -> list[Vector]:
    """Returns the outputs of single rows as one.

    Raises:
        Malformed: a row has outputs of other names or types than those before it, or there is no row.
    """
    if not parts:
        raise Malformed("there is no row to score")
    names = [vector.name for vector in parts[0]]
    for row, part in enumerate(parts):
        if [vector.name for vector in part] != names:
            raise Malformed(f"row {row} gave outputs of other names than row 0")
    return [_end_to_end([part[place] for part in parts]) for place in range(len(names))]


def _end_to_end(vectors: list[Vector]) -> Vector:
    kind = next((vector.type for vector in vectors if not says_nothing(vector)), "bool")
    for row, vector in enumerate(vectors):
        if vector.type != kind and not says_nothing(vector):
            raise Malformed(f"row {row} gave the output '{vector.name}' as {vector.type}, and rows before it as {kind}")
    parts = [vector if vector.type == kind else all_missing(vector.name, kind, 1) for vector in vectors]
    values = np.concatenate([part.values for part in parts])
    if all(part.mask is None for part in parts):
        return parts[0]._replace(values=values)
    masks = [np.zeros(1, np.bool_) if part.mask is None else part.mask for part in parts]
    return parts[0]._replace(values=values, mask=np.concatenate(masks))


def _named(prediction: Any, rows: int) -> Iterator[tuple[str, Any]]:
    if isinstance(prediction, dict):
        for name, values in prediction.items():
            yield from _element(_checked(name), values, rows)
    elif is_frame(prediction):
        for place, name in enumerate(prediction.columns):
            yield _checked(name), _taken(prediction, place)
    elif isinstance(prediction, np.ndarray):
        yield from _of_array(_plain(prediction), rows)
    elif is_series(prediction) or isinstance(prediction, (list, tuple)):
        yield "score", prediction
    else:
        refuse(prediction)


def _of_array(array: Any, rows: int) -> Iterator[tuple[str, Any]]:
    if array.ndim == 1:
        yield "score", array
        return
    _require_matrix(array, rows, "predict returned")
    if array.shape[1] == 1:
        yield "score", array[:, 0]
    else:
        yield from ((f"score_{place}", array[:, place - 1]) for place in range(1, array.shape[1] + 1))


def _element(name: str, values: Any, rows: int) -> Iterator[tuple[str, Any]]:
    """Yields the columns of one element of a dict: `name`, or `name.1` and so on for those of a matrix."""
    if not isinstance(values, np.ndarray) or values.ndim == 1:
        yield name, values
        return
    values = _plain(values)
    _require_matrix(values, rows, f"the output '{name}' is")
    if values.shape[1] == 1:
        yield name, values[:, 0]
    else:
        yield from ((f"{name}.{place}", values[:, place - 1]) for place in range(1, values.shape[1] + 1))


def _plain(array: Any) -> Any:
    """Returns a numpy.matrix as the array that it is: a column of one is a matrix again."""
    return np.asarray(array) if isinstance(array, np.matrix) else array


def _require_matrix(array: Any, rows: int, what: str) -> None:
    """Raises Malformed unless an array has two dimensions, the first of which is that of the rows."""
    if array.ndim == 2 and len(array) == rows and array.shape[1]:  # noqa: PLR2004 - rows and columns
        return
    shape = " x ".join(map(str, array.shape)) or "a number without rows"
    raise Malformed(
        f"{what} an array of {shape} for {rows} {'row' if rows == 1 else 'rows'}: return one score for each row, or a "
        "matrix with a row for each"
    )


def _taken(frame: Any, place: int) -> Any:
    """Returns a column of a frame of pandas or polars by its place: names may be there twice."""
    return frame.iloc[:, place] if hasattr(frame, "iloc") else frame.to_series(place)


def _checked(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise Malformed(
            f"predict returned an output whose name is {class_name(name)}: names must be texts of a character or more"
        )
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise Malformed("predict returned an output whose name is not UTF-8") from error
    return str.__str__(name)  # what inherits from str may say something else of itself
