"""Exports a log as Parquet: one file for each version, as they differ in columns; a first pass learns the columns.

The columns of a file, and their types, are those of the calls whose inputs the model took. A column that came in
several types gets the one that holds them all: 64-bit where integers of both widths came, double where floats came too,
else text. Calls that reached no version share one file without inputs.
"""

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import numpy as np

from bridge.columns import Column, Type
from bridge.prediction_log.export import Exported, ExportFailed, require_new
from bridge.prediction_log.reader import Entry
from bridge.prediction_log.rows import INPUT, SCORE, LoggedCall, read_call, rows_of
from bridge.prediction_log.selection import LogPass, Selection, selected
from bridge.whole import whole_or_nothing

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["export_parquet"]

_GROUP_ROWS, _GROUP_BYTES = 50_000, 64 << 20
_ALL_ROWS = 4 * _GROUP_ROWS
_SLICE_ROWS, _SLICE_BYTES = 2_000, 16 << 20
_NUMBERS = (Type.INT, Type.INT64, Type.FLOAT, Type.DOUBLE)
_MOST_FLOAT = float(np.finfo(np.float32).max)
_Key = tuple[str, int]


class _Learned(NamedTuple):
    columns: dict[_Key, dict[str, Type]]
    last: tuple[Path, int] | None  # the last call of the first pass: calls after it are not written


def export_parquet(
    folder: Path, output: Path, selection: Selection, on_bytes: Callable[[int], None] = lambda _: None
) -> Exported:
    """Writes OUTPUT/MODEL/VERSION.parquet for each version, and OUTPUT/no-version.parquet if calls reached none.

    Reads the log twice, in constant memory. Only the owner can read the folder, which gets its name when it is
    complete. A value of a refused call that its column can't hold is left empty, and counted in `left_out`.

    Args:
        folder: the folder of the log.
        output: the folder to write; must not exist.
        selection: the calls to export.
        on_bytes: called now and then with the number of bytes of the log read since the last time; the numbers add up
            to twice the log's size.

    Raises:
        ExportFailed: the output exists already, its folder does not, or pyarrow is not installed.
        LogNotReadable: there is no log in the folder.
        OSError: the log can't be read, or the output not be written.
    """
    _require_pyarrow()
    require_new(output)
    log = LogPass(folder, on_bytes)
    learned = _learn(log, selection)
    with whole_or_nothing(output, require_new) as temporary:
        temporary.mkdir(mode=0o700)
        done = _write(LogPass(folder, on_bytes), selection, learned, temporary)
    done.damages = log.damages  # the second pass ends at the last call, and may not see all damage
    done.paths = [output / path.relative_to(temporary) for path in done.paths]
    return done


def _require_pyarrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415 - optional, and slow to load
    except ImportError as error:
        raise ExportFailed("Parquet needs pyarrow, which is not installed: install scorebridge-gateway[log]") from error


def _key(call: LoggedCall) -> _Key:
    return (call.record.model, call.record.version) if call.record.version else ("", 0)


def _learn(log: LogPass, selection: Selection) -> _Learned:
    columns: dict[_Key, dict[str, Type]] = {}
    certain: dict[_Key, dict[str, Type]] = {}
    last = None
    for entry in selected(log.entries(), selection):
        call = read_call(entry.record)
        last, key = (entry.segment, entry.offset), _key(call)
        known, strong = columns.setdefault(key, {}), certain.setdefault(key, {})
        if not call.accepted:
            continue
        for prefix, some in ((INPUT, call.inputs or ()), ("", call.looked_up), (SCORE, call.scores)):
            for column in some:
                _add(known, strong, prefix + column.name, column)
    return _Learned({key: known | certain[key] for key, known in columns.items()}, last)


def _add(known: dict[str, Type], strong: dict[str, Type], name: str, column: Column) -> None:
    known.setdefault(name, column.type)
    if column.missing().all():
        return  # a column without values fits every type, so its own type does not count
    strong[name] = _common(strong.get(name, column.type), column.type)


def _common(one: Type, other: Type) -> Type:
    if one is other:
        return one
    if one not in _NUMBERS or other not in _NUMBERS:
        return Type.STRING
    return Type.DOUBLE if one.is_floating or other.is_floating else Type.INT64


def _write(log: LogPass, selection: Selection, learned: _Learned, folder: Path) -> Exported:
    done = Exported()
    files: dict[_Key, _File] = {}
    try:
        for entry in selected(log.entries(), selection):
            call = read_call(entry.record)
            key = _key(call)
            if key in learned.columns:
                if key not in files:
                    files[key] = _File(_path(folder, key), learned.columns[key])
                done.calls += 1
                done.rows += files[key].add(call)
                _limit(files.values())
            if _is(entry, learned.last):
                break
    finally:
        for file in files.values():
            file.close()
    done.paths = [file.path for file in files.values() if file.begun]
    done.left_out = sum(file.left_out for file in files.values())
    return done


def _is(entry: Entry, place: tuple[Path, int] | None) -> bool:
    return place == (entry.segment, entry.offset)


