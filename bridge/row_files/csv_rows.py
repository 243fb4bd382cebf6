"""A CSV file of a run: its cells mean exactly what they mean to `scorebridge score`, a bad row costs only itself."""

import gzip
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa

from bridge.row_files.chunk_building import INVALID_VALUE, MALFORMED_ROW, Fault, Faults, build_chunk
from bridge.row_files.csv_block import Block
from bridge.row_files.csv_causes import header_cause, may_be_values, width_cause
from bridge.row_files.csv_cells import Cell, Row, column_names
from bridge.row_files.csv_dialect import Dialect
from bridge.row_files.csv_field import Field
from bridge.row_files.csv_file import text_lines
from bridge.row_files.csv_part import CsvPart, block_part, scanned_part
from bridge.row_files.csv_stream import RowStream
from bridge.row_files.csv_text import TextError
from bridge.row_files.input_chunk import InputChunk
from bridge.row_files.input_files import InputFile
from bridge.row_files.partition import Partition
from bridge.row_files.source_errors import SourceError
from bridge.row_files.wanted import Wanted

__all__ = ["CsvRows"]

_LOOK_ROWS = 1000
_ABSENT = Cell("", quoted=False)
_LIKE_MISSING = ("NA", "\\N")


class CsvRows:
    """A CSV file whose columns fit what the run wants.

    Attributes:
        types: "CSV" for each column that the run takes: cells have the types of the features. Of a column without a
            declared type, whether cells are in quotes.
        echo_schema: the schema of the columns to copy: text.
        rows: None, because it is not known before all are read.
        row_groups: empty.

    Raises:
        SourceError: the file has no header, or can't be read, or a column is missing or unknown.
    """

    def __init__(self, file: InputFile, dialect: Dialect, wanted: Wanted) -> None:
        self.path = file.path
        self.dialect = dialect
        self.rows: int | None = None
        self.row_groups: tuple[int, ...] = ()
        self._wanted = wanted
        self._partition = Partition(file.path, file.partition, wanted)
        with closing(self.open()) as reader:
            self.header = reader.header
        self.names = [cell.text for cell in self.header] if dialect.header else [one.name for one in wanted.features]
        self._sent = self._checked_names()
        self._places = {name: at for at, name in enumerate(self.names)}
        quoted = self._columns_with_quotes()
        self._fields = [
            Field(self._places[name], wanted.feature(name), quoted.get(name), dialect.decimal)
            for name in self._sent
            if name in self._places
        ]
        # A column that the model declares no type for is text where a cell is in quotes: in all files, or in none.
        self.types: Mapping[str, str] = dict.fromkeys((*self._sent, *wanted.echoed), "CSV") | {
            name: "text (cells in quotes)" if quoted else "numbers (no cell in quotes)"
            for name, quoted in quoted.items()
            if wanted.feature(name).type is None
        }
        self.echo_schema = pa.schema([pa.field(name, pa.string()) for name in wanted.echoed])

    def _checked_names(self) -> tuple[str, ...]:
        wanted, known = self._wanted, [one.name for one in self._wanted.features]
        if not self.dialect.header:
            self._check_first_row(known)
            return wanted.sent([*known, *self._partition.texts], self.path)
        with _reading(self.path):
            column_names(self.header)
        unknown = [name for name in self.names if known and name not in known and name not in wanted.echoed]
        cause = header_cause(self.names, unknown, known, self.dialect.separator) if unknown else ""
        candidates = [name for name in self.names if name not in wanted.echoed]
        absent = any(one.required and one.name not in self.names for one in wanted.features)
        if unknown and absent and may_be_values(candidates, unknown):
            count = len(candidates) - len(unknown)
            raise SourceError(
                f"{self.path}: the model knows {count} of the {len(candidates)} names in the header; {cause}"
            )
        return wanted.sent([*self.names, *self._partition.texts], self.path, cause)

    def _check_first_row(self, known: list[str]) -> None:
        if not known:
            raise SourceError(f"{self.path}: with --no-header the columns get the features' names, and none are known")
        if self.header and len(self.header) != len(known):
            raise SourceError(
                f"{self.path}: the first row has {len(self.header)} cells, but the model takes {len(known)} features:"
                " with --no-header a file must have a column for every feature, in the model's order"
            )
        if {cell.text for cell in self.header} == set(known):
            raise SourceError(f"{self.path}: the first row holds the names of the features: leave out --no-header")

    def _columns_with_quotes(self) -> dict[str, bool]:
        """Returns for each column whose meaning depends on it whether a cell of the whole file is in quotes."""
        found = {}
        for name in self._sent:
            feature = self._wanted.feature(name)
            if name in self.names and (feature.type is None or any(level in _LIKE_MISSING for level in feature.levels)):
                found[name] = False
        places = {name: self._places[name] for name in found}
        if places:
            with _reading(self.path), closing(self.open()) as reader:
                for quoted in reader.quotes():
                    for name, at in list(places.items()):
                        if at < len(quoted) and quoted[at]:
                            found[name] = True
                            del places[name]
                    if not places:
                        break
        return found

    def open(self) -> "_CsvReader":
        """Opens the file to read its rows."""
        return _CsvReader(self)

    def chunk(self, read: Block | list[Row], number: int, first: int) -> InputChunk:
        """Returns rows of the file as a chunk."""
        faults: Faults = {}
        part = block_part(read) if isinstance(read, Block) else self._scanned(read, faults)
        read_columns = dict(zip([one.feature.name for one in self._fields], part.columns(self._fields), strict=True))
        columns = []
        for name in self._sent:
            column, refused = read_columns.get(name) or (self._partition.column(name, part.rows), {})
            columns.append(column)
            for at, sentence in refused.items():
                faults.setdefault(at, Fault(name, INVALID_VALUE, sentence))
        echoed = [
            part.copied(self._places[name]) if name in self._places else self._partition.texts_of(name, part.rows)
            for name in self.echo_schema.names
        ]
        table = pa.table({"": pa.nulls(part.rows)}).select([])
        table = pa.Table.from_arrays(echoed, schema=self.echo_schema) if echoed else table
        keys, key = None, self._wanted.key
        if key is not None and key in self._places:
            keys = part.keys(self._places[key])
        elif key is not None:
            keys = [self._partition.texts[key] or ""] * part.rows
        return build_chunk((number, self.path, first), columns, table, keys=keys, key_column=key, faults=faults)

    def _scanned(self, rows: list[Row], faults: Faults) -> CsvPart:
        width = len(self.names)
        faults.update({at: self._malformed(row) for at, row in enumerate(rows) if len(row.cells) != width})
        return scanned_part([[_ABSENT] * width if at in faults else row.cells for at, row in enumerate(rows)])

    def _malformed(self, row: Row) -> Fault:
        if len(row.cells) == 1 and row.cells[0].missing:
            return Fault("", MALFORMED_ROW, f"line {row.line} is empty")
        texts = [cell.text for cell in row.cells]
        cause = width_cause(
            [cell.text for cell in self.header],
            texts,
            self.dialect.separator,
            first_quoted=row.cells[0].quoted,
            named=self.dialect.header,
        )
        of = "header" if self.dialect.header else "first row"
        sentence = f"line {row.line}: the row has {len(texts)} cells, the {of} has {len(self.names)}"
        return Fault("", MALFORMED_ROW, f"{sentence}; {cause}" if cause else sentence)


