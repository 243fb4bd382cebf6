"""Reads a whole group from a Parquet file into memory, in the packed form of its rows."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from bridge.columns import Type
from bridge.errors import BridgeError, InvalidRequest
from bridge.features.stores.conversions import as_type
from bridge.features.stores.group import MOST_FEATURES, NAME, GroupFeature
from bridge.features.stores.packed_rows import RowFormat
from bridge.row_files.arrow_columns import columns_of, key_texts, may_be_keys, plain_array, plain_type
from bridge.row_files.arrow_files import reading
from bridge.row_files.chunk_building import key_fault
from bridge.row_files.source_errors import SourceError

__all__ = [
    "BATCH_FIELD",
    "KEY_FIELD",
    "FeatureFile",
    "FeatureFileRefused",
    "file_stamp",
    "group_of",
    "read_feature_file",
]

KEY_FIELD, BATCH_FIELD = b"scorebridge.key", b"scorebridge.batch"
_MOST_ENTITIES = 2_000_000
_MOST_BYTES = 4 << 30
_ROWS_AT_ONCE = 65_536


class FeatureFileRefused(BridgeError):
    """A file can't be served as a group; the message says why, and what to do."""

    reason = "FEATURE_FILE_REFUSED"


class FeatureFile(NamedTuple):
    """A group that was read from a file.

    Attributes:
        batch: the name of its batch, as the file states it, else from the time of the file's change.
        features: its features.
        rows: the rows by the entity's key in UTF-8, each with the schema number that was asked for.
        published_ms: the time of the file's change, in milliseconds since 1970.
    """

    batch: str
    features: tuple[GroupFeature, ...]
    rows: dict[bytes, bytes]
    published_ms: int


class _Layout(NamedTuple):
    key: str
    features: tuple[GroupFeature, ...]
    form: RowFormat


def group_of(path: Path) -> str:
    """Returns the name of the group in a file: the file's own, without its ending.

    Raises:
        FeatureFileRefused: no group may be named so.
    """
    name = path.name.removesuffix(path.suffix)
    if NAME.fullmatch(name) is None:
        raise FeatureFileRefused(
            f"{path}: the file's name without its ending names the group: up to 64 letters, digits, points, hyphens and"
            " underscores"
        )
    return name


def file_stamp(path: Path) -> tuple[int, int, int]:
    """Returns by what a change of the file is noticed.

    Raises:
        OSError: there is no such file.
    """
    found = os.stat(path)  # noqa: PTH116 - one call, whatever the path is
    return found.st_ino, found.st_size, found.st_mtime_ns


