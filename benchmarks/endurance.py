"""What must hold beyond speed: goodput at twice the load that is possible, and memory over a million calls."""

import asyncio
import gc
import os
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
from load import SCORE, calls_per_second
from rounds import Measured, Result
from scorebridge import AsyncScoringClient, DeadlineExceeded, Source
from world import World

__all__ = ["memory", "overload"]

_ROWS = 2000
_CALLERS = 16
_TIMEOUT_S = 0.25


@dataclass
class _Tally:
    """What became of the calls of one measurement."""

    sources: Counter[str] = field(default_factory=Counter)
    late: int = 0
    worst_s: float = 0.0
    seconds: float = 0.0

    @property
    def goodput(self) -> float:
        """Model scores that came in time, calls a second."""
        return self.sources[Source.MODEL] / self.seconds


_Call = Callable[[_Tally], Coroutine[Any, Any, None]]


def overload(world: World) -> list[Result]:
    """The forest at the most it can score, and at twice that, each call with a deadline; every answer is checked."""
    with world.recorded_gateway(cores=f"0-{(os.cpu_count() or 1) - 1}") as (url, _, _):
        pairs = asyncio.run(_overload(world, url))
    ratios = [over.goodput / peak.goodput for peak, over in pairs]
    over = [tally for _, tally in pairs]
    late, calls = sum(tally.late for tally in over), sum(tally.sources.total() for tally in over)
    figures = {
        "peak, calls/s": round(float(np.median([peak.goodput for peak, _ in pairs]))),
        "calls at twice the peak": calls,
        "model scores": sum(tally.sources[Source.MODEL] for tally in over),
        "default scores": sum(tally.sources[Source.DEFAULT] + tally.sources[Source.MIXED] for tally in over),
    }
    told = f"forest, {_ROWS} rows, {_TIMEOUT_S * 1e3:.0f} ms deadlines, offered twice its peak"
    worst_ms = round(max(tally.worst_s for tally in over) * 1e3, 1)
    lates = Measured(late, min(tally.late for tally in over), max(tally.late for tally in over), len(over))
    return [
        Result.at_least(f"{told}: model scores a second over those at the peak", 0.95, Measured.of(ratios), **figures),
        Result.at_most(f"{told}: answers after their deadline, all rounds", 0, lates, **{"worst, ms late": worst_ms}),
    ]


async def _overload(world: World, url: str) -> list[tuple[_Tally, _Tally]]:
    columns = world.pima_rows(_ROWS)
    expected = np.resize(world.pima["forest"].to_numpy(), _ROWS)
    async with AsyncScoringClient(url) as client:

        async def call(tally: _Tally) -> None:
            loop = asyncio.get_running_loop()
            began = loop.time()
            try:
                answer = await client.score("forest", columns, timeout_s=_TIMEOUT_S)
            except DeadlineExceeded:  # by the client's own clock, before any answer was there
                tally.sources["late"] += 1
                tally.late += 1
                return
            took_s = loop.time() - began
            if answer.source is Source.MODEL:
                assert answer.scores.tobytes() == expected.tobytes()
            tally.sources[answer.source] += 1
            tally.late += took_s > _TIMEOUT_S
            tally.worst_s = max(tally.worst_s, took_s - _TIMEOUT_S)

        pairs = []
        await _closed(call, _CALLERS, world.times.seconds)
        for _ in range(world.times.rounds):
            peak = await _closed(call, _CALLERS, world.times.seconds)
            pairs.append((peak, await _open(call, 2 * peak.goodput, world.times.seconds)))
        return pairs


async def _closed(call: _Call, callers: int, seconds: float) -> _Tally:
    """So many callers, each with its next call behind its last."""
    loop = asyncio.get_running_loop()
    tally, began = _Tally(), loop.time()

    async def caller() -> None:
        while loop.time() < began + seconds:
            await call(tally)

    await asyncio.gather(*(caller() for _ in range(callers)))
    tally.seconds = loop.time() - began
    return tally


async def _open(call: _Call, per_second: float, seconds: float) -> _Tally:
    """So many calls a second, whatever becomes of them, as independent callers would make them."""
    loop = asyncio.get_running_loop()
    chance = np.random.default_rng(4)
    tally, began = _Tally(), loop.time()
    at, tasks = began, []
    while (at := at + chance.exponential(1 / per_second)) < began + seconds:
        await asyncio.sleep(max(0.0, at - loop.time()))
        tasks.append(asyncio.create_task(call(tally)))
    await asyncio.gather(*tasks)
    tally.seconds = seconds
    return tally


def memory(world: World) -> list[Result]:
    """How much the gateway's memory grows over calls, after as many as it takes to settle."""
    wanted = 1_000_000 if world.times.calls >= 100 else 100_000
    request = world.cancer_request(world.cancer_rows(1))
    keep = ["--config", str(_keeping_little(world))]
    with world.recorded_gateway(*keep) as (url, pid, _):
        process = psutil.Process(pid)
        rate = calls_per_second(url, SCORE, request, 32, 5)
        calls_per_second(url, SCORE, request, 32, max(2, round(0.2 * wanted / rate)))
        gc.collect()
        before = process.memory_info().rss
        calls = calls_per_second(url, SCORE, request, 32, round(wanted / rate) + 1) * (round(wanted / rate) + 1)
        grown = (process.memory_info().rss - before) / (1 << 20)
    what = f"1 row, 32 in flight, recorded: MiB that the gateway grew by over {wanted:,} calls"
    measured = Measured(grown, grown, grown, 1)
    return [Result.at_most(what, 1, measured, **{"calls": round(calls), "before, MiB": round(before / (1 << 20))})]


def _keeping_little(world: World) -> os.PathLike[str]:
    """A log of a million calls is large, and not what is measured here."""
    path = world.work / "keep.toml"
    path.write_text("log_keep_bytes = 300000000\n")
    return path
