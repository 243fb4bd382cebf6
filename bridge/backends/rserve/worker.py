"""One R worker: a forked R process that has the model, and the connection over which calls reach it."""

import asyncio
import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bridge.backends.rserve.connection import Connection, ConnectionLost
from bridge.backends.rserve.process import RserveProcess
from bridge.backends.rserve.qap import ProtocolError
from bridge.backends.rserve.rvalues import RInt, RList, RLogical, RString, RValue
from bridge.backends.rserve.world import World
from bridge.columns import Type
from bridge.features.feature import Feature
from bridge.removal import remove_tree
from bridge.shortages import ended_from_outside
from bridge.workers.background import to_the_end
from bridge.workers.process_tree import kill_tree

__all__ = ["Greeting", "Worker"]

_EXIT_STATUS = 49  # of the fields of /proc/PID/stat behind the program's name
_POLL_S = 0.01
_LONGEST_PAUSE_S = 0.25
_MOST_ENDED = 10  # connections that R may end one after the other; with the pauses this takes a second and a half
_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


@dataclass(frozen=True, slots=True)
class Greeting:
    """A worker's first message on a new connection; made by `oc.init` in rscripts/R/worker_start.R.

    Attributes:
        pid: the process id of the worker.
        digest: the digest of the bundle that the worker has loaded.
        error: why the bundle did not load; None if it did.
        score: the capability to call the function that scores; empty if there is an error.
        trial: the capability to call the function that tries rows; empty if there is an error.
        features: the arguments of the predict function, in order, without types.
        proposed: the arguments of the predict function with the types that the model's own terms give them.
        frame_features: the columns that a data frame in the only argument would have; see `Description`.
        r_version: R's version, such as "4.2.2".
        packages: "name version" of each loaded package that is not R's own.
        notes: sentences for the model's author on how the bundle was loaded.
        texts: the values that the model knows of each feature that is text, by feature.
        world: the worker's time zone, locale, and its versions of R and of the author's packages.
    """

    pid: int
    digest: str
    error: str | None
    score: str
    trial: str
    features: tuple[Feature, ...]
    proposed: tuple[Feature, ...]
    frame_features: tuple[Feature, ...]
    r_version: str
    packages: tuple[str, ...]
    notes: tuple[str, ...]
    texts: dict[str, tuple[str, ...]]
    world: World

    @classmethod
    def read(cls, value: RList) -> Self:
        """Reads the greeting from R's list.

        Raises:
            ProtocolError: a part is missing or of another type.
        """
        parts = value.named()
        pid, required = parts.get("pid"), parts.get("feature_required")
        if not (isinstance(pid, RInt) and isinstance(required, RLogical)):
            raise ProtocolError("the R worker's greeting lacks a part")
        names = _texts(parts, "feature_names")
        known = zip(names, required.values.tolist(), strict=True)
        features = tuple(Feature(name, required=need) for name, need in known)
        error = _texts(parts, "error")
        return cls(
            pid=int(pid.values[0]),
            digest="".join(_texts(parts, "digest")),
            error=error[0] if error else None,
            score="".join(_texts(parts, "score")),
            trial="".join(_texts(parts, "trial")),
            features=features,
            proposed=_proposed(features, parts, "proposed"),
            frame_features=_proposed([Feature(name) for name in _texts(parts, "frame_names")], parts, "frame"),
            r_version="".join(_texts(parts, "r_version")),
            packages=_texts(parts, "packages"),
            notes=_texts(parts, "notes"),
            texts=_known_texts(parts),
            world=_world(parts),
        )


def _world(parts: dict[str, RValue]) -> World:
    r, timezone, locale, collation = (
        "".join(_texts(parts, name)) for name in ("r_version", "timezone", "locale", "collation")
    )
    installed = dict(text.split(" ", 1) for text in _texts(parts, "installed"))
    return World(r, timezone, locale, collation, installed)


def _proposed(features: Sequence[Feature], parts: dict[str, RValue], prefix: str) -> tuple[Feature, ...]:
    levels, ordered = parts.get(f"{prefix}_levels"), parts.get(f"{prefix}_ordered")
    if not (isinstance(levels, RList) and isinstance(ordered, RLogical)):
        raise ProtocolError("the R worker's greeting lacks a part")
    known = zip(_texts(parts, f"{prefix}_types"), levels.values, ordered.values.tolist(), strict=True)
    return tuple(
        Feature(feature.name, Type(kind) if kind else None, _strings(names), feature.required, ranked)
        for feature, (kind, names, ranked) in zip(features, known, strict=True)
    )


def _known_texts(parts: dict[str, RValue]) -> dict[str, tuple[str, ...]]:
    known = parts.get("known_texts")
    if not isinstance(known, RList):
        raise ProtocolError("the R worker's greeting lacks a part")
    return {name: _strings(texts) for name, texts in known.named().items()}


def _texts(parts: dict[str, RValue], name: str) -> tuple[str, ...]:
    return _strings(parts[name]) if name in parts else ()


def _strings(value: RValue) -> tuple[str, ...]:
    return tuple(text or "" for text in value.values) if isinstance(value, RString) else ()


