"""Writing a log: a sync that fails costs what it must and no more; retention and a restart know their own files."""

import asyncio
import errno
import os
import re
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from scorebridge.v1.prediction_log_pb2 import LogRecord
from waiting import eventually

from bridge.config import ConfigError, LogSettings
from bridge.errors import LogUnavailable
from bridge.prediction_log import segment_file
from bridge.prediction_log.reader import read_log, segments_of
from bridge.prediction_log.verify import verify
from bridge.prediction_log.writer import PredictionLog

Fail = Callable[[BaseException | None], None]


@asynccontextmanager
async def opened(folder: Path, **settings: Any) -> AsyncIterator[PredictionLog]:
    log = PredictionLog(folder, LogSettings(**settings), "gateway", {})
    log.open()
    log.start()
    try:
        yield log
    finally:
        await log.close()


async def put(log: PredictionLog, request: bytes = b"r" * 1000) -> None:
    if (written := log.append(b"", request, b"")) is not None:
        await written


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Makes every sync fail, and then every mark too, as on a file system that went read-only; None mends both."""
    failure: BaseException | None = None
    sync, touch = os.fdatasync, Path.touch

    def fdatasync(descriptor: int) -> None:
        if failure is not None:
            raise failure
        sync(descriptor)

    def touch_mark(path: Path, *arguments: Any, **options: Any) -> None:
        if failure is not None:
            raise OSError(errno.EROFS, "Read-only file system")
        touch(path, *arguments, **options)

    def fail(with_: BaseException | None) -> None:
        nonlocal failure
        failure = with_

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    monkeypatch.setattr(Path, "touch", touch_mark)
    return fail


@pytest.mark.parametrize("failure", [OSError(errno.EIO, "Input/output error"), RuntimeError("a bug")])
@pytest.mark.parametrize("policy", ["serve", "refuse"])
async def test_a_sync_that_fails_where_no_mark_can_be_left_keeps_no_answer_waiting(
    tmp_path: Path, failing: Fail, failure: BaseException, policy: str
) -> None:
    async with opened(tmp_path, log_fsync="always", log_on_failure=policy) as log:
        await put(log)
        failing(failure)
        for lost in (1, 2):
            if policy == "refuse":
                with pytest.raises(LogUnavailable, match=r"on record: (Input/output error|RuntimeError)"):
                    await put(log)
            else:
                await put(log)
            assert log.lost == lost
        failing(None)
        await put(log)
        assert log.lost == 2
    assert len(segments_of(tmp_path)) == 3
    assert verify(tmp_path).ok


async def test_between_syncs_that_fail_nothing_piles_up(tmp_path: Path, failing: Fail) -> None:
    async with opened(tmp_path, log_fsync_interval_s=0.001) as log:
        failing(OSError(errno.EIO, "Input/output error"))
        await put(log)
        await eventually(lambda: log._segment is None)
        await put(log, b"r" * 200_000)
        await eventually(lambda: log._segment is None)
        failing(None)
        await put(log, b"r" * 200_000)
        segment = log._segment
        assert segment is not None
        await eventually(lambda: segment.unhashed_bytes == 0)
    assert verify(tmp_path).records == 3
    assert verify(tmp_path).ok


async def test_a_record_written_while_a_sync_fails_is_not_answered_as_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, fail, real = threading.Event(), threading.Event(), os.fdatasync

    def fdatasync(_: int) -> None:
        monkeypatch.setattr(os, "fdatasync", real)
        begun.set()
        assert fail.wait(20)
        raise OSError(errno.EIO, "Input/output error")

    async with opened(tmp_path, log_fsync="always") as log:
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        first = asyncio.create_task(put(log))
        await asyncio.to_thread(begun.wait, 20)
        second = asyncio.create_task(put(log))
        await eventually(lambda: log._sequence == 2)  # the thread may have begun before the first one waited for it
        fail.set()
        await asyncio.gather(first, second)
        assert log.lost == 2
        await put(log)
        assert log.lost == 2
    (first_segment, _) = segments_of(tmp_path)
    assert names(tmp_path)[2] == f"{first_segment.path.name}.suspect"


async def test_a_segment_that_was_left_is_closed(tmp_path: Path, failing: Fail) -> None:
    async with opened(tmp_path, log_fsync="always") as log:
        await put(log)
        before = psutil.Process().num_fds()
        failing(OSError(errno.EIO, "Input/output error"))
        for _ in range(5):
            await put(log)
        failing(None)
        await put(log)
        assert psutil.Process().num_fds() == before


async def test_retention_goes_by_its_own_segments_and_never_takes_the_current_one(tmp_path: Path) -> None:
    foreign = ["backup-of-monday.sblog", f"{0:020d}-copy.sblog"]
    for name in foreign:
        (tmp_path / name).write_bytes(b"x" * 300_000)
    (tmp_path / "folder.sblog").mkdir()
    async with opened(tmp_path, log_segment_bytes=20_000, log_keep_bytes=60_000) as log:
        await put(log)
        (tmp_path / f"{0:020d}.sblog.suspect").touch()
        for _ in range(99):
            await put(log)
        assert log._segment is not None
        assert log._segment.path.exists()
        await eventually(lambda: f"{0:020d}.sblog" not in names(tmp_path))
    kept = names(tmp_path)
    assert {*foreign, "folder.sblog"} <= set(kept)
    assert not {f"{0:020d}.sblog", f"{0:020d}.sblog.suspect"} & set(kept)
    assert f"{60:020d}.sblog" in kept
    assert log.lost == 0


async def test_an_old_segment_that_can_not_be_removed_costs_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Event()

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        del missing_ok
        tried.set()
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    with monkeypatch.context() as immutable:
        immutable.setattr(Path, "unlink", refuse)
        async with opened(tmp_path, log_segment_bytes=2000, log_keep_bytes=2000, log_on_failure="refuse") as log:
            for _ in range(20):
                await put(log)
            await eventually(tried.is_set)
            assert log.lost == 0
    assert len(list(read_log(tmp_path))) == 20


async def test_a_copy_beside_the_segments_is_not_gone_on_from(tmp_path: Path) -> None:
    async with opened(tmp_path, log_segment_bytes=3000) as log:
        for _ in range(10):
            await put(log)
    shutil.copy(tmp_path / f"{0:020d}.sblog", tmp_path / f"{0:020d}-copy.sblog")
    async with opened(tmp_path) as log:
        await put(log, b"new")
    (entry,) = (entry for entry in read_log(tmp_path) if entry.record.request == b"new")
    assert (entry.segment.name, entry.sequence) == (f"{10:020d}.sblog", 10)
    (tmp_path / f"{0:020d}-copy.sblog").unlink()
    assert verify(tmp_path).ok


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("elsewhere"), Path.mkdir])
def test_a_lock_that_is_no_file_of_its_own_is_neither_followed_nor_waited_for(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / ".lock")
    with pytest.raises(ConfigError, match=f"^the log {re.escape(str(tmp_path))} can't be written to: "):
        PredictionLog(tmp_path, LogSettings(), "gateway", {}).open()
    assert not (tmp_path / "elsewhere").exists()


async def test_the_folder_of_a_log_is_made_for_its_owner_alone_and_one_that_is_there_is_left_as_it_is(
    tmp_path: Path,
) -> None:
    (tmp_path / "there").mkdir(mode=0o750)
    for name, mode in (("new", 0o700), ("there", 0o750)):
        log = PredictionLog(tmp_path / name, LogSettings(), "gateway", {})
        log.open()
        await log.close()
        assert (tmp_path / name).stat().st_mode & 0o777 == mode


async def test_what_was_looked_up_makes_a_record_large_too_and_is_written_beside_the_loop(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        assert log.append(b"", b"r" * 1000, b"") is None
        waiting = log.append(LogRecord(error_message="x" * 300_000).SerializeToString(), b"r", b"")
        assert waiting is not None
        await waiting
    assert [len(entry.record.error_message) for entry in read_log(tmp_path)] == [0, 300_000]


@pytest.mark.parametrize("policy", ["serve", "refuse"])
async def test_a_record_that_no_reader_takes_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    monkeypatch.setattr(segment_file, "MOST_BODY_BYTES", 300_000)
    async with opened(tmp_path, log_on_failure=policy) as log:
        await put(log)
        if policy == "refuse":
            with pytest.raises(LogUnavailable, match=r"on record: the record is larger than 300000 bytes$"):
                await put(log, b"r" * 300_000)
        else:
            await put(log, b"r" * 300_000)
        assert log.lost == 1
        await put(log)
    assert [entry.sequence for entry in read_log(tmp_path)] == [0, 1]
    assert verify(tmp_path).ok
