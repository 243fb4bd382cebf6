"""What every test is held to: nothing it started may outlive it."""

import asyncio
import gc
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from fixtures import cancer, connect, front, pima, repository, start_gateway
from gateways import cancer_gateway
from locales import locales
from redis_servers import redis_store
from search_nodes import search_node, shared_search_node

__all__ = [
    "cancer",
    "cancer_gateway",
    "connect",
    "front",
    "locales",
    "pima",
    "redis_store",
    "repository",
    "search_node",
    "shared_search_node",
    "start_gateway",
]


# A folder for everything temporary: it names this session's workers, and shows what they leave.
_MOMENT_S = 10
_TASKS_OF_GRPC = {"_schedule_rpc_coro", "_handle_exceptions"}
_SESSION = tempfile.mkdtemp(prefix="sb-")
os.environ["TMPDIR"] = tempfile.tempdir = _SESSION
os.environ["XDG_CACHE_HOME"] = f"{_SESSION}/cache"


def pytest_collection_finish() -> None:
    """Called by pytest: what is imported by now stays, so that the collection after each test need not look at it."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Called by pytest at its very end."""
    shutil.rmtree(_SESSION, ignore_errors=True)


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _new(before: set[int]) -> Iterator[psutil.Process]:
    """Live processes that were not there before: to look at each one of the machine takes longer than most tests."""
    for pid in set(psutil.pids()) - before:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _workers(before: set[int]) -> set[int]:
    """New processes of this session's workers, whatever they have started included, whoever their parent is."""
    found = set()
    for process in _new(before):
        with suppress(psutil.Error):  # it has ended, or another user's is none of ours
            if process.environ().get("TMPDIR", "").startswith(f"{_SESSION}/scorebridge-"):
                found.add(process.pid)
    return found


def _staying(workers: set[int]) -> set[int]:
    """Those that do not end: one that was killed may take a moment to go where every core is busy."""
    processes = []
    for pid in workers:
        with suppress(psutil.NoSuchProcess):
            processes.append(psutil.Process(pid))
    _, alive = psutil.wait_procs(processes, timeout=_MOMENT_S)
    return {process.pid for process in alive if process.status() != psutil.STATUS_ZOMBIE}


def _children(before: set[int]) -> set[int]:
    found = set()
    for process in _new(before):
        with suppress(psutil.NoSuchProcess):
            if process.ppid() == os.getpid():
                found.add(process.pid)
    return found


def _folders() -> set[str]:
    return {entry.name for entry in Path(_SESSION).glob("scorebridge-*")}


def _pidfds() -> int:
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += "pidfd" in str(entry.readlink())
    return found


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    """No worker, child, pidfd or temporary folder is left, and the event loop had nothing to complain of."""
    errors = _Errors()
    logging.getLogger("asyncio").addHandler(errors)
    before = set(psutil.pids()), _folders(), _pidfds()
    yield
    gc.collect()
    logging.getLogger("asyncio").removeHandler(errors)
    after = (
        _staying(_workers(before[0])),
        _children(before[0]),
        _folders() - before[1],
        max(0, _pidfds() - before[2]),
    )
    assert after == (set(), set(), set(), 0), "left behind: workers, children, folders, pidfds"
    assert not errors.messages


@pytest_asyncio.fixture(autouse=True)
async def _no_leaked_tasks() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    left = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
    # A server of grpc.aio is stopped before its poller has told the tasks of all calls that their calls have ended.
    told_later = {task for task in left if getattr(task.get_coro(), "__qualname__", "") in _TASKS_OF_GRPC}
    if told_later:
        left -= (await asyncio.wait(told_later, timeout=_MOMENT_S))[0]
    assert not left, f"tasks left behind: {left}"
