"""A call's arguments as a message, and the methods of the service."""

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, Unpack

from google.protobuf.message import Message

from scorebridge.rows import set_features
from scorebridge.v1 import scoring_pb2 as pb

__all__ = [
    "GET_MODEL",
    "LIST_MODELS",
    "SCORE",
    "CallOptions",
    "Method",
    "build_head",
    "build_request",
    "check_timeout",
    "less_reserve_s",
    "time_left_s",
]


_RESERVE_S = 0.005
_RESERVE_SHARE = 0.1
_LEAST_TIMEOUT_S = 0.001  # zero would mean no deadline at all


class Method(NamedTuple):
    """One method of the service, as a gRPC channel's `unary_unary` wants it."""

    path: str
    response: type[Message]


SCORE = Method("/scorebridge.v1.ScoringService/Score", pb.ScoreResponse)
LIST_MODELS = Method("/scorebridge.v1.ScoringService/ListModels", pb.ListModelsResponse)
GET_MODEL = Method("/scorebridge.v1.ScoringService/GetModel", pb.GetModelResponse)


class CallOptions(TypedDict, total=False):
    """What else a call can say.

    Attributes:
        allow_default: False asks for an error where a default score would be given.
        version: of the model; 0 for the one that serves.
        columns: names for the columns of a numpy array; the model's own order is meant without.
        request_id: 1 to 128 printable ASCII characters; a UUID is made without.
        row_keys: your own ids of the rows, for the prediction log.
        batch_id: the bigger batch that this call is a piece of, for the prediction log.
        labels: anything to be kept beside the call in the prediction log.
    """

    allow_default: bool
    version: int
    columns: Sequence[str]
    request_id: str
    row_keys: Sequence[str]
    batch_id: str
    labels: Mapping[str, str]


def build_request(model: str, rows: Any, default: float | None, **options: Unpack[CallOptions]) -> pb.ScoreRequest:
    """The message of a call; see `ScoringClient.score`."""
    request = build_head(model, default, options)
    request.row_keys.extend(options.get("row_keys", ()))
    set_features(request, rows, options.get("columns"))
    return request


def build_head(model: str, default: float | None, options: CallOptions) -> pb.ScoreRequest:
    """The same without rows and their keys."""
    request = pb.ScoreRequest(
        request_id=options.get("request_id") or str(uuid.uuid4()),
        model=model,
        version=options.get("version", 0),
        batch_id=options.get("batch_id", ""),
        labels=options.get("labels"),
    )
    if not options.get("allow_default", True):
        request.default_policy = pb.DEFAULT_POLICY_NEVER
    if default is not None:
        request.default_score = default
    return request


def time_left_s(ends: float | None) -> float | None:
    """Seconds until an instant of the monotonic clock, a millisecond at least; None without one."""
    return None if ends is None else max(_LEAST_TIMEOUT_S, ends - time.monotonic())


def less_reserve_s(timeout_s: float | None) -> float | None:
    """What gRPC is told, seconds: its timer is some milliseconds late, and the default must come within the timeout."""
    return None if timeout_s is None else timeout_s - min(_RESERVE_S, _RESERVE_SHARE * timeout_s)


def check_timeout(timeout_s: float | None) -> float | None:
    """The timeout itself, seconds; None for no deadline of the caller's own.

    Raises:
        ValueError: it is not positive. (To gRPC, 0 would mean no deadline at all.)
    """
    if timeout_s is not None and not timeout_s > 0:
        raise ValueError(f"timeout_s must be positive, not {timeout_s}")
    return timeout_s
