"""Describes one logged call for a person to read: all that is on record, and the first rows as a table."""

from collections.abc import Iterable, Iterator
from typing import Any

from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.prediction_log.lookups import LOOKUP, lookup_lines
from bridge.prediction_log.reader import Entry
from bridge.prediction_log.reasons import reason_name
from bridge.prediction_log.rows import LoggedCall, is_cut, read_call, rows_of, time_text
from bridge.texts import brief, printable

__all__ = ["MOST_ROWS", "describe"]

MOST_ROWS = 20
_MOST_CHARACTERS = 60  # of a cell in the table of rows
_MOST_TEXT = 10_000  # characters of a field; more than gateways keep of a model's message
_HEAD = {"batch_id", "digest", "error_reason", "labels", "model", "received_at", "request_id", "status", "total_s"}
_HEAD |= {"version", "caller", "cut", "suppressed"}


def describe(entry: Entry) -> str:
    """Returns all that is on record of one call, as lines of text that each end with a line break.

    It shows the first `MOST_ROWS` rows and says how many more there are. Control characters in texts of callers and
    models are spelled out, and long texts are cut: `log export` gives the callers' texts unchanged.
    """
    call = read_call(entry.record)
    lines = [*_fields(_head(entry, call)), *_fields(("lookup", line) for line in lookup_lines(entry.record))]
    lines += [*_ranges(call), *_environment(entry.header), "", *_rows(call)]
    return "".join(f"{line}\n" for line in lines)


def _head(entry: Entry, call: LoggedCall) -> Iterator[tuple[str, str]]:
    record = entry.record
    yield "request id", record.request_id or "(none)"
    yield "method", record.method
    yield "model", f"{record.model or '(none)'}/{record.version}" if record.version else record.model or "(none)"
    yield "digest", record.digest
    yield "engine", record.engine
    yield "status", f"{record.status} OK" if record.status == 0 else f"{record.status} {record.error_reason}"
    yield "error", record.error_message
    yield "condition class", record.condition_class
    yield "private detail", record.private_detail
    yield "received", time_text(record.received_ns) or ""
    yield "total time", _milliseconds(record.total_ns)
    yield "queue time", _milliseconds(record.queue_ns)
    yield "backend time", _milliseconds(record.backend_ns)
    yield "attempts", str(record.attempts)
    yield "caller", record.caller
    yield "peer", record.peer
    yield from _asked(call.request)
    if call.response is not None:
        yield "source", pb.ScoreSource.Name(call.response.source).removeprefix("SCORE_SOURCE_")
    sent = record.request_bytes or len(record.request)
    yield "bytes", f"{sent} in the request, {len(record.response)} in the response"
    if is_cut(record):
        yield "cut", f"the first {len(record.request)} bytes of the request are on record"
        yield "request sha256", record.request_sha256.hex()
    yield "segment", f"{entry.segment.name} at {entry.offset}"
    yield "sequence", str(entry.sequence)
    yield "gateway", entry.header.gateway_id


def _asked(request: pb.ScoreRequest | None) -> Iterator[tuple[str, str]]:
    if request is None:
        return
    yield "asked version", str(request.version or "the one that serves")
    yield "batch id", request.batch_id
    if request.HasField("default_score"):
        yield "own default", f"{request.default_score:.17g}"
    if request.default_policy != pb.DEFAULT_POLICY_UNSPECIFIED:
        yield "default policy", _policy(request.default_policy)
    if request.partial:
        yield "partial", "yes"
    if request.ignore_extra:
        yield "ignores", "columns that the model does not know"
    for name in sorted(request.labels):
        yield "label", f"{name} = {request.labels[name]}"


def _policy(policy: int) -> str:
    known = policy in pb.DefaultPolicy.values()
    return pb.DefaultPolicy.Name(policy).removeprefix("DEFAULT_POLICY_") if known else str(policy)


def _ranges(call: LoggedCall) -> Iterator[str]:
    response = call.response or pb.ScoreResponse()
    for name, told, logged in (
        ("defaulted", response.defaulted_rows, call.record.defaulted),
        ("failed", response.failed_rows, call.record.failed),
    ):
        details = {part.first: part.detail for part in told}
        for part in logged:
            raised = ": ".join(text for text in (part.condition_class, part.private_detail) if text)
            texts = [reason_name(part.reason), details.get(part.first, ""), raised]
            rows = f"row {part.first}" if part.count == 1 else f"rows {part.first} to {part.first + part.count - 1}"
            yield brief(f"{name:<16}{rows}: {'; '.join(text for text in texts if text)}", _MOST_TEXT)


def _environment(header: log_pb.SegmentHeader) -> Iterator[str]:
    yield from _fields(("environment", f"{name} {header.environment[name]}") for name in sorted(header.environment))


def _fields(fields: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in fields:
        if value:
            yield f"{name:<16}{brief(value, _MOST_TEXT)}"


def _rows(call: LoggedCall) -> Iterator[str]:
    if call.rows is None:
        cut = "the rows can't be shown: only the beginning of the request is on record"
        yield cut if is_cut(call.record) else "the rows of the request can't be read"
        return
    found: list[dict[str, Any]] = []
    for values in rows_of(call):
        if len(found) == MOST_ROWS or values["row"] is None:
            break
        found.append({name: value for name, value in values.items() if not _is_told_above(name)})
    yield f"{call.rows} row{'' if call.rows == 1 else 's'}"
    if not found:
        return
    names = [name for name in found[0] if any(values[name] is not None for values in found) or "." in name]
    table = [[_cell(name) for name in names], *([_cell(values[name]) for name in names] for values in found)]
    widths = [max(len(row[place]) for row in table) for place in range(len(names))]
    for row in table:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if call.rows > len(found):
        yield f"... and {call.rows - len(found)} more"


def _is_told_above(name: str) -> bool:
    """Whether the lines above the table say it of the whole call."""
    return name in _HEAD or (name.startswith(LOOKUP) and not name.endswith(".from"))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = printable(f"{value:.9g}" if isinstance(value, float) else str(value))
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def _milliseconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.3f} ms"
