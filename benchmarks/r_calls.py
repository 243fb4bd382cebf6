"""R models: beside the raw call over the same wire, pyRserve and plumber; two workers; coalesced calls."""

import asyncio
import http.client
import json
import os
import subprocess
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import numpy as np
from demo import INPUTS
from load import SCORE, SERVER_CORE, calls_per_second
from rounds import Result, p50_s, take_turns
from scorebridge.v1 import scoring_pb2 as pb
from world import World, free_port, wait_for_port

from bridge.backends.rserve.process import RserveProcess
from bridge.backends.rserve.qap_encode import encode_call
from bridge.backends.rserve.rvalues import RDouble, RInt, RList, RNull, RValue
from bridge.backends.rserve.worker import Worker
from bridge.bundles.bundle import read_bundle
from bridge.columns import Array

__all__ = ["beside_the_wire", "coalesced", "slow_model_beside_the_wire", "two_workers"]

_ROWS = 1000
_CALLERS = 256
_PYRSERVE_PYTHON = Path(__file__).parents[1] / ".pyrserve" / "bin" / "python"


def beside_the_wire(world: World) -> list[Result]:
    """The p50 of a 1,000-row call of the glm."""
    columns = world.pima_rows(_ROWS)
    seconds, rounds = world.times.seconds, world.times.rounds
    expected = np.resize(world.pima["glm"].to_numpy(), _ROWS)
    request = world.pima_request("glm", _ROWS)
    with (
        world.recorded_gateway() as (url, _, _),
        grpc.insecure_channel(url) as channel,
        world.echo() as echo,
        grpc.insecure_channel(echo) as echo_channel,
        _plumber(world) as plumber,
        _py_rserve(world, columns, expected) as py_rserve_p50_s,
        _worker(world, "glm") as (runner, _, worker),
    ):
        ask: Any = channel.unary_unary(SCORE, None, pb.ScoreResponse.FromString)
        ask_echo: Any = echo_channel.unary_unary("/echo.Echo/Echo", None, None)
        _check(ask, request, expected)
        body = json.dumps({name: values.tolist() for name, values in columns.items()})
        assert np.allclose(plumber(body), expected, atol=1e-4)  # its JSON has four digits
        raw = _raw(world, _ROWS)
        turns = take_turns(
            rounds,
            {
                "raw one-trip call": lambda: runner.run(_p50(lambda: worker.call(raw), seconds)),
                "gateway": lambda: p50_s(lambda: ask(request), seconds),
                "pyRserve callFunc": lambda: py_rserve_p50_s(seconds),
                "plumber": lambda: p50_s(lambda: plumber(body), seconds),
                "echo of the same bytes": lambda: p50_s(lambda: ask_echo(request), seconds),
            },
        )
    parts = zip(turns.values["raw one-trip call"], turns.values["echo of the same bytes"], strict=True)
    turns.values["sum"] = [raw_s + echo_s for raw_s, echo_s in parts]
    figures = {f"{name}, ms": round(turns.median(name) * 1e3, 3) for name in turns.values}
    figures["request on R's wire, bytes"] = len(encode_call("x" * 28, raw, 0))
    told = "glm, 1,000 rows, one caller, recorded: p50 over"
    return [
        Result.at_most(f"{told} the raw one-trip call", 1.1, turns.ratio("gateway", "raw one-trip call"), **figures),
        Result.noted(f"{told} the raw one-trip call + an echo of the same bytes", turns.ratio("gateway", "sum")),
        Result.noted(f"{told} pyRserve's callFunc", turns.ratio("gateway", "pyRserve callFunc")),
        Result.noted(f"{told} plumber", turns.ratio("gateway", "plumber")),
    ]


