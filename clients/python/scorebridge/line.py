"""A client's gRPC channel with its addresses and its calls, and the error for a target without addresses."""

from typing import Any

from scorebridge.errors import DeadlineExceeded, ScoringError, Unavailable
from scorebridge.silence import Silence
from scorebridge.targets import Target

__all__ = ["RESOLVE_AGAIN_S", "RESOLVE_OFTEN_S", "Line", "without_address"]

RESOLVE_OFTEN_S = 5.0  # names are resolved this often: a gateway may have moved while another still answers
RESOLVE_AGAIN_S = 0.5  # and this often while connections fail


class Line:
    """A client's gRPC channel, with the addresses that it connects to and the number of its calls.

    Attributes:
        channel: the channel, of grpc or grpc.aio.
        where: the addresses, in the form that gRPC takes; empty if the caller made the channel.
        asyncio: whether the channel is one of grpc.aio.
        silence: how long no gateway has answered on the channel.
        calls: the number of calls under way on the channel.
        left: whether later calls use another channel; this one is then closed when its last call has ended.
        asked: whether a health check is under way that waits until there is a connection.
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
    """Returns the error of a call that has no address to connect to.

    Args:
        target: the client's target.
        unknown: why no host of the target is known; None if the call's time ran out before the hosts were resolved.
    """
    if unknown is not None:
        return Unavailable(str(unknown), "UNAVAILABLE", status="UNAVAILABLE", by_gateway=False)
    sentence = f"the hosts of the target '{target.text}' were not resolved within the call's timeout"
    return DeadlineExceeded(sentence, "DEADLINE_EXCEEDED", status="DEADLINE_EXCEEDED", by_gateway=False)
