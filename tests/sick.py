"""A model that does what a call tells it to, good or bad, in R or Python, and what can be seen of its workers."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from fixtures import make_r_bundle
from scorebridge import AsyncScoringClient, Scores, Source
from waiting import eventually, moment, runs

from bridge.backends.python.backend import PythonBackend
from bridge.backends.python.spawner import PythonSpawner
from bridge.backends.rserve.backend import RserveBackend
from bridge.backends.rserve.spawner import RserveSpawner
from bridge.gateway.server import Gateway
from bridge.workers.process_group import ProcessGroup
from bridge.workers.snapshot import Snapshot

__all__ = ["DEFAULT", "Sick", "StartSick", "make_python_bundle", "make_sick_bundle", "make_sick_python_bundle"]

DEFAULT = -1.0
CODE = """
Pred.R <- function(do, x) {
  switch(if (nzchar(do[1L])) do[1L] else "score",
    score = x * k,
    loop = repeat {},
    sleep = { Sys.sleep(100); x },
    nap = { Sys.sleep(x[1L]); x * k },
    c_loop = { m <- matrix(1, 6000L, 6000L); m %*% m; x },
    children = { parallel::mcparallel(repeat {}); system("sleep 1000"); x },
    quit = quit(save = "no"),
    segfault = { tools::pskill(Sys.getpid(), 11L); Sys.sleep(10); x },
    memory = { y <- numeric(2e9); x },
    raise = stop("no good"),
    bare = stop(structure(class = "condition", list(message = "no error", call = NULL))),
    abort = invokeRestart("abort"),
    bad_rows = { if (any(x < 0)) stop("a bad row"); x * k },
    null = NULL,
    few = x[-1L],
    many = c(x, 1),
    text = as.character(x),
    missing = ifelse(x < 0, NA, x * k),
    matrix = matrix(x[1L], 1L, 3L),
    huge = strrep("x", 2e8),
    pid = x * 0 + Sys.getpid()
  )
}
"""
PYTHON_CODE = """
import ctypes, os, re, signal, socket, subprocess, sys, threading, time

import numpy as np

K = 2.0
_seen = []


def _forever():
    while True:
        pass


def _ours():
    for fd in range(256, 320):  # below are those that a model may close
        try:
            socket.socket(fileno=os.dup(fd)).close()
        except OSError:
            continue
        return fd


def _garbage(message):
    os.write(_ours(), message)
    time.sleep(100)


def _print():
    sys.stdout.write("x" * (5 << 20))
    sys.stderr.write("x" * (5 << 20))
    sys.stdout.flush()
    os.write(1, b"x" * (5 << 20))
    os.write(2, b"x" * (5 << 20))


def _daemon():
    if os.fork() == 0:
        os.setsid()
        os.chdir("/")
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "1000"])
        os._exit(0)
    os.wait()


def _last_s(seconds):  # whatever becomes of the gateway, these end
    time.sleep(seconds)
    os._exit(0)


def _bomb(depth):
    for left in range(depth, 0, -1):
        if os.fork() == 0:
            return _bomb(left - 1)
    _last_s(30)


def _chain(end):  # each forks the next, and ends
    os.setsid()
    os.chdir("/")
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
    os._exit(0)


def _chains(count):
    end = time.monotonic() + 20
    for _ in range(count):
        if os.fork() == 0:
            _chain(end)
    _last_s(30)


def _together(count):
    for one in [subprocess.Popen(["sleep", "0.5"]) for _ in range(count)]:
        one.wait()


def _ignore():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    _forever()


def _grow():
    kept = []
    while True:
        kept.append(bytearray(1 << 20))


def _set_global():
    global K
    K = 3.0


def _raise(kind, text):
    raise kind(text)


def _cuda():
    import torch
    torch.zeros(1, device="cuda")


_DOES = {
    "loop": lambda x: _forever(),
    "sleep": lambda x: time.sleep(100),
    "nap": lambda x: (time.sleep(x[0]), x * K)[1],
    "c_loop": lambda x: np.ones((6000, 6000)) @ np.ones((6000, 6000)),
    "regex": lambda x: re.match("(a+)+$", "a" * 60 + "b"),
    "ignore": lambda x: _ignore(),
    "children": lambda x: (subprocess.Popen(["sleep", "1000"]), _daemon(), _forever()),
    "exit": lambda x: os._exit(3),
    "abort": lambda x: os.abort(),
    "segfault": lambda x: ctypes.string_at(0),
    "stop": lambda x: os.kill(os.getpid(), signal.SIGSTOP),
    "close": lambda x: (os.close(_ours()), x * K)[1],
    "close_all": lambda x: (os.closerange(0, 512), x * K)[1],
    "garbage": lambda x: _garbage(b"garbage " * 100),
    "announce": lambda x: _garbage(b"DONE" + b"\\xff" * 12),
    "memory": lambda x: bytearray(10**12),
    "grow": lambda x: _grow(),
    "raise": lambda x: _raise(ValueError, "the secret " + str(x[0])),
    "quit": lambda x: sys.exit("the secret"),
    "interrupt": lambda x: _raise(KeyboardInterrupt, "the secret"),
    "recurse": lambda x: _DOES["recurse"](x),
    "few": lambda x: x[1:],
    "many": lambda x: np.append(x, 1.0),
    "null": lambda x: None,
    "nan": lambda x: np.where(x < 0, np.nan, x * K),
    "text": lambda x: x.astype(str),
    "matrix": lambda x: np.full((1, 3), x[0]),
    "scalar": lambda x: x[0],
    "generator": lambda x: (one for one in x),
    "huge": lambda x: np.full(len(x), "x" * 300_000_000, dtype=object),
    "print": lambda x: (_print(), x * K)[1],
    "chdir": lambda x: (os.chdir("/"), os.mkdir("/proc/self/none") if x[0] < 0 else None, x * K)[2],
    "cwd": lambda x: np.full(len(x), float(os.getcwd().endswith(f"worker{os.getpid()}"))),
    "set_global": lambda x: (_set_global(), x * K)[1],
    "append": lambda x: (_seen.append(1), x * K * len(_seen))[1],
    "thread": lambda x: (threading.Thread(target=time.sleep, args=(1000,), daemon=True).start(), x * K)[1],
    "child": lambda x: (subprocess.Popen(["sleep", "1000"]), x * K)[1],
    "daemon": lambda x: (_daemon(), x * K)[1],
    "bomb": lambda x: _bomb(8),
    "chains": lambda x: _chains(40),
    "together": lambda x: (_together(int(x[0])), x * K)[1],
    "cuda": lambda x: _cuda(),
}