def slow_model_beside_the_wire(world: World) -> list[Result]:
    """The same of the forest with 10,000 rows on one worker: what the gateway adds to a model that takes its time."""
    rows = 10_000
    raw, request = _raw(world, rows), world.pima_request("forest-changed", rows)
    expected = np.resize(world.pima["forest"].to_numpy(), rows)
    with (
        world.with_settings("forest", "workers = 1\ntimeout_s = 30\n"),
        world.recorded_gateway() as (url, _, _),
        grpc.insecure_channel(url) as channel,
        _worker(world, "forest") as (runner, _, worker),
    ):
        ask: Any = channel.unary_unary(SCORE, None, pb.ScoreResponse.FromString)
        _check(ask, request, expected)
        measures = {
            "raw one-trip call": lambda: runner.run(_p50(lambda: worker.call(raw), world.times.seconds)),
            "gateway": lambda: p50_s(lambda: ask(request), world.times.seconds),
        }
        turns = take_turns(world.times.rounds, measures)
    figures = {f"{name}, ms": round(turns.median(name) * 1e3, 2) for name in turns.values}
    what = "forest, 10,000 rows, one caller, one worker, recorded: p50 over the raw one-trip call"
    return [Result.at_most(what, 1.1, turns.ratio("gateway", "raw one-trip call"), **figures)]


def two_workers(world: World) -> list[Result]:
    """A batch of 10,000 rows of the forest with one worker, and with two."""
    rows = 10_000
    every_core = f"0-{(os.cpu_count() or 1) - 1}"
    expected = np.resize(world.pima["forest"].to_numpy(), rows)
    with (
        world.with_settings("forest", "workers = 1\ntimeout_s = 30\n"),
        world.recorded_gateway(cores=every_core) as (url, _, _),
        grpc.insecure_channel(url) as channel,
    ):
        ask: Any = channel.unary_unary(SCORE, None, pb.ScoreResponse.FromString)

        def measure(model: str) -> Callable[[], float]:
            request = world.pima_request(model, rows)
            _check(ask, request, expected)
            return lambda: p50_s(lambda: ask(request), world.times.seconds)

        measures = {"one": measure("forest-changed"), "two": measure("forest")}
        with _raw_halves(world, rows) as raw:
            turns = take_turns(world.times.rounds, measures | raw)
    figures = {f"{name}, ms": round(turns.median(name) * 1e3, 1) for name in turns.values}
    what = "forest, 10,000 rows: p50 with one worker over that with two"
    return [
        Result.at_least(what, 1.8, turns.ratio("one", "two"), **figures),
        Result.noted(f"{what}, raw calls without a gateway", turns.ratio("one, raw", "two, raw")),
    ]


def coalesced(world: World) -> list[Result]:
    """Calls of one row of the glm, as many in flight as a busy service has, coalesced and not."""
    with (
        world.with_settings("glm", "coalesce = false\n"),
        world.recorded_gateway(cores=f"0-{(os.cpu_count() or 1) - 1}") as (url, _, log),
    ):

        def rate(model: str) -> Callable[[], float]:
            request = world.pima_request(model, 1)
            return lambda: calls_per_second(url, SCORE, request, _CALLERS, world.times.seconds)

        turns = take_turns(world.times.rounds, {"coalesced": rate("glm"), "alone": rate("glm-changed")})
        calls = world.check_log(log, world.pima["glm"].to_numpy()[:1])
    figures: dict[str, Any] = {f"{name}, calls/s": round(turns.median(name)) for name in turns.values}
    figures["calls checked in the log"] = calls
    what = f"glm, 1 row, {_CALLERS} in flight, recorded: calls/s coalesced over alone"
    return [Result.at_least(what, 10, turns.ratio("coalesced", "alone"), **figures)]


