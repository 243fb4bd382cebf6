"""Every metric that a gateway shows: its name, kind, labels and meaning, and what its labels can be."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from bridge.counters import FrontRefusal
from bridge.errors import BridgeError, CallerError, CapacityError, DeadlineExceeded, InternalError
from bridge.lookup_errors import LookupFailed

__all__ = ["METRICS", "REFUSALS", "ROW_SOURCES", "WORKER_STATES", "Kind", "Metric"]

ROW_SOURCES = ("MODEL", "DEFAULT", "FAILED")
WORKER_STATES = ("idle", "leased", "settling", "dying", "starting")

Kind = Literal["counter", "gauge", "histogram", "summary"]
_VERSION = ("model", "version")


class Metric(NamedTuple):
    """One metric.

    Attributes:
        kind: its kind, as Prometheus calls it; a counter counts from the start of the gateway.
        labels: the names of its labels.
        meaning: what it is, in a sentence.
    """

    kind: Kind
    labels: tuple[str, ...]
    meaning: str


METRICS: dict[str, Metric] = {
    "scorebridge_calls_total": Metric(
        "counter",
        (*_VERSION, "wire", "code"),
        "Calls of a version by wire and gRPC status code, with those that were refused when their version was known.",
    ),
    "scorebridge_rows_total": Metric(
        "counter", (*_VERSION, "source"), "Rows of answered calls, by what was answered: MODEL, DEFAULT or FAILED."
    ),
    "scorebridge_default_rows_total": Metric(
        "counter", (*_VERSION, "reason"), "Rows that were answered with a default score, by reason."
    ),
    "scorebridge_failed_rows_total": Metric(
        "counter", (*_VERSION, "reason"), "Rows of answered partial calls that came back without a score, by reason."
    ),
    "scorebridge_refusals_total": Metric(
        "counter", ("reason",), "Requests of every kind that were refused before they became a call, by reason."
    ),
    "scorebridge_call_seconds": Metric(
        "histogram", _VERSION, "Time of a call from its whole request to its answer, in seconds."
    ),
    "scorebridge_queue_seconds": Metric("histogram", _VERSION, "Time that a call waited for a worker, in seconds."),
    "scorebridge_backend_seconds": Metric(
        "histogram", _VERSION, "Time that workers had a call, in seconds; calls for which none was asked don't count."
    ),
    "scorebridge_version_info": Metric(
        "gauge",
        (*_VERSION, "digest", "engine", "state"),
        "1 for every version of the repository, with its state; digest and engine are empty while they aren't known.",
    ),
    "scorebridge_version_serving": Metric(
        "gauge", _VERSION, "1 for the version that calls without a version number go to, 0 for the others."
    ),
    "scorebridge_resident_versions": Metric("gauge", (), "Versions that are loaded and score calls."),
    "scorebridge_circuit_state": Metric(
        "gauge", (*_VERSION, "state"), "1 for the state of a resident version's circuit, 0 for the others."
    ),
    "scorebridge_pending_rows": Metric(
        "gauge", _VERSION, "Rows of the calls that a resident version has let in and not answered yet."
    ),
    "scorebridge_running_executions": Metric("gauge", _VERSION, "Executions of a resident version that are going on."),
    "scorebridge_workers": Metric(
        "gauge", (*_VERSION, "state"), "Worker processes of a resident version by what they do; xgboost needs none."
    ),
    "scorebridge_waiting_executions": Metric(
        "gauge", _VERSION, "Executions that wait for a worker process of a resident version."
    ),
    "scorebridge_lease_wait_seconds": Metric(
        "summary",
        _VERSION,
        "Time that executions waited for a worker process since the version was loaded, in seconds.",
    ),
    "scorebridge_replaced_workers_total": Metric(
        "counter", _VERSION, "Worker processes that were lost, spent or too slow and were replaced."
    ),
    "scorebridge_overrun_workers_total": Metric(
        "counter", _VERSION, "Worker processes that were killed because they went on for too long with an ended call."
    ),
    "scorebridge_ready": Metric("gauge", (), "Whether calls should be sent to this gateway, as /readyz says."),
    "scorebridge_build_info": Metric("gauge", ("version", "python"), "1, with the versions of the gateway and Python."),
    "scorebridge_inflight_bytes": Metric("gauge", (), "Bytes of requests that are not answered yet."),
    "scorebridge_inflight_limit_bytes": Metric("gauge", (), "The most of them that are held: max_inflight_bytes."),
    "scorebridge_loop_lag_seconds": Metric(
        "gauge", (), "How late the event loop came to its last check, one each 20 ms, in seconds."
    ),
    "scorebridge_loop_longest_hold_seconds": Metric(
        "gauge", (), "The longest time of the last minute in which one piece of work held the event loop, in seconds."
    ),
    "scorebridge_log_records_total": Metric("counter", (), "Records that were written to the prediction log."),
    "scorebridge_log_bytes_total": Metric(
        "counter", (), "Bytes of the records that were written to the prediction log."
    ),
    "scorebridge_log_lag_seconds": Metric(
        "gauge", (), "Age of the oldest record of the prediction log that is not synced to the disk, in seconds."
    ),
    "scorebridge_log_failures_total": Metric("counter", (), "Records that could not be written to the prediction log."),
    "scorebridge_log_suspect_segments_total": Metric(
        "counter",
        (),
        "Segments of the prediction log that may not be on the disk, because the system failed to sync them.",
    ),
    "scorebridge_log_unshipped_segments_total": Metric(
        "counter",
        (),
        "Segments of the prediction log that were removed before `scorebridge log ship` had shipped them.",
    ),
    "scorebridge_store_up": Metric(
        "gauge", ("store",), "Whether nothing is known that keeps a store of features from answering."
    ),
    "scorebridge_hanging_reads": Metric(
        "gauge", (), "Reads of the repository that its file system has not answered in time."
    ),
    "scorebridge_certificate_fault": Metric(
        "gauge", (), "Whether the TLS files are wrong as they are now, so that the last correct ones are served."
    ),
    "scorebridge_callers_fault": Metric(
        "gauge", (), "Whether the file of callers is wrong as it is now, so that the last correct one counts."
    ),
}


def _reasons_of(*errors: type[BridgeError]) -> Iterator[tuple[str, str]]:
    for error in errors:
        if "reason" in vars(error):
            yield error.reason, _first_line_of(error)
        yield from _reasons_of(*error.__subclasses__())


def _first_line_of(error: type[BridgeError]) -> str:
    return (error.__doc__ or "").partition("\n")[0]


# Every reason for which a request may be refused before it becomes a call, with what happened.
REFUSALS: dict[str, str] = {
    **dict(_reasons_of(CallerError, CapacityError, DeadlineExceeded, LookupFailed)),
    InternalError.reason: _first_line_of(InternalError),  # it has its reason from the base of all errors
    **{one.value: one.meaning for one in FrontRefusal},
}
