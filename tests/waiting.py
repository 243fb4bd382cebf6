"""Waiting for what happens elsewhere, in R or in the background: as short as it takes, and never for ever."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

__all__ = ["eventually", "eventually_now", "moment", "runs"]

_MOMENT_S = 0.01


async def moment() -> None:
    """Lets the event loop and other processes go on."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), _MOMENT_S)


async def eventually(condition: Callable[[], object], timeout_s: float = 30) -> None:
    """Returns as soon as the condition holds.

    Raises:
        AssertionError: it does not hold within the time.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await moment()
    except TimeoutError as error:
        raise AssertionError(f"not so within {timeout_s:g} s") from error


def eventually_now(condition: Callable[[], object], timeout_s: float = 30) -> None:
    """Returns as soon as the condition holds; for a test without an event loop.

    Raises:
        AssertionError: it does not hold within the time.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"not so within {timeout_s:g} s"
        threading.Event().wait(_MOMENT_S)


def runs(pid: int) -> bool:
    """There is such a process, and it is not merely waiting to be reaped."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
