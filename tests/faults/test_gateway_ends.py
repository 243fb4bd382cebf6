"""The gateway's own end: SIGTERM under load, a second one, kill -9, and the next start."""

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from fixtures import NO_RETRIES, Cancer, put
from gateways import GatewayProcess
from scorebridge import AsyncScoringClient, ScoringError
from sick import DEFAULT, make_sick_bundle
from waiting import eventually, runs

from bridge.errors import DefaultReason


@pytest.fixture
def served(tmp_path: Path, repository: Path) -> Path:
    put(make_sick_bundle(tmp_path / "sick", "row_wise = true\nworkers = 3"), repository, "sick")
    return repository


def _folders() -> set[Path]:
    return set(Path(os.environ["TMPDIR"]).glob("scorebridge-*"))


def _config(tmp_path: Path, grace_s: float, front: str = "auto") -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(f"grace_s = {grace_s}\nfront = '{front}'\n")
    return path


async def _call(client: AsyncScoringClient, do: str, x: float = 1.0, *, allow_default: bool = True) -> str:
    try:
        answer = await client.score("sick", {"do": [do], "x": [x]}, timeout_s=10, allow_default=allow_default)
    except ScoringError as error:
        return f"error {error.reason}" if error.reason in set(DefaultReason) else error.reason
    if answer.reasons == [None]:
        assert answer.scores.tolist() == [2 * x]
        return "MODEL"
    assert answer.scores.tolist() == [DEFAULT]
    return str(answer.reasons[0])


async def test_sigterm_lets_calls_finish_gives_the_rest_their_defaults_and_leaves_nothing(
    tmp_path: Path, served: Path
) -> None:
    gateway = GatewayProcess(served, _config(tmp_path, 0.6))
    family = gateway.family()
    async with AsyncScoringClient(gateway.url, options=NO_RETRIES, circuit_failures=0) as client:
        await _call(client, "score")
        quick = asyncio.create_task(_call(client, "nap", 0.3))
        hung = asyncio.create_task(_call(client, "loop"))
        strict = asyncio.create_task(_call(client, "loop", allow_default=False))
        await asyncio.wait({quick, hung, strict}, timeout=0.1)
        gateway.popen.send_signal(signal.SIGTERM)
        assert await quick == "MODEL"
        assert await hung == "DRAINING"
        assert await strict == "error DRAINING"
        assert await asyncio.to_thread(gateway.close) == 0
    await eventually(lambda: not any(runs(pid) for pid in family))


# grpc-core drops what came and was not begun when its server goes down, with CANCELLED: see docs/architecture.md.
@pytest.mark.parametrize(("ends_with", "dropped"), [("native", set()), ("grpc", {"CANCELLED"})])
async def test_under_load_every_call_is_answered_or_refused_as_unavailable(
    tmp_path: Path, served: Path, ends_with: str, dropped: set[str]
) -> None:
    gateway = GatewayProcess(served, _config(tmp_path, 2.0, ends_with))
    seen: Counter[str] = Counter()

    async def caller(client: AsyncScoringClient, number: int) -> None:
        for call in range(10_000):
            result = await _call(client, "score", float(number * 10_000 + call))
            seen[result] += 1
            if result != "MODEL":
                return

    async with AsyncScoringClient(gateway.url, options=NO_RETRIES, circuit_failures=0) as client:
        callers = [asyncio.create_task(caller(client, number)) for number in range(8)]
        await eventually(lambda: seen["MODEL"] > 100)
        gateway.popen.send_signal(signal.SIGTERM)
        await asyncio.gather(*callers)
    assert await asyncio.to_thread(gateway.close) == 0
    assert set(seen) <= {"MODEL", "DRAINING", "UNAVAILABLE"} | dropped
    assert seen["MODEL"] > 100


async def test_a_second_sigterm_is_immediate(tmp_path: Path, served: Path) -> None:
    gateway = GatewayProcess(served, _config(tmp_path, 100))
    family = gateway.family()
    async with AsyncScoringClient(gateway.url, options=NO_RETRIES, circuit_failures=0) as client:
        await _call(client, "score")
        hung = [asyncio.create_task(_call(client, "loop")) for _ in range(20)]
        await asyncio.wait(hung, timeout=0.1)
        gateway.popen.send_signal(signal.SIGTERM)
        await asyncio.wait(hung, timeout=0.2)
        assert not any(call.done() for call in hung)
        began = time.monotonic()
        assert await asyncio.to_thread(gateway.end, signal.SIGTERM) == 0
        assert time.monotonic() - began < 20
        assert set(await asyncio.gather(*hung)) == {"DRAINING"}
    await eventually(lambda: not any(runs(pid) for pid in family))


async def test_kill_9_leaves_no_r_process_and_the_next_start_sweeps_up_and_serves(served: Path) -> None:
    gateway = GatewayProcess(served)
    family = gateway.family()
    folders = _folders()
    async with AsyncScoringClient(gateway.url, options=NO_RETRIES, circuit_failures=0) as client:
        hung = asyncio.create_task(_call(client, "children"))
        await asyncio.wait({hung}, timeout=0.3)
        family |= gateway.family()
        assert await asyncio.to_thread(gateway.end, signal.SIGKILL) == -signal.SIGKILL
        assert await hung == "UNAVAILABLE"
    await eventually(lambda: not any(runs(pid) for pid in family))
    assert folders
    again = GatewayProcess(served)
    async with AsyncScoringClient(again.url, options=NO_RETRIES, circuit_failures=0) as client:
        assert await _call(client, "score") == "MODEL"
        assert not folders & _folders()
    assert await asyncio.to_thread(again.end, signal.SIGTERM) == 0


def test_a_gateway_without_r_models_sweeps_up_too(tmp_path: Path, cancer: Cancer, repository: Path) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = GatewayProcess(repository, _config(tmp_path, 1.0, "native"))  # which has a socket of its own
    folders = _folders()
    assert folders
    assert gateway.end(signal.SIGKILL) == -signal.SIGKILL
    assert folders <= _folders()
    again = GatewayProcess(repository)
    assert not folders & _folders()
    assert again.end(signal.SIGTERM) == 0


async def test_without_file_descriptors_what_is_connected_is_served_on(served: Path) -> None:
    gateway = GatewayProcess(served)
    async with AsyncScoringClient(gateway.url, options=NO_RETRIES, circuit_failures=0) as client:
        assert await _call(client, "score") == "MODEL"
        limits = gateway.limit_files(psutil.Process(gateway.popen.pid).num_fds())
        assert await _call(client, "score", 2.0) == "MODEL"
        assert await _call(client, "quit") == "WORKER_LOST"
        gateway.limit_files(limits)
        for _ in range(200):
            if await _call(client, "score", 3.0) == "MODEL":
                break
        assert await _call(client, "score", 4.0) == "MODEL"
    assert await asyncio.to_thread(gateway.end, signal.SIGTERM) == 0