def _path(folder: Path, key: _Key) -> Path:
    model, version = key
    if not version:
        return folder / "no-version.parquet"
    name = quote(model, safe="")
    return folder / (f"%2E{name[1:]}" if name.startswith(".") else name or "%") / f"{version}.parquet"


def _limit(files: Iterable["_File"]) -> None:
    """Writes out the file with the most waiting rows if all files together hold too many, as with many versions."""
    waiting = [file for file in files if file.waiting]
    if sum(file.waiting for file in waiting) > _ALL_ROWS:
        max(waiting, key=lambda file: file.waiting).write_group()


class _File:
    """One Parquet file; turns rows into columns every `_SLICE_ROWS`, and writes a row group every `_GROUP_ROWS`."""

    def __init__(self, path: Path, columns: dict[str, Type]) -> None:
        self.path = path
        self.left_out = 0
        self.begun = False
        self._columns = columns
        self._schema = _schema(columns)
        self._writer: Any = None
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0
        self._batches: list[pa.RecordBatch] = []
        self._batch_rows = 0

    @property
    def waiting(self) -> int:
        """The number of rows that are not written yet."""
        return self._batch_rows + len(self._rows)

    def add(self, call: LoggedCall) -> int:
        """Adds the rows of a call, and returns how many rows it had."""
        count = 0
        for row in rows_of(call):
            self._rows.append(row)
            count += 1
            if len(self._rows) >= _SLICE_ROWS:
                self._slice()
        if count:
            self._bytes += len(call.record.request)
        if self._bytes >= _SLICE_BYTES:
            self._slice()
        return count

    def write_group(self) -> None:
        """Writes all rows that wait as one row group; does nothing if none waits."""
        import pyarrow as pa  # noqa: PLC0415 - optional, and slow to load
        import pyarrow.parquet as pq  # noqa: PLC0415

        if self._rows:
            self._to_columns()
        if not self._batches:
            return
        if self._writer is None:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            self.path.touch(mode=0o600)  # pyarrow would make it readable for all
            self._writer = pq.ParquetWriter(self.path, self._schema)
            self.begun = True
        self._writer.write_table(pa.Table.from_batches(self._batches, self._schema))
        self._batches, self._batch_rows = [], 0

    def close(self) -> None:
        """Writes the rows that still wait, and closes the file."""
        try:
            self.write_group()
        finally:
            if self._writer is not None:
                self._writer.close()

    def _slice(self) -> None:
        self._to_columns()
        size = sum(batch.nbytes for batch in self._batches)
        if self._batch_rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            self.write_group()

    def _to_columns(self) -> None:
        import pyarrow as pa  # noqa: PLC0415 - optional, and slow to load

        arrays = [pa.array([self._value(field.name, row) for row in self._rows], field.type) for field in self._schema]
        known = set(self._schema.names)
        for row in self._rows:
            if self._columns and not row.keys() <= known:
                self.left_out += sum(row[name] is not None for name in row.keys() - known)
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._batch_rows += len(self._rows)
        self._rows, self._bytes = [], 0

    def _value(self, name: str, row: dict[str, Any]) -> Any:
        value = row.get(name)
        if value is None:
            return None
        if name == "labels":
            return sorted(value.items())
        if name == "received_at":
            return int(np.datetime64(value.removesuffix("Z"), "ns").astype(np.int64))
        if name not in self._columns:
            return value
        fitting = _fit(value, self._columns[name])
        self.left_out += fitting is None
        return fitting


def _fit(value: Any, column_type: Type) -> Any:
    """Returns the value converted to a type without any loss; None if that can't be done."""
    if column_type is Type.STRING:
        return value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, bool) or column_type is Type.BOOL:
        return value if isinstance(value, bool) and column_type is Type.BOOL else None
    if isinstance(value, str):
        return None
    if column_type is Type.DOUBLE:
        return float(value) if float(value) == value else None
    if column_type is Type.FLOAT:
        small = abs(value) <= _MOST_FLOAT and float(np.float32(value)) == value
        return float(value) if small or math.isinf(value) else None
    limits = np.iinfo(column_type.dtype)
    return int(value) if value == value // 1 and limits.min <= value <= limits.max else None


def _schema(columns: dict[str, Type]) -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415 - optional, and slow to load

    text, number = pa.string(), pa.int64()
    types: dict[Type, pa.DataType] = {
        Type.DOUBLE: pa.float64(),
        Type.FLOAT: pa.float32(),
        Type.INT: pa.int32(),
        Type.INT64: number,
        Type.BOOL: pa.bool_(),
        Type.STRING: text,
    }
    call: list[tuple[str, pa.DataType]] = [("request_id", text), ("row", number)]
    call += [("row_key", text), ("batch_id", text), ("labels", pa.map_(text, text)), ("caller", text)]
    call += [
        ("model", text),
        ("version", number),
        ("digest", text),
        ("received_at", pa.timestamp("ns", "UTC")),
        ("total_s", pa.float64()),
        ("status", number),
    ]
    call += [("error_reason", text), ("cut", pa.bool_()), ("suppressed", number), ("source", text), ("reason", text)]
    return pa.schema([*call, *((name, types[column_type]) for name, column_type in columns.items())])
