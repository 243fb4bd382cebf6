"""Writes answers as JSON: the fields of scorebridge.v1 by their names, scores as an object of arrays."""

import json
from typing import Any

from scorebridge.v1 import scoring_pb2 as pb

from bridge.calls import Call, Outcome
from bridge.codecs.json.arrays import write_array
from bridge.codecs.json.lookups import lookup_objects
from bridge.codecs.scorebridge_v1.replies import defaulted_rows, failed_rows, scores_of, source_of

__all__ = ["write_reply"]

_NANOS = 10**9


def write_reply(call: Call, outcome: Outcome) -> bytes:
    """Returns the body that answers a call whose outcome does not fail it.

    Raises:
        InvalidRequest: a score is infinite, which JSON can't say.
    """
    model, trace = call.model, call.trace
    answer: dict[str, Any] = {
        "request_id": call.request_id,
        "model": model.model,
        "version": model.version,
        "digest": model.digest,
        "source": pb.ScoreSource.Name(source_of(outcome)),
        "defaulted_rows": [_told(part) for part in defaulted_rows(outcome)],
        "attempts": trace.attempts,
        "queue_time": _duration(trace.queue_s),
        "backend_time": _duration(trace.backend_s),
        "failed_rows": [_told(part) for part in failed_rows(outcome)] if outcome.partial else [],
    }
    if call.looked_up is not None and call.looked_up.results:
        answer["lookups"] = lookup_objects(call.looked_up)
    scores = ",".join(f"{_written(column.name)}:{write_array(column)}" for column in scores_of(outcome))
    return f'{{"scores":{{{scores}}},{_written(answer)[1:]}'.encode()


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _told(part: pb.DefaultedRows | pb.FailedRows) -> dict[str, Any]:
    reason = pb.DefaultReason.Name(part.reason)
    return {"first": part.first, "count": part.count, "reason": reason, "detail": part.detail}


def _duration(seconds: float) -> str:
    """Returns a time as the JSON form of google.protobuf.Duration: with no, 3, 6 or 9 digits behind the point."""
    whole, nanos = divmod(round(seconds * _NANOS), _NANOS)
    digits = next(digits for digits in (0, 3, 6, 9) if not nanos % 10 ** (9 - digits))
    return f"{whole}.{nanos:09d}"[: len(str(whole)) + (digits and digits + 1)] + "s"
