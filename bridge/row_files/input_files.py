"""Finds the files of a run's input: files, folders of one format, and folders with partitions in their names."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from bridge.row_files.source_errors import SourceError
from bridge.row_files.stamp import Stamp
from bridge.values import value

__all__ = ["FORMATS", "InputFile", "find_files"]

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".csv.gz": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "json",
    ".ndjson": "json",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}

_DUCKDB = "duckdb:"
_MAGIC = {b"PAR1": "parquet", b"ARRO": "arrow"}  # Hive writes files whose names have no ending
_NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_MOST_FILES = 100_000


@value
class InputFile:
    """A file to read.

    Attributes:
        path: its path; of a database the path and the query, as they were given.
        format: csv, parquet, json, arrow or duckdb.
        partition: the columns that the names of its folders state, with their text; None where it is missing.
    """

    path: str
    format: str
    partition: tuple[tuple[str, str | None], ...] = ()


def find_files(inputs: Sequence[str]) -> list[InputFile]:
    """Returns the files of inputs in reading order: inputs as given, the files of a folder sorted by their paths.

    Raises:
        SourceError: an input is missing, is no regular file, has no known format, or has several; or there is no file.
    """
    found: list[InputFile] = []
    for one in inputs:
        if one.startswith(_DUCKDB):
            found.append(InputFile(one, "duckdb"))
        elif Path(one).is_dir():
            found.extend(_of_folder(one))
        else:
            Stamp.of(one)
            found.append(InputFile(one, _format(one)))
    if not found:
        raise SourceError("there is no input: name files or folders by --input")
    seen = set[str]()
    for file in found:
        real = file.path if file.format == "duckdb" else os.path.realpath(file.path)
        if real in seen:
            raise SourceError(f"input {file.path} is there twice, perhaps by a link: its rows would be scored twice")
        seen.add(real)
    return found


def _of_folder(folder: str) -> list[InputFile]:
    found: list[InputFile] = []
    seen = {os.path.realpath(folder)}
    for at, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        folders[:] = [name for name in folders if not _hidden(name)]
        for name in folders:
            real = os.path.realpath(Path(at, name))
            if real in seen:
                raise SourceError(f"input {Path(at, name)} is a link to a folder that is read already: remove the link")
            seen.add(real)
        parts = Path(at).relative_to(folder).parts
        for name in names:
            if _hidden(name):
                continue
            path = str(Path(at, name))
            Stamp.of(path)
            found.append(InputFile(path, _format(path), tuple(_pair(part) for part in parts if "=" in part)))
        if len(found) > _MOST_FILES:
            raise SourceError(f"input {folder} has more than {_MOST_FILES} files: name parts of it")
    if not found:
        raise SourceError(f"input {folder} has no files: hidden ones and those that begin with _ are not read")
    if len(formats := {one.format for one in found}) > 1:
        raise SourceError(f"input {folder} has files of several formats ({', '.join(sorted(formats))}): name one kind")
    return sorted(found, key=lambda one: Path(one.path).parts)


def _unreadable(error: OSError) -> None:
    raise SourceError(f"input {error.filename}: {error.strerror}") from error


def _hidden(name: str) -> bool:
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _pair(part: str) -> tuple[str, str | None]:
    name, _, text = part.partition("=")
    return unquote(name), None if text == _NO_PARTITION else unquote(text)


def _format(path: str) -> str:
    name = Path(path).name.lower()
    for ending, known in FORMATS.items():
        if name.endswith(ending):
            return known
    try:
        with Path(path).open("rb") as file:
            begin = file.read(4)
    except OSError as error:
        raise SourceError(f"input {path}: {error.strerror}") from error
    if begin not in _MAGIC:
        raise SourceError(f"input {path}: its format is not known: its name must end in one of {', '.join(FORMATS)}")
    return _MAGIC[begin]
