"""Versions that could not be loaded for a reason that may pass, tried again and again, with pauses that grow."""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from bridge.models.version import State, Version

__all__ = ["Retries"]

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 300.0
_MOST_DOUBLINGS = 30
_LEAST_SHARE = 0.8  # of a pause, at random; the next one is longer in any case, up to the longest
_MOST_AT_ONCE = 2  # of all models: what is new never waits behind many that can't be loaded in their time


@dataclass
class _Retry:
    """One version's.

    Attributes:
        failures: how often it could not be loaded.
        pause_s: before it is tried again.
        task: that tries it.
    """

    failures: int = 0
    pause_s: float = 0.0
    task: asyncio.Task[None] | None = None


class Retries:
    """The retries of all models: at most one of each at a time, beside whatever else of it is loaded.

    Args:
        load: loads a version anew and decides about it, or puts it off again.
    """

    def __init__(self, load: Callable[[Version], Awaitable[None]]) -> None:
        self._load = load
        self._retries: dict[Version, _Retry] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._of_model: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._at_once = asyncio.Semaphore(_MOST_AT_ONCE)
        self._closed = False

    def put_off(self, version: Version, reason: str) -> None:
        """The version waits, and is tried again after a pause: a longer one each time, until it is decided or given up.

        Args:
            version: that could not be loaded.
            reason: why; one sentence without input values.
        """
        if version.state not in (State.LOADING, State.WAITING):
            return  # it was taken away meanwhile
        retry = self._retries.setdefault(version, _Retry())
        retry.failures += 1
        retry.pause_s = _pause_s(retry.failures)
        version.wait(reason, datetime.now(UTC) + timedelta(seconds=retry.pause_s))
        _log.warning("waiting %s: %s; it is tried again in %.1f s", version.ref, reason, retry.pause_s)
        if retry.task is None and not self._closed:
            retry.task = asyncio.get_running_loop().create_task(self._try_until_decided(version, retry))
            retry.task.add_done_callback(partial(self._end, version))

    def give_up(self, version: Version) -> None:
        """Tries the version no more, if it waits: it is gone, or enough others are good."""
        retry = self._retries.pop(version, None)
        if retry is not None and retry.task is not None:
            self._ending.add(retry.task)
            retry.task.cancel()
        if version.state is State.WAITING:
            version.give_up()

    async def close(self) -> None:
        """Tries nothing any more; what waits is left as it is."""
        self._closed = True
        tasks = [*self._ending, *(retry.task for retry in self._retries.values() if retry.task is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _try_until_decided(self, version: Version, retry: _Retry) -> None:
        while version.state is State.WAITING:
            await asyncio.sleep(retry.pause_s)
            async with self._of_model[version.stored.model], self._at_once:
                await self._load(version)

    def _end(self, version: Version, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        if (retry := self._retries.get(version)) is not None and retry.task is task:
            del self._retries[version]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s could not be tried again", version.ref, exc_info=error)


def _pause_s(failures: int) -> float:
    """Before the next try, after so many in a row that failed."""
    doubled = _FIRST_PAUSE_S * 2.0 ** min(failures - 1, _MOST_DOUBLINGS)
    return min(doubled, _LONGEST_PAUSE_S) * random.uniform(_LEAST_SHARE, 1.0)  # noqa: S311 - it keeps no secret
