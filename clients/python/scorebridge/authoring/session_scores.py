"""Compares the session's own scores of the golden rows with the bundle's.

A silent change on the way into a bundle, as of a column's type or of an order, shows as a different score.
"""

import random
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from scorebridge.authoring.conditions import BundleNotWritten
from scorebridge.authoring.golden import Golden, missing_rows
from scorebridge.columns import library
from scorebridge.runner.arguments import arrays, frame
from scorebridge.runner.conditions import Malformed, class_name, told
from scorebridge.runner.outputs import outputs_of
from scorebridge.runner.vectors import Vector

__all__ = ["compare_session", "first_difference"]

_SEED = 1  # a gateway's, unless model.toml says another
_OBJECTS = ("object", "str", "string")


def compare_session(
    predict: Callable[..., Any],
    golden: Golden,
    vectors: Sequence[Vector],
    found: Sequence[Vector],
    *,
    frame_parameter: str | None,
    row_by_row: bool,
) -> None:
    """Requires that the session and the bundle give the same scores, to the bit.

    Args:
        predict: the function of the session.
        golden: the golden rows as they were given.
        vectors: the golden rows as the bundle got them.
        found: the bundle's scores.
        frame_parameter: the parameter that takes the golden rows as a frame; None if each column has its own.
        row_by_row: whether each row is scored by a call of its own.

    Raises:
        BundleNotWritten: the function fails in this session, or gives something else there.
    """
    arguments = _frames(golden, vectors, frame_parameter) if frame_parameter else _arrays(golden, vectors)
    hint = _told_apart(golden, arguments, vectors, framed=frame_parameter is not None)
    try:
        wanted = _scores(predict, arguments, golden.rows, row_by_row=row_by_row)
    except Exception as error:
        raised = "" if isinstance(error, Malformed) else f"{class_name(error)}: "
        raise BundleNotWritten(
            f"the bundle scores the golden rows, but in this session predict fails on them: {raised}{told(error)}{hint}"
        ) from error
    if (difference := first_difference(wanted, found)) is not None:
        raise BundleNotWritten(f"the bundle gives other scores than predict does in this session: {difference}{hint}")


def first_difference(wanted: Sequence[Vector], found: Sequence[Vector]) -> str | None:
    """Returns in what two predictions of the same rows differ, in words; None if they are equal to the bit.

    An output without any value may have any type, as it does in a gateway's answers.
    """
    if [one.name for one in wanted] != [one.name for one in found]:
        return "its outputs have other names"
    pairs = [(one, other) for one, other in zip(wanted, found, strict=True) if not _says_nothing(one, other)]
    if any(one.type != other.type for one, other in pairs):
        return "its outputs have other types"
    for one, other in pairs:
        missing = missing_rows(one)
        equal = (missing & missing_rows(other)) | (~missing & ~missing_rows(other) & (_bits(one) == _bits(other)))
        if not equal.all():
            return f"output '{one.name}' differs in {int((~equal).sum())} of {len(equal)} rows"
    return None


def _says_nothing(one: Vector, other: Vector) -> bool:
    return bool(missing_rows(one).all() and missing_rows(other).all())


def _bits(vector: Vector) -> Any:
    integers = {"double": np.int64, "float": np.int32}.get(vector.type)
    return vector.values if integers is None else np.ascontiguousarray(vector.values).view(integers)


def _arrays(golden: Golden, vectors: Sequence[Vector]) -> dict[str, Any]:
    """Returns the arrays that the function gets in this session: the golden columns' own, where they are arrays."""
    return {vector.name: _own(golden.columns[vector.name], vector) for vector in vectors}


def _own(column: Any, vector: Vector) -> Any:
    if isinstance(column, np.ndarray):
        return column.copy()
    if library(column) == "polars":
        return column.to_numpy(writable=True)
    dtype = getattr(column, "dtype", None)
    if library(column) == "pandas" and (isinstance(dtype, np.dtype) or str(dtype) in _OBJECTS):
        return column.to_numpy(copy=True)
    return arrays([vector])[vector.name]