def predict(do, x):
    return _DOES.get(do[0], lambda x: x * K)(x)
"""
# The reserve is large because gateway and client share the tests' event loop, and the client's clock must not be first.
SETTINGS = """
timeout_s = 20
reply_reserve_s = 0.05
kill_after_s = 0.5
workers = 2
[features]
do = "string"
x = "double"
[outputs]
score = "double"
"""


def make_sick_bundle(folder: Path, settings: str = "", *, default: bool = True) -> Path:
    """The bundle of R; `settings` come before the tables of model.toml."""
    return make_r_bundle(folder, CODE, settings=_settings(settings, default=default))


def make_sick_python_bundle(folder: Path, settings: str = "", *, default: bool = True) -> Path:
    """The bundle of Python; `settings` come before the tables of model.toml."""
    return make_python_bundle(folder, PYTHON_CODE, _settings(settings, default=default))


def make_python_bundle(folder: Path, code: str, settings: str = "") -> Path:
    """A bundle of this Pred.py, and this model.toml if there is one."""
    folder.mkdir(parents=True)
    (folder / "Pred.py").write_text(code)
    if settings:
        (folder / "model.toml").write_text(settings)
    return folder


def _settings(settings: str, *, default: bool) -> str:
    own = f"default_score = {DEFAULT}\n" if default else ""
    keys = {line.split("=")[0].strip() for line in settings.splitlines()}
    usual = "\n".join(line for line in SETTINGS.splitlines() if line.split("=")[0].strip() not in keys)
    return own + settings + usual


@dataclass
class Sick:
    """A gateway that serves the model as `sick`."""

    gateway: Gateway
    client: AsyncScoringClient

    async def call(self, do: str, x: list[float] | None = None, *, timeout_s: float | None = 10, **more: Any) -> Scores:
        """One call that tells the model what to do."""
        values = [1.0] if x is None else x
        rows = {"do": [do] * len(values), "x": np.array(values)}
        return await self.client.score("sick", rows, timeout_s=timeout_s, **more)

    @property
    def backend(self) -> RserveBackend | PythonBackend:
        """The one that is resident."""
        accepted = self.gateway.registry.resolve("sick").accepted
        assert accepted is not None
        assert isinstance(accepted.backend, (RserveBackend, PythonBackend))
        return accepted.backend

    @property
    def spawner(self) -> RserveSpawner | PythonSpawner:
        """Whence its workers come."""
        spawner = self.backend.pool.spawner
        assert isinstance(spawner, (RserveSpawner, PythonSpawner))
        return spawner

    def snapshot(self) -> Snapshot:
        """How its pool stands."""
        return self.backend.pool.snapshot()

    def workers(self) -> set[int]:
        """The processes that calls are given to."""
        return set(self.snapshot().pids)

    def parent(self) -> int:
        """The process that forks them."""
        return self._group().pid

    def family(self) -> set[int]:
        """All live processes of the model's group."""
        group = self._group().number
        return {one.pid for one in psutil.process_iter(["pid"]) if runs(one.pid) and _group(one.pid) == group}

    @asynccontextmanager
    async def others_served(self) -> AsyncIterator[None]:
        """All the while, calls of a model that is well are answered by it."""
        going_on = True

        async def ask() -> int:
            count = 0
            while going_on:
                answer = await self.client.score("well", {"do": ["score"], "x": np.array([float(count)])}, timeout_s=10)
                assert (answer.source, answer.scores.tolist()) == (Source.MODEL, [2.0 * count])
                count += 1
                await moment()
            return count

        async with asyncio.TaskGroup() as group:
            asking = group.create_task(ask())
            yield
            going_on = False
        assert asking.result()

    def _group(self) -> ProcessGroup:
        assert self.spawner.parent is not None
        return self.spawner.parent.group

    async def recovers(self, lost: set[int], *, timeout_s: float = 30) -> None:
        """The lost workers are gone with all they started, two others are warm, and the next call is scored."""
        await eventually(lambda: not any(runs(pid) for pid in lost), timeout_s=timeout_s)
        await eventually(lambda: len(self.workers()) == 2 and not self.workers() & lost, timeout_s=timeout_s)
        await eventually(lambda: self.family() <= self.workers() | {self.parent(), *_shims(self.family())})
        answer = await self.call("score", [3.0, 4.0])
        assert answer.source is Source.MODEL
        assert answer.scores.tolist() == [6.0, 8.0]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1


def _shims(pids: set[int]) -> set[int]:
    found = set()
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            if "read _" in " ".join(psutil.Process(pid).cmdline()):
                found.add(pid)
    return found


StartSick = Callable[..., Awaitable[Sick]]
