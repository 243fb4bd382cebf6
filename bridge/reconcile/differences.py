"""The rows that differ, and those with default scores, as Parquet files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from scorebridge.v1 import scoring_pb2 as pb

from bridge.columns import Column, Mask, Type
from bridge.errors import BridgeError
from bridge.reconcile.calls import VersionKey
from bridge.reconcile.compare import Comparison, OutputComparison

__all__ = ["DEFAULTED_FILE", "DIFFERENCES_FILE", "DifferenceFiles", "ExtraNotInstalled"]

DIFFERENCES_FILE = "differences.parquet"
DEFAULTED_FILE = "defaulted.parquet"
_GROUP_ROWS = 50_000


class ExtraNotInstalled(BridgeError):
    """Files were asked for, and what writes them is not installed."""

    reason = "EXTRA_NOT_INSTALLED"


class DifferenceFiles:
    """Both files, written as the rows come."""

    def __init__(self, folder: Path) -> None:
        """Opens them.

        Raises:
            ExtraNotInstalled: pyarrow is missing.
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
        self._arrow: Any = pa
        self._schema = pa.schema(list(types.items()))
        self._lines: dict[str, list[dict[str, Any]]] = {DIFFERENCES_FILE: [], DEFAULTED_FILE: []}
        self._writers = {name: pq.ParquetWriter(folder / name, self._schema) for name in self._lines}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name, writer in self._writers.items():
            self._flush(name)
            writer.close()

    def add(self, key: VersionKey, comparison: Comparison) -> None:
        """Takes the rows of a compared piece that differ or were defaulted."""
        for output in comparison.outputs:
            self._take(DIFFERENCES_FILE, key, comparison, output, comparison.different & output.different)
            self._take(DEFAULTED_FILE, key, comparison, output, comparison.defaulted)

    def _take(self, name: str, key: VersionKey, comparison: Comparison, output: OutputComparison, rows: Mask) -> None:
        if not rows.any():
            return
        piece = comparison.piece
        record, keys = piece.call.record, piece.call.request.row_keys
        shared = {**key._asdict(), "sequence": piece.call.sequence, "request_id": record.request_id}
        shared |= {"received_at": record.received_ns // 1000, "output": output.name}
        reasons = piece.call.reasons(int(piece.rows.max()) + 1)
        lines = self._lines[name]
        for at in np.flatnonzero(rows).tolist():
            row = int(piece.rows[at])
            reason = comparison.failure
            if reasons[row]:
                reason = pb.DefaultReason.Name(reasons[row]).removeprefix("DEFAULT_REASON_")
            distance = float(output.distance[at])
            line = shared | {"row": row, "row_key": keys[row] if keys else None, "reason": reason or None}
            line["difference"] = distance if np.isfinite(distance) else None
            rescored = None if comparison.unknown[at] else output.rescored
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
    return {name: float(column.values[at])}