def _frames(golden: Golden, vectors: Sequence[Vector], parameter: str) -> dict[str, Any]:
    given = golden.given.copy() if golden.is_pandas else frame(vectors, golden.rows)
    return {parameter: given}


def _scores(predict: Callable[..., Any], arguments: dict[str, Any], rows: int, *, row_by_row: bool) -> list[Vector]:
    with _seeded(), warnings.catch_warnings(), _one_thread():
        warnings.simplefilter("ignore")
        if not row_by_row:
            return outputs_of(predict(**arguments), rows)
        parts = [_one(predict(**{name: _row(value, row) for name, value in arguments.items()})) for row in range(rows)]
    described = [(vector.name, vector.type) for vector in parts[0]]
    if any([(vector.name, vector.type) for vector in part] != described for part in parts):
        raise Malformed("its rows have outputs of different names or types")
    return [_joined([part[place] for part in parts]) for place in range(len(described))]


def _row(value: Any, row: int) -> Any:
    return value.iloc[row : row + 1].reset_index(drop=True) if hasattr(value, "iloc") else value[row : row + 1]


def _one(prediction: Any) -> list[Vector]:
    scalar = isinstance(prediction, (bool, int, float, str)) or getattr(prediction, "shape", None) == ()
    return outputs_of([prediction] if scalar else prediction, 1)


def _joined(vectors: list[Vector]) -> Vector:
    masks = np.concatenate([missing_rows(vector) for vector in vectors])
    masked = vectors[0].type not in ("double", "float") and bool(masks.any())
    values = np.concatenate([vector.values for vector in vectors])
    return vectors[0]._replace(values=values, mask=masks if masked else None)


@contextmanager
def _seeded() -> Iterator[None]:
    """Sets the seeds that a worker sets, and puts the session's generators of random numbers back afterwards."""
    torch = sys.modules.get("torch")
    state, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002 - models use it
    tensors = torch.random.get_rng_state() if torch is not None else None
    random.seed(_SEED)
    np.random.seed(_SEED)  # noqa: NPY002 - models use it
    if torch is not None:
        torch.manual_seed(_SEED)
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numbers)  # noqa: NPY002 - models use it
        if torch is not None:
            torch.random.set_rng_state(tensors)


def _one_thread() -> Any:
    """Keeps linear algebra at one thread, as in a worker, where the library that can do so was imported."""
    limits = getattr(sys.modules.get("threadpoolctl"), "threadpool_limits", None)
    return nullcontext() if limits is None else limits(1)


def _told_apart(golden: Golden, arguments: dict[str, Any], vectors: Sequence[Vector], *, framed: bool) -> str:
    """Returns the end of a sentence: the columns that the function gets in another form here than in the bundle."""
    if framed:
        (here,) = arguments.values()
        there = frame(vectors, golden.rows)
        pairs = [(name, str(here[name].dtype), str(there[name].dtype)) for name in there.columns]
    else:
        there = arrays(vectors)
        pairs = [(name, _form(arguments[name]), _form(there[name])) for name in there]
    changed = [
        f"column '{name}' is {one} in this session and {other} in the bundle"
        for name, one, other in pairs
        if one != other
    ]
    return f" ({', '.join(changed[:5])})" if changed else ""


def _form(values: Any) -> str:
    """Returns the type of an array, with how its missing values are written."""
    if values.dtype.kind != "O":
        return "text" if values.dtype.kind == "U" else str(values.dtype)
    absent = sorted({class_name(one) for one in values if one is None or one != one})  # noqa: PLR0124 - NaN differs
    kinds = sorted({class_name(one) for one in values if one is not None and one == one})  # noqa: PLR0124 - NaN differs
    words = "text" if kinds == ["str"] else " and ".join(kinds) or "missing"
    return words + (f" with {' and '.join(absent)} where it is missing" if absent and kinds else "")
