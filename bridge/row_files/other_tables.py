"""Reads single columns of files of rows that were made elsewhere: Parquet, Arrow, CSV, JSON lines, and folders."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from bridge.errors import BridgeError
from bridge.row_files.json_lines import BadLine, read_object

__all__ = ["AgainstNotReadable", "OtherTables"]

_HIDDEN = ("_", ".")  # as _SUCCESS, and what is still being written
_CSV = (".csv",)
_LINES = (".jsonl", ".ndjson")
_ARROW = (".arrow", ".feather", ".ipc")


class AgainstNotReadable(BridgeError):
    """A file of other scores or of reference rows can't be read or used; the message names the column and the line."""

    reason = "AGAINST_NOT_READABLE"


class OtherTables:
    """A file, or all files of a folder and its partitions, as one table of which columns are read one by one.

    Values of CSV files and of JSON lines are read as text: which type they are depends on the model's output and not on
    how the text looks.

    Attributes:
        name: the name of the file or folder.
        names: the names of the columns, in order; those of a folder's first file.
    """

    def __init__(self, path: Path, missing: Sequence[str] = ("",), together: int = 1) -> None:
        """Finds the files and the names of their columns.

        Args:
            path: the file, whose suffix says its format, Parquet for an unknown one; or a folder of such files.
            missing: what stands for missing in a CSV file if it is not in quotes.
            together: how many neighbouring columns of a CSV file are read, and held, when one of them is asked for.

        Raises:
            AgainstNotReadable: a file can't be read, the folder has none, or pyarrow is not installed.
        """
        self.name = path.name
        self._path = path
        self._files = [_reader(file, missing, together) for file in _files(path)]
        self._rows: list[int] = []
        self.names = list(self._guarded(self._files[0].names))

    @property
    def paths(self) -> list[Path]:
        """The paths of the files, in their order."""
        return [file.path for file in self._files]

    def stored_rows(self) -> int:
        """Returns the number of rows that Parquet files say they have; 0 for other formats, which don't say it.

        Raises:
            AgainstNotReadable: a file can't be read.
        """
        return sum(self._guarded(file.rows) for file in self._files if isinstance(file, _Parquet))

    def column(self, name: str) -> Any:
        """Returns a column of all files, in the order of their paths, as a `pyarrow.ChunkedArray`.

        Raises:
            AgainstNotReadable: a file can't be read, has no such column, has it twice, or has another type in it.
        """
        import pyarrow as pa  # noqa: PLC0415 - `__init__` has shown that it is there

        parts: list[Any] = []
        for file in self._files:
            count = self._guarded(file.names).count(name)
            if count != 1:
                said = f"has no column '{name}'" if not count else f"the column '{name}' is there twice"
                raise AgainstNotReadable(f"{file.name}{' ' if not count else ': '}{said}")
            parts.append(self._guarded(lambda file=file: file.column(name)))  # type: ignore[misc] # mypy can't infer it
        self._rows = [len(part) for part in parts]
        kinds = {part.type for part in parts}
        if len(kinds) > 1:
            raise AgainstNotReadable(f"{self.name}: the column '{name}' has not the same type in all files")
        return pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)

    def where(self, row: int) -> str:
        """Returns the place of a row, for messages: the line of its file, and which file of a folder.

        Args:
            row: the number of the row, from 0, all files of a folder counted together; a column was read before.
        """
        at = 0
        while row >= self._rows[at]:
            row -= self._rows[at]
            at += 1
        file = self._files[at]
        line = f"line {1 + (file.kind in _CSV) + row}"
        return line if file.path == self._path else f"{file.path.relative_to(self._path)}, {line}"

    def _guarded(self, read: Callable[[], Any]) -> Any:
        import pyarrow as pa  # noqa: PLC0415 - `__init__` has shown that it is there

        try:
            return read()
        except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
            raise AgainstNotReadable(f"{self.name} can't be read: {str(error).splitlines()[0]}") from error


class _File(Protocol):
    name: str
    kind: str
    path: Path

    def names(self) -> Sequence[str]: ...

    def column(self, name: str) -> Any: ...


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [file for file in sorted(path.rglob("*")) if file.is_file() and not _is_hidden(file.relative_to(path))]
    if not found:
        raise AgainstNotReadable(f"{path.name} has no files of scores")
    if len({file.suffix.lower() for file in found}) > 1:
        raise AgainstNotReadable(f"{path.name} has files of several formats: name one of its folders or files")
    return found


