"""Reads the input of a run: files of any format and number, chunk by chunk, the same chunks each time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import pyarrow as pa

from bridge.row_files.csv_dialect import Dialect
from bridge.row_files.input_chunk import InputChunk
from bridge.row_files.input_files import InputFile, find_files
from bridge.row_files.row_file import RowFile, RowReader
from bridge.row_files.row_formats import database_path, open_row_file
from bridge.row_files.source_errors import SourceError
from bridge.row_files.stamp import Stamp
from bridge.row_files.wanted import Wanted

__all__ = ["Source", "open_source"]

_NO_TYPE = ("", str(pa.null()))  # of columns without any value, as pandas writes them


def open_source(inputs: Sequence[str], dialect: Dialect, wanted: Wanted) -> "Source":
    """Returns the input of a run, whose files were found and fit what is wanted.

    Args:
        inputs: files, folders, and `duckdb:FILE#QUERY`, in reading order.
        dialect: how CSV files are written.
        wanted: the columns to take.

    Raises:
        SourceError: an input is missing, can't be read, or has other columns than are wanted.
    """
    wanted.check()
    files = find_files(inputs)
    opened: list[RowFile] = []
    stamps: list[Stamp] = []
    known: dict[str, tuple[str, str]] = {}
    for file in files:
        stamp = Stamp.of(database_path(file), file.path)  # before it is read: a change in between is noticed
        row_file = open_row_file(file, dialect, wanted)
        if opened:
            _check_names(files[0].path, opened[0], file.path, row_file)
        _check_types(known, file.path, row_file)
        opened.append(row_file)
        stamps.append(replace(stamp, row_groups=row_file.row_groups))
    _make_echoes_alike(files, opened)
    return Source(files, opened, stamps)


def _check_names(first_path: str, first: RowFile, path: str, other: RowFile) -> None:
    for name in first.types.keys() | other.types.keys():
        if name not in first.types or name not in other.types:
            absent, there = (first_path, path) if name not in first.types else (path, first_path)
            raise SourceError(f"{absent} has no column '{name}', but {there} has: all files must have the same columns")


def _check_types(known: dict[str, tuple[str, str]], path: str, file: RowFile) -> None:
    """Checks the types of a file's columns against those before; a column without any value may have any type.

    Args:
        known: for each column its type, and the path of the file that has it; takes those of this file too.
        path: the path of the file.
        file: the file.
    """
    for name, kind in file.types.items():
        if kind in _NO_TYPE:
            continue
        before, where = known.setdefault(name, (kind, path))
        if before != kind:
            raise SourceError(
                f"column '{name}' is {before} in {where} and {kind} in {path}: write all files with the same types"
            )


def _make_echoes_alike(files: Sequence[InputFile], opened: Sequence[RowFile]) -> None:
    """Gives all files one schema of the columns to copy: a column without any value gets the type of the others."""
    first = opened[0].echo_schema
    if all(one.echo_schema == first for one in opened):
        return
    fields = []
    for at, field in enumerate(first):
        kinds = [one.echo_schema.field(at).type for one in opened]
        fields.append(field.with_type(next((kind for kind in kinds if not pa.types.is_null(kind)), field.type)))
    schema = pa.schema(fields)
    for file, one in zip(files, opened, strict=True):
        for mine, common in zip(one.echo_schema, schema, strict=True):
            if mine.type != common.type and not pa.types.is_null(mine.type):
                raise SourceError(
                    f"column '{mine.name}', which is to be copied, is {mine.type} in {file.path} and {common.type} in"
                    " another file: write all files with the same types"
                )
        one.echo_schema = schema


class Source:
    """The rows of all files of a run's input.

    Attributes:
        stamps: what each file was when the source was opened, in reading order.
        echo_schema: the schema of the columns to copy, the key column first.
        rows: the number of all rows, if every file states its own; else None.
        counted: the number of chunks so far, finished ones too; exact once `chunks` is exhausted.
        rows_read: the number of rows so far, those of finished chunks too; exact once `chunks` is exhausted.
    """

    def __init__(self, files: Sequence[InputFile], opened: Sequence[RowFile], stamps: Sequence[Stamp]) -> None:
        self._files = files
        self._opened = opened
        self.stamps = tuple(stamps)
        self.echo_schema: pa.Schema = opened[0].echo_schema
        known = [one.rows for one in opened if one.rows is not None]
        self.rows: int | None = sum(known) if len(known) == len(opened) else None
        self.counted = 0
        self.rows_read = 0
        self._bytes_read = 0
        self._reader: RowReader | None = None

    def chunks(self, chunk_rows: int, finished: Callable[[int], bool]) -> Iterator[InputChunk]:
        """Yields the chunks that are not finished; a chunk has the same number and rows each time.

        Args:
            chunk_rows: the rows of a chunk; the last one of each file may have fewer.
            finished: whether a chunk is finished, by its number: then it is counted, and not yielded.

        Raises:
            SourceError: a file can't be read.
            InputChanged: a file is not what it was when the source was opened.
        """
        self.counted = self.rows_read = self._bytes_read = bytes_before = 0
        for at, stamp in enumerate(self.stamps):
            path = database_path(self._files[at])
            stamp.check(path)
            with closing(self._opened[at].open()) as reader:
                self._reader = reader
                try:
                    for chunk in self._of_file(reader, chunk_rows, finished):
                        self._bytes_read = bytes_before + reader.position()
                        yield chunk
                except SourceError:
                    stamp.check(path)  # a file that has changed may look corrupt
                    raise
                finally:
                    self._reader = None
            self._bytes_read = bytes_before = bytes_before + stamp.bytes
            stamp.check(path)

    def _of_file(self, reader: RowReader, chunk_rows: int, finished: Callable[[int], bool]) -> Iterator[InputChunk]:
        first, rows = 0, chunk_rows
        while rows == chunk_rows:
            chunk = None
            if finished(self.counted):
                rows = reader.skip(chunk_rows)
            else:
                chunk = reader.read(chunk_rows, self.counted, first)
                rows = chunk.rows if chunk else 0
            first += rows
            self.rows_read += rows
            self.counted += bool(rows)
            if chunk:
                yield chunk

    def read_share(self) -> float:
        """Returns how much of the input was read, from 0 to 1: by rows if their number is known, else by bytes.

        May be called by any thread: the files are left alone, which the thread that reads may be closing.
        """
        if self.rows:
            return min(1.0, self.rows_read / self.rows)
        total = sum(stamp.bytes for stamp in self.stamps)
        return min(1.0, self._bytes_read / total) if total else 1.0

    def check(self) -> None:
        """Checks that every file still is what it was when the source was opened.

        Raises:
            InputChanged: one of them is not.
        """
        for file, stamp in zip(self._files, self.stamps, strict=True):
            stamp.check(database_path(file))

    def close(self) -> None:
        """Closes the file that is being read; may be called more than once."""
        if self._reader is not None:
            self._reader.close()