def read_feature_file(
    path: Path, key: str | None, schemas: "dict[tuple[GroupFeature, ...], int]", ended: threading.Event
) -> FeatureFile:
    """Reads a file.

    Args:
        path: the Parquet file.
        key: the column of the entities' keys; None if the file's own metadata name it.
        schemas: the schema numbers in use, by their features; takes one more if the file has other features.
        ended: once it is set, reading stops.

    Raises:
        FeatureFileRefused: the file has too many rows, no key, a key twice, or a value that can't be kept.
        SourceError: it can't be read, or is no Parquet file.
    """
    with reading(str(path)), closing(pa.OSFile(str(path), "rb")) as source:
        file = pq.ParquetFile(source, page_checksum_verification=True)
        changed_ns = os.fstat(source.fileno()).st_mtime_ns
        schema = file.schema_arrow
        column = _key_of(path, schema, key)
        _check_size(path, file.metadata)
        features = _features_of(path, schema, column)
        number = schemas.setdefault(features, max(schemas.values(), default=0) + 1)
        layout = _Layout(column, features, RowFormat(number, features))
        rows: dict[bytes, bytes] = {}
        for first, table in _tables(file, ended):
            rows |= _rows_of(path, first, table, layout)
            if len(rows) != first + table.num_rows:
                raise FeatureFileRefused(f"{path}: two rows have the same key, up to row {first + table.num_rows}")
    batch = _batch_of(path, schema.metadata, changed_ns)
    return FeatureFile(batch, features, rows, changed_ns // 1_000_000)


def _key_of(path: Path, schema: pa.Schema, key: str | None) -> str:
    stated = (schema.metadata or {}).get(KEY_FIELD)
    column = key if key is not None else stated.decode(errors="replace") if stated is not None else None
    if column is None:
        raise FeatureFileRefused(
            f'{path} does not say which column holds the keys: set key = "COLUMN" in [stores.NAME]'
        )
    if len(schema.get_all_field_indices(column)) != 1:
        raise FeatureFileRefused(f"{path} has no column '{column}' for the keys, or several: name another by key")
    return column


def _check_size(path: Path, metadata: Any) -> None:
    if metadata.num_rows > _MOST_ENTITIES:
        raise FeatureFileRefused(
            f"{path} has {metadata.num_rows} rows; {_MOST_ENTITIES} may be kept in memory: publish it into Redis"
        )
    size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    if size > _MOST_BYTES:
        raise FeatureFileRefused(f"{path} has {size} bytes of values; {_MOST_BYTES} may be: publish it into Redis")


def _features_of(path: Path, schema: pa.Schema, key: str) -> tuple[GroupFeature, ...]:
    kind = schema.field(key).type
    if not may_be_keys(kind.value_type if pa.types.is_dictionary(kind) else kind):
        raise FeatureFileRefused(f"{path}: the key column '{key}' is {kind}: cast it to text or a whole number")
    found = []
    for field in schema:
        if field.name == key:
            continue
        plain = plain_type(field.name, field.type)
        if pa.types.is_null(field.type):
            raise FeatureFileRefused(f"{path}: column '{field.name}' has no type, as it has no value: cast it to one")
        found.append(GroupFeature(field.name, Type.DOUBLE if plain is Type.FLOAT else plain))
    if not 0 < len(found) <= MOST_FEATURES or len({one.name for one in found}) != len(found):
        raise FeatureFileRefused(f"{path} has no features, more than {MOST_FEATURES}, or one twice")
    return tuple(found)


def _tables(file: Any, ended: threading.Event) -> Iterator[tuple[int, pa.Table]]:
    first = 0
    for batch in file.iter_batches(_ROWS_AT_ONCE):
        if ended.is_set():
            raise SourceError("reading was ended")
        batch.validate(full=True)  # the offsets of a damaged file would be read beyond their buffers
        yield first, pa.Table.from_batches([batch])
        first += batch.num_rows


def _rows_of(path: Path, first: int, table: pa.Table, layout: _Layout) -> dict[bytes, bytes]:
    key, features, form = layout
    texts = key_texts(plain_array(table.column(key)))
    for row, text in enumerate(texts):
        if (fault := key_fault(key, text)) is not None:
            what = "the row has no key" if fault.reason == "NO_KEY" else fault.detail
            raise FeatureFileRefused(f"{path}: column '{key}', row {first + row}: {what}")
    try:
        columns = columns_of(table, [one.name for one in features])
        packed = form.pack([as_type(one, feature.type) for one, feature in zip(columns, features, strict=True)])
    except InvalidRequest as error:
        raise FeatureFileRefused(f"{path}, from row {first} on: {error}") from error
    return dict(zip((text.encode() for text in texts), packed, strict=True))


def _batch_of(path: Path, metadata: dict[bytes, bytes] | None, changed_ns: int) -> str:
    stated = (metadata or {}).get(BATCH_FIELD)
    if stated is None:
        return datetime.fromtimestamp(changed_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H.%M.%SZ")
    name = stated.decode(errors="replace")
    if NAME.fullmatch(name) is None:
        raise FeatureFileRefused(
            f"{path}: its metadata name a batch as none may be named: write scorebridge.batch anew"
        )
    return name
