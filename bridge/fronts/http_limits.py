"""What one connection of the HTTP port may have, how it ends, and the timer that ends it when it waits for too long."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

__all__ = ["Ends", "Limits", "Timer"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may have.

    Attributes:
        head_bytes: the most bytes of a request's line and headers together.
        handshake_s: seconds for TLS and a request's head.
        message_s: seconds for a body, and for the caller to read when an answer can't be written.
        idle_s: seconds without a request.
        body_bytes: the most bytes of a body as it comes, with the lengths of its chunks.
    """

    head_bytes: int
    handshake_s: float
    message_s: float
    idle_s: float
    body_bytes: int


class Ends(NamedTuple):
    """How connections end.

    Attributes:
        answer: makes the bytes of the answer to a head that aiohttp does not get to see, by its status.
        refused: called with the reason for which a head or a handshake is refused, to count it.
        lost: called with a connection when it has ended.
    """

    answer: Callable[[HTTPStatus], bytes]
    refused: Callable[[str], None]
    lost: Callable[[Any], None]  # with the connection, which is not known here


class Timer:
    """Calls a function after a time, unless it is set anew or stopped before.

    Args:
        act: the function.
    """

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._handle: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Begins to wait for so many seconds."""
        self.stop()
        self._handle = asyncio.get_running_loop().call_later(seconds, self._act)

    def stop(self) -> None:
        """Waits no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
