"""A Python model without a gateway: its worker, asked as a gateway asks it, and its function, called directly."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from debian_models import DEBIAN
from load import SERVER_CORE
from scorebridge.runner import messages
from scorebridge.runner.vectors import Vector
from scorebridge.v1 import scoring_pb2 as pb

from bridge.backends.python.backend import PythonBackend
from bridge.backends.python.interpreters import interpreter_of
from bridge.bundles.bundle import Bundle, read_bundle
from bridge.calls import Trace
from bridge.codecs.scorebridge_v1.requests import read_batch
from bridge.columns import Table
from bridge.pythons import runner_folder
from bridge.workers.programs import Programs

__all__ = ["Resident", "bound_rows", "function", "resident", "worker_exchange"]

_PROGRAMS = Programs(pythons={"debian": DEBIAN})
_DIRECT = Path(__file__).parent / "peers" / "python_function.py"

P50 = Callable[[float], float]


@dataclass
class Resident:
    """A bundle that is resident in one worker, and the loop that it belongs to."""

    bundle: Bundle
    backend: PythonBackend
    runner: asyncio.Runner


@contextmanager
def resident(folder: Path) -> Iterator[Resident]:
    """A bundle, loaded as a gateway loads it."""
    bundle = read_bundle(folder)
    with asyncio.Runner() as runner:
        backend = runner.run(PythonBackend.open(bundle, _PROGRAMS))
        try:
            yield Resident(bundle, backend, runner)
        finally:
            runner.run(backend.close())


def bound_rows(model: Resident, request: pb.ScoreRequest) -> Table:
    """The rows of a request, as the model's worker gets them."""
    return model.backend.bind(read_batch(request))


@contextmanager
def worker_exchange(model: Resident, table: Table) -> Iterator[P50]:
    """The p50 of calls of the model's worker for so many seconds, one after the other, seconds."""
    vectors = _vectors(table)

    async def measure(seconds: float) -> float:
        loop = asyncio.get_running_loop()
        times: list[float] = []
        async with model.backend.pool.lease(Trace(), "") as worker:
            os.sched_setaffinity(worker.pid, {int(SERVER_CORE)})
            end = loop.time() + seconds
            while loop.time() < end:
                began = loop.time()
                await worker.call(messages.CALL, {"rows": table.rows}, vectors)
                times.append(loop.time() - began)
        return median(times)

    yield lambda seconds: model.runner.run(measure(seconds))


@contextmanager
def function(model: Resident, table: Table) -> Iterator[P50]:
    """The p50 of the function, called with these rows in a process of its own, seconds."""
    interpreter = model.runner.run(interpreter_of(model.bundle.settings, _PROGRAMS))
    settings = model.bundle.settings
    head = {"rows": table.rows, "frame": settings.input == "frame"}
    path = model.bundle.path.with_name("rows.bin")
    path.write_bytes(b"".join(messages.encode(messages.CALL, head, _vectors(table))))
    command = ["taskset", "-c", SERVER_CORE, interpreter.path, _DIRECT, runner_folder(), model.bundle.path, path]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "PYTHONPATH": ""}
    with subprocess.Popen(
        list(map(str, command)), env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        sent, received = process.stdin, process.stdout

        def measure(seconds: float) -> float:
            sent.write(f"{seconds}\n")
            sent.flush()
            return float(received.readline())

        yield measure
        sent.close()


def _vectors(table: Table) -> list[Vector]:
    return [Vector(one.name, one.type.value, one.values, one.mask, one.levels) for one in table.columns]
