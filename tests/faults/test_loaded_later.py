"""Good models that could not be loaded at first: served later by the same gateway, and let go when it ends."""

import asyncio
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psutil
import pytest
from fixtures import NO_RETRIES, SCOREBRIDGE, Cancer, Pima, StartGateway, make_r_bundle, put
from gateways import GatewayProcess
from scorebridge import AsyncScoringClient, Source, Unavailable
from waiting import eventually, runs

from bridge.gateway.server import Gateway

Connect = Callable[[Gateway], AsyncScoringClient]
HANGS = "Sys.sleep(1000)\nPred.R <- function(x) x * k"
TYPES = '[features]\nx = "double"\n[outputs]\nscore = "double"\n'
# So that R has begun before the trial is to be what takes too long, on a busy machine too.
PATIENCE_S = {"load": 3, "trial": 12}


def slow_at_first(tmp_path: Path, slow_in: str) -> Path:
    """A bundle that hangs where it is said, "load" or "trial", until the file `warm` is there."""
    wait = f'if (!file.exists("{tmp_path}/warm")) Sys.sleep(1000)'
    at_load, in_trial = (wait, "") if slow_in == "load" else ("", wait)
    code = f"{at_load}\nPred.R <- function(x) {{ {in_trial}; x * k }}"
    return make_r_bundle(
        tmp_path / "slow",
        code,
        settings=f"load_timeout_s = {PATIENCE_S[slow_in]}\nworkers = 1\ndefault_score = 9\n{TYPES}",
    )


def readiness(url: str) -> str:
    """What /readyz says."""
    try:
        with urllib.request.urlopen(f"http://{url}/readyz") as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


def listing(url: str) -> str:
    """What `scorebridge models` prints."""
    command = [str(SCOREBRIDGE), "models", "--url", url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("slow_in", ["load", "trial"])
async def test_a_version_that_was_too_slow_is_served_once_it_is_not(
    tmp_path: Path, repository: Path, slow_in: str, start_gateway: StartGateway, connect: Connect
) -> None:
    put(make_r_bundle(tmp_path / "good", "Pred.R <- function(x) x * k", settings=TYPES), repository, "m", 1)
    put(slow_at_first(tmp_path, slow_in), repository, "m", 2)
    put(slow_at_first(tmp_path / "n", slow_in), repository, "n", 1)
    gateway = await start_gateway(repository, watch_interval_s=0.05)
    client = connect(gateway)
    sentence = {
        "load": "the bundle was not loaded within 3 s (load_timeout_s)",
        "trial": "the trial rows were not scored within 12 s (load_timeout_s)",
    }
    (detail,) = (one.version for one in await client.model("m", 2))
    assert (detail.state, detail.state_reason) == ("WAITING", sentence[slow_in])
    assert detail.retry_at is not None
    assert abs((detail.retry_at - datetime.now(UTC)).total_seconds()) < 60
    said = (await asyncio.to_thread(readiness, gateway.http_address)).splitlines()
    assert said[0] == "m/1 ready serving"
    assert said[1] == f"m/2 waiting until {detail.retry_at:%Y-%m-%dT%H:%M:%SZ}: {sentence[slow_in]}"
    for model, number in (("m", 2), ("n", 1), ("n", 0)):
        answer = await client.score(model, {"x": [1.0]}, version=number)
        assert (answer.scores.tolist(), answer.reasons) == ([9.0], ["MODEL_NOT_READY"])
        with pytest.raises(Unavailable, match="could not be loaded yet and is tried again: the "):
            await client.score(model, {"x": [1.0]}, version=number, allow_default=False)
    assert (await client.score("m", {"x": [1.0]})).version == 1
    for folder in (tmp_path, tmp_path / "n"):
        (folder / "warm").touch()
    for model, number in (("m", 2), ("n", 1)):
        await eventually(partial(_serves, gateway, model, number), timeout_s=60)
        answer = await client.score(model, {"x": [1.5]}, timeout_s=10)
        assert (answer.source, answer.version, answer.scores.tolist()) == (Source.MODEL, number, [3.0])
    assert "waiting" not in await asyncio.to_thread(readiness, gateway.http_address)


def _serves(gateway: Gateway, model: str, number: int) -> bool:
    version = gateway.registry.serving(model)
    return version is not None and version.stored.version == number


@pytest.mark.parametrize("model", ["glm", "cancer"])
async def test_a_version_for_which_there_was_no_descriptor_is_served_once_there_is(
    repository: Path, pima: Pima, cancer: Cancer, model: str
) -> None:
    put(pima.folder / "glm", repository, "first")
    gateway = GatewayProcess(repository)
    async with AsyncScoringClient(gateway.url, options=NO_RETRIES, circuit_failures=0) as client:
        await client.models()
        limit = gateway.limit_files(psutil.Process(gateway.popen.pid).num_fds() + 2)
        put({"glm": pima.folder / "glm", "cancer": cancer.folder}[model], repository, model)

        async def state() -> tuple[str, str]:
            found = [(one.state, one.state_reason) for one in await client.models() if one.model == model]
            return found[0] if found else ("NOT_RESIDENT", "")

        async with asyncio.timeout(60):
            while (said := await state())[0] in ("NOT_RESIDENT", "LOADING"):
                pass
        assert said[0] == "WAITING"
        assert "Too many open files" in said[1]
        gateway.limit_files(limit)
        async with asyncio.timeout(60):
            while (await state())[0] != "READY":
                pass
    assert await asyncio.to_thread(gateway.end, signal.SIGTERM) == 0


def _folders() -> set[Path]:
    return set(Path(os.environ["TMPDIR"]).glob("scorebridge-*"))


@pytest.mark.parametrize("under_way", [False, True])
async def test_a_gateway_may_end_while_versions_wait(tmp_path: Path, repository: Path, under_way: bool) -> None:
    before = _folders()
    settings = f"load_timeout_s = {60 if under_way else 0.5}\n"
    marker = (
        f'if (!file.exists("{tmp_path}/seen")) {{ file.create("{tmp_path}/seen"); tools::pskill(Sys.getpid(), 9) }}\n'
    )
    put(make_r_bundle(tmp_path / "b", (marker if under_way else "") + HANGS, settings=settings), repository, "m")
    gateway = GatewayProcess(repository, told=1)
    assert gateway.told[0].startswith("waiting m/1: ")
    listed = await asyncio.to_thread(listing, gateway.url)
    assert f"waiting until {datetime.now(UTC):%Y-%m-}" in listed
    assert await asyncio.to_thread(readiness, gateway.http_url) != ""
    if under_way:
        await eventually(lambda: any("Rserve" in psutil.Process(pid).name() for pid in gateway.family()))
    family = gateway.family()
    assert await asyncio.to_thread(gateway.end, signal.SIGTERM) == 0
    await eventually(lambda: not any(runs(pid) for pid in family))
    assert _folders() <= before
