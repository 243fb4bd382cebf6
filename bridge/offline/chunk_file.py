"""The file of one finished chunk: an Arrow table of its output rows, with its rejects; its name has the counts."""

import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import pyarrow as pa

from bridge.errors import BridgeError
from bridge.offline.durable import durable_file, rename_durably
from bridge.row_files.input_chunk import Reject

__all__ = ["PARTIAL", "ChunkDamaged", "ChunkFile"]

PARTIAL = ".partial"
_NAME = re.compile(r"chunk-(\d+)-(\d+)-(\d+)-(\d+)-([0-9a-f]{8})\.arrow")
_REJECTS = b"rejects"
_FIELDS = ("file", "row", "key", "column", "reason", "detail")


class ChunkDamaged(BridgeError):
    """The file of a chunk is not what was written."""

    reason = "CHUNK_DAMAGED"


class ChunkFile(NamedTuple):
    """What the name of a chunk's file tells, so that a run's counts need no file to be opened.

    Attributes:
        number: the number of the chunk, from 0.
        rows: the rows of the input that it covers.
        rejected: how many of them have no score.
        defaulted: how many of them have default scores.
        checksum: the CRC-32 of the file in hexadecimal.
    """

    number: int
    rows: int
    rejected: int
    defaulted: int
    checksum: str

    @classmethod
    def of(cls, name: str) -> Self | None:
        """Returns what a file name tells; None if it is not that of a chunk."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        return cls(int(match[1]), int(match[2]), int(match[3]), int(match[4]), match[5])

    @property
    def name(self) -> str:
        """The name of the file."""
        return f"chunk-{self.number}-{self.rows}-{self.rejected}-{self.defaulted}-{self.checksum}.arrow"

    @classmethod
    def write(cls, folder: Path, number: int, table: pa.Table, rejects: Sequence[Reject], rows: int) -> Self:
        """Writes a chunk whole or not at all.

        Args:
            folder: the folder to write to.
            number: the number of the chunk.
            table: the rows of the output.
            rejects: the rows without a score.
            rows: how many rows of the input the chunk covers.

        Raises:
            OSError: the file can't be written.
        """
        listed = json.dumps([[getattr(reject, name) for name in _FIELDS] for reject in rejects])
        schema = table.schema.with_metadata({_REJECTS: listed.encode()})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, schema) as writer:
            writer.write_table(table.replace_schema_metadata(schema.metadata))
        content = sink.getvalue()
        made = cls(number, rows, len(rejects), _defaults(table), f"{zlib.crc32(content):08x}")
        aside = folder / f"{number}{PARTIAL}"
        with durable_file(aside) as file:
            file.write(content)
        rename_durably(aside, folder / made.name)
        return made

    def table(self, folder: Path) -> Any:
        """Returns the rows of the output.

        Raises:
            ChunkDamaged: the file is missing, or has other bytes than were written.
        """
        return self._read(folder).replace_schema_metadata(None)

    def rejects(self, folder: Path) -> list[Reject]:
        """Returns the rows without a score; opens no file if there are none.

        Raises:
            ChunkDamaged: the file is missing, or has other bytes than were written.
        """
        if not self.rejected:
            return []
        listed = json.loads(self._read(folder).schema.metadata[_REJECTS])
        return [Reject(**dict(zip(_FIELDS, one, strict=True))) for one in listed]

    def _read(self, folder: Path) -> Any:
        path = folder / self.name
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise ChunkDamaged(f"{path} is missing") from error
        if f"{zlib.crc32(content):08x}" != self.checksum:
            raise ChunkDamaged(f"{path} is damaged")
        with pa.ipc.open_file(pa.BufferReader(content)) as reader:
            return reader.read_all()


def _defaults(table: pa.Table) -> int:
    """Returns how many rows have default scores: those with a reason."""
    at = table.schema.get_field_index("reason")
    return 0 if at < 0 else table.num_rows - table.column(at).null_count
