"""The binary files of calls and answers of a reconciliation; rscripts/reconcile.R states their format.

Python has three types more: whole numbers of 64 bits (5) and of 32 bits (7), followed by a byte for each row that is 1
where the number is missing, and 32-bit floats (6).
"""

from collections.abc import Sequence
from contextlib import suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path

import numpy as np

from bridge.columns import INT_MIN, Array, Batch, Column, Matrix, Type
from bridge.features.feature import Feature
from bridge.reconcile.calls import LoggedBatch
from bridge.reconcile.compare import Failure, Rescored

__all__ = ["read_answers", "read_said", "write_calls", "write_declared"]

_NA_REAL_BITS = 0x7FF00000000007A2
_CODES = {Type.DOUBLE: 1, Type.FLOAT: 1, Type.INT64: 1, Type.INT: 2, Type.BOOL: 3, Type.STRING: 4}
_OF_PYTHON = _CODES | {Type.INT: 5, Type.INT64: 5}
_TYPES = {1: Type.DOUBLE, 2: Type.INT, 3: Type.BOOL, 4: Type.STRING, 5: Type.INT64, 6: Type.FLOAT, 7: Type.INT}
_MASKED = (5, 7)


def write_declared(path: Path, features: Sequence[Feature]) -> None:
    """Writes the features that model.toml declares: their types, levels and rules for unknown levels."""
    with path.open("wb") as file:
        _put_ints(file, len(features))
        for feature in features:
            _put_texts(file, [feature.name])
            _put_texts(file, ["ordered" if feature.ordered else str(feature.type)])
            _put_ints(file, len(feature.levels))
            _put_texts(file, feature.levels)
            _put_texts(file, [feature.unknown_level])


def write_calls(path: Path, batches: Sequence[Batch], *, for_python: bool = False) -> None:
    """Writes the rows of calls; every double keeps its bits.

    Args:
        path: the file to write.
        batches: the rows of each call.
        for_python: whether Python reads them, so that whole numbers stay whole whatever their size.
    """
    codes = _OF_PYTHON if for_python else _CODES
    with path.open("wb") as file:
        _put_ints(file, len(batches))
        for batch in batches:
            columns = _columns(batch)
            _put_ints(file, batch.rows, len(columns))
            for column in columns:
                _put_column(file, column, codes[column.type])


def read_answers(path: Path, logged_batches: Sequence[LoggedBatch]) -> list[Rescored | Failure]:
    """Reads the answers to batches and removes the file; an answer that is cut short, where R ended, is left out."""
    results: list[Rescored | Failure] = []
    if path.exists():
        with path.open("rb") as file, suppress(EOFError):
            for logged_batch in logged_batches:
                results.append(_get_answer(file, logged_batch.batch.rows))  # noqa: PERF401 - those before the end count
        path.unlink()
    return results


def _columns(batch: Batch) -> Sequence[Column]:
    if isinstance(batch, Matrix):
        return batch.table(batch.names or [""] * batch.values.shape[1]).columns
    return batch.columns


def _put_ints(file: BufferedWriter, *values: int) -> None:
    file.write(np.array(values, "<i4").tobytes())


def _put_texts(file: BufferedWriter, texts: Sequence[str | None]) -> None:
    raw = [None if text is None else text.encode() for text in texts]
    _put_ints(file, *(-1 if text is None else len(text) for text in raw))
    file.write(b"".join(text for text in raw if text))


def _put_column(file: BufferedWriter, column: Column, code: int) -> None:
    missing = column.missing()
    _put_texts(file, [column.name])
    _put_ints(file, code)
    if column.type is Type.STRING:
        _put_texts(file, [None if absent else text for text, absent in zip(column.values, missing, strict=True)])
    elif code == _CODES[Type.DOUBLE]:
        values = column.values.astype("<f8")
        values.view("<u8")[missing] = _NA_REAL_BITS
        file.write(values.tobytes())
    elif code == _OF_PYTHON[Type.INT64]:
        file.write(column.values.astype("<i8").tobytes() + missing.astype("u1").tobytes())
    else:
        numbers = column.values.astype("<i4")
        numbers[missing] = INT_MIN
        file.write(numbers.tobytes())


def _get(file: BufferedReader, count: int) -> bytes:
    raw = file.read(count)
    if len(raw) < count:
        raise EOFError
    return raw


def _get_ints(file: BufferedReader, count: int) -> Array:
    return np.frombuffer(_get(file, 4 * count), "<i4")


def _get_texts(file: BufferedReader, count: int) -> list[str | None]:
    lengths = _get_ints(file, count).tolist()
    return [None if length < 0 else _get(file, length).decode() for length in lengths]


def _get_column(file: BufferedReader, rows: int) -> Column:
    name = _get_texts(file, 1)[0] or ""
    code = int(_get_ints(file, 1)[0])
    column_type = _TYPES[code]
    if column_type.is_floating:
        kind = column_type.dtype
        return Column(name, column_type, np.frombuffer(_get(file, kind.itemsize * rows), kind))
    if code in _MASKED:
        kind = column_type.dtype
        whole = np.frombuffer(_get(file, kind.itemsize * rows), kind)
        return Column(name, column_type, whole, np.frombuffer(_get(file, rows), np.bool_))
    if column_type is Type.STRING:
        texts = _get_texts(file, rows)
        values = np.empty(rows, object)
        values[:] = ["" if text is None else text for text in texts]
        return Column(name, column_type, values, np.array([text is None for text in texts], np.bool_))
    numbers = _get_ints(file, rows)
    mask = numbers == INT_MIN
    return Column(name, column_type, np.where(mask, 0, numbers).astype(column_type.dtype), mask)


def _get_answer(file: BufferedReader, rows: int) -> Rescored | Failure:
    if _get_ints(file, 1)[0] != 0:
        return Failure(_get_texts(file, 1)[0] or "")
    count = int(_get_ints(file, 1)[0])
    return Rescored(tuple(_get_column(file, rows) for _ in range(count)))


def read_said(path: Path) -> str:
    """Reads what R wrote when it loaded the model: its engine, or why it can't; empty if the text is cut short."""
    with path.open("rb") as file:
        try:
            return _get_texts(file, 1)[0] or ""
        except EOFError:
            return ""
