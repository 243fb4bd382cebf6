"""The methods of the service, and how long a call of one may take."""

import time
from typing import NamedTuple

from google.protobuf.message import Message

from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["GET_MODEL", "LIST_MODELS", "SCORE", "Method", "less_reserve_s", "time_left_s"]

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


def time_left_s(ends: float | None) -> float | None:
    """Seconds until an instant of the monotonic clock, a millisecond at least; None without one."""
    return None if ends is None else max(_LEAST_TIMEOUT_S, ends - time.monotonic())


def less_reserve_s(timeout_s: float | None) -> float | None:
    """What gRPC is told, seconds: its timer is some milliseconds late, and the default must come within the timeout."""
    return None if timeout_s is None else timeout_s - min(_RESERVE_S, _RESERVE_SHARE * timeout_s)
