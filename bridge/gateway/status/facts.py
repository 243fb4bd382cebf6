"""What the status page shows, copied from the gateway at one moment, so that a thread can write the page from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.counters import Minute
from bridge.gateway.status.drift import Drift
from bridge.layers.circuit import CircuitState
from bridge.models.version import State

__all__ = ["Facts", "LogFacts", "VersionFacts", "Workers"]


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of one version, counted by what they do.

    Attributes:
        idle: the workers that are free.
        busy: the workers that score a call.
        settling: the workers that are still at work for a call that has ended.
        dying: the workers that are being killed.
        starting: the workers that are lacking, and are being started.
        waiting: the calls that wait for a worker; for models in this process, where none waits for one, 0.
        replaced: the workers that were lost, spent or too slow since the version was loaded.
        overrun: those of them that were killed because they went on for too long after their call had ended.
    """

    idle: int
    busy: int
    settling: int = 0
    dying: int = 0
    starting: int = 0
    waiting: int = 0
    replaced: int = 0
    overrun: int = 0

    @property
    def able(self) -> int:
        """The workers that are free or score a call that somebody waits for."""
        return self.idle + self.busy


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """One version.

    Attributes:
        model: the name of its model.
        number: its number.
        state: its state.
        serving: whether calls without a version number go to it.
        never_scored: whether it is loaded and has scored nothing yet.
        reason: why it is refused or waits; empty if it does neither.
        retry_at: when it is tried again, in UTC; None if it does not wait.
        digest: the sha256 of its manifest; empty while it was not read.
        engine: what computes its scores; empty while it is not loaded.
        circuit: the state of its circuit; None while it is not loaded.
        workers: its workers; None while it is not loaded.
        pending_rows: the rows of calls that were let in and are not answered yet.
        minutes: what was counted of its calls in each of the last minutes that had some, in order.
        default_rows: the rows with default scores since the gateway's start, by reason.
        codes: the calls since the gateway's start, by the name of their gRPC status code.
    """

    model: str
    number: int
    state: State
    serving: bool = False
    never_scored: bool = False
    reason: str = ""
    retry_at: datetime | None = None
    digest: str = ""
    engine: str = ""
    circuit: CircuitState | None = None
    workers: Workers | None = None
    pending_rows: int = 0
    minutes: tuple[Minute, ...] = ()
    default_rows: Mapping[str, int] | None = None
    codes: Mapping[str, int] | None = None

    @property
    def name(self) -> str:
        """Its model and number, such as "fraud/7"."""
        return f"{self.model}/{self.number}"


@dataclass(frozen=True, slots=True)
class LogFacts:
    """The prediction log.

    Attributes:
        folder: its folder.
        lost: the records that could not be written since the gateway's start.
        refuses: whether calls that can't be recorded are refused.
        lag_s: the age in seconds of the oldest record that was not yet synced to the disk.
        fault: why its disk could not be looked at; empty if it could be.
        free_bytes: the free bytes of its file system, for this gateway.
        disk_bytes: all bytes of that file system.
        bytes: the size of all segments.
        segments: the number of segments.
    """

    folder: str
    lost: int
    refuses: bool
    lag_s: float = 0.0
    fault: str = ""
    free_bytes: int = 0
    disk_bytes: int = 0
    bytes: int = 0
    segments: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """A gateway at one moment.

    Attributes:
        at: the moment, in UTC.
        minute: the number of the minute on the clock by which calls are counted.
        host: the name of the machine.
        repository: the folder of bundles.
        ready: whether calls should be sent here.
        decided: whether every version was loaded, refused or set to wait at least once.
        draining: whether it takes no new calls.
        faults: what is wrong with TLS's files and with callers.toml, in sentences.
        unknown_callers: the calls since the start whose caller was not known.
        refusals: the requests since the start that were refused before they became a call, by reason.
        hanging: the reads of the repository that hang, by what is read.
        unloaded: the models that an operator unloaded.
        stores: what keeps each store from answering, by name; empty words if nothing is known to.
        held_s: the longest hold of the event loop within the last minute, seconds.
        inflight_bytes: the bytes of unanswered requests.
        most_inflight_bytes: the most that they may be.
        log: the prediction log; None if none is kept.
        drift: the drift of the last day; None if it is not computed.
        notes: further sentences on how the gateway runs.
        versions: all versions, sorted by model and number.
    """

    at: datetime
    minute: int
    host: str
    repository: str
    ready: bool
    decided: bool
    draining: bool
    faults: tuple[str, ...]
    unknown_callers: int
    refusals: Mapping[str, int]
    hanging: Mapping[str, int]
    unloaded: tuple[str, ...]
    stores: Mapping[str, str]
    held_s: float
    inflight_bytes: int
    most_inflight_bytes: int
    log: LogFacts | None
    drift: Drift | None
    notes: tuple[str, ...]
    versions: tuple[VersionFacts, ...]
