"""What the commands of `scorebridge log` print with --json; docs/prediction-log.md states the fields."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from bridge.prediction_log.export import Exported
from bridge.prediction_log.lookups import lookup_listing
from bridge.prediction_log.reader import Damage, Entry
from bridge.prediction_log.rows import is_cut, read_call, rows_of, time_text
from bridge.prediction_log.show import MOST_ROWS
from bridge.prediction_log.stats import Stats, Tally
from bridge.prediction_log.verify import Finding, Verification

__all__ = ["call_listing", "export_listing", "skipped_listing", "stats_listing", "verify_listing"]


def verify_listing(found: Verification) -> dict[str, Any]:
    """Returns the result of checking a log."""
    return {
        "ok": found.ok,
        "records": found.records,
        "segments": found.segments,
        "damaged": _findings(found.findings),
        "torn": _findings(found.torn_tails),
        "notes": _findings(found.notes),
    }


def stats_listing(stats: Stats, damages: Iterable[Damage]) -> dict[str, Any]:
    """Returns the counts of a log by version or caller, by hour, and the conditions and lookups by version."""
    by = stats.by.value
    hours = stats.by_hour().items()
    return {
        "by": by,
        "total": _counts(stats.total()),
        "groups": [{by: name} | _counts(tally) for name, tally in stats.by_group().items()],
        "hours": [{by: name, "hour": hour} | _counts(tally) for (name, hour), tally in hours],
        "conditions": [
            {"version": version, "condition": name, "calls": raised.calls, "rows": raised.rows} | _said(raised.message)
            for (version, name), raised in stats.conditions().items()
        ],
        "lookups": [
            {"version": version, "lookup": name, "calls": one.calls, "previous_rows": one.previous_rows}
            | {"missing_rows": one.missing_rows, "oldest_s": one.oldest_s}
            | {"failures": dict(one.failures.most_common())}
            for (version, name), one in stats.lookups().items()
        ],
        "skipped": skipped_listing(damages),
    }


def call_listing(entry: Entry) -> dict[str, Any]:
    """Returns what is on record of one call, with its first rows in the form of `log export --format jsonl`."""
    record, call = entry.record, read_call(entry.record)
    texts = ("method", "caller", "peer", "engine", "error_message", "condition_class", "private_detail")
    sent = record.request_bytes or len(record.request)
    return {
        "request_id": record.request_id or None,
        "model": record.model or None,
        "version": record.version,
        "digest": record.digest or None,
        "status": record.status,
        "error_reason": record.error_reason or None,
        "received_at": time_text(record.received_ns),
        **{f"{name}_s": getattr(record, f"{name}_ns") / 1e9 for name in ("total", "queue", "backend")},
        "attempts": record.attempts,
        **{name: getattr(record, name) or None for name in texts},
        "request_bytes": sent,
        "response_bytes": len(record.response),
        "cut": is_cut(record),
        "place": {"segment": entry.segment.name, "offset": entry.offset, "sequence": entry.sequence},
        "gateway": entry.header.gateway_id,
        "environment": dict(sorted(entry.header.environment.items())),
        "lookups": lookup_listing(record),
        "row_count": call.rows,
        "rows": list(islice(rows_of(call), MOST_ROWS)),
    }


def export_listing(done: Exported) -> dict[str, Any]:
    """Returns what an export wrote and left out."""
    return {
        "paths": [str(path) for path in done.paths],
        "calls": done.calls,
        "rows": done.rows,
        "left_out": done.left_out,
        "skipped": skipped_listing(done.damages),
    }


def skipped_listing(damages: Iterable[Damage]) -> list[dict[str, Any]]:
    """Returns the damaged parts of a log that a command skipped."""
    return [
        {"segment": one.segment.name, "offset": one.offset, "bytes": one.count, "reason": one.reason} for one in damages
    ]


def _findings(found: Iterable[Finding]) -> list[dict[str, Any]]:
    return [one._asdict() for one in found]


def _counts(tally: Tally) -> dict[str, Any]:
    return {
        "calls": tally.calls,
        "failed": tally.errors.total(),
        "rows": tally.rows,
        "p50_s": tally.latency.percentile(50),
        "p95_s": tally.latency.percentile(95),
        "p99_s": tally.latency.percentile(99),
        "defaulted": dict(tally.defaulted.most_common()),
        "without_score": dict(tally.without_score.most_common()),
        "errors": dict(tally.errors.most_common()),
    }


def _said(message: str) -> dict[str, Any]:
    return {"latest_message": message or None}
