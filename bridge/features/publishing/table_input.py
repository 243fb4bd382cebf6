"""The input of a publication: files of one row an entity, as keys and columns of the group's types."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from bridge.columns import Column, Type
from bridge.errors import InvalidRequest
from bridge.features.publishing.options import check_features
from bridge.features.publishing.publishing_errors import PublicationRefused
from bridge.features.publishing.rows import KeyCounter
from bridge.features.stores.conversions import as_type, may_become
from bridge.features.stores.group import GroupFeature
from bridge.row_files.arrow_columns import plain_type
from bridge.row_files.arrow_files import ipc_content, parquet_content, reading
from bridge.row_files.csv_dialect import Dialect
from bridge.row_files.csv_rows import CsvRows
from bridge.row_files.duckdb_query import duckdb_content
from bridge.row_files.input_chunk import InputChunk, Reject
from bridge.row_files.input_files import InputFile, find_files
from bridge.row_files.source_errors import InputChanged
from bridge.row_files.sources import Source, open_source
from bridge.row_files.wanted import Wanted, WantedFeature

__all__ = ["InputPart", "TableInput", "open_input"]

_MOST_PART_ROWS, _LEAST_PART_ROWS, _PART_CELLS = 10_000, 100, 1_000_000
_CONTENTS: Mapping[str, Any] = {"parquet": parquet_content, "arrow": ipc_content, "duckdb": duckdb_content}
_Types = dict[str, Type | None]  # of a file's columns; None where the file says nothing of the type


class InputPart(NamedTuple):
    """Neighbouring rows of one file.

    Attributes:
        number: the number of the part, from 0.
        keys: the entities' keys in UTF-8.
        columns: the features, in their order.
        chunk: the rows as they were read.
    """

    number: int
    keys: list[bytes]
    columns: list[Column]
    chunk: InputChunk

    def refused(self, error: InvalidRequest) -> PublicationRefused:
        """Returns the error about a value that can't be kept, which names its row in its file, from 1."""
        return _refused(error, self.chunk)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    key: str
    chosen: Sequence[str]
    stated: Mapping[str, Type]


def open_input(
    inputs: Sequence[str], key: str, dialect: Dialect, *, columns: Sequence[str] = (), types: Mapping[str, Type]
) -> "TableInput":
    """Returns the input of a publication, whose files were found and fit each other.

    Args:
        inputs: files and folders in CSV, Parquet or Arrow IPC, and `duckdb:FILE#QUERY`.
        key: the column of the entities' keys, of text or whole numbers.
        dialect: how CSV files are written.
        columns: the columns to publish; all but the key if there are none.
        types: the types of columns, by name. Of CSV, a column that is not there is double, of other formats it has its
            own type: float32 and decimals become double.

    Raises:
        SourceError: a file is missing or can't be read, or a column is of a type that no model takes.
        PublicationRefused: a column is missing, or has another type than another file or `types` says.
    """
    asked = _Asked(key=key, chosen=columns, stated=types)
    files = find_files(inputs)
    found: _Types = {}
    for file in files:
        _merge(found, _types_of(file, dialect, asked), files[0].path, file.path)
    names = columns or [name for name in found if name != key]
    if absent := next((name for name in types if name not in names), None):
        raise PublicationRefused(f"--feature names '{absent}', which is no column that is published")
    features = tuple(GroupFeature(name, _settled(name, found, types)) for name in names)
    check_features(features)
    wanted = Wanted(_wanted(features, files, types), key=key, ignore_extra=True)
    return TableInput(open_source(inputs, dialect, wanted), features, dialect)


def _wanted(features: Sequence[GroupFeature], files: Sequence[InputFile], types: Mapping[str, Type]) -> Any:
    in_folders = {name for file in files for name, _ in file.partition} - set(types)
    return [WantedFeature(one.name, None if one.name in in_folders else one.type) for one in features]


def _types_of(file: InputFile, dialect: Dialect, asked: _Asked) -> _Types:
    found: _Types
    if file.format == "csv":
        probe = CsvRows(file, dialect, Wanted([WantedFeature("", Type.DOUBLE, required=False)], ignore_extra=True))
        found = {name: asked.stated.get(name, Type.DOUBLE) for name in probe.names}
    elif file.format in _CONTENTS:
        with reading(file.path), closing(_CONTENTS[file.format](file.path)) as content:
            used = [one for one in content.schema if not asked.chosen or one.name in {*asked.chosen, asked.key}]
            found = {one.name: _plain(one.name, one.type) for one in used}
    else:
        raise PublicationRefused(f"{file.path}: features are published from CSV, Parquet or Arrow: write one of them")
    found |= {name: asked.stated.get(name, Type.STRING) for name, _ in file.partition}
    for name in (asked.key, *asked.chosen):
        if name not in found:
            raise PublicationRefused(f"{file.path}: there is no column '{name}': name columns exactly as in the file")
    return {name: kind for name, kind in found.items() if not asked.chosen or name in {*asked.chosen, asked.key}}


