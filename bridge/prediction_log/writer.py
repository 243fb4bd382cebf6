"""Writes a log: a record is in the page cache before its answer leaves; a thread of its own syncs it to the disk."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.config import LogSettings
from bridge.errors import LogUnavailable
from bridge.events import RECORDS_NOT_WRITTEN, SEGMENT_MARK_FAILED, SEGMENT_NOT_SYNCED
from bridge.own_log import OwnLog
from bridge.prediction_log.folder import first_sequence
from bridge.prediction_log.frames import body_parts
from bridge.prediction_log.lock import lock_folder
from bridge.prediction_log.reader import segments_of
from bridge.prediction_log.retention import remove_old
from bridge.prediction_log.segment_file import SegmentFile
from bridge.prediction_log.written import Written

__all__ = ["PredictionLog"]

_log = OwnLog(__name__)

_LARGE_BYTES = 256 << 10  # writing more than this takes longer than a hop to a thread and back
_HELD_BYTES = 128 << 10  # of unhashed records: the next request should get their memory while it is still in the cache


class PredictionLog:
    """The log that one gateway writes.

    The header of each segment names the gateway and the software that computes its scores (`environment`).

    Attributes:
        lost: the number of records that could not be written.
        written: what was written, and how long it has waited for the disk.
        unshipped: the number of segments that were removed before they were shipped.
    """

    def __init__(self, folder: Path, settings: LogSettings, gateway_id: str, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._settings = settings
        self._gateway_id = gateway_id
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._segment: SegmentFile | None = None
        self._finished: list[SegmentFile] = []
        self._begun = 0.0
        self._previous = b""
        self._sequence = 0
        self._group: list[list[bytes]] | None = None
        self.written = Written()
        self._waiting: list[asyncio.Future[None]] = []
        self._wake = threading.Event()
        self._outgrown: Path | None = None  # a new segment, until old ones are removed because of it
        self._closing = False
        self._thread = threading.Thread(target=self._sync_forever, name="prediction-log", daemon=True)
        self._lock_file = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self.lost = self.unshipped = 0

    def open(self) -> None:
        """Locks the folder and continues the numbers and the chain of its last segment; blocks while it reads that one.

        Raises:
            ConfigError: the folder can't be written to, or another gateway writes to it.
        """
        folder = self._folder
        self._lock_file = lock_folder(folder)
        for segment in reversed(segments_of(folder)):
            if (first := first_sequence(segment.path)) is not None:
                last = max((entry.sequence for entry in segment.entries()), default=first - 1)
                self._sequence, self._previous = max(last + 1, first), segment.sha256
                return

    def start(self) -> None:
        """Starts the thread that syncs records to the disk; must be called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def append(self, record: bytes, request: bytes, response: bytes) -> Coroutine[Any, Any, None] | None:
        """Puts a call on record; returns a coroutine that must end before its answer leaves, or None.

        Within a `group` the answer may leave only after the group.

        Args:
            record: the fields of a LogRecord, all but the request and the response.
            request: the bytes of the request, which are not copied if they are many.
            response: the bytes of the answer.

        Raises:
            LogUnavailable: the record could not be written, and `log_on_failure` is "refuse".
        """
        body = body_parts(record, request, response)
        large = len(record) + len(request) + len(response) > _LARGE_BYTES
        if large or self._settings.log_fsync == "always":
            return self._append_waiting(body, large=large)
        if self._group is not None:
            self._group.append(body)
            return None
        self._write_or_fail([body])
        return None

    @contextmanager
    def group(self) -> Iterator[None]:
        """Collects the records that are appended within it, and writes them at its end by one system call.

        Raises:
            LogUnavailable: they could not be written, and `log_on_failure` is "refuse"; none of the answers may leave.
        """
        group: list[list[bytes]] = []
        self._group = group
        try:
            yield
        finally:
            self._group = None
            if group:
                self._write_or_fail(group)

    def write(self, bodies: Sequence[Sequence[bytes]]) -> SegmentFile:
        """Writes records, each in parts, to the page cache, in a new segment if one is due; from any thread.

        Returns:
            The segment that holds the records.

        Raises:
            OSError: no record was written.
        """
        with self._lock:
            if self._segment is None or self._is_full(self._segment):
                self._begin_segment()
            assert self._segment is not None  # noqa: S101 - begun above
            before = self._segment.size
            self._segment.append(self._sequence, bodies)
            self._sequence += len(bodies)
            self.written.add(len(bodies), self._segment.size - before)
            if self._segment.unhashed_bytes >= _HELD_BYTES:
                self._wake.set()
            return self._segment

    async def _append_waiting(self, body: list[bytes], *, large: bool) -> None:
        always = self._settings.log_fsync == "always"
        try:
            segment = await asyncio.to_thread(self.write, [body]) if large else self.write([body])
            if always:
                await self._synced()
        except OSError as error:
            self._fail(1, error)
        else:
            if always and segment.failure is not None:
                self._fail(1, segment.failure)

    def _write_or_fail(self, bodies: Sequence[Sequence[bytes]]) -> None:
        try:
            self.write(bodies)
        except OSError as error:
            self._fail(len(bodies), error)

    def _fail(self, records: int, error: Exception) -> None:
        self.lost += records
        _log.say(RECORDS_NOT_WRITTEN, records=records, error=error)
        if self._settings.log_on_failure == "refuse":
            why = error.strerror if isinstance(error, OSError) else type(error).__name__
            raise LogUnavailable(f"the call is not answered, because it can't be put on record: {why}") from error

    async def close(self) -> None:
        """Ends the last segment, syncs it to the disk and unlocks the folder."""
        self._closing = True
        self._wake.set()
        with self._lock:
            self._end_segment()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)
        self._remove_old()
        self._sync_once()
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1

    def _is_full(self, segment: SegmentFile) -> bool:
        settings, age_s = self._settings, time.monotonic() - self._begun
        return segment.size >= settings.log_segment_bytes or age_s >= settings.log_segment_age_s

    def _begin_segment(self) -> None:
        self._end_segment()
        header = pb.SegmentHeader(
            segment_id=os.urandom(16),
            gateway_id=self._gateway_id,
            previous_sha256=self._previous,
            first_sequence=self._sequence,
            environment=self._environment,
        )
        header.created_at.GetCurrentTime()
        self._segment = SegmentFile(self._folder, header)
        self._begun = time.monotonic()
        self._outgrown = self._segment.path
        self._wake.set()

    def _end_segment(self) -> None:
        """Hands the current segment to the thread, which syncs and closes it."""
        segment, self._segment = self._segment, None
        if segment is not None:
            self._previous = segment.sha256
            self._finished.append(segment)

    async def _synced(self) -> None:
        """Waits until everything that was written so far was synced; all who wait share one fdatasync."""
        done = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.append(done)
        self._wake.set()
        await done

    def _sync_forever(self) -> None:
        always, interval_s = self._settings.log_fsync == "always", self._settings.log_fsync_interval_s
        due = time.monotonic() + interval_s
        while not self._closing:
            self._wake.wait(None if always else max(0.0, due - time.monotonic()))
            self._wake.clear()
            self._remove_old()
            if always or time.monotonic() >= due:
                self._sync_once()
                due = time.monotonic() + interval_s
            elif (segment := self._segment) is not None:
                self._attempt(SegmentFile.hash_written, segment)

    def _remove_old(self) -> None:
        current, self._outgrown = self._outgrown, None
        if current is not None:
            self.unshipped += remove_old(self._settings, current)

    def _sync_once(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
            finished, self._finished = self._finished, []
            segment, dirty = self._segment, self.written.begin_sync()
        for one in finished:
            self._attempt(self._sync, one)
            self._attempt(SegmentFile.close, one)
        if segment is not None and dirty:
            self._attempt(self._sync, segment)
        self.written.end_sync()
        if self._loop is not None and waiting:
            self._loop.call_soon_threadsafe(_resolve, waiting)

    def _sync(self, segment: SegmentFile) -> None:
        segment.hash_written()
        if self._settings.log_fsync != "never":
            os.fdatasync(segment.descriptor)
            # The segment is not read soon, so its page cache is dropped: new records then take no memory of the models.
            os.posix_fadvise(segment.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def _attempt(self, step: Callable[[SegmentFile], None], segment: SegmentFile) -> None:
        """Runs a step on a segment; leaves it after an error, as a second fsync would report a false success."""
        try:
            step(segment)
        except Exception as error:  # noqa: BLE001 - without its thread the log would keep every answer waiting
            bug = None if isinstance(error, OSError) else error
            _log.say(SEGMENT_NOT_SYNCED, bug=bug, segment=segment.path.name, error=error)
            try:
                self._leave(segment, error)
            except Exception as unsaid:  # noqa: BLE001 - a file system that fails takes no mark either
                _log.say(SEGMENT_MARK_FAILED, segment=segment.path.name, error=unsaid)

    def _leave(self, segment: SegmentFile, failure: Exception) -> None:
        segment.failure = failure
        self.written.suspect += 1
        with self._lock:
            if segment in self._finished:
                self._finished.remove(segment)
            if self._segment is segment:
                self._segment, self._previous = None, segment.sha256
        segment.leave()


def _resolve(waiting: list[asyncio.Future[None]]) -> None:
    for done in waiting:
        if not done.done():
            done.set_result(None)
