"""Files of the same rows in every format that a run reads, and what a source makes of them."""

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bridge.columns import Type
from bridge.row_files.csv_dialect import Dialect
from bridge.row_files.input_chunk import InputChunk
from bridge.row_files.sources import Source, open_source
from bridge.row_files.wanted import Wanted, WantedFeature

__all__ = ["CSV", "FEATURES", "WRITERS", "all_of", "reopen", "table_of_rows", "values_of"]

CSV = Dialect()
FEATURES = (
    WantedFeature("x", Type.DOUBLE),
    WantedFeature("n", Type.INT),
    WantedFeature("level", Type.FACTOR, ("a", "b", "")),
)


def table_of_rows(rows: int) -> pa.Table:
    """Rows with a double, a whole number, a text, a key and a note, some of them missing."""
    some = range(rows)
    return pa.table(
        {
            "id": pa.array(some, pa.int64()),
            "x": pa.array([None if row % 5 == 1 else row / 7 for row in some], pa.float64()),
            "n": pa.array([None if row % 6 == 2 else row for row in some], pa.int32()),
            "level": pa.array([(None, "a", "b", "")[row % 4] for row in some], pa.string()),
            "note": pa.array([(None, 'q"uo,te', "", "NA", "\u00fc\n")[row % 5] for row in some], pa.string()),
        }
    )


def _csv_text(table: pa.Table) -> str:
    lines = [",".join(table.column_names)]
    for row in table.to_pylist():
        cells = [
            "" if one is None else '"' + one.replace('"', '""') + '"' if isinstance(one, str) else repr(one)
            for one in row.values()
        ]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def _csv(folder: Path, table: pa.Table) -> Path:
    (folder / "rows.csv").write_text(_csv_text(table))
    return folder / "rows.csv"


def _gzip(folder: Path, table: pa.Table) -> Path:
    with gzip.open(folder / "rows.csv.gz", "wt") as file:
        file.write(_csv_text(table))
    return folder / "rows.csv.gz"


def _parquet(folder: Path, table: pa.Table) -> Path:
    pq.write_table(table, folder / "rows.parquet", row_group_size=13, write_page_checksum=True)
    return folder / "rows.parquet"


def _json(folder: Path, table: pa.Table) -> Path:
    names = table.column_names
    lines = [json.dumps({name: row[name] for name in names}) for row in table.to_pylist()]
    (folder / "rows.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder / "rows.jsonl"


def _arrow(folder: Path, table: pa.Table) -> Path:
    with pa.ipc.new_file(str(folder / "rows.arrow"), table.schema) as writer:
        writer.write_table(table, 9)
    return folder / "rows.arrow"


def _stream(folder: Path, table: pa.Table) -> Path:
    with pa.ipc.new_stream(str(folder / "rows.ipc"), table.schema) as writer:
        writer.write_table(table, 9)
    return folder / "rows.ipc"


WRITERS: dict[str, Callable[[Path, pa.Table], Path]] = {
    "csv": _csv,
    "csv.gz": _gzip,
    "parquet": _parquet,
    "json lines": _json,
    "arrow": _arrow,
    "arrow stream": _stream,
}


def all_of(source: Source, chunk_rows: int) -> list[InputChunk]:
    """All chunks of a source."""
    return list(source.chunks(chunk_rows, lambda _: False))


def reopen(path: str, wanted: Wanted) -> Source:
    """A source of a CSV file or another, as a later run opens it."""
    return open_source([path], CSV, wanted)


def values_of(chunks: Sequence[InputChunk], name: str) -> list[Any]:
    """The values of a column in all chunks; None is missing."""
    found: list[Any] = []
    for chunk in chunks:
        column = next(one for one in chunk.batch.columns if one.name == name)
        pairs = zip(column.values.tolist(), column.missing(), strict=True)
        found.extend(None if absent else value for value, absent in pairs)
    return found
