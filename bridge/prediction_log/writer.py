"""Writing a log: a frame is in the page cache before its answer leaves; a thread sees to the disk."""

import asyncio
import fcntl
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scorebridge.arrays import varint
from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.config import ConfigError
from bridge.errors import LogUnavailable
from bridge.prediction_log.reader import LogNotReadable, segments_of
from bridge.prediction_log.segment_file import SegmentFile
from bridge.wire import tag

__all__ = ["LogSettings", "PredictionLog"]

_log = logging.getLogger(__name__)

_LARGE_BYTES = 256 << 10  # writing more than this takes longer than a hop to a thread and back
_LOCK = ".lock"
_COPIED_BYTES = 16 << 10  # up to this a copy is cheaper than a part of its own
_REQUEST_TAG = tag(pb.LogRecord.REQUEST_FIELD_NUMBER)
_RESPONSE_TAG = tag(pb.LogRecord.RESPONSE_FIELD_NUMBER)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How a log is kept.

    Attributes:
        folder: of the log; one gateway each.
        fsync: "always" answers after the record is on the disk, "interval" syncs every `interval_s`, "never" leaves it
            to the system. A gateway that is killed loses nothing either way; a power cut may.
        interval_s: seconds between syncs.
        on_failure: "serve" answers calls that could not be recorded, "refuse" does not.
        segment_bytes: a new segment is begun at this size.
        segment_age_s: and at this age, seconds.
        keep_s: older segments are removed, seconds; None keeps all.
        keep_bytes: the oldest are removed above this size of all of them; None keeps all.
    """

    folder: Path
    fsync: Literal["interval", "always", "never"] = "interval"
    interval_s: float = 0.05
    on_failure: Literal["serve", "refuse"] = "serve"
    segment_bytes: int = 128 << 20
    segment_age_s: float = 3600.0
    keep_s: float | None = None
    keep_bytes: int | None = None


class PredictionLog:
    """The open log of one gateway.

    Attributes:
        lost: how many records could not be written.
    """

    def __init__(self, settings: LogSettings, gateway_id: str, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._gateway_id = gateway_id
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._segment: SegmentFile | None = None
        self._finished: list[SegmentFile] = []
        self._begun = 0.0
        self._previous = b""
        self._sequence = 0
        self._dirty = False
        self._waiting: list[asyncio.Future[None]] = []
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._sync_forever, name="prediction-log", daemon=True)
        self._lock_file = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self.lost = 0

    def open(self) -> None:
        """Locks the folder and goes on behind what is there; blocks while it reads the last segment. No record yet.

        Raises:
            ConfigError: the folder can't be written to, or another gateway writes to it.
        """
        folder = self._settings.folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"another gateway writes to the log {folder}") from error
        except OSError as error:
            raise ConfigError(f"the log {folder} can't be written: {error.strerror}") from error
        try:
            ours = [segment for segment in segments_of(folder) if segment.path.name[:20].isdecimal()]
        except LogNotReadable:
            return
        if not ours:
            return
        for entry in ours[-1].entries():
            self._sequence = entry.sequence + 1
        self._sequence = max(self._sequence, int(ours[-1].path.name[:20]))
        self._previous = ours[-1].sha256

    def start(self) -> None:
        """Begins to sync; call it on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def append(self, record: bytes, request: bytes, response: bytes) -> None:
        """Puts a call on record; returns when its answer may leave.

        Args:
            record: the fields of a LogRecord, all but the request and the response.
            request: the bytes that came; they are written from where they are.
            response: the bytes that are to leave.

        Raises:
            LogUnavailable: it could not be, and `on_failure` is "refuse".
        """
        try:
            if len(request) + len(response) > _LARGE_BYTES:
                await asyncio.to_thread(self.write, _body(record, request, response))
            else:
                self.write(_body(record, request, response))
            if self._settings.fsync == "always":
                await self._synced()
        except OSError as error:
            self.lost += 1
            _log.error("a record was not written: %s", error)
            if self._settings.on_failure == "refuse":
                raise LogUnavailable(f"the call can't be put on record: {error.strerror}") from error

    def write(self, body: Sequence[bytes]) -> None:
        """Writes one record, in parts, to the page cache, in a new segment if it is time for one; from any thread.

        Raises:
            OSError: it was not written.
        """
        with self._lock:
            if self._segment is None or self._is_full(self._segment):
                self._begin_segment()
            assert self._segment is not None  # noqa: S101 - begun above
            self._segment.append(self._sequence, body)
            self._sequence += 1
            self._dirty = True

    async def close(self) -> None:
        """Syncs and ends the log."""
        self._closing = True
        self._wake.set()
        with self._lock:
            self._end_segment()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)
        self._sync_once()
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1

    def _is_full(self, segment: SegmentFile) -> bool:
        settings = self._settings
        return segment.size >= settings.segment_bytes or time.monotonic() - self._begun >= settings.segment_age_s

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
        self._segment = SegmentFile(self._settings.folder, header)
        self._begun = time.monotonic()
        self._remove_old()

    def _end_segment(self) -> None:
        """Leaves the segment to the thread, which syncs and closes it."""
        segment, self._segment = self._segment, None
        if segment is not None:
            self._previous = segment.sha256
            self._finished.append(segment)

    def _remove_old(self) -> None:
        """Drops what the retention says, oldest first, never the current segment."""
        settings = self._settings
        if settings.keep_s is None and settings.keep_bytes is None:
            return
        found = [(segment.path, segment.path.stat()) for segment in segments_of(settings.folder)]
        total = sum(status.st_size for _, status in found)
        for path, status in found[:-1]:
            old = settings.keep_s is not None and time.time() - status.st_mtime > settings.keep_s
            large = settings.keep_bytes is not None and total > settings.keep_bytes
            if not (old or large):
                return
            path.unlink()
            total -= status.st_size
            _log.info("%s was removed, as the log's retention says", path.name)

    async def _synced(self) -> None:
        """Returns when everything written so far is on the disk; all who wait share one fdatasync."""
        done = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.append(done)
        self._wake.set()
        await done

    def _sync_forever(self) -> None:
        interval_s = self._settings.interval_s if self._settings.fsync != "always" else None
        while not self._closing:
            self._wake.wait(interval_s)
            self._wake.clear()
            self._sync_once()

    def _sync_once(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
            finished, self._finished = self._finished, []
            segment, dirty, self._dirty = self._segment, self._dirty, False
            # Its number stays this file's while it is synced without the lock, and appends go on.
            descriptor = os.dup(segment.descriptor) if segment is not None and dirty else -1
        error: OSError | None = None
        if segment is not None:
            segment.hash_written()
        for one in finished:
            error = self._sync(one, one.descriptor) or error
            one.close()
        if segment is not None and descriptor >= 0:
            error = self._sync(segment, descriptor) or error
            os.close(descriptor)
        if self._loop is not None and waiting:
            self._loop.call_soon_threadsafe(_resolve, waiting, error)

    def _sync(self, segment: SegmentFile, descriptor: int) -> OSError | None:
        """A second fsync would report success for pages that are lost, so after an error none follows."""
        if self._settings.fsync == "never":
            return None
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            _log.error("the segment %s may not be on the disk: %s", segment.path.name, error)
            segment.mark_suspect()
            with self._lock:
                if self._segment is segment:
                    self._segment = None
                    self._previous = segment.sha256
            return error
        return None


def _body(record: bytes, request: bytes, response: bytes) -> list[bytes]:
    """A LogRecord in as few parts as is cheap: a big request is not copied."""
    ends = [_RESPONSE_TAG, varint(len(response)), response, record]
    if not request:
        return [b"".join(ends)]
    head = _REQUEST_TAG + varint(len(request))
    if len(request) < _COPIED_BYTES:
        return [b"".join([head, request, *ends])]
    return [head, request, b"".join(ends)]


def _resolve(waiting: list[asyncio.Future[None]], error: OSError | None) -> None:
    for done in waiting:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