@contextmanager
def _raw_halves(world: World, rows: int) -> Iterator[dict[str, Callable[[], float]]]:
    """What two R processes gain by themselves: all rows in one, and half of them in each at the same time."""
    whole, half = _raw(world, rows), _raw(world, rows // 2)
    with _worker(world, "forest", range(os.cpu_count() or 1)) as (runner, process, one):
        two = runner.run(Worker.fork(process))
        seconds = world.times.seconds
        yield {
            "one, raw": lambda: runner.run(_p50(lambda: one.call(whole), seconds)),
            "two, raw": lambda: runner.run(_p50(lambda: asyncio.gather(one.call(half), two.call(half)), seconds)),
        }
        runner.run(two.kill())


def _raw(world: World, rows: int) -> list[RValue]:
    columns = world.pima_rows(rows)
    return [RInt(np.array([rows], np.int32)), RNull(), RList([RDouble(columns[name]) for name in INPUTS])]


async def _p50(call: Callable[[], Awaitable[Any]], seconds: float) -> float:
    loop = asyncio.get_running_loop()
    times: list[float] = []
    end = loop.time() + seconds
    while loop.time() < end:
        began = loop.time()
        await call()
        times.append(loop.time() - began)
    return median(times)


@contextmanager
def _worker(
    world: World, model: str, cores: Collection[int] = (int(SERVER_CORE),)
) -> Iterator[tuple[asyncio.Runner, RserveProcess, Worker]]:
    """An R worker with the model, without a gateway, on these cores."""
    bundle = read_bundle(world.work / model)

    async def start() -> tuple[RserveProcess, Worker]:
        process = await RserveProcess.start(bundle.path, bundle.digest, bundle.settings)
        os.sched_setaffinity(process.group.pid, cores)
        return process, await Worker.fork(process)

    with asyncio.Runner() as runner:
        process, worker = runner.run(start())
        yield runner, process, worker
        runner.run(worker.kill())
        runner.run(process.close())


def _check(ask: Callable[[bytes], Any], request: bytes, expected: np.ndarray[Any, Any]) -> None:
    """The scores are R's own, to the bit."""
    (scores,) = ask(request).scores
    assert np.array(scores.doubles.values).tobytes() == expected.tobytes()


@contextmanager
def _plumber(world: World) -> Iterator[Callable[[str], list[float]]]:
    port = free_port()
    command = ["taskset", "-c", SERVER_CORE, "Rscript", "--vanilla", str(world.script("plumber.R"))]
    with subprocess.Popen([*command, str(world.work / "glm"), str(port)], stderr=subprocess.DEVNULL) as process:
        wait_for_port(port)
        connection = http.client.HTTPConnection("127.0.0.1", port)

        def ask(body: str) -> list[float]:
            connection.request("POST", "/score", body, {"Content-Type": "application/json"})
            scores: list[float] = json.loads(connection.getresponse().read())
            return scores

        try:
            yield ask
        finally:
            connection.close()
            process.terminate()


@contextmanager
def _py_rserve(world: World, columns: Mapping[str, Array], expected: Array) -> Iterator[Callable[[float], float]]:
    """A plain Rserve, and the p50 of pyRserve's way to call a function in it, from a process that has its numpy."""
    port = free_port()
    found = ["Rscript", "--vanilla", "-e", 'cat(system.file("libs", "Rserve", package = "Rserve"))']
    binary = subprocess.run(found, capture_output=True, text=True, check=True).stdout
    bundle = world.work / "glm"
    conf = world.work / "plain.conf"
    conf.write_text(
        f'port {port}\nremote disable\ndaemon disable\ninteractive no\neval load("{bundle}/model.RData")\n'
        f"source {bundle}/Pred.R\nworkdir {world.work}/plain\n"
    )
    command = ["taskset", "-c", SERVER_CORE, "R", "CMD", binary, "--vanilla", "--RS-conf", str(conf)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for_port(port)
        caller = [str(part) for part in (_PYRSERVE_PYTHON, Path(__file__).with_name("pyrserve_calls.py"), port)]
        try:
            with subprocess.Popen(caller, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as calls:
                scores = _asked(calls, [columns[name].tolist() for name in INPUTS])
                assert np.array_equal(np.array(scores), expected)
                yield lambda seconds: float(_asked(calls, seconds))
        finally:
            process.terminate()


def _asked(process: "subprocess.Popen[str]", question: object) -> Any:
    """The answer to one line of JSON."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())
