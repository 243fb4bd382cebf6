"""A file of JSON lines of a run: an object a line, a name that is not there is missing, a bad line costs itself."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bridge.columns import INT_MAX, INT_MIN, Column, Type
from bridge.row_files.chunk_building import INVALID_VALUE, MALFORMED_ROW, Fault, Faults, build_chunk
from bridge.row_files.csv_numbers import NoNumber, read_double, read_whole
from bridge.row_files.csv_text import TextError, read_lines
from bridge.row_files.input_chunk import InputChunk
from bridge.row_files.input_files import InputFile
from bridge.row_files.json_lines import BadLine, JsonNumber, read_object
from bridge.row_files.partition import Partition
from bridge.row_files.source_errors import SourceError
from bridge.row_files.wanted import Wanted

__all__ = ["JsonRows"]

_PIECE_BYTES = 1 << 16
_BEGIN_ROWS = 1000  # which show what the file's columns are
_RANGES = {Type.INT: (INT_MIN + 1, INT_MAX), Type.INT64: (-(2**63), 2**63 - 1)}


class JsonRows:
    """A file of JSON lines whose first 1,000 rows fit what the run wants.

    Attributes:
        types: "JSON" for each column that the run takes; columns without a type have that of their first value.
        echo_schema: the schema of the columns to copy: text, numbers with the digits that they are written with.
        rows: None, because it is not known before all are read.
        row_groups: empty.

    Raises:
        SourceError: the file can't be read, or its rows lack a column, or have one that the model does not know.
    """

    def __init__(self, file: InputFile, wanted: Wanted) -> None:
        self.path = file.path
        self.rows: int | None = None
        self.row_groups: tuple[int, ...] = ()
        self._wanted = wanted
        self._partition = Partition(file.path, file.partition, wanted)
        with closing(self.open()) as reader:
            begin = [self._object(line, {}, 0) for line in reader.lines(_BEGIN_ROWS)]
        there = dict.fromkeys(name for one in begin for name in one)
        expected = (*wanted.echoed, *(one.name for one in wanted.features))
        names = (*there, *self._partition.texts) if any(begin) else dict.fromkeys(expected)
        # A feature that is in no row is not sent: the model has a default for it, and missing is something else.
        self._sent = wanted.sent([*names], self.path)
        self._types = {name: wanted.feature(name).type or _type_in(begin, name) for name in self._sent}
        self.types: Mapping[str, str] = dict.fromkeys((*self._sent, *wanted.echoed), "JSON") | {
            name: f"JSON's {kind}" for name, kind in self._types.items()
        }
        self.echo_schema = pa.schema([pa.field(name, pa.string()) for name in wanted.echoed])

    def open(self) -> "_JsonReader":
        """Opens the file to read its rows."""
        return _JsonReader(self)

    def chunk(self, lines: Sequence[str], number: int, first: int) -> InputChunk:
        """Returns rows of the file as a chunk."""
        faults: Faults = {}
        objects = [self._object(line, faults, row) for row, line in enumerate(lines)]
        known = {*self._sent, *self.echo_schema.names}
        unknown = dict.fromkeys(name for one in objects for name in one if name not in known)
        features = {one.name for one in self._wanted.features}
        extra = next((name for name in unknown if name in features or not self._wanted.ignore_extra), None)
        if extra is not None:
            raise SourceError(f"{self.path}, near row {first + 1}: {self._why_extra(extra)}")
        columns = [self._column(name, objects, faults) for name in self._sent]
        texts = {name: self._texts(name, objects, faults) for name in self.echo_schema.names}
        copied = [pa.array(texts[name], pa.string()) for name in self.echo_schema.names]
        empty = pa.table({"": pa.nulls(len(lines))}).select([])
        echoed = pa.Table.from_arrays(copied, schema=self.echo_schema) if copied else empty
        key = self._wanted.key
        keys = None if key is None else [text or "" for text in texts[key]]
        return build_chunk((number, self.path, first), columns, echoed, keys=keys, key_column=key, faults=faults)

    def _why_extra(self, name: str) -> str:
        if any(one.name == name for one in self._wanted.features):
            return f"none of the first {_BEGIN_ROWS} rows has '{name}': write it there too, as null where it is missing"
        remedy = "--keep copies such a column to the output, --ignore-extra ignores all of them"
        return f"the model does not know '{name}': {remedy}"

    def _object(self, line: str, faults: Faults, row: int) -> dict[str, Any]:
        try:
            return read_object(line)
        except BadLine as error:
            faults[row] = Fault("", MALFORMED_ROW, str(error))
            return {}

    def _column(self, name: str, objects: Sequence[Mapping[str, Any]], faults: Faults) -> Column:
        if name in self._partition.texts:
            return self._partition.column(name, len(objects))
        kind = self._types[name]
        kind = Type.DOUBLE if kind.is_floating else Type.STRING if kind is Type.FACTOR else kind
        values = np.zeros(len(objects), kind.dtype)
        if kind is Type.STRING:
            values[:] = ""
        mask = np.zeros(len(objects), np.bool_)
        for row, one in enumerate(objects):
            given = one.get(name)
            try:
                mask[row] = given is None
                values[row] = values[row] if given is None else _value(given, kind)
            except NoNumber as error:
                said = f"not of type {kind}: {error}".removesuffix(": ")
                faults.setdefault(row, Fault(name, INVALID_VALUE, said))
                mask[row] = True
        if kind.is_floating:
            return Column(name, kind, np.where(mask, np.nan, values))
        return Column(name, kind, values, mask if mask.any() else None)

    def _texts(self, name: str, objects: Sequence[Mapping[str, Any]], faults: Faults) -> list[str | None]:
        if name in self._partition.texts:
            return [self._partition.texts[name]] * len(objects)
        texts: list[str | None] = []
        for row, one in enumerate(objects):
            given = one.get(name)
            if isinstance(given, dict | list):
                faults.setdefault(row, Fault(name, INVALID_VALUE, "an array or an object can't be copied"))
                given = None
            elif name == self._wanted.key and not _may_be_key(given):
                faults.setdefault(row, Fault(name, INVALID_VALUE, "a key must be text or a whole number"))
            texts.append(str(given).lower() if isinstance(given, bool) else None if given is None else str(given))
        return texts


def _type_in(objects: Sequence[Mapping[str, Any]], name: str) -> Type:
    """Returns the type of the first value of a column; double if there is none."""
    given = next((one[name] for one in objects if one.get(name) is not None), None)
    if isinstance(given, bool):
        return Type.BOOL
    return Type.STRING if isinstance(given, str) and not isinstance(given, JsonNumber) else Type.DOUBLE


def _may_be_key(given: Any) -> bool:
    if isinstance(given, JsonNumber):
        return given.removeprefix("-").isdecimal()
    return given is None or isinstance(given, str)


def _value(given: Any, kind: Type) -> float | bool | str:
    if isinstance(given, JsonNumber):
        if kind is Type.DOUBLE:
            return read_double(given)
        if kind in _RANGES:
            return read_whole(given, *_RANGES[kind])
    elif (isinstance(given, bool) and kind is Type.BOOL) or (isinstance(given, str) and kind is Type.STRING):
        if isinstance(given, str) and "\0" in given:
            raise NoNumber("the text holds a NUL character")
        return given
    raise NoNumber


class _JsonReader:
    """Reads the lines of a file; blank ones at its end are no rows."""

    def __init__(self, file: JsonRows) -> None:
        self._file = file
        try:
            self._raw = Path(file.path).open("rb")  # noqa: SIM115 - close() closes it
        except OSError as error:
            raise SourceError(f"{file.path} can't be read: {error.strerror}") from error
        self._rows = _without_last_blank(read_lines(iter(lambda: self._raw.read(_PIECE_BYTES), b""), "utf-8"))

    def lines(self, rows: int) -> list[str]:
        """Returns the next lines."""
        try:
            return list(islice(self._rows, rows))
        except TextError as error:
            raise SourceError(f"{self._file.path}: {error}; JSON lines are UTF-8: write the file again") from error
        except OSError as error:
            raise SourceError(f"{self._file.path} can't be read: {error.strerror}") from error

    def skip(self, rows: int) -> int:
        return len(self.lines(rows))

    def read(self, rows: int, number: int, first: int) -> InputChunk | None:
        lines = self.lines(rows)
        return self._file.chunk(lines, number, first) if lines else None

    def position(self) -> int:
        return 0 if self._raw.closed else self._raw.tell()

    def close(self) -> None:
        self._raw.close()


def _without_last_blank(lines: Iterator[str]) -> Iterator[str]:
    blank: list[str] = []
    for line in lines:
        if not line.strip():
            blank.append(line)
            continue
        yield from blank
        blank.clear()
        yield line
