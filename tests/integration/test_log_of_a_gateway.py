"""What a gateway itself puts on record, read while it writes; and the readers' memory, which no log may fill."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from fixtures import SCOREBRIDGE, Cancer, StartGateway, put
from prediction_logs import record, write_log
from scorebridge import AsyncScoringClient
from scorebridge.v1 import scoring_pb2 as pb
from sick import Sick, make_sick_bundle
from waiting import eventually

from bridge.gateway.server import Gateway
from bridge.prediction_log.reader import read_log
from bridge.prediction_log.verify import verify

Connect = Callable[[Gateway], AsyncScoringClient]
MIB = 1 << 20


@pytest_asyncio.fixture
async def sick(tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect) -> Sick:
    """A model with one worker, whose calls are logged in `log`."""
    put(make_sick_bundle(tmp_path / "sick", "workers = 1"), repository, "sick")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    return Sick(gateway, connect(gateway))


async def test_the_times_and_the_peer_of_a_call_are_on_record(tmp_path: Path, sick: Sick) -> None:
    before_ns = time.time_ns()
    await asyncio.gather(*(sick.call("nap", [0.2]) for _ in range(2)))
    first, second = (entry.record for entry in read_log(tmp_path / "log"))
    for logged in (first, second):
        assert before_ns < logged.received_ns < time.time_ns()
        assert 2e8 < logged.backend_ns <= logged.total_ns
        assert logged.queue_ns + logged.backend_ns <= logged.total_ns
        assert "127.0.0.1:" in logged.peer
        assert logged.attempts == 1
    assert first.queue_ns < 1e8
    assert second.queue_ns > 1e8  # it waited for the only worker


async def test_a_call_that_waited_in_vain_says_how_long(tmp_path: Path, sick: Sick) -> None:
    slow = asyncio.create_task(sick.call("nap", [1.0]))
    await eventually(lambda: sick.backend.workload.running == 1)
    answer = await sick.call("score", timeout_s=0.4)
    assert answer.reasons == ["DEADLINE"]
    await slow
    waited, _ = (entry.record for entry in read_log(tmp_path / "log"))
    assert 2e8 < waited.queue_ns <= waited.total_ns
    assert (waited.backend_ns, waited.attempts) == (0, 0)


async def test_a_log_is_whole_at_every_moment_while_it_is_written(
    cancer: Cancer, tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(cancer.folder, repository, "cancer")
    log = tmp_path / "log"
    gateway = await start_gateway(repository, log_dir=log, log_segment_bytes=MIB)
    client = connect(gateway)
    answered = 0

    async def call_on() -> None:
        nonlocal answered
        while True:
            await client.score("cancer", cancer.rows[: 1 + answered % 500], timeout_s=10)
            answered += 1

    def passed(count: int) -> bool:
        return answered >= count

    callers = [asyncio.create_task(call_on()) for _ in range(4)]
    seen = 0
    try:
        for _ in range(5):
            until = answered + 20
            await eventually(partial(passed, until))
            found = await asyncio.to_thread(verify, log)
            assert found.ok, found.findings
            assert found.records >= until
            seen = found.segments
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    assert seen > 1


# A process counts what its parent had when it began, so the parent must be small.
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def _most_memory_bytes(*command: object) -> int:
    measured = [sys.executable, "-c", MEASURE, *(str(part) for part in command)]
    return int(subprocess.run(measured, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize(
    ("command", "lengths"),
    [
        (["verify"], (4, 100)),
        (["stats"], (4, 100)),
        (["export", "jsonl"], (4, 100)),
        (["export", "elasticsearch"], (4, 100)),
        (["export", "parquet"], (100, 250)),  # its row groups are of 64 MiB
    ],
)
def test_readers_need_no_more_memory_for_a_longer_log(
    tmp_path: Path, command: list[str], lengths: tuple[int, int]
) -> None:
    call = record()
    request = pb.ScoreRequest.FromString(call.request)
    request.table.columns.add(name="text").strings.values.extend(["x" * MIB, "y"])
    call.request = request.SerializeToString()
    most = []
    for calls in lengths:
        log = tmp_path / f"{calls}"
        write_log(log, [call] * calls)
        name, *form = command
        options = ["--format", *form, "--output", tmp_path / f"{calls}.out"] if form else []
        most.append(_most_memory_bytes(SCOREBRIDGE, "log", name, log, *options))
    assert most[1] - most[0] < 40 * MIB
