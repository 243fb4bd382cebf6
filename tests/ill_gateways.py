"""A gateway of which much is wrong at the same time, for what shows it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fixtures import Addressed, Cancer, StartGateway, make_r_bundle, put
from scorebridge import AsyncScoringClient, Source
from sick import Sick, make_sick_bundle
from waiting import eventually

from bridge.gateway.server import Gateway

__all__ = ["ATTACK", "Connect", "start_ill_gateway"]

Connect = Callable[[Addressed], AsyncScoringClient]

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)>"
_OPEN_S = 600  # the circuit is not to close while somebody looks
_HANGS = "Sys.sleep(1000)\nPred.R <- function(x) x * k"
_SIMPLE = 'workers = 1\n[features]\nx = "double"\n[outputs]\nscore = "double"\n'


def _put_all(folder: Path, repository: Path, cancer: Cancer) -> None:
    put(cancer.folder, repository, "cancer", 3)
    put(cancer.folder, repository, "cancer", 4)
    settings = f"\n[circuit]\nfailures = 2\nopen_s = {_OPEN_S}\n"
    bundle = make_sick_bundle(folder / "sick")
    (bundle / "model.toml").write_text((bundle / "model.toml").read_text() + settings)
    put(bundle, repository, "sick", 1)
    put(bundle, repository, "sick", 2)
    refused = f"stop('{ATTACK}')\nPred.R <- function(x) x * k"
    put(make_r_bundle(folder / "refused", refused, settings=_SIMPLE), repository, "churn", 12)
    slow = f"load_timeout_s = 0.2\n{_SIMPLE}"
    put(make_r_bundle(folder / "slow", _HANGS, settings=slow), repository, "fraud", 7)


async def start_ill_gateway(
    folder: Path, cancer: Cancer, start_gateway: StartGateway, connect: Connect, **settings: object
) -> Sick:
    """Starts a gateway that serves one model well, one that hangs, and has two versions that it can't load.

    The model that hangs has an open circuit, and an earlier version that had no calls. The one that serves well had
    some.

    Args:
        folder: where all files are put.
        cancer: the model that is served well.
        start_gateway: starts the gateway.
        connect: connects to it.
        settings: of the gateway.
    """
    repository = folder / "repository"
    repository.mkdir()
    await asyncio.to_thread(_put_all, folder, repository, cancer)
    gateway = await start_gateway(repository, **settings)
    sick = Sick(gateway, connect(gateway))
    rows = dict(zip(cancer.names, np.ascontiguousarray(cancer.rows[:20].T), strict=True))
    for _ in range(5):
        assert (await sick.client.score("cancer", rows, timeout_s=10)).source is Source.MODEL
    assert (await sick.call("score")).source is Source.MODEL
    await asyncio.gather(*(sick.call("loop", timeout_s=0.3) for _ in range(2)))
    await eventually(lambda: _circuit(gateway) == "open")
    await eventually(lambda: sick.snapshot().idle == 2)  # the killed ones are replaced
    assert (await sick.call("score")).source is Source.DEFAULT
    return sick


def _circuit(gateway: Gateway) -> str:
    stack = gateway.registry.resolve("sick").stack
    assert stack is not None
    return stack.circuit.state
