"""Tasks that run beside their caller: kept until they end, cancelled together, and logged if they fail."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from bridge.model_events import WORKERS_BUG
from bridge.own_log import OwnLog

__all__ = ["Background", "to_the_end"]

_log = OwnLog(__name__)


class Background:
    """A set of tasks that nobody awaits.

    Args:
        name: the version that the tasks work for, such as "model/version"; only the log shows it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a coroutine as a task. An exception that it raises is logged as an error."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    async def close(self) -> None:
        """Cancels all tasks that still run, and waits until they have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.say(WORKERS_BUG, bug=error, version=self._name)


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Awaits work that must not be left half done: a cancellation is raised only after the work has ended."""
    task = asyncio.get_running_loop().create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from (None if task.cancelled() else task.exception())
    task.result()
