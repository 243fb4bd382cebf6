"""Runs one reconciliation, from the log to the files and the summary."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bridge.bundles.bundle import Bundle, read_bundle, verify
from bridge.bundles.repository import Repository
from bridge.errors import BridgeError, BundleError, InvalidRequest
from bridge.events import RESCORING_BUG
from bridge.own_log import OwnLog
from bridge.prediction_log.environment import describe_environment
from bridge.prediction_log.selection import Selection
from bridge.private_folders import private_folder
from bridge.reconcile.against import Against
from bridge.reconcile.calls import AnsweredCall, LoggedBatch
from bridge.reconcile.client_defaults import ClientDefaults
from bridge.reconcile.compare import Comparison, Rescorer, compare
from bridge.reconcile.differences import DifferenceFiles
from bridge.reconcile.observations import Observations
from bridge.reconcile.process_path import ProcessPath
from bridge.reconcile.python_path import PythonPath
from bridge.reconcile.r_path import RPath
from bridge.reconcile.report import write_report
from bridge.reconcile.spool import CHUNK_CALLS, CHUNK_ROWS, LoggedVersion, Spool, VersionKey
from bridge.reconcile.summary import Summary, VersionSummary
from bridge.reconcile.xgboost_path import XgboostPath
from bridge.row_files.other_tables import AgainstNotReadable

__all__ = ["Options", "reconcile_log"]

_log = OwnLog(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be reconciled, and how.

    Attributes:
        log: the folder of the prediction log's segments.
        repository: the folder of the versions' bundles; None will do with `against`.
        selection: which calls of the log to take.
        tolerance: how far numbers may be apart and still count as equal; 0 asks for the same bits.
        output: the folder for the Parquet files and the report, made if missing; None writes no files.
        against: the file of scores that were made elsewhere; None scores the log again.
        key: the name of the column of row keys in the file `against`.
        client_defaults: files in which clients noted the calls that they answered themselves.
        timeout_s: how long scoring one call again may take, seconds; None for the time that each version's workers
            have.
        chunk_rows: the most rows in memory at once.
        r: the program that R models run in: "embedded", a Python process, or "rscript"; None for the first that is
            installed.
        pythons: the interpreters that Python models may name, by these names.
    """

    log: Path
    repository: Path | None
    selection: Selection = field(default_factory=Selection)
    tolerance: float = 0.0
    output: Path | None = None
    against: Path | None = None
    key: str = "row_key"
    client_defaults: tuple[Path, ...] = ()
    timeout_s: float | None = None
    chunk_rows: int = CHUNK_ROWS
    r: Literal["embedded", "rscript"] | None = None
    pythons: Mapping[str, Path] = field(default_factory=dict)


def _check_repository(repository: Path | None) -> None:
    if repository is None:
        raise BundleError("give --repository, the folder of the versions that answered, or --against")
    if not repository.is_dir():
        raise BundleError(f"the repository {repository} is not a folder")


def reconcile_log(options: Options) -> Summary:
    """Scores the logged calls again, compares the scores, writes the files, and returns the summary.

    Raises:
        BridgeError: there is no log or repository, another file can't be read, or a library is not installed.
    """
    if options.against is None:
        _check_repository(options.repository)
    summary, observations = Summary(), Observations()
    with ExitStack() as stack:
        folder = stack.enter_context(private_folder("reconcile"))
        other = None if options.against is None else Against(options.against, options.key)
        clients = ClientDefaults(options.client_defaults)
        spool = Spool.read(options.log, options.selection, folder, clients.see)
        files = None
        if options.output is not None:
            options.output.mkdir(mode=0o700, parents=True, exist_ok=True)
            files = stack.enter_context(DifferenceFiles(options.output))
        summary.notes += _log_notes(spool)
        if other is None:
            summary.notes += _environment_notes(spool.environments)
        for key in sorted(spool.versions):
            version = spool.versions[key]
            result = VersionSummary(key, version.calls, version.failed, version.cancelled)
            summary.versions.append(result)
            _Version(version, result, observations, files, clients, options).run(other)
        if other is not None:
            summary.notes += other.notes()
    if options.client_defaults:
        summary.notes += clients.notes()
        if options.output is not None:
            clients.write(options.output)
    if options.output is not None:
        write_report(options.output, summary, observations)
    return summary


