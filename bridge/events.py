"""The events of a gateway's own log that are about the gateway itself; those of models are in `model_events`.

Names are stable, because searches and alerts go by them; sentences may be put better at any time.
"""

from logging import ERROR, INFO, WARNING

from bridge.own_log import Event

__all__ = [
    "CACHE_NOT_WRITTEN",
    "CALLERS_CHANGED",
    "CALLERS_INVALID",
    "CALL_BUG",
    "CERTIFICATES_CHANGED",
    "CERTIFICATES_INVALID",
    "DRAINING",
    "DRIFT_BUG",
    "DRIFT_NOT_MEASURED",
    "FOLDER_SWEPT",
    "GRPC_BUG",
    "HTTP_BUG",
    "HTTP_PORT_BUG",
    "LIBRARY_MESSAGE",
    "LINES_LEFT_OUT",
    "LINES_LOST",
    "RECORDS_NOT_WRITTEN",
    "REQUEST_BUG",
    "RESCORING_BUG",
    "RETENTION_FAILED",
    "RUNS_AS_ROOT",
    "RUN_BUG",
    "SEGMENT_KEPT_UNSHIPPED",
    "SEGMENT_MARK_FAILED",
    "SEGMENT_NOT_SYNCED",
    "SEGMENT_REMOVED",
    "SEGMENT_REMOVED_UNSHIPPED",
    "SHIPPING_BUG",
    "SPANS_LEFT",
    "STORE_ANSWERS",
    "STORE_FILE_UNREADABLE",
    "STORE_LEFT_ALONE",
    "TRACING_FAILED",
    "TRACING_UNAVAILABLE",
]

_REPORT = "Report it, with the line."
_BUG = "A bug of the gateway; the caller gets INTERNAL."

