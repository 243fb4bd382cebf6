"""Measures in the background how far the calls of the last day have moved away from the golden rows."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from bridge.beside import beside
from bridge.config import GatewaySettings
from bridge.drift.order import DriftFailed, Order, OrderedVersion, read_answer
from bridge.drift.shift import VersionShifts
from bridge.events import DRIFT_BUG, DRIFT_NOT_MEASURED
from bridge.models.version import Version
from bridge.own_log import OwnLog
from bridge.workers.process_group import ProcessGroup

__all__ = ["DriftWatch", "Serving"]

_log = OwnLog(__name__)

_FIRST_S = 60.0
_HOURS = 24.0
_MOST_BYTES = 256 << 20
_MOST_ANSWER_BYTES = 16 << 20
_MEMORY_MB = 2048
_LOWEST = 19  # the niceness below which there is none
_COMMAND = (sys.executable, "-P", "-m", "bridge.drift.child")
_FEW_THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # each would reserve a part of the memory


class Serving(Protocol):
    """What the watch asks of the gateway's registry."""

    def models(self) -> list[str]:
        """Returns the names of all models."""

    def serving(self, model: str) -> Version | None:
        """Returns the version that serves a model; None if there is none."""


class DriftWatch:
    """Measures every version that serves and has golden rows, again and again, in a child process.

    The child has the lowest priority, 2 GiB of memory and a time limit, and reads the newest 256 MiB of the log at
    most. It ends with the gateway, however that ends.

    Args:
        settings: the gateway's settings, with `log_dir` and `drift_interval_s`.
        registry: the gateway's versions.
        command: the program of the child.
        most_s: how long the child may run, seconds.

    Attributes:
        latest: the shifts of each version with golden rows, as they were measured last; empty before that.
        at: when they were measured; None before the first time.
        failure: why the last attempt failed, in words; empty if it did not. `latest` then is that of an earlier one.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        registry: Serving,
        *,
        command: Sequence[str] = _COMMAND,
        most_s: float = 600.0,
    ) -> None:
        self.latest: tuple[VersionShifts, ...] = ()
        self.at: datetime | None = None
        self.failure = ""
        self._folder = None if settings.log_dir is None else settings.log_dir.absolute()
        self._interval_s = settings.drift_interval_s
        self._registry = registry
        self._command = command
        self._most_s = most_s
        self._watching: asyncio.Task[None] | None = None

    @property
    def measures(self) -> bool:
        """Whether anything is measured: not without a log, nor with an interval of 0."""
        return self._folder is not None and self._interval_s > 0

    def start(self) -> None:
        """Begins to measure a minute from now or earlier; never does where nothing is to be measured."""
        if self._folder is not None and self.measures and self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch(self._folder))

    async def close(self) -> None:
        """Ends the measuring, with the child if there is one; idempotent."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})

    async def _watch(self, folder: Path) -> None:
        wait_s = min(_FIRST_S, self._interval_s)
        while True:
            await asyncio.sleep(wait_s)
            wait_s = self._interval_s
            try:
                self.latest = await self._measured(folder)
                self.at, self.failure = datetime.now(UTC), ""
            except (DriftFailed, OSError) as error:
                self.failure = str(error)
                _log.say(DRIFT_NOT_MEASURED, error=error, pause_s=wait_s)
            except Exception as error:  # noqa: BLE001 - the next attempt must still come
                self.failure = f"an unforeseen {type(error).__name__}"
                _log.say(DRIFT_BUG, bug=error, pause_s=wait_s)

    async def _measured(self, folder: Path) -> tuple[VersionShifts, ...]:
        versions = tuple(_ordered(one) for one in map(self._registry.serving, self._registry.models()) if one)
        if not versions:
            return ()
        order = Order(str(folder), _HOURS, _MOST_BYTES, versions)
        with closing(_Memory("order")) as asked, closing(_Memory("answer")) as answer:
            asked.write(await beside(order.to_json))
            await self._run(asked, answer)
            raw = answer.read()
        return await beside(lambda: read_answer(raw))

    async def _run(self, asked: "_Memory", answer: "_Memory") -> None:
        """Runs the child to its end.

        Raises:
            DriftFailed: it ran too long, or ended otherwise than with an answer.
            OSError: it can't be started.
        """
        files = asked.descriptor, answer.descriptor
        group = ProcessGroup.start(
            [*self._command, *map(str, files)],
            folder=Path("/"),
            environment=_FEW_THREADS,
            niceness=_LOWEST,
            memory_limit_mb=_MEMORY_MB,
            pass_fds=files,
        )
        try:
            async with asyncio.timeout(self._most_s):
                await group.exited()
        except TimeoutError as error:
            raise DriftFailed(f"it took longer than {self._most_s:g} s and was stopped") from error
        finally:
            await group.close()
        if code := group.exit_code:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            raise DriftFailed(f"the process that measures it {how}")


class _Memory:
    """A file in memory that the child gets by its descriptor, so that nothing is left anywhere if it is killed."""

    def __init__(self, name: str) -> None:
        self.descriptor = os.memfd_create(name)

    def write(self, raw: bytes) -> None:
        while raw:
            raw = raw[os.write(self.descriptor, raw) :]

    def read(self) -> bytes:
        return os.pread(self.descriptor, _MOST_ANSWER_BYTES, 0)

    def close(self) -> None:
        os.close(self.descriptor)


def _ordered(version: Version) -> OrderedVersion:
    features = version.accepted.description.features if version.accepted is not None else ()
    return OrderedVersion(
        version.ref.model,
        version.ref.version,
        version.ref.digest,
        str(version.stored.path.absolute()),
        tuple(feature.name for feature in features),
    )
