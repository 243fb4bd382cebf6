"""Joins calls that clients answered with their own default, because no gateway did, to the log by the calls' ids."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError
from scorebridge.v1 import prediction_log_pb2 as log_pb

from bridge.columns import Type
from bridge.errors import BridgeError
from bridge.prediction_log.reader import Entry
from bridge.prediction_log.rows import CANCELLED
from bridge.reconcile.compare import Comparison
from bridge.reconcile.differences import private_file

__all__ = ["CLIENT_DEFAULTS_FILE", "ClientDefaults", "ClientDefaultsNotReadable"]

CLIENT_DEFAULTS_FILE = "client_defaults.parquet"


class ClientDefaultsNotReadable(BridgeError):
    """A file of client defaults can't be read."""

    reason = "CLIENT_DEFAULTS_NOT_READABLE"


class _Line(BaseModel, strict=True):
    """The line that a client wrote for one call; other keys in it are ignored."""

    time: str | None = None
    request_id: str
    model: str | None = None
    rows: Annotated[int, Field(ge=0, lt=2**63)]
    reason: str | None = None
    default_score: float | None = None


@dataclass(eq=False)
class _Call:
    """One call that a client answered itself, and what the log says of it."""

    line: _Line
    answered: bool = False
    gateway: str = "not in the log"
    version: int | None = None
    sequence: int | None = None
    logged: np.ndarray[Any, Any] | None = None
    rescored: np.ndarray[Any, Any] | None = None


class ClientDefaults:
    """The calls in files of client defaults, a line of JSON each, as both clients write them; held in memory.

    Attributes:
        unreadable: the number of lines that can't be read, such as the last one of a client that was killed.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Reads the files.

        Raises:
            ClientDefaultsNotReadable: a file can't be read.
        """
        self._calls: dict[str, _Call] = {}
        self.unreadable = 0
        for path in paths:
            try:
                lines = path.read_bytes().splitlines()
            except OSError as error:
                raise ClientDefaultsNotReadable(f"{path.name} can't be read: {error.strerror}") from error
            for line in lines:
                self._add(line)

    def see(self, entry: Entry) -> None:
        """Notes what the log says of a call, if a client answered that call itself.

        Of several calls with one id, such as a client's attempts, the last answered one counts, or else the last.
        """
        record = entry.record
        call = self._calls.get(record.request_id)
        if call is None or (call.answered and record.status != 0):
            return
        call.sequence, call.version, call.answered = entry.sequence, record.version or None, record.status == 0
        if record.status == 0:
            call.gateway = _answered(record)
        elif record.status == CANCELLED:
            call.gateway = "cancelled by the client"
        else:
            call.gateway = f"failed: {record.error_reason}"

    def compared(self, comparison: Comparison) -> None:
        """Notes the gateway's and the re-scored numbers of a call that a client answered itself.

        Only the first output is noted, and only if it is a number.
        """
        logged_batch = comparison.logged_batch
        call = self._calls.get(logged_batch.call.record.request_id)
        if call is None or call.sequence != logged_batch.call.sequence or not comparison.outputs:
            return
        output = comparison.outputs[0]
        if call.logged is None or call.rescored is None:
            call.logged, call.rescored = (
                np.full(logged_batch.call.rows, np.nan),
                np.full(logged_batch.call.rows, np.nan),
            )
        for column, values in ((output.logged, call.logged), (output.rescored, call.rescored)):
            if column is not None and column.type is not Type.STRING:
                values[logged_batch.rows] = np.where(column.missing(), np.nan, column.values.astype(np.float64))

    def notes(self) -> list[str]:
        """Returns a sentence on how many calls the clients answered themselves, and what the log says of them."""
        if not self._calls and not self.unreadable:
            return ["client defaults: none"]
        rows = sum(call.line.rows for call in self._calls.values())
        fates = Counter(call.gateway for call in self._calls.values())
        told = ", ".join(f"{count} {fate}" for fate, count in fates.most_common())
        damaged = f"; {self.unreadable} lines can't be read" if self.unreadable else ""
        return [f"client defaults: {len(self._calls)} calls with {rows} rows; by the log {told}{damaged}"]

    def write(self, folder: Path) -> None:
        """Writes client_defaults.parquet into a folder: a row for each call, with its logged and re-scored numbers."""
        import pyarrow as pa  # noqa: PLC0415 - the difference files have shown that it is there
        import pyarrow.parquet as pq  # noqa: PLC0415

        text, whole, numbers = pa.string(), pa.int64(), pa.list_(pa.float64())
        types: dict[str, Any] = {"time": text, "request_id": text, "model": text, "rows": whole, "reason": text}
        types |= {"default_score": pa.float64(), "gateway": text, "version": whole, "sequence": whole}
        types |= {"logged": numbers, "rescored": numbers}
        lines = [
            call.line.model_dump()
            | {"gateway": call.gateway, "version": call.version, "sequence": call.sequence}
            | {"logged": call.logged, "rescored": call.rescored}
            for call in self._calls.values()
        ]
        with private_file(folder / CLIENT_DEFAULTS_FILE) as file:
            pq.write_table(pa.Table.from_pylist(lines, schema=pa.schema(list(types.items()))), file)

    def _add(self, raw: bytes) -> None:
        try:
            line = _Line.model_validate_json(raw)
        except ValidationError:
            self.unreadable += 1
        else:
            self._calls[line.request_id] = _Call(line)


def _answered(record: log_pb.LogRecord) -> str:
    if record.defaulted:
        return "answered with defaults"
    return "answered in part" if record.failed else "answered"