RUNS_AS_ROOT = Event(
    "runs_as_root",
    WARNING,
    "%(note)s",
    "The gateway was started as root and `worker_user` is not set.",
    "Set `worker_user`: docs/security.md.",
)
DRAINING = Event(
    "draining",
    INFO,
    "no new calls are taken, calls under way have %(seconds)g s to finish",
    "SIGTERM or Ctrl-C.",
)
LINES_LEFT_OUT = Event(
    "lines_left_out",
    WARNING,
    "of %(event_name)s about %(subject)s, %(lines)d more lines were left out",
    "An event happened too often to have a line each time.",
    "Look at the lines before: the cause goes on.",
    unlimited=True,
)
LINES_LOST = Event(
    "lines_lost",
    WARNING,
    "%(lines)d lines of this log were lost: what takes them did not keep up, or failed",
    "Standard error was full, blocked or broken; the gateway does not wait for it.",
    "See to what reads standard error, such as journald, and its disk.",
    unlimited=True,
)
LIBRARY_MESSAGE = Event(
    "library_message",
    WARNING,
    "%(note)s",
    "A library that the gateway uses says something; only its first line is shown, at the level of the library.",
    more=("logger",),
)
TRACING_UNAVAILABLE = Event(
    "tracing_unavailable",
    WARNING,
    "calls are not traced, though OTEL_ variables ask for it: %(reason)s",
    "OpenTelemetry's SDK is not installed, or can't do what the variables say.",
    "Do what the line says, or unset the variables.",
)
TRACING_FAILED = Event(
    "tracing_failed",
    ERROR,
    "the span of call %(request_id)s was not made, because of a bug in the gateway",
    "A bug of the gateway; the call itself is not affected.",
    _REPORT,
)
SPANS_LEFT = Event(
    "spans_left",
    WARNING,
    "the collector did not take the last spans within %(seconds)g s",
    "The gateway ended without waiting longer for the collector of traces.",
    "See to the collector.",
)
REQUEST_BUG = Event(
    "request_bug",
    ERROR,
    "request %(request_id)s failed because of a bug in the gateway",
    _BUG,
    _REPORT,
    more=("method", "caller"),
)
CALL_BUG = Event(
    "call_bug", ERROR, "call %(request_id)s for %(version)s failed because of a bug in the gateway", _BUG, _REPORT
)
GRPC_BUG = Event("grpc_bug", ERROR, "a call failed because of a bug in the gateway", _BUG, _REPORT, more=("method",))
HTTP_BUG = Event("http_bug", ERROR, "a request to the HTTP port failed because of a bug in the gateway", _BUG, _REPORT)
HTTP_PORT_BUG = Event("http_port_bug", ERROR, "the HTTP port failed because of a bug in the gateway", _BUG, _REPORT)
CALLERS_CHANGED = Event(
    "callers_changed",
    INFO,
    "callers: %(path)s has changed; from now on its callers may call",
    "A changed callers.toml is in force.",
)
CALLERS_INVALID = Event(
    "callers_invalid",
    ERROR,
    "%(error)s; the last callers that were valid may still call, and no others",
    "callers.toml was changed and is not valid, or can't be read.",
    "Correct the file; it is read again by itself.",
)
CERTIFICATES_CHANGED = Event(
    "certificates_changed",
    INFO,
    "TLS: %(path)s or its key or authorities have changed; new connections get the new files",
    "Renewed TLS files are in force.",
)
CERTIFICATES_INVALID = Event(
    "certificates_invalid",
    ERROR,
    "%(error)s; new connections still get the last certificate that was correct",
    "The TLS files were changed and are not correct.",
    "Correct the files before the old certificate ends.",
)
RECORDS_NOT_WRITTEN = Event(
    "records_not_written",
    ERROR,
    "%(records)d records could not be written to the prediction log: %(error)s",
    "Calls were answered without a record, or refused, as `log_on_failure` says.",
    "Make room on the disk of `log_dir`, or mend it.",
)
SEGMENT_NOT_SYNCED = Event(
    "segment_not_synced",
    ERROR,
    "log segment %(segment)s may not be on the disk: %(error)s",
    "Writing or syncing a segment failed; it is left, and a new one is begun.",
    "Look at the disk; `scorebridge log verify` tells what is whole.",
)
SEGMENT_MARK_FAILED = Event(
    "segment_mark_failed",
    ERROR,
    "log segment %(segment)s could not get its mark `.suspect`: %(error)s",
    "A segment that may have holes could not be marked so.",
    "Look at the disk; treat the segment as suspect.",
)
RETENTION_FAILED = Event(
    "retention_failed",
    WARNING,
    "old segments of the prediction log could not be removed, the next segment tries again: %(error)s",
    "The log may grow above `log_keep_bytes` or `log_keep_s`.",
    "See to the rights of `log_dir`, and to its disk.",
)
SEGMENT_REMOVED = Event(
    "segment_removed",
    INFO,
    "segment %(segment)s of the prediction log was removed, as log_keep_s or log_keep_bytes says",
    "Retention removed the oldest segment.",
)
SEGMENT_KEPT_UNSHIPPED = Event(
    "segment_kept_unshipped",
    WARNING,
    "segment %(segment)s of the prediction log is kept although it is due, as it is not shipped yet: does `scorebridge "
    "log ship` run? The log has %(bytes)d bytes, and log_keep_unshipped_bytes allows %(most_bytes)d",
    "`scorebridge log ship` lags or does not run, and the log grows.",
    "See to `scorebridge log ship` and its target before the log has `log_keep_unshipped_bytes`.",
)
SEGMENT_REMOVED_UNSHIPPED = Event(
    "segment_removed_unshipped",
    WARNING,
    "segment %(segment)s of the prediction log was removed, as log_keep_s or log_keep_bytes says, before it was "
    "shipped: see %(path)s. Records before %(first_kept)d are lost there: does `scorebridge log ship` run?",
    "Retention removed records that the search engine never gets.",
    "See to `scorebridge log ship`; `log_keep_unshipped_bytes` keeps such segments for longer.",
)
DRIFT_NOT_MEASURED = Event(
    "drift_not_measured",
    WARNING,
    "drift could not be measured, which is tried again in %(pause_s)g s: %(error)s",
    "The process that measures the drift of the last day failed or took too long; scoring is not affected.",
    "Look at `log_dir`, or try `scorebridge log stats LOG --against golden`; `drift_interval_s = 0` measures none.",
)
DRIFT_BUG = Event(
    "drift_bug",
    ERROR,
    "drift could not be measured because of a bug in the gateway, which is tried again in %(pause_s)g s",
    "A bug of the gateway; calls are not affected.",
    _REPORT,
)
SHIPPING_BUG = Event(
    "shipping_bug",
    ERROR,
    "log ship failed because of a bug in scorebridge",
    "A bug of `scorebridge log ship`, which has ended.",
    _REPORT,
)
FOLDER_SWEPT = Event(
    "folder_swept",
    WARNING,
    "a process had ended suddenly: its folder %(folder)s and its R processes were removed",
    "A gateway or command before this one was killed.",
    "Find out what killed it, such as the system for want of memory.",
)
CACHE_NOT_WRITTEN = Event(
    "cache_not_written",
    WARNING,
    "compiled trees can't be kept in %(folder)s and are compiled again at the next start: %(error)s",
    "`cache_dir` can't be written; that costs time at the start only.",
    "Make it writable, or set `cache_dir`.",
)
STORE_FILE_UNREADABLE = Event(
    "store_file_unreadable",
    WARNING,
    "store '%(store)s' could not read its file: %(error)s",
    "The last file that could be read is used on, if there was one.",
    "Publish the file again.",
)
STORE_LEFT_ALONE = Event(
    "store_left_alone",
    WARNING,
    "%(store)s is left alone after %(attempts)d failures in a row: it %(reason)s",
    "Lookups go without this server for a while, as the model's settings say.",
    "See to the server.",
)
STORE_ANSWERS = Event("store_answers", INFO, "%(store)s answers again", "Lookups ask this server again.")
RUN_BUG = Event(
    "run_bug",
    ERROR,
    "%(kind)s failed because of a bug in scorebridge",
    "A bug; said by the command itself, not by a gateway.",
    _REPORT,
)
RESCORING_BUG = Event(
    "rescoring_bug", ERROR, "%(version)s could not be scored again", "A bug; said by `scorebridge reconcile`.", _REPORT
)
