"""A model that does what a call tells it to, good or bad, and what can be seen of its workers."""

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from fixtures import make_r_bundle
from scorebridge import AsyncScoringClient, Scores, Source
from waiting import eventually, runs

from bridge.backends.rserve.backend import RserveBackend
from bridge.backends.rserve.spawner import RserveSpawner
from bridge.gateway.server import Gateway
from bridge.workers.process_group import ProcessGroup
from bridge.workers.snapshot import Snapshot

__all__ = ["DEFAULT", "Sick", "StartSick", "make_sick_bundle"]

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
    """The bundle; `settings` come before the tables of model.toml."""
    own = f"default_score = {DEFAULT}\n" if default else ""
    keys = {line.split("=")[0].strip() for line in settings.splitlines()}
    usual = "\n".join(line for line in SETTINGS.splitlines() if line.split("=")[0].strip() not in keys)
    return make_r_bundle(folder, CODE, settings=own + settings + usual)


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
    def backend(self) -> RserveBackend:
        """The one that is resident."""
        accepted = self.gateway.registry.resolve("sick").accepted
        assert accepted is not None
        assert isinstance(accepted.backend, RserveBackend)
        return accepted.backend

    @property
    def spawner(self) -> RserveSpawner:
        """Whence its workers come."""
        assert isinstance(self.backend.pool.spawner, RserveSpawner)
        return self.backend.pool.spawner

    def snapshot(self) -> Snapshot:
        """How its pool stands."""
        return self.backend.pool.snapshot()

    def workers(self) -> set[int]:
        """The R processes that calls are given to."""
        return set(self.snapshot().pids)

    def parent(self) -> int:
        """The Rserve that forks them."""
        return self._group().pid

    def family(self) -> set[int]:
        """All live processes of the model's group."""
        group = self._group().number
        return {one.pid for one in psutil.process_iter(["pid"]) if runs(one.pid) and _group(one.pid) == group}

    def _group(self) -> ProcessGroup:
        assert self.spawner.parent is not None
        return self.spawner.parent.group

    async def recovers(self, lost: set[int]) -> None:
        """The lost workers are gone with all they started, two others are warm, and the next call is scored."""
        await eventually(lambda: not any(runs(pid) for pid in lost))
        await eventually(lambda: len(self.workers()) == 2 and not self.workers() & lost)
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
