"""What one connection of the HTTP port may have, and the timer that ends it when it waits for too long."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Limits", "Timer"]


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
