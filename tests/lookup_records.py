"""Calls with looked-up features, put on record as a gateway does it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scorebridge.v1 import prediction_log_pb2 as log_pb

from bridge.calls import Arrival, Call, ModelRef
from bridge.columns import Array, Column, Mask, Table, Type
from bridge.looked_up import LookedUp, LookupResult
from bridge.prediction_log.record import record_of_call

__all__ = ["ARRIVAL", "call_of", "column", "look_up", "recorded", "result", "texts"]

SCORE = "/scorebridge.v1.ScoringService/Score"
ARRIVAL = Arrival(SCORE, b"", "ipv4:127.0.0.1:5000", "billing", 0.0, 1_795_435_200 * 10**9)
BATCH, BEFORE = "2026-11-24", "2026-11-23"


def column(name: str, values: Sequence[Any], kind: Type = Type.DOUBLE, mask: Sequence[bool] | None = None) -> Column:
    """A column of numbers or truth values; NaN, or the mask, says what is missing."""
    return Column(name, kind, np.array(values, kind.dtype), None if mask is None else np.array(mask, np.bool_))


def texts(name: str, values: Sequence[str | None]) -> Column:
    """A column of text; None is missing."""
    kept: Array = np.empty(len(values), object)
    kept[:] = ["" if one is None else one for one in values]
    mask: Mask = np.array([one is None for one in values], np.bool_)
    return Column(name, Type.STRING, kept, mask if mask.any() else None)


def result(
    name: str = "history", previous: Sequence[int] = (), missing: Sequence[int] = (), **more: Any
) -> LookupResult:
    """What a lookup gave for which some rows are of the batch before, or missing."""
    told: dict[str, Any] = {"store": "main", "group": "orders", "batch": BATCH, "age_s": 3600.5}
    told |= {"previous_batch": BEFORE if previous else ""} | more
    told |= {"previous_rows": np.array(previous, np.int64), "missing_rows": np.array(missing, np.int64)}
    return LookupResult(name=name, **told)


def look_up(
    record: log_pb.LogRecord, *columns: Column, keys: Sequence[int] = (), results: Sequence[LookupResult] = ()
) -> None:
    """Puts into a record what was looked up for its call."""
    found = LookedUp(tuple(results) or (result(),), columns, tuple(keys))
    written = recorded(call_of(found))
    record.lookups.extend(written.lookups)
    record.looked_up.extend(written.looked_up)
    record.key_columns.extend(written.key_columns)


def call_of(found: LookedUp | None, rows: int = 1, **more: Any) -> Call:
    """A call of `risk/3` with what was looked up for it."""
    return Call("call-1", ModelRef("risk", 3, "sha256:" + "ab" * 32), Table((), rows), 0.0, looked_up=found, **more)


def recorded(call: Call, *, whole: bool = True) -> log_pb.LogRecord:
    """What a gateway writes of a call, whatever its outcome."""
    return log_pb.LogRecord.FromString(record_of_call(ARRIVAL, call, "xgboost 3.2.0", 0.002, whole=whole))
