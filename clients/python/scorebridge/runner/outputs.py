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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .vectors import Vector

__all__ = ["outputs_of"]

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


def _named(prediction: Any, rows: int) -> Iterator[tuple[str, Any]]:
    if isinstance(prediction, dict):
        for name, values in prediction.items():
            yield from _element(_checked(name), values, rows)
    elif is_frame(prediction):
        for place, name in enumerate(prediction.columns):
            yield _checked(name), _taken(prediction, place)
    elif isinstance(prediction, np.ndarray):
        yield from _of_array(prediction, rows)
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
    _require_matrix(values, rows, f"the output '{name}' is")
    if values.shape[1] == 1:
        yield name, values[:, 0]
    else:
        yield from ((f"{name}.{place}", values[:, place - 1]) for place in range(1, values.shape[1] + 1))


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
    return str(name)
