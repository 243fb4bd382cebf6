"""One of a client's channels, and where it leads."""

from typing import Any

from scorebridge.errors import DeadlineExceeded, ScoringError, Unavailable
from scorebridge.silence import Silence
from scorebridge.targets import Target

__all__ = ["RESOLVE_AGAIN_S", "RESOLVE_OFTEN_S", "Line", "without_address"]

RESOLVE_OFTEN_S = 5.0  # names are: a gateway may have moved while another still answers
RESOLVE_AGAIN_S = 0.5  # where a connection failed


class Line:
    """A channel, and who is on it.

    Attributes:
        channel: of grpc or grpc.aio.
        where: it leads, as gRPC was told; empty of a channel that the caller made.
        asyncio: it is of grpc.aio.
        silence: of it.
        calls: under way on it.
        left: for another: it is closed when the last of them has ended.
        asked: a gateway is, to answer once there is a connection.
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
    """No host of the target is known; None where that was not known in time."""
    if unknown is not None:
        return Unavailable(str(unknown), "UNAVAILABLE", status="UNAVAILABLE", by_gateway=False)
    sentence = f"the hosts of '{target.text}' were not resolved in time"
    return DeadlineExceeded(sentence, "DEADLINE_EXCEEDED", status="DEADLINE_EXCEEDED", by_gateway=False)
