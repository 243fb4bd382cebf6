"""xgboost: one row and a thousand beside an echo, MLServer and the booster; what recording costs; 100,000 rows."""

import os
import time
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import xgboost
from load import LOAD_CORE, SCORE, SERVER_CORE, calls_per_second, pinned_gateway
from rounds import Measured, Result, p50_s, quantile, take_turns
from scorebridge import ScoringClient, Source
from world import World

__all__ = ["big_batches", "rates", "thousand_rows"]

_INFER = "/inference.GRPCInferenceService/ModelInfer"


def rates(world: World) -> list[Result]:
    """Calls a second of 1 row and of 1,000 rows, recorded, beside the same without a log, an echo, and MLServer."""
    results = []
    for rows, in_flight in ((1, 32), (1000, 8)):
        batch = world.cancer_rows(rows)
        request, expected = world.cancer_request(batch), world.cancer_scores(batch)
        peer = world.mlserver_request(batch)
        with (
            world.echo() as echo,
            world.mlserver() as mlserver,
            pinned_gateway(world.repository) as (unrecorded, _),
            world.recorded_gateway() as (recorded, _, log),
        ):
            world.check_mlserver(mlserver, peer, batch)

            def rate(url: str, path: str, message: bytes, flight: int = in_flight) -> Callable[[], float]:
                return lambda: calls_per_second(url, path, message, flight, world.times.seconds)

            turns = take_turns(
                world.times.rounds,
                {
                    "echo": rate(echo, "/echo.Echo/Echo", request),
                    "gateway": rate(recorded, SCORE, request),
                    "unrecorded": rate(unrecorded, SCORE, request),
                    "MLServer": rate(mlserver, _INFER, peer.read_bytes()),
                },
            )
            calls = world.check_log(log, expected)
        figures = {f"{name}, calls/s": round(turns.median(name)) for name in turns.values}
        figures["calls checked in the log"] = calls
        beside_echo = "calls/s over those of a bare grpc.aio echo"
        told = f"{rows:,} row{'s' if rows > 1 else ''}, {in_flight} in flight, recorded"
        to_echo, to_mlserver = turns.ratio("gateway", "echo"), turns.ratio("gateway", "MLServer")
        if rows == 1:
            results.append(Result.at_least(f"{told}: {beside_echo}", 3, to_echo, **figures))
        else:
            results.append(Result.noted(f"{told}: {beside_echo}", to_echo))
        limit = 10 if rows == 1 else 3
        results.append(Result.at_least(f"{told}: calls/s over MLServer's", limit, to_mlserver, **figures))
        cost = turns.ratio("gateway", "unrecorded")
        results.append(Result.at_least(f"{told}: calls/s over those without recording", 0.95, cost))
    return results


def thousand_rows(world: World) -> list[Result]:
    """The p50 of one caller's 1,000-row call, beside the raw prediction plus an echo of the same bytes."""
    batch = world.cancer_rows(1000)
    request, expected = world.cancer_request(batch), world.cancer_scores(batch)
    booster = xgboost.Booster(params={"nthread": 1}, model_file=str(world.work / "cancer" / "model.ubj"))
    assert booster.inplace_predict(batch).tobytes() == expected.tobytes()
    seconds = world.times.seconds
    with world.echo() as echo, world.recorded_gateway() as (url, _, log):
        allowed = os.sched_getaffinity(0)
        try:
            with grpc.insecure_channel(echo) as echo_channel, grpc.insecure_channel(url) as channel:
                ask_echo: Any = echo_channel.unary_unary("/echo.Echo/Echo", None, None)
                ask: Any = channel.unary_unary(SCORE, None, None)

                def pinned(core: str, call: Callable[[], Any]) -> Callable[[], float]:
                    def measure() -> float:
                        os.sched_setaffinity(0, {int(core)})
                        return p50_s(call, seconds)

                    return measure

                turns = take_turns(
                    world.times.rounds,
                    {
                        "inplace_predict": pinned(SERVER_CORE, lambda: booster.inplace_predict(batch)),
                        "echo": pinned(LOAD_CORE, lambda: ask_echo(request)),
                        "gateway": pinned(LOAD_CORE, lambda: ask(request)),
                    },
                )
        finally:
            os.sched_setaffinity(0, allowed)
        calls = world.check_log(log, expected)
    parts = zip(turns.values["inplace_predict"], turns.values["echo"], strict=True)
    turns.values["sum"] = [predict + sent for predict, sent in parts]
    figures = {f"{name}, ms": round(turns.median(name) * 1e3, 3) for name in turns.values}
    figures["calls checked in the log"] = calls
    what = "1,000 rows, one caller, recorded: p50 over inplace_predict + echo of the same bytes"
    return [Result.at_most(what, 1.2, turns.ratio("gateway", "sum"), **figures)]


def big_batches(world: World) -> list[Result]:
    """100,000 rows through the Python client, with gateway and client on both cores, recorded."""
    batch = world.cancer_rows(100_000).astype(np.float32)
    expected = world.cancer_scores(batch)
    every_core = f"0-{(os.cpu_count() or 1) - 1}"
    times: list[float] = []
    with world.recorded_gateway(cores=every_core) as (url, _, _), ScoringClient(url, timeout_s=30) as client:
        for _ in range(5 + world.times.calls):
            began = time.perf_counter()
            answer = client.score("cancer", batch)
            times.append(time.perf_counter() - began)
            assert answer.source is Source.MODEL
            assert answer.scores.tobytes() == expected.tobytes()
    counted = times[5:]
    p95_ms = quantile(counted, 0.95) * 1e3
    measured = Measured(p95_ms, min(counted) * 1e3, max(counted) * 1e3, len(counted))
    what = "100,000 rows (float32) through the Python client, recorded: p95 in ms"
    return [Result.at_most(what, 100, measured, **{"p50, ms": round(quantile(counted, 0.5) * 1e3, 1)})]
