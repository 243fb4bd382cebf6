"""A channel of a client, where it leads, and the calls on it."""

from typing import Any

from scorebridge.errors import DeadlineExceeded, ScoringError, Unavailable
from scorebridge.silence import Silence
from scorebridge.targets import Target

__all__ = ["RESOLVE_AGAIN_S", "RESOLVE_OFTEN_S", "Line", "without_address"]

RESOLVE_OFTEN_S = 5.0  # names are: a gateway may have moved while another still answers
RESOLVE_AGAIN_S = 0.5  # where a connection failed


class Line:
    """A channel, where it leads, and how many calls are on it.

    Attributes:
        channel: of grpc or grpc.aio.
        where: the addresses that it leads to, as gRPC was told; empty if the caller made the channel.
        asyncio: the channel is of grpc.aio.
        silence: since when nothing was heard on the channel.
        calls: how many calls are under way on the channel.
        left: later calls take another channel, and this one is closed when its last call has ended.
        asked: a gateway is being asked to answer on the channel, once there is a connection.
    """

    def __init__(self, channel: Any, where: str, *, asyncio: bool) -> None:
        self.channel = channel
        self.where = where
        self.asyncio = asyncio
        self.silence = Silence()
        self.calls = 0
        self.left = False
        self.asked = False


def without_address(target: Target, unknown: OSError | None) -> ScoringError:
    """The error of a call for which there is no address: no host is known, or `unknown` is None and time ran out."""
    if unknown is not None:
        return Unavailable(str(unknown), "UNAVAILABLE", status="UNAVAILABLE", by_gateway=False)
    sentence = f"the hosts of '{target.text}' were not resolved in time"
    return DeadlineExceeded(sentence, "DEADLINE_EXCEEDED", status="DEADLINE_EXCEEDED", by_gateway=False)
