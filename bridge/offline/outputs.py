"""The output of a run: written aside, and put in its place whole or not at all."""

import io
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from bridge.errors import BridgeError
from bridge.offline.durable import clear, durable_file, rename_durably, said_of, sync_folder
from bridge.offline.output_files import Kind, table_writer
from bridge.offline.output_rows import OutputError
from bridge.offline.publication_mark import OutputStamp

__all__ = ["OutputExists", "Publication", "output_kind", "standing"]

_ASIDE = "output.partial"  # the run folder's next start removes what ends so
_REPLACED = "replaced"
_SUCCESS = "_SUCCESS"
_PART = "part-"
_OURS = re.compile(rf"{_PART}[0-9]{{5,}}\.parquet|_SUCCESS")
_PART_ROWS = 1_000_000
_KINDS: dict[str, Kind] = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".arrow": "arrow"}


def output_kind(path: Path) -> Kind:
    """Returns in which form an output is written, by the end of its name; "folder" for any other name."""
    return _KINDS.get(path.suffix.lower(), "folder")


def standing(output: Path, partition: Mapping[str, str], work: Path) -> OutputStamp | None:
    """Returns by what the output that is in its place is recognised; None if there is none.

    Ends the replacing of an output that a crash has interrupted.

    Args:
        output: the file or folder.
        partition: the partition columns and their values.
        work: the folder in which the replacing was prepared.

    Raises:
        NotWritten: what is there can't be read, or the replacing can't be ended.
    """
    with said_of(output):
        target = _target(output, partition)
        _mend(target, work / _REPLACED)
        return _stamp(target)


class OutputExists(BridgeError):
    """There is an output already, and nobody said that it may be replaced."""

    reason = "OUTPUT_EXISTS"


class Publication:
    """Writes an output aside and then gives it its name: one file, a folder, or one partition of a folder.

    An output that is replaced is there until the new one is complete. A folder that is replaced has two names to change
    for that: after a crash between them the next Publication puts the old one back.
    """

    def __init__(
        self,
        output: Path,
        partition: Mapping[str, str],
        schema: pa.Schema,
        *,
        overwrite: bool,
        about: Mapping[str, str],
        work: Path,
    ) -> None:
        """Checks that the output can be written, before anything is scored.

        Args:
            output: the file or folder; a link stands for what it leads to.
            partition: the partition columns and their values; for one file, `schema` has these columns too.
            schema: the columns.
            overwrite: whether an output that exists is replaced.
            about: what the metadata of Parquet and Arrow files say of the run.
            work: a folder of the same file system, to write to.

        Raises:
            OutputExists: it exists, and `overwrite` is false.
            OutputError: it can't be written there or in this form; the message says why.
            NotWritten: what is there can't be read.
        """
        self._kind: Kind = output_kind(output)
        self._root = Path(os.path.realpath(output))
        self._target = _target(output, partition)
        self._schema = schema.with_metadata(dict(about))
        self._overwrite = overwrite
        self._aside = work / _ASIDE
        self._replaced = work / _REPLACED
        self._prepare(output, partition if self._kind == "folder" else {})

    @property
    def stamp(self) -> OutputStamp:
        """By what the output is recognised that was written aside, also once it has its name.

        Raises:
            NotWritten: there is none.
        """
        with said_of(self._aside):
            return _stamp(self._aside) or (0, 0)

    def write(self, tables: Iterator[pa.Table]) -> int:
        """Writes the rows aside, and waits until they are on the disk; returns how many there are.

        Args:
            tables: the rows, in order, with the columns of the schema.

        Raises:
            OutputError: a value can't be written in this form.
            NotWritten: a file can't be written, as on a full disk; nothing is left of it.
        """
        with said_of(self._aside):
            clear(self._aside)
            try:
                return self._folder(tables) if self._kind == "folder" else self._file(self._aside, tables)
            except pa.ArrowException as error:  # its message may hold values
                raise _not_of_this_form(self._root, error) from None
            finally:
                sync_folder(self._aside.parent)

    def publish(self) -> None:
        """Gives the output its name, in a way that outlasts a crash.

        Raises:
            OutputExists: somebody else has written an output meanwhile.
            NotWritten: it can't get its name.
        """
        with said_of(self._target):
            self._check()
            if self._kind == "folder":
                self._publish_folder()
                return
            with suppress(FileNotFoundError):
                self._aside.chmod(stat.S_IMODE(self._target.stat().st_mode))
            rename_durably(self._aside, self._target)

    def _publish_folder(self) -> None:
        for folder in reversed(self._target.relative_to(self._root.parent).parents):
            (self._root.parent / folder).mkdir(exist_ok=True)
        if not self._target.exists():
            rename_durably(self._aside, self._target)
            return
        rename_durably(self._target, self._replaced)
        try:
            rename_durably(self._aside, self._target)
        except OSError:
            self._replaced.replace(self._target)
            raise
        clear(self._replaced)

    def _prepare(self, output: Path, partition: Mapping[str, str]) -> None:
        if partition:
            _check_partition(self._root, partition, self._schema)
        with said_of(output):
            _mend(self._target, self._replaced)
            self._check()
            _check_file_system(self._target, self._aside.parent)
        self._check_form(output)

    def _check(self) -> None:
        target = self._target
        if not self._root.parent.is_dir():
            raise OutputError(f"{self._root.parent} is no folder: make it first, or name another output")
        if not target.exists():
            return
        if self._kind == "folder":
            _check_replaceable(target)
        elif target.is_dir():
            raise OutputError(f"{target} is a folder, and a name with this ending is that of a file: name another one")
        elif not target.is_file():
            raise OutputError(f"{target} is no file that can be replaced, but a device or pipe: name another output")
        if not self._overwrite:
            raise OutputExists(f"{target} exists already: name another output, or replace it with --overwrite")

    def _check_form(self, output: Path) -> None:
        try:
            table_writer(self._kind, io.BytesIO(), self._schema).close()
        except pa.ArrowException as error:
            raise _not_of_this_form(output, error) from error

    def _file(self, path: Path, tables: Iterator[pa.Table], most_rows: int | None = None) -> int:
        rows = 0
        with durable_file(path) as file:
            writer = table_writer(self._kind, file, self._schema)
            try:
                for table in tables:
                    writer.write(self._checked(table))
                    rows += table.num_rows
                    if most_rows is not None and rows >= most_rows:
                        break
                writer.close()
            except BaseException:
                writer.drop()
                raise
        return rows

    def _folder(self, tables: Iterator[pa.Table]) -> int:
        try:
            self._aside.mkdir()
            rows = part = 0
            while part == 0 or (first := next(tables, None)) is not None:
                rest = tables if part == 0 else _behind(first, tables)
                rows += self._file(self._aside / f"{_PART}{part:05}.parquet", rest, _PART_ROWS)
                part += 1
            with durable_file(self._aside / _SUCCESS):
                pass
            sync_folder(self._aside)
        except BaseException:
            with suppress(OSError):
                clear(self._aside)
            raise
        return rows

    def _checked(self, table: pa.Table) -> pa.Table:
        if not table.schema.equals(self._schema):
            raise OutputError("a finished chunk has other columns than the output: --restart begins anew")
        return table.replace_schema_metadata(self._schema.metadata)


