"""Writes the rows that differ, and the rows with default scores or without a score, to Parquet files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from bridge.columns import Column, Mask, Type
from bridge.errors import BridgeError
from bridge.prediction_log.reasons import reason_name
from bridge.reconcile.compare import Comparison, OutputComparison
from bridge.reconcile.spool import VersionKey

__all__ = ["DEFAULTED_FILE", "DIFFERENCES_FILE", "DifferenceFiles", "ExtraNotInstalled", "private_file"]

DIFFERENCES_FILE = "differences.parquet"
DEFAULTED_FILE = "defaulted.parquet"
_GROUP_ROWS = 50_000


class ExtraNotInstalled(BridgeError):
    """Output files were asked for, and a library that writes them is not installed."""

    reason = "EXTRA_NOT_INSTALLED"


def private_file(path: Path) -> BinaryIO:
    """Creates an empty file that only its owner can read, and opens it for writing; replaces a file of that name.

    Raises:
        OSError: the file can't be created.
    """
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


class DifferenceFiles:
    """The files differences.parquet and defaulted.parquet, written as the rows come; leaving the `with` closes them."""

    def __init__(self, folder: Path) -> None:
        """Creates both files in a folder.

        Raises:
            ExtraNotInstalled: pyarrow is not installed.
            OSError: a file can't be created.
        """
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra
            import pyarrow.parquet as pq  # noqa: PLC0415
        except ImportError as error:
            raise ExtraNotInstalled("pyarrow is not installed: pip install 'scorebridge-gateway[log]'") from error
        text, number, whole = pa.string(), pa.float64(), pa.int64()
        types: dict[str, Any] = {
            "model": text,
            "version": whole,
            "digest": text,
            "sequence": whole,
            "request_id": text,
            "row": whole,
        }
        types |= {"row_key": text, "received_at": pa.timestamp("us", tz="UTC"), "output": text, "logged": number}
        types |= {"rescored": number, "difference": number, "logged_text": text, "rescored_text": text, "reason": text}
        types |= {"not_rescored": text}
        self._arrow: Any = pa
        self._schema = pa.schema(list(types.items()))
        self._lines: dict[str, list[dict[str, Any]]] = {DIFFERENCES_FILE: [], DEFAULTED_FILE: []}
        self._files = {name: private_file(folder / name) for name in self._lines}
        self._writers = {name: pq.ParquetWriter(file, self._schema) for name, file in self._files.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name, writer in self._writers.items():
            self._flush(name)
            writer.close()
            self._files[name].close()

    def add(self, key: VersionKey, comparison: Comparison) -> None:
        """Writes the rows of a compared batch that differ, were defaulted or failed."""
        for output in comparison.outputs:
            self._take(DIFFERENCES_FILE, key, comparison, output, comparison.different & output.different)
            self._take(DEFAULTED_FILE, key, comparison, output, ~comparison.by_model)

    def _take(self, name: str, key: VersionKey, comparison: Comparison, output: OutputComparison, rows: Mask) -> None:
        if not rows.any():
            return
        logged_batch = comparison.logged_batch
        record, keys = logged_batch.call.record, logged_batch.call.request.row_keys
        shared = {**key._asdict(), "sequence": logged_batch.call.sequence, "request_id": record.request_id}
        shared |= {"received_at": record.received_ns // 1000, "output": output.name}
        reasons = logged_batch.call.reasons(int(logged_batch.rows.max()) + 1)
        lines = self._lines[name]
        for at in np.flatnonzero(rows).tolist():
            row = int(logged_batch.rows[at])
            rescored = None if comparison.unknown[at] else output.rescored
            distance = float(output.distance[at])
            line = shared | {"row": row, "row_key": keys[row] if keys else None}
            line["difference"] = distance if rescored is not None and np.isfinite(distance) else None
            line["reason"] = reason_name(reasons[row]) if reasons[row] else None
            line["not_rescored"] = comparison.failure or None
            lines.append(line | _cell("logged", output.logged, at) | _cell("rescored", rescored, at))
        if len(lines) >= _GROUP_ROWS:
            self._flush(name)

    def _flush(self, name: str) -> None:
        lines: Sequence[dict[str, Any]] = self._lines[name]
        if lines:
            self._writers[name].write_table(self._arrow.Table.from_pylist(lines, schema=self._schema))
            self._lines[name] = []


def _cell(name: str, column: Column | None, at: int) -> dict[str, Any]:
    if column is None or column.missing()[at]:
        return {}
    if column.type is Type.STRING:
        return {f"{name}_text": column.values[at]}
    number = float(column.values[at])
    if column.type is Type.INT64 and int(number) != column.values[at]:  # a double does not hold it
        return {name: number, f"{name}_text": str(column.values[at])}
    return {name: number}
