"""The folder in which a run keeps its plan and its finished chunks, so that it can be killed at any time and go on."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

import pyarrow as pa

from bridge.errors import BridgeError
from bridge.offline.chunk_file import PARTIAL, ChunkDamaged, ChunkFile
from bridge.offline.durable import clear, durable_file, rename_durably, said_of, sync_folder
from bridge.offline.plan import Plan, PlanNotReadable
from bridge.offline.publication_mark import OutputStamp, PublicationMark
from bridge.offline.run_lock import LOCK, locked, own_folders
from bridge.row_files.input_chunk import Reject

__all__ = ["RunFolder", "RunRefused"]

_PLAN = "plan.json"
_PUBLISHING, _PUBLISHED = "publishing", "published"  # the names of one mark, before and after the output has its name
_NOTHING = -1
_AGAIN = "run the same command again, which scores the chunk anew"
_Part = TypeVar("_Part")


class RunRefused(BridgeError):
    """What an earlier run has left can't be gone on with; the message says why, and what to do."""

    reason = "RUN_REFUSED"


class RunFolder:
    """The plan and the finished chunks of one run; a lock keeps other runs out until it is closed.

    A chunk is finished once its file has its name, which it gets when all of it is on the disk. Chunks may be stored by
    several threads at once.

    Attributes:
        path: the folder.
        rows: the rows of the input in finished chunks.
        rejected: how many of them have no score.
        defaulted: how many of them have default scores.
    """

    def __init__(self, path: Path, lock: int) -> None:
        """Takes over a folder that `open` has made and locked; `lock` is the descriptor that holds the lock."""
        self.path = path
        self.rows = self.rejected = self.defaulted = 0
        self._lock = lock
        self._published = (path / _PUBLISHED).exists()
        self._mark = PublicationMark.read(path / (_PUBLISHED if self._published else _PUBLISHING))
        self._chunks: dict[int, ChunkFile] = {}
        self._counting = threading.Lock()
        for file in sorted(path.iterdir()):
            if file.name.endswith(PARTIAL):
                clear(file)
            elif (chunk := ChunkFile.of(file.name)) is not None and chunk.number not in self._chunks:
                self._count(chunk)

    @classmethod
    def open(cls, path: Path, *, restart: bool) -> Self:
        """Opens the folder of a run, or makes it, with mode 0700; removes what a killed run left half written.

        Args:
            path: the folder; of the folders above it, only those up to one whose name ends in `.run` are made.
            restart: whether finished chunks are thrown away.

        Raises:
            RunBusy: another process has it; the message names its process id.
            NotWritten: it can't be made, locked or read.
        """
        with said_of(path):
            lock = locked(path)
            try:
                if restart or not any((path / name).exists() for name in (_PLAN, _PUBLISHED)):
                    _forget(path)
                return cls(path, lock)
            except BaseException:
                os.close(lock)
                raise

    @property
    def finished_count(self) -> int:
        """The number of finished chunks."""
        return len(self._chunks)

    def finished(self, number: int) -> bool:
        """Whether the chunk with this number is finished."""
        return number in self._chunks

    def published_before(self, plan: Plan, stands: OutputStamp | None) -> PublicationMark | None:
        """Returns the mark of a run that has published before, so that nothing is left but to remove the folder.

        The counts of rows are those that it had then. None if the run is still to publish. What a run has left that
        published something else, or whose output is no longer there, is thrown away.

        Args:
            plan: the plan of this run.
            stands: by what the output that is in its place is recognised; None if there is none.

        Raises:
            NotWritten: what is left can't be thrown away.
        """
        mark = self._mark
        if mark is None or not (self._published or mark.output == stands):
            return None
        if mark.output == stands and not mark.plan.difference(plan):
            self.rows, self.rejected, self.defaulted = mark.rows, mark.rejected, mark.defaulted
            return mark
        with said_of(self.path):
            _forget(self.path)
        self._chunks, self._mark, self._published = {}, None, False
        self.rows = self.rejected = self.defaulted = 0
        return None

    def begin(self, plan: Plan) -> Plan:
        """Notes the plan of a new run; returns the noted one, with its run id, if the run goes on.

        Raises:
            RunRefused: the run was begun with another plan; the message says what has changed.
            NotWritten: the plan can't be written or read.
        """
        file = self.path / _PLAN
        with said_of(file):
            if not file.exists():
                self._write(_PLAN, plan.to_json().encode())
                return plan
            text = file.read_text(errors="replace")
        try:
            noted = Plan.from_json(text)
        except PlanNotReadable as error:
            raise RunRefused(f"{file}: {error}; --restart begins anew") from error
        if changed := noted.difference(plan):
            raise RunRefused(
                f"{changed} has changed since the run began, and {self.path} holds what was finished before: --restart"
                " throws that away and begins anew"
            )
        return noted

    def store(self, number: int, table: pa.Table, rejects: Sequence[Reject], rows: int) -> None:
        """Makes a chunk a finished one: all of it, or nothing. Does nothing if it is finished already.

        Args:
            number: the number of the chunk.
            table: its rows of the output; those with a `reason` count as rows with default scores.
            rejects: its rows without a score.
            rows: how many rows of the input it covers.

        Raises:
            NotWritten: the file can't be written, as on a full disk; the chunk is not finished then.
        """
        if self.finished(number):
            return
        with said_of(self.path):
            chunk = ChunkFile.write(self.path, number, table, rejects, rows)
        with self._counting:
            self._count(chunk)

    def check(self, total: int, rows: int) -> None:
        """Checks that the finished chunks are those of the whole input, before they are published.

        Args:
            total: the number of chunks of the whole input.
            rows: the number of its rows.

        Raises:
            RunRefused: chunks are missing or belong to another input.
        """
        if sorted(self._chunks) != list(range(total)) or self.rows != rows:
            raise RunRefused(
                f"{self.path} has {len(self._chunks)} chunks of {self.rows} rows, but the input has {total} of {rows}:"
                " --restart throws them away and begins anew"
            )

    def tables(self, total: int) -> Iterator[pa.Table]:
        """Yields the rows of the output, chunk by chunk, in the order of the input.

        Args:
            total: the number of chunks of the whole input.

        Raises:
            RunRefused: a chunk is missing or damaged; it is dropped, so that the next start scores it again.
            NotWritten: a file can't be read.
        """
        for number in range(total):
            yield self._whole(number, ChunkFile.table)

    def rejects(self, total: int) -> Iterator[Reject]:
        """Yields the rows without a score, in the order of the input.

        The argument and the errors are those of `tables`.
        """
        for number in range(total):
            yield from self._whole(number, ChunkFile.rejects)

    def mark_publishing(self, plan: Plan, output: OutputStamp) -> None:
        """Notes that the output is about to be put in place: after a crash, this run's own output is recognised.

        Args:
            plan: the plan of the run.
            output: by what the output is recognised.

        Raises:
            NotWritten: the note can't be written.
        """
        mark = PublicationMark(plan, output, self.finished_count, self.rows, self.rejected, self.defaulted)
        with said_of(self.path):
            self._write(_PUBLISHING, mark.to_json().encode())
        self._mark = mark

    def remove(self) -> None:
        """Removes the folder, once the output is published; what can't be removed stays. The counts stay known.

        The mark goes last: a run that is killed before is recognised as one that has published.
        """
        with suppress(OSError):
            if self._mark is not None and not self._published:
                rename_durably(self.path / _PUBLISHING, self.path / _PUBLISHED)
                self._published = True
            for file in (*_chunk_files(self.path), self.path / _PLAN):
                clear(file)
            sync_folder(self.path)
            (self.path / _PUBLISHED).unlink(missing_ok=True)
            (self.path / LOCK).unlink()
            for folder in own_folders(self.path):
                folder.rmdir()

    def close(self) -> None:
        """Lets other runs have the folder; removes it if nothing is finished. May be called more than once."""
        if self._lock != _NOTHING:
            if not self._chunks and self._mark is None:
                self.remove()
            os.close(self._lock)
            self._lock = _NOTHING

    def _whole(self, number: int, read: Callable[[ChunkFile, Path], _Part]) -> _Part:
        chunk = self._chunks.get(number)
        if chunk is None:
            raise RunRefused(f"chunk {number} is missing in {self.path}: {_AGAIN}")
        try:
            with said_of(self.path):
                return read(chunk, self.path)
        except ChunkDamaged as error:
            with suppress(OSError):
                (self.path / chunk.name).unlink()
            self._drop(chunk)
            raise RunRefused(f"{error}: {_AGAIN}") from error

    def _count(self, chunk: ChunkFile, sign: int = 1) -> None:
        self.rows += sign * chunk.rows
        self.rejected += sign * chunk.rejected
        self.defaulted += sign * chunk.defaulted
        self._chunks[chunk.number] = chunk

    def _drop(self, chunk: ChunkFile) -> None:
        with self._counting:
            self._count(chunk, -1)
            del self._chunks[chunk.number]

    def _write(self, name: str, content: bytes) -> None:
        aside = self.path / f"{name}{PARTIAL}"
        with durable_file(aside) as file:
            file.write(content)
        rename_durably(aside, self.path / name)


def _forget(path: Path) -> None:
    """Removes the marks, the plan and then all chunks, so that what a kill leaves of them counts as nothing."""
    for name in (_PUBLISHED, _PUBLISHING, _PLAN):
        (path / name).unlink(missing_ok=True)
    for file in _chunk_files(path):
        clear(file)


def _chunk_files(path: Path) -> list[Path]:
    """Returns the chunks in a run's folder, and what is half written there."""
    return [file for file in path.iterdir() if file.name.endswith(PARTIAL) or ChunkFile.of(file.name) is not None]