def _is_hidden(inside: Path) -> bool:
    return any(part.startswith(_HIDDEN) for part in inside.parts)


def _reader(path: Path, missing: Sequence[str], together: int) -> _File:
    try:
        import pyarrow  # noqa: F401, ICN001, PLC0415 - an extra
    except ImportError as error:
        raise AgainstNotReadable("pyarrow is not installed: pip install 'scorebridge-gateway[log]'") from error
    kind = path.suffix.lower()
    if kind in _LINES:
        return _Lines(path, kind)
    if kind in _CSV:
        return _Csv(path, kind, missing, together)
    return _Arrow(path, kind) if kind in _ARROW else _Parquet(path, kind)


class _Named:
    def __init__(self, path: Path, kind: str) -> None:
        self.name = path.name
        self.kind = kind
        self.path = path


class _Parquet(_Named):
    def names(self) -> Sequence[str]:
        import pyarrow.parquet as pq  # noqa: PLC0415

        with pq.ParquetFile(self.path) as file:
            return list(file.schema_arrow.names)

    def rows(self) -> int:
        import pyarrow.parquet as pq  # noqa: PLC0415

        return int(pq.read_metadata(self.path).num_rows)

    def column(self, name: str) -> Any:
        import pyarrow.parquet as pq  # noqa: PLC0415

        with pq.ParquetFile(self.path) as file:
            return file.read([name]).column(name)


class _Arrow(_Named):
    def names(self) -> Sequence[str]:
        import pyarrow as pa  # noqa: PLC0415

        with pa.memory_map(str(self.path)) as mapped, pa.ipc.open_file(mapped) as file:
            return list(file.schema.names)

    def column(self, name: str) -> Any:
        import pyarrow as pa  # noqa: PLC0415

        with pa.memory_map(str(self.path)) as mapped, pa.ipc.open_file(mapped) as file:
            return file.read_all().column(name)


class _Csv(_Named):
    def __init__(self, path: Path, kind: str, missing: Sequence[str], together: int) -> None:
        super().__init__(path, kind)
        self._missing, self._together = list(missing), together
        self._names: list[str] = []
        self._held: Any = None

    def names(self) -> Sequence[str]:
        from pyarrow import csv  # noqa: PLC0415

        if not self._names:
            with csv.open_csv(self.path, parse_options=csv.ParseOptions(newlines_in_values=True)) as reader:
                self._names = list(reader.schema.names)
        return self._names

    def column(self, name: str) -> Any:
        if self._together == 1:
            return self._read([name]).column(name)
        if self._held is None or name not in self._held.column_names:
            self._held = None  # freed first
            at = self._names.index(name)
            near = self._names[at : at + self._together]
            self._held = self._read([one for one in near if self._names.count(one) == 1])
        return self._held.column(name)

    def _read(self, names: list[str]) -> Any:
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow import csv  # noqa: PLC0415

        options = csv.ConvertOptions(
            include_columns=names,
            column_types=dict.fromkeys(names, pa.string()),
            null_values=self._missing,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        parsing = csv.ParseOptions(newlines_in_values=True)  # a column that is copied may hold anything
        return csv.read_csv(self.path, convert_options=options, parse_options=parsing)


class _Lines(_Named):
    def names(self) -> Sequence[str]:
        return list(dict.fromkeys(name for one in self._objects() for name in one))  # a line may leave one out

    def column(self, name: str) -> Any:
        import pyarrow as pa  # noqa: PLC0415

        return pa.chunked_array([pa.array([_text(one.get(name)) for one in self._objects()], pa.string())])

    def _objects(self) -> Iterator[dict[str, Any]]:
        with self.path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield read_object(line)
                except BadLine as error:
                    raise AgainstNotReadable(f"{self.name}, line {number}: {error}") from None


def _text(found: Any) -> str | None:
    if isinstance(found, bool):
        return "true" if found else "false"
    return found if found is None or isinstance(found, str) else json.dumps(found)