class Worker:
    """A forked R process that has the model and scores one call at a time.

    Attributes:
        process: the Rserve that forked the worker.
        connection: the connection to the worker.
        greeting: the worker's first message.
        calls: the number of calls that the worker was given so far.
    """

    def __init__(self, process: RserveProcess, connection: Connection, greeting: Greeting) -> None:
        self.process = process
        self.connection = connection
        self.greeting = greeting
        self.calls = 0
        self._pidfd = _own(greeting.pid, process.group.number)

    @classmethod
    async def fork(cls, process: RserveProcess) -> Self:
        """Waits until the parent has loaded its bundle, and has it fork a worker.

        There is no time limit; the caller cancels it to set one.

        Raises:
            ConnectionLost: the parent ended, or ended 10 connections in a row before they gave a worker.
            ProtocolError: the process that answered does not run the gateway's R code, or is not the parent's.
            OSError: the gateway has no file descriptor or memory left.
        """
        ended = 0
        while process.alive:
            try:
                connection, value = await Connection.open(process.socket, process.user)
            except ConnectionLost as error:
                # R could not fork, its workers end at once, or it has not read the gateway's R code.
                ended += 1
                if ended == _MOST_ENDED:
                    raise ConnectionLost(f"R accepted {ended} connections in a row and ended each") from error
                await asyncio.sleep(min(_POLL_S * 2**ended, _LONGEST_PAUSE_S))
            except OSError as error:
                if error.errno in _OURS:
                    raise
                process.group.note_memory()
                await asyncio.sleep(_POLL_S)  # it does not listen yet
            else:
                return cls._greeted(process, connection, value)
        raise ConnectionLost("R ended before it accepted a connection")

    @classmethod
    def _greeted(cls, process: RserveProcess, connection: Connection, value: RList) -> Self:
        try:
            return cls(process, connection, Greeting.read(value))
        except ProcessLookupError as error:
            connection.close()
            raise ConnectionLost("the R worker died right after its greeting") from error
        except BaseException:
            connection.close()
            raise

    @property
    def pid(self) -> int:
        """The process id of the worker."""
        return self.greeting.pid

    @property
    def lost(self) -> bool:
        """Whether the connection is lost, so that the worker can't be asked any more."""
        return self.connection.lost

    @property
    def busy(self) -> bool:
        """Whether R still works on a call."""
        return self.connection.busy

    @property
    def killed(self) -> bool:
        """Whether the gateway has killed the worker or has begun to."""
        return self._pidfd < 0

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Sets the function to call once when the connection is lost by itself, but not when the worker is killed."""
        self.connection.on_lost(callback)

    async def settled(self) -> None:
        """Waits until the worker is not busy: R has answered its last call, or the connection is lost."""
        with suppress(ConnectionLost):
            await self.connection.settled()

    async def call(self, arguments: Sequence[RValue], *, trial: bool = False) -> RValue:
        """Sends the arguments of a call to R, and returns R's answer; raises what `Connection.call` does.

        Args:
            arguments: the arguments of the R function.
            trial: whether to call the function that tries rows instead of the one that scores.
        """
        self.calls += 1
        capability = self.greeting.trial if trial else self.greeting.score
        try:
            return await self.connection.call(capability, arguments)
        except ConnectionLost as error:
            error.from_outside = self._ended_from_outside()
            raise

    def _ended_from_outside(self) -> bool:
        """Whether somebody else killed the worker. Known only at once after the loss, until its parent reaps it."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
            status = int(fields[_EXIT_STATUS])
        except (OSError, ValueError, IndexError):
            return False
        return ended_from_outside(-(status & 0x7F))

    async def kill(self) -> None:
        """Kills the worker's process and every process that it started, and removes the worker's folder; idempotent.

        A cancellation is raised only after that.

        Raises:
            OSError: the worker is killed, but the processes that it started could not be looked for.
        """
        self.connection.close()
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            await to_the_end(asyncio.to_thread(self._kill, pidfd))

    def _kill(self, pidfd: int) -> None:
        folder = self.process.worker_folder(self.pid)
        try:
            kill_tree(self.pid, pidfd, self.process.group.number, folder)
        finally:
            os.close(pidfd)
        # A killed process can't remove its folder itself.
        remove_tree(folder)

    def forget(self) -> None:
        """Closes the connection and the process file descriptor without a kill, where the whole group is killed."""
        self.connection.close()
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            os.close(pidfd)


def _own(pid: int, group: int) -> int:
    """Returns a process file descriptor of a worker, which said its number itself and may have lied.

    The gateway may kill whatever it is, also what the worker may not.

    Raises:
        ProtocolError: the process is not in the group of the worker's parent, or it is the gateway's own in that group.
        ProcessLookupError: there is no such process.
    """
    pidfd = os.pidfd_open(pid) if pid > 0 else -1
    try:
        if pidfd >= 0 and os.getpgid(pid) == group != pid:
            own, pidfd = pidfd, -1
            return own
    finally:
        if pidfd >= 0:
            os.close(pidfd)
    raise ProtocolError("the R worker named a process that is not its own")
