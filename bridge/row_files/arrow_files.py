"""Files of Arrow's types for a run: Parquet, Arrow IPC in its two forms, and the answer of a query to DuckDB."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bridge.row_files.arrow_columns import ArrowRefused, columns_of, key_texts, may_be_keys, plain_array, plain_type
from bridge.row_files.arrow_cursor import ArrowCursor, Group
from bridge.row_files.chunk_building import INVALID_VALUE, Fault, Faults, build_chunk
from bridge.row_files.input_chunk import InputChunk
from bridge.row_files.input_files import InputFile
from bridge.row_files.partition import Partition
from bridge.row_files.source_errors import SourceError
from bridge.row_files.wanted import Wanted

__all__ = ["ArrowContent", "ArrowFile", "ipc_content", "parquet_content", "reading"]

_BATCH_ROWS = 16_384
_BUFFER_BYTES = 1 << 20
_FILE_MAGIC = b"ARROW1"


class ArrowContent:
    """An open file: its schema, its groups of rows, and how to close it.

    Attributes:
        schema: the schema of its columns.
        groups: returns its groups, of which only the named columns need be read.
        row_groups: the rows of each group; empty if they are not known.
    """

    def __init__(
        self,
        schema: pa.Schema,
        groups: Callable[[Sequence[str]], Iterator[Group]],
        source: Any,
        row_groups: tuple[int, ...] | None = None,
    ) -> None:
        self.schema = schema
        self.groups = groups
        self.row_groups = row_groups
        self._source = source

    def position(self) -> int:
        """Returns how many bytes were read, about."""
        try:
            return int(self._source.tell())
        except (AttributeError, ValueError):
            return 0

    def close(self) -> None:
        """Closes the file; may be called more than once."""
        self._source.close()


def parquet_content(path: str) -> ArrowContent:
    """Opens a Parquet file; pages that carry checksums are checked."""
    source = pa.OSFile(path, "rb")
    try:
        file = pq.ParquetFile(source, buffer_size=_BUFFER_BYTES, page_checksum_verification=True)
        schema = file.schema_arrow
    except BaseException:
        source.close()
        raise
    sizes = tuple(file.metadata.row_group(number).num_rows for number in range(file.num_row_groups))

    def groups(names: Sequence[str]) -> Iterator[Group]:
        for number, rows in enumerate(sizes):
            yield rows, partial(file.iter_batches, _BATCH_ROWS, row_groups=[number], columns=list(names))

    return ArrowContent(schema, groups, source, sizes)


def ipc_content(path: str) -> ArrowContent:
    """Opens a file of Arrow IPC, in its file form or its stream form."""
    source = pa.OSFile(path, "rb")  # not mapped into memory: a file that shrinks would end this process
    try:
        whole = source.read(len(_FILE_MAGIC)) == _FILE_MAGIC
        source.seek(0)
        reader: Any = pa.ipc.open_file(source) if whole else pa.ipc.open_stream(source)
    except BaseException:
        source.close()
        raise

    def groups(_: Sequence[str]) -> Iterator[Group]:
        if whole:
            yield None, lambda: (reader.get_batch(number) for number in range(reader.num_record_batches))
        else:
            yield None, lambda: reader

    return ArrowContent(reader.schema, groups, source)


class ArrowFile:
    """A file of Arrow's types whose columns fit what the run wants.

    Attributes:
        types: the Arrow type of each column that the run takes.
        echo_schema: the schema of the columns to copy.
        rows: the number of its rows, if its format states it.
        row_groups: the rows of each row group; empty if its format has none.

    Raises:
        SourceError: the file can't be read, a column is missing or unknown, or one is of a type that no model takes.
    """

    def __init__(self, file: InputFile, wanted: Wanted, content: Callable[[str], ArrowContent]) -> None:
        self.path = file.path
        self._key = wanted.key
        self._content = content
        self._partition = Partition(file.path, file.partition, wanted)
        with reading(file.path), closing(content(file.path)) as opened:
            schema, sizes = opened.schema, opened.row_groups
        self._sent = wanted.sent([*schema.names, *self._partition.texts], file.path)
        self._used = [name for name in schema.names if name in self._sent or name in wanted.echoed]
        kinds = {name: str(_value_type(schema.field(name).type)) for name in self._used}
        self.types: Mapping[str, str] = kinds | dict.fromkeys(self._partition.texts, "in the names of folders")
        with reading(file.path):
            for name in self._sent:
                if name not in self._partition.texts:
                    plain_type(name, schema.field(name).type)
        self.echo_schema = pa.schema([self._echo_field(name, schema) for name in wanted.echoed])
        self.row_groups = sizes or ()
        self.rows = None if sizes is None else sum(sizes)

    def _echo_field(self, name: str, schema: pa.Schema) -> "pa.Field[Any]":
        if name in self._partition.texts:
            return pa.field(name, pa.string())
        kind = _value_type(schema.field(name).type)
        if name == self._key and not may_be_keys(kind):
            raise SourceError(
                f"{self.path}: the key column '{name}' is of the Arrow type {kind}: cast it to text or a whole number"
            )
        if pa.types.is_nested(kind):
            raise SourceError(f"{self.path}: column '{name}' is nested, and can't be copied: flatten it")
        return pa.field(name, kind)

    def open(self) -> "_ArrowReader":
        """Opens the file to read its rows."""
        with reading(self.path):
            content = self._content(self.path)
            return _ArrowReader(self, content)

    def chunk(self, table: pa.Table, number: int, first: int) -> InputChunk:
        """Returns rows of the file as a chunk."""
        rows, given = table.num_rows, self._partition.texts
        refused: dict[int, tuple[str, str]] = {}
        read = {one.name: one for one in columns_of(table, [one for one in self._sent if one not in given], refused)}
        columns = [read[name] if name in read else self._partition.column(name, rows) for name in self._sent]
        faults: Faults = {row: Fault(column, INVALID_VALUE, said) for row, (column, said) in refused.items()}
        copied = [
            self._partition.texts_of(name, rows) if name in given else _echo(table.column(name), kind)
            for name, kind in zip(self.echo_schema.names, self.echo_schema.types, strict=True)
        ]
        echoed = pa.Table.from_arrays(copied, schema=self.echo_schema) if copied else table.select([])
        keys = None if self._key is None else key_texts(echoed.column(self._key))
        return build_chunk((number, self.path, first), columns, echoed, keys=keys, key_column=self._key, faults=faults)

    def used(self) -> list[str]:
        """Returns the names of the columns to read from the file."""
        return self._used


class _ArrowReader:
    def __init__(self, file: ArrowFile, content: ArrowContent) -> None:
        self._file = file
        self._content = content
        schema = pa.schema([content.schema.field(name) for name in file.used()])
        self._cursor = ArrowCursor(self._narrow(content.groups(file.used()), schema.names), schema)

    def _narrow(self, groups: Iterator[Group], names: list[str]) -> Iterator[Group]:
        for rows, read in groups:
            yield rows, partial(_narrowed, read, names)

    def skip(self, rows: int) -> int:
        with reading(self._file.path):
            return self._cursor.skip(rows)

    def read(self, rows: int, number: int, first: int) -> InputChunk | None:
        with reading(self._file.path, f" near row {first + 1}"):
            table = self._cursor.take(rows)
            return self._file.chunk(table, number, first) if table.num_rows else None

    def position(self) -> int:
        return self._content.position()

    def close(self) -> None:
        self._content.close()


@contextmanager
def reading(path: str, where: str = "") -> Iterator[None]:
    """Turns the failures of pyarrow and of the system into a SourceError that names the file.

    Raises:
        SourceError: the file can't be read, or a column has a type that no model takes.
    """
    try:
        yield
    except ArrowRefused as error:
        raise SourceError(f"{path}: {error}") from error
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
        said = getattr(error, "strerror", None) or f"it is corrupt or cut short{where}, or not what its name says"
        raise SourceError(f"{path} can't be read: {said}; write it again") from None


def _narrowed(read: Callable[[], Iterable[pa.RecordBatch]], names: list[str]) -> Iterator[pa.RecordBatch]:
    for batch in read():
        chosen = batch.select(names)
        chosen.validate(full=True)  # the offsets of a damaged file would be read beyond their buffers
        yield chosen


def _value_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _value_type(kind.value_type)
    view = getattr(pa.types, "is_string_view", None)
    return pa.large_string() if view and view(kind) else kind


def _echo(column: Any, kind: pa.DataType) -> Any:
    array = plain_array(column)
    return array if array.type == kind else array.cast(kind)
