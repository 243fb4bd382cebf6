"""What a log tells of its writing: records and bytes, and how long the oldest record has waited for the disk."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from waiting import eventually

from bridge.config import LogSettings
from bridge.prediction_log.frames import FRAME_BYTES
from bridge.prediction_log.writer import PredictionLog


@asynccontextmanager
async def opened(folder: Path, **settings: Any) -> AsyncIterator[PredictionLog]:
    log = PredictionLog(folder, LogSettings(**settings), "gateway", {})
    log.open()
    log.start()
    yield log
    await log.close()


async def put(log: PredictionLog, request: bytes = b"r" * 1000) -> None:
    written = log.append(b"", request, b"")
    if written is not None:
        await written


async def test_records_and_bytes_are_those_of_the_segment(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await put(log)
        segment = log._segment
        assert segment is not None
        first = log.written.size
        assert 1000 + FRAME_BYTES < first < 1100
        await put(log, b"r" * (1 << 20))
        assert (log.written.records, log.written.suspect) == (2, 0)
        header = segment.path.stat().st_size - log.written.size
        assert 0 < header < 4096
    assert log.written.lag_s() == 0


async def test_what_could_not_be_written_counts_as_lost_and_not_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, log_fsync_interval_s=3600.0) as log:
        await put(log)
        before = log.written.size

        def full(*_: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "writev", full)
            await put(log)
        assert (log.lost, log.written.records, log.written.size) == (1, 1, before)


async def test_the_lag_goes_on_while_a_sync_hangs_and_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, real = threading.Event(), threading.Event(), os.fdatasync

    def hanging(descriptor: int) -> None:
        begun.set()
        assert go_on.wait(20)
        real(descriptor)

    async with opened(tmp_path, log_fsync_interval_s=0.001) as log:
        assert log.written.lag_s() == 0
        monkeypatch.setattr(os, "fdatasync", hanging)
        await put(log)
        await asyncio.to_thread(begun.wait, 20)
        first = log.written.lag_s()
        await put(log)  # a younger one
        assert 0 < first < log.written.lag_s()
        go_on.set()
        await eventually(lambda: log.written.lag_s() == 0)


async def test_a_sync_that_fails_leaves_a_suspect_segment_and_nothing_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async with opened(tmp_path, log_fsync_interval_s=0.001) as log:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", failing)
            await put(log)
            await eventually(lambda: log.written.suspect == 1)
        await eventually(lambda: log.written.lag_s() == 0)
        assert log.lost == 0