@dataclass(frozen=True, slots=True, eq=False)
class _Version:
    """The reconciliation of one version."""

    logged: LoggedVersion
    result: VersionSummary
    observations: Observations
    files: DifferenceFiles | None
    clients: ClientDefaults
    options: Options

    def run(self, other: Rescorer | None) -> None:
        """Reconciles the version; a failure is noted in its result and does not stop the other versions."""
        if not self.logged.calls:
            return
        try:
            rescorer = other or _open(self.logged.key, self.options)
        except Exception as error:  # noqa: BLE001 - one version's failure must not end the others
            self._give_up(error)
            self._count_only()
            return
        with closing(rescorer):
            self.result.notes += _engine_notes(self.logged.engines, rescorer.engine)
            if isinstance(rescorer, ProcessPath):
                self.result.notes.append(f"scored again by {rescorer.way}")
            for comparison in self._comparisons(rescorer):
                self.result.add(comparison)
                self.observations.add(str(self.logged.key), comparison)
                self.clients.compared(comparison)
                if self.files is not None:
                    self.files.add(self.logged.key, comparison)

    def _comparisons(self, rescorer: Rescorer) -> Iterator[Comparison]:
        """Yields comparisons until scoring fails, which is noted; errors in writing them are the caller's and pass."""
        try:
            for logged_batches in self._grouped():
                for logged_batch, rescored in zip(logged_batches, rescorer.score(logged_batches), strict=True):
                    yield compare(logged_batch, rescored, self.options.tolerance)
        except AgainstNotReadable:
            raise
        except Exception as error:  # noqa: BLE001 - one version's failure must not end the others
            self._give_up(error, "stopped: ")

    def _give_up(self, error: Exception, where: str = "") -> None:
        if isinstance(error, BridgeError | OSError):
            self.result.not_rescored = f"{where}{error}"
            return
        _log.say(RESCORING_BUG, bug=error, version=self.logged.key)
        self.result.not_rescored = f"{where}an unforeseen {type(error).__name__}, see standard error; please report it"

    def _calls(self) -> Iterator[AnsweredCall]:
        for sequence, record in self.logged.records():
            try:
                call = AnsweredCall.read(sequence, record)
            except InvalidRequest as error:
                self.result.not_rescored = f"record {sequence} can't be read: {type(error).__name__}"
                continue
            self.observations.course.add(call)
            yield call

    def _grouped(self) -> Iterator[list[LoggedBatch]]:
        logged_batches: list[LoggedBatch] = []
        held = 0
        for call in self._calls():
            try:
                found = call.batches()
            except InvalidRequest as error:
                self.result.not_rescored = f"record {call.sequence} has no rows that can be read: {error}"
                continue
            rows = sum(len(logged_batch.rows) for logged_batch in found)
            if logged_batches and (held + rows > self.options.chunk_rows or len(logged_batches) >= CHUNK_CALLS):
                yield logged_batches
                logged_batches, held = [], 0
            logged_batches += found
            held += rows
        if logged_batches:
            yield logged_batches

    def _count_only(self) -> None:
        for call in self._calls():
            self.result.defaulted += sum(part.count for part in call.response.defaulted_rows)
            self.result.without_score += sum(part.count for part in call.response.failed_rows)


def _open(key: VersionKey, options: Options) -> Rescorer:
    repository = Repository(options.repository or Path())
    stored = next((one for one in repository.versions() if (one.model, one.version) == key[:2]), None)
    if stored is None:
        raise BundleError("it is no longer in the repository")
    bundle: Bundle = read_bundle(stored.path)
    if bundle.digest != key.digest:
        raise BundleError("the repository holds another bundle under this version: its digest is not the logged one")
    verify(bundle)
    if bundle.backend == "xgboost":
        return XgboostPath(bundle)
    if bundle.backend == "python":
        return PythonPath(bundle, options.pythons, options.timeout_s)
    return RPath(bundle, options.timeout_s, options.r)


def _log_notes(spool: Spool) -> list[str]:
    bad = [damage for damage in spool.damages if not damage.torn]
    torn = len(spool.damages) - len(bad)
    notes = [f"the log is damaged at {damage.segment.name}, byte {damage.offset}: {damage.reason}" for damage in bad]
    notes += [f"{torn} segments end in a record that was never finished"] if torn else []
    return notes + ([f"{spool.removed} segments were removed while the log was being read"] if spool.removed else [])


def _environment_notes(recorded: list[Mapping[str, str]]) -> list[str]:
    """Returns a sentence for each part of the machine's environment that has changed since the calls were answered."""
    now = describe_environment() if recorded else {}
    notes = {
        f"environment: {name} was {version}, is now {now.get(name, 'not there')}"
        for environment in recorded
        for name, version in environment.items()
        if now.get(name) != version
    }
    return sorted(notes)


def _engine_notes(recorded: set[str], now: str) -> list[str]:
    """Returns a sentence for each logged engine that differs from the present one.

    lignum makes no difference: it serves only models for which it gives the booster's bits.
    """
    found = _parts(now) | {"lignum"}
    changed = {engine for engine in recorded if any(part not in found for part in _parts(engine))}
    said = "environment: the logged scores were computed by"
    return [f"{said} {engine}, now by {now}" for engine in sorted(changed)] if now else []


def _parts(engine: str) -> set[str]:
    named = (part.removeprefix("for ") for part in engine.split(", "))
    return {"lignum" if part.startswith("lignum ") else part for part in named}
