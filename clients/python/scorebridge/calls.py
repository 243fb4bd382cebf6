"""The methods of the service, and how long a call of one may take."""

import time
from typing import Any, NamedTuple

from google.protobuf.message import Message

from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["GET_MODEL", "LIST_MODELS", "SCORE", "Method", "Patience", "less_reserve_s"]

_RESERVE_S = 0.005
_RESERVE_SHARE = 0.1
_LEAST_TIMEOUT_S = 0.001  # zero would mean no deadline at all


class Method(NamedTuple):
    """One method of the service.

    Attributes:
        path: its name on the wire.
        request: the message that it takes.
        response: the message that it answers with.
    """

    path: str
    request: type[Message]
    response: type[Message]

    def on(self, channel: Any) -> Any:
        """What calls the method on a channel, of grpc or grpc.aio."""
        return channel.unary_unary(
            self.path,
            request_serializer=self.request.SerializeToString,
            response_deserializer=self.response.FromString,
        )


SCORE = Method("/scorebridge.v1.ScoringService/Score", pb.ScoreRequest, pb.ScoreResponse)
LIST_MODELS = Method("/scorebridge.v1.ScoringService/ListModels", pb.ListModelsRequest, pb.ListModelsResponse)
GET_MODEL = Method("/scorebridge.v1.ScoringService/GetModel", pb.GetModelRequest, pb.GetModelResponse)


class Patience:
    """How long a caller waits, from now on: for one call, or for all calls of a batch.

    Attributes:
        timeout_s: in all, seconds; None for ever. It is what the circuit goes by: what is left of it to a batch's later
            calls says how long the earlier ones took, and not that anybody would wait longer.
    """

    __slots__ = ("_ends", "timeout_s")

    def __init__(self, timeout_s: float | None) -> None:
        self.timeout_s = timeout_s
        self._ends = None if timeout_s is None else time.monotonic() + timeout_s

    def left_s(self) -> float | None:
        """Seconds that are left of it, a millisecond at least; None for ever."""
        return None if self._ends is None else max(_LEAST_TIMEOUT_S, self._ends - time.monotonic())


def less_reserve_s(timeout_s: float | None) -> float | None:
    """The timeout that gRPC is told, seconds: its timer is some milliseconds late, and a default must be in time."""
    return None if timeout_s is None else timeout_s - min(_RESERVE_S, _RESERVE_SHARE * timeout_s)
