"""What must hold beyond speed: goodput at twice the load that is possible, and memory over a million calls."""

import gc
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from load import SCORE, call_times_s, calls_per_second
from rounds import Measured, Result
from scorebridge.v1 import scoring_pb2 as pb
from world import World

from bridge.prediction_log.reader import read_log

__all__ = ["memory", "overload"]

_ROWS = 2000
_CALLERS = 16
_TIMEOUT_S = 0.25


@dataclass
class _Turn:
    """What became of the calls of one measurement.

    Attributes:
        calls: when each began, in seconds since 1970, and how long it took, seconds, by the caller's clock.
    """

    calls: list[tuple[float, float]]

    @property
    def seconds(self) -> float:
        """From the first call to the last answer."""
        return max(began + took for began, took in self.calls) - min(began for began, _ in self.calls)

    @property
    def calls_per_s(self) -> float:
        """All of them."""
        return len(self.calls) / self.seconds

    def sources(self, log: Path, expected: bytes) -> Counter[str]:
        """From the gateway's log: who gave the scores; those of the model must be right to the bit."""
        found: Counter[str] = Counter()
        first_ns = 1e9 * min(began for began, _ in self.calls)
        for entry in read_log(log):
            record = entry.record
            if first_ns <= record.received_ns <= first_ns + 1e9 * self.seconds:
                assert record.status == 0, record.error_reason
                found["default" if record.defaulted else "model"] += 1
                if not record.defaulted:
                    (column,) = pb.ScoreResponse.FromString(record.response).scores
                    assert np.array(column.doubles.values).tobytes() == expected
        return found


def overload(world: World) -> list[Result]:
    """The forest at the most it can score, and at twice that, each call with a deadline; every answer is checked."""
    request = world.pima_request("forest", _ROWS)
    expected = np.resize(world.pima["forest"].to_numpy(), _ROWS).tobytes()
    ratios, peaks, overs, late_s = [], [], Counter[str](), list[list[float]]()
    with world.recorded_gateway(cores=f"0-{(os.cpu_count() or 1) - 1}") as (url, _, log):
        per_second = _turn(url, request, 1000).calls_per_s
        for _ in range(world.times.rounds):
            peak = _turn(url, request, round(per_second * world.times.seconds))
            pace = 2 * peak.calls_per_s / _CALLERS
            over = _turn(url, request, round(2 * peak.calls_per_s * world.times.seconds), "-m64", f"--rps={pace:.3f}")
            assert peak.sources(log, expected)["default"] == 0
            sources = over.sources(log, expected)
            overs += sources
            peaks.append(peak.calls_per_s)
            ratios.append(sources["model"] / over.seconds / peak.calls_per_s)
            late_s.append([took - _TIMEOUT_S for _, took in over.calls if took > _TIMEOUT_S])
    figures = {"peak, calls/s": round(float(np.median(peaks))), "calls at twice the peak": overs.total()}
    figures |= {f"{source} scores": overs[source] for source in ("model", "default")}
    told = f"forest, {_ROWS} rows, {_TIMEOUT_S * 1e3:.0f} ms deadlines, offered twice its peak"
    counts = [len(late) for late in late_s]
    lates = Measured(sum(counts), min(counts), max(counts), len(counts))
    worst_ms = round(1e3 * max((late for turn in late_s for late in turn), default=0.0), 1)
    return [
        Result.at_least(f"{told}: model scores a second over those at the peak", 0.95, Measured.of(ratios), **figures),
        Result.at_most(f"{told}: answers after their deadline, all rounds", 0, lates, **{"worst, ms late": worst_ms}),
    ]


def _turn(url: str, request: bytes, calls: int, *options: str) -> _Turn:
    """So many calls from a few connections, each with its next call behind its last unless options say otherwise."""
    return _Turn(call_times_s(url, SCORE, request, calls, _TIMEOUT_S, f"-c{_CALLERS}", *options))


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
