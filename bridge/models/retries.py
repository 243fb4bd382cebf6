"""Tries waiting versions again, whose loading failed for a reason that may pass, with growing pauses."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from bridge.model_events import VERSION_GIVEN_UP, VERSION_WAITS
from bridge.models.version import State, Version
from bridge.own_log import OwnLog

__all__ = ["Retries"]

_log = OwnLog(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 300.0
_MOST_DOUBLINGS = 30
_LEAST_SHARE = 0.8  # a pause is shortened at random, at most to this share, so the next one is still longer
_MOST_AT_ONCE = 2  # retries of all models, so that new versions never wait behind many that can't be loaded in time


@dataclass
class _Retry:
    """The retry of one version.

    Attributes:
        failures: how often the version could not be loaded.
        pause_s: the pause before it is tried again, seconds.
        task: the task that tries it again; None while there is none.
    """

    failures: int = 0
    pause_s: float = 0.0
    task: asyncio.Task[None] | None = None


class Retries:
    """The retries of all models: at most one of each model at a time, beside other loading of the same model.

    Args:
        load: loads a version anew; afterwards it is ready or refused, or was put off again.
    """

    def __init__(self, load: Callable[[Version], Awaitable[None]]) -> None:
        self._load = load
        self._retries: dict[Version, _Retry] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._of_model: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._at_once = asyncio.Semaphore(_MOST_AT_ONCE)
        self._closed = False

    def put_off(self, version: Version, reason: str) -> None:
        """Makes a version wait, and tries it again after a pause that grows each time, until it loads or is given up.

        Args:
            version: the version that could not be loaded.
            reason: why it could not be loaded; one sentence without input values.
        """
        if version.state not in (State.LOADING, State.WAITING):
            return  # it was retired or unloaded meanwhile
        retry = self._retries.setdefault(version, _Retry())
        retry.failures += 1
        retry.pause_s = _pause_s(retry.failures)
        version.wait(reason, datetime.now(UTC) + timedelta(seconds=retry.pause_s))
        _log.say(VERSION_WAITS, version=version.ref, reason=reason, pause_s=retry.pause_s)
        if retry.task is None and not self._closed:
            retry.task = asyncio.get_running_loop().create_task(self._try_until_decided(version, retry))
            retry.task.add_done_callback(partial(self._end, version))

    def give_up(self, version: Version) -> None:
        """Ends the retries of a version, if it waits, because it is gone or enough higher versions are good."""
        retry = self._retries.pop(version, None)
        if retry is not None and retry.task is not None:
            self._ending.add(retry.task)
            retry.task.cancel()
        if version.state is State.WAITING:
            version.give_up()

    async def close(self) -> None:
        """Ends all retries; versions that wait stay as they are."""
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
            _log.say(VERSION_GIVEN_UP, bug=error, version=version.ref)


def _pause_s(failures: int) -> float:
    """Returns the pause before the next try, in seconds, after this many failures in a row."""
    doubled = _FIRST_PAUSE_S * 2.0 ** min(failures - 1, _MOST_DOUBLINGS)
    return min(doubled, _LONGEST_PAUSE_S) * random.uniform(_LEAST_SHARE, 1.0)  # noqa: S311 - it keeps no secret