def _plain(name: str, kind: Any) -> Type | None:
    if str(kind) == "null":
        return None
    plain = plain_type(name, kind)
    return Type.DOUBLE if plain is Type.FLOAT else plain


def _merge(known: _Types, found: _Types, first: str, path: str) -> None:
    """Takes the types of a file's columns, which must be those of the files before."""
    if known and (other := next(iter(known.keys() ^ found.keys()), None)) is not None:
        absent, there = (first, path) if other not in known else (path, first)
        raise PublicationRefused(f"{absent} has no column '{other}', but {there} has: all files need the same columns")
    for name, kind in found.items():
        before = known.get(name)
        if None not in {before, kind} and before is not kind:
            raise PublicationRefused(
                f"column '{name}' is {kind} in {path} and {before} before: write all files with the same types"
            )
        known[name] = before or kind


def _settled(name: str, found: _Types, stated: Mapping[str, Type]) -> Type:
    kind, wanted = found[name], stated.get(name)
    if kind is None and wanted is None:
        raise PublicationRefused(
            f"column '{name}' has no type, as no file has a value: state it by --feature {name}=TYPE"
        )
    if kind is not None and wanted is not None and not may_become(kind, wanted):
        raise PublicationRefused(f"column '{name}' is {kind}, and --feature says {wanted}: cast it in the file")
    settled = wanted or kind
    assert settled is not None  # noqa: S101 - for mypy
    return settled


class TableInput:
    """The rows of a publication's input.

    Attributes:
        features: the features, in the order of the files' columns or of those that were chosen.
        fingerprint: by which the same input is recognised: the files' names, sizes and times, and how they are read.
        rows: the number of rows, if every file states its own; else None.
    """

    def __init__(self, source: Source, features: tuple[GroupFeature, ...], dialect: Dialect) -> None:
        self._source = source
        self.features = features
        self.rows = source.rows
        kinds = [[one.name, str(one.type)] for one in features]
        stamps = [one.to_json() for one in source.stamps]
        self._part_rows = max(_LEAST_PART_ROWS, min(_MOST_PART_ROWS, _PART_CELLS // len(features)))
        text = json.dumps([stamps, kinds, asdict(dialect), self._part_rows])
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()

    def parts(self, features: Sequence[GroupFeature]) -> Iterator[InputPart]:
        """Yields the rows in parts, the same each time.

        Args:
            features: those of the input, in the order in which they are to come.

        Raises:
            PublicationRefused: a row has no key or one that is too long, or a value that can't be kept; an entity is
                there twice (behind the last part); or a file has changed.
            SourceError: a file can't be read.
        """
        counter = KeyCounter()
        for chunk in self._chunks():
            if chunk.rejects:
                raise PublicationRefused(_rejected(chunk.rejects[0]))
            counter.add(chunk.keys)
            given = {one.name: one for one in chunk.batch.columns}
            try:
                columns = [as_type(given[one.name], one.type) for one in features]
            except InvalidRequest as error:
                raise _refused(error, chunk) from error
            yield InputPart(chunk.number, [key.encode() for key in chunk.keys], columns, chunk)
        if repeated := counter.repeated():
            self._refuse_repeated(repeated)

    def _chunks(self) -> Iterator[InputChunk]:
        try:
            yield from self._source.chunks(self._part_rows, lambda _: False)
            self._source.check()
        except InputChanged as error:
            raise PublicationRefused(
                "the input has changed while it was published: wait until it is written as a whole, and publish again"
            ) from error
        finally:
            self._source.close()

    def _refuse_repeated(self, hashes: frozenset[int]) -> None:
        places: dict[str, str] = {}
        for chunk in self._chunks():
            for key, place in zip(chunk.keys, chunk.places.tolist(), strict=True):
                if hash(key) not in hashes:
                    continue
                where = f"{chunk.file}, row {place + 1}"
                if key in places:
                    raise PublicationRefused(
                        f"two rows have the same key: {places[key]}, and {where}: an entity has one"
                    )
                places[key] = where


def _rejected(reject: Reject) -> str:
    what = "the row has no key: give it one, or leave it out" if reject.reason == "NO_KEY" else reject.detail
    column = f", column '{reject.column}'" if reject.column else ""
    return f"{reject.file}, row {reject.row}{column}: {what}"


def _refused(error: InvalidRequest, chunk: InputChunk) -> PublicationRefused:
    if error.row is None:
        return PublicationRefused(f"{chunk.file}: {error}")
    what = str(error).removeprefix(f"column '{error.column}', row {error.row}: ")
    place = int(chunk.places[error.row]) + 1
    return PublicationRefused(f"{chunk.file}, row {place}, column '{error.column}': {what}")
