"""Prediction logs made by hand: records, segments and folders, without a gateway."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.prediction_log.frames import encode_frame, encode_preamble

NOON = 1_795_435_200  # 2026-11-23T12:00:00Z
DIGEST = "sha256:" + "ab" * 32
ENVIRONMENT = {"R": "4.2.2", "xgboost": "3.2.0"}
INVALID_ARGUMENT = 3


def record(
    request_id: str = "call-1",
    ages: Sequence[float] = (40.0, 41.0),
    *,
    model: str = "risk",
    version: int = 3,
    seconds: int = NOON,
    total_ms: float = 2.0,
) -> log_pb.LogRecord:
    """A call that was answered: one double input `age`, one double output `score` of a hundredth of it."""
    request = pb.ScoreRequest(request_id=request_id, model=model)
    request.table.columns.add(name="age").doubles.values.extend(ages)
    response = pb.ScoreResponse(request_id=request_id, model=model, version=version, source=pb.SCORE_SOURCE_MODEL)
    response.scores.add(name="score").doubles.values.extend(age / 100 for age in ages)
    return of_messages(request, response, model=model, version=version, seconds=seconds, total_ms=total_ms)


def of_messages(
    request: pb.ScoreRequest,
    response: pb.ScoreResponse | None,
    *,
    model: str = "risk",
    version: int = 3,
    digest: str = DIGEST,
    engine: str = "xgboost 3.2.0",
    status: int = INVALID_ARGUMENT,
    seconds: int = NOON,
    total_ms: float = 2.0,
) -> log_pb.LogRecord:
    """A call of any kind; without a response it ended with the status, as a rule refused as INVALID_REQUEST."""
    made = log_pb.LogRecord(
        request=request.SerializeToString(deterministic=True),
        response=b"" if response is None else response.SerializeToString(deterministic=True),
        method="/scorebridge.v1.ScoringService/Score",
        request_id=request.request_id,
        model=model,
        version=version,
        digest=digest if version else "",
        attempts=1,
        peer="ipv4:127.0.0.1:5000",
        engine=engine,
    )
    made.received_ns = seconds * 10**9
    made.total_ns = round(total_ms * 1e6)
    if response is None:
        made.status = status
    if made.status == INVALID_ARGUMENT:
        made.error_reason, made.error_message = "INVALID_REQUEST", "column 'age' is missing"
    return made


def default_rows(
    made: log_pb.LogRecord,
    first: int,
    count: int,
    reason: "pb.DefaultReason",
    detail: str = "Error in predict(): age 40",
    condition_class: str = "",
) -> log_pb.LogRecord:
    """The same call with some rows defaulted; the detail is the private one."""
    logged = made.defaulted.add(first=first, count=count, reason=reason)
    logged.private_detail, logged.condition_class = detail, condition_class
    response = pb.ScoreResponse.FromString(made.response)
    response.defaulted_rows.add(first=first, count=count, reason=reason, detail="the model raised")
    response.source = pb.SCORE_SOURCE_MIXED
    made.response = response.SerializeToString(deterministic=True)
    return made


def fail_rows(made: log_pb.LogRecord, first: int, count: int, reason: "pb.DefaultReason") -> log_pb.LogRecord:
    """The same call as a partial one, with some rows that failed."""
    made.failed.add(first=first, count=count, reason=reason, private_detail="Error in predict(): age 40")
    request, response = pb.ScoreRequest.FromString(made.request), pb.ScoreResponse.FromString(made.response)
    request.partial = True
    response.failed_rows.add(first=first, count=count, reason=reason, detail="the model raised")
    response.source = pb.SCORE_SOURCE_MIXED
    for column in response.scores:
        column.missing_rows.extend(range(first, first + count))
    made.request = request.SerializeToString(deterministic=True)
    made.response = response.SerializeToString(deterministic=True)
    return made


def header(
    number: int, first: int = 0, previous: bytes = b"", environment: Mapping[str, str] = ENVIRONMENT
) -> log_pb.SegmentHeader:
    """Of a segment whose id is `number`, sixteen times."""
    made = log_pb.SegmentHeader(
        segment_id=bytes([number]) * 16,
        gateway_id="host-1-2026",
        previous_sha256=previous,
        first_sequence=first,
        environment=environment,
    )
    made.created_at.seconds = NOON
    return made


def frames(head: log_pb.SegmentHeader, records: Sequence[log_pb.LogRecord]) -> list[bytes]:
    """The frame of each record."""
    return [
        encode_frame(head.segment_id, head.first_sequence + place, one.SerializeToString(deterministic=True))
        for place, one in enumerate(records)
    ]


def write_log(
    folder: Path, *segments: Sequence[log_pb.LogRecord], environment: Mapping[str, str] = ENVIRONMENT
) -> list[Path]:
    """A whole log of these segments; its files, oldest first."""
    folder.mkdir(mode=0o700, exist_ok=True)
    paths, first, previous = [], 0, b""
    for number, records in enumerate(segments, 1):
        head = header(number, first, previous, environment)
        raw = encode_preamble(head) + b"".join(frames(head, records))
        path = folder / f"{first:020d}.sblog"
        path.write_bytes(raw)
        paths.append(path)
        first, previous = first + len(records), hashlib.sha256(raw).digest()
    return paths
