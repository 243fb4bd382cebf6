"""The refreshes of models that are under way: at most one of each model, so that no model holds up another."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from bridge.model_events import REFRESH_BUG
from bridge.own_log import OwnLog

__all__ = ["Refreshes"]

_log = OwnLog(__name__)


class Refreshes:
    """The refreshes of all models.

    Args:
        refresh: refreshes the model of a name.
    """

    def __init__(self, refresh: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        self._refresh = refresh
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def tasks(self) -> list[asyncio.Task[None]]:
        """Returns the tasks of all refreshes that are under way."""
        return list(self._under_way.values())

    def begin(self, model: str) -> asyncio.Task[None]:
        """Begins a refresh of a model, unless one is under way; returns its task."""
        if model not in self._under_way:
            task = asyncio.get_running_loop().create_task(self._refresh(model))
            self._under_way[model] = task
            task.add_done_callback(partial(self._end, model))
        return self._under_way[model]

    async def end_of(self, model: str) -> None:
        """Returns when the refresh of a model that is under way has ended; at once if none is."""
        if (task := self._under_way.get(model)) is not None:
            await asyncio.wait({task})

    def _end(self, model: str, task: asyncio.Task[None]) -> None:
        del self._under_way[model]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.say(REFRESH_BUG, bug=error, model=model)
