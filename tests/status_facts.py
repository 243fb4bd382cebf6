"""Facts of gateways that are well, for tests to make ill."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bridge.counters import Minute
from bridge.gateway.status.facts import Facts, LogFacts, VersionFacts, Workers
from bridge.layers.circuit import CircuitState
from bridge.models.version import State

__all__ = ["MINUTE", "facts", "log", "served"]

MINUTE = 500
_WELL = Facts(
    at=datetime(2026, 3, 1, 12, 3, 5, tzinfo=UTC),
    minute=MINUTE,
    host="score-1",
    repository="/srv/my models",
    ready=True,
    decided=True,
    draining=False,
    faults=(),
    unknown_callers=0,
    refusals={},
    hanging={},
    unloaded=(),
    stores={},
    held_s=0.001,
    inflight_bytes=0,
    most_inflight_bytes=256 << 20,
    log=None,
    drift=None,
    notes=(),
    versions=(),
)


def facts(*versions: VersionFacts, **changes: Any) -> Facts:
    """A gateway with these versions, well but for the changes."""
    return replace(_WELL, versions=versions, **changes)


def served(model: str = "glm", number: int = 1, *, calls: int = 0, **changes: Any) -> VersionFacts:
    """A version that is well but for the changes, with so many calls of ten rows in each minute of the last hour."""
    minutes = tuple(Minute(number, calls, rows=10 * calls) for number in range(MINUTE - 59, MINUTE + 1) if calls)
    for one in minutes:
        one.seconds.counts[3] = calls
    well = VersionFacts(
        model,
        number,
        State.READY,
        serving=True,
        engine="R 4.2.2",
        circuit=CircuitState.CLOSED,
        workers=Workers(2, 0),
        minutes=minutes,
        default_rows={},
        codes={"OK": 60 * calls},
    )
    return replace(well, **changes)


def log(**changes: Any) -> LogFacts:
    """A log that is well but for the changes."""
    well = LogFacts("/var/log/scores", 0, refuses=False, lag_s=0.0, free_bytes=50 << 30, disk_bytes=100 << 30)
    return replace(well, bytes=3 << 30, segments=24, **changes)
