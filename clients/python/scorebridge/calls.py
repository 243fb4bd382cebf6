"""The methods of the gRPC service, and how long a call of a method may take."""

import time
from typing import Any, NamedTuple

from google.protobuf.message import Message

from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["GET_MODEL", "LIST_MODELS", "SCORE", "Method", "Patience", "less_reserve_s"]

_RESERVE_S = 0.005
_RESERVE_SHARE = 0.1
_LEAST_TIMEOUT_S = 0.001  # gRPC takes zero for no deadline at all


class Method(NamedTuple):
    """One method of the gRPC service.

    Attributes:
        path: the full name of the method, as gRPC sends it.
        request: the class of the request message.
        response: the class of the answer's message.
    """

    path: str
    request: type[Message]
    response: type[Message]

    def on(self, channel: Any) -> Any:
        """Returns the callable that calls the method on a channel of grpc or grpc.aio."""
        return channel.unary_unary(
            self.path,
            request_serializer=self.request.SerializeToString,
            response_deserializer=self.response.FromString,
        )


SCORE = Method("/scorebridge.v1.ScoringService/Score", pb.ScoreRequest, pb.ScoreResponse)
LIST_MODELS = Method("/scorebridge.v1.ScoringService/ListModels", pb.ListModelsRequest, pb.ListModelsResponse)
GET_MODEL = Method("/scorebridge.v1.ScoringService/GetModel", pb.GetModelRequest, pb.GetModelResponse)


class Patience:
    """How long a caller is willing to wait, from now on, for one call or for all calls of a batch.

    Attributes:
        timeout_s: the whole timeout, seconds; None for no limit. The circuit compares this value, and not the time that
            is left: what a batch's later calls have left depends on how long the earlier ones took, and says nothing
            about how long the caller is willing to wait.
    """

    __slots__ = ("_ends", "timeout_s")

    def __init__(self, timeout_s: float | None) -> None:
        self.timeout_s = timeout_s
        self._ends = None if timeout_s is None else time.monotonic() + timeout_s

    def left_s(self) -> float | None:
        """Returns the seconds that are left until the deadline, at least 0.001; None if there is no deadline."""
        return None if self._ends is None else max(_LEAST_TIMEOUT_S, self._ends - time.monotonic())


def less_reserve_s(timeout_s: float | None) -> float | None:
    """Returns the timeout to give gRPC, in seconds: 5 ms or 10 % shorter, whichever is less.

    gRPC's timer is some milliseconds late, and the default score must still come within the caller's timeout.
    """
    return None if timeout_s is None else timeout_s - min(_RESERVE_S, _RESERVE_SHARE * timeout_s)