def _target(output: Path, partition: Mapping[str, str]) -> Path:
    root = Path(os.path.realpath(output))
    parts = [f"{name}={value}" for name, value in partition.items()] if output_kind(output) == "folder" else []
    return root.joinpath(*parts)


def _mend(target: Path, replaced: Path) -> None:
    """Ends the replacing of a folder that a crash has interrupted."""
    if replaced.exists():
        if target.exists():
            clear(replaced)
        else:
            rename_durably(replaced, target)


def _stamp(path: Path) -> OutputStamp | None:
    """Returns what no rename of an output changes; for a folder, that of the mark of success that is made with it."""
    try:
        found = (path / _SUCCESS if path.is_dir() else path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size, found.st_mtime_ns


def _behind(first: pa.Table | None, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    if first is not None:
        yield first
    yield from rest


def _not_of_this_form(output: Path, error: Exception) -> OutputError:
    return OutputError(
        f"{output}: a column that is copied has a type or value that this form can't hold ({type(error).__name__}):"
        " choose another form, or leave out the column"
    )


def _check_partition(root: Path, partition: Mapping[str, str], schema: pa.Schema) -> None:
    for name, value in partition.items():
        if name in schema.names:
            raise OutputError(f"--partition can't have the name '{name}', which a column has: choose another name")
        if "%" in value:
            raise OutputError(f"the value of --partition {name} has a '%', which readers take for an escape")
    with said_of(root), suppress(FileNotFoundError, NotADirectoryError):
        if any(file.name.startswith(_PART) for file in root.iterdir()):
            raise OutputError(f"{root} holds rows that are in no partition: name another folder")


def _check_replaceable(folder: Path) -> None:
    """Refuses what no run has written: --overwrite must not remove a folder of other things."""
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file, and a name without a known ending is that of a folder: name another")
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_file() or not _OURS.fullmatch(entry.name):
                raise OutputError(
                    f"{folder} holds '{entry.name}', which is no part of an output: name another folder, or remove it"
                    " yourself"
                )


def _check_file_system(target: Path, work: Path) -> None:
    nearest = next(path for path in (target, *target.parents) if path.exists())
    device = (nearest if nearest.is_dir() else nearest.parent).stat().st_dev
    if device != work.stat().st_dev or (target.parent.exists() and target.parent.stat().st_dev != device):
        raise OutputError(
            f"{target} is on another file system than {work}, so it could not get its name in one step: name an output"
            " that is no mount point and no link to elsewhere"
        )