class _CsvReader:
    """Reads the rows behind the header; a header that is empty belongs to a file without rows."""

    def __init__(self, file: CsvRows) -> None:
        self._file = file
        with _reading(file.path):
            self._raw = cast("BinaryIO", Path(file.path).open("rb"))  # noqa: SIM115 - close() closes it
            try:
                self._begin()
            except BaseException:
                self._raw.close()
                raise

    def _begin(self) -> None:
        dialect = self._file.dialect
        compressed = self._file.path.lower().endswith(".gz")
        text = cast("BinaryIO", gzip.GzipFile(fileobj=self._raw)) if compressed else self._raw
        lines, before = text_lines(text, dialect)
        self._stream = RowStream(lines, dialect, before)
        self.header: list[Cell] = self._stream.first
        if not self.header and dialect.header:
            raise TextError("there is no header in it")

    def quotes(self) -> Iterator[list[bool]]:
        """Yields which cells of the next rows are in quotes, by column: for each row, or for several at once."""
        while True:
            if block := self._stream.block(_LOOK_ROWS, len(self.header)):
                yield np.logical_or.reduce(block.quoted).tolist()
                continue
            row = None
            for row in self._stream.scan(_LOOK_ROWS):
                yield [cell.quoted for cell in row.cells]
            if row is None:
                return

    def skip(self, rows: int) -> int:
        with _reading(self._file.path):
            if block := self._stream.block(rows, len(self._file.names)):
                return block.rows
            return sum(1 for _ in self._stream.scan(rows))

    def read(self, rows: int, number: int, first: int) -> InputChunk | None:
        with _reading(self._file.path):
            read = self._stream.block(rows, len(self._file.names)) or list(self._stream.scan(rows))
        return self._file.chunk(read, number, first) if read else None

    def position(self) -> int:
        return 0 if self._raw.closed else self._raw.tell()

    def close(self) -> None:
        self._raw.close()


@contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except TextError as error:
        raise SourceError(f"{path}: {error.in_full()}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise SourceError(f"{path} can't be read: it is cut short, or not compressed by gzip; write it again") from None
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror}") from error
