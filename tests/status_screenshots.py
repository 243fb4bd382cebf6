"""Makes the pictures of docs/status-page.md: `python tests/status_screenshots.py docs/images`.

The ill gateway is a real one; the hour before it, and the gateway that is well, are made up.
"""

import asyncio
import math
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import train_cancer
from browsers import chromium, opened
from fixtures import NO_RETRIES, Addressed, Cancer
from ill_gateways import start_ill_gateway
from PIL import Image
from playwright.async_api import Browser
from scorebridge import AsyncScoringClient
from small_disks import mounted
from status_facts import MINUTE, facts, log, served

from bridge.config import GatewaySettings
from bridge.counters import Minute
from bridge.drift.shift import Kind, Shift, VersionShifts
from bridge.gateway.server import Gateway
from bridge.gateway.status.drift import Drift
from bridge.gateway.status.facts import Facts, Workers
from bridge.gateway.status.rendering import render
from bridge.models.version import State

_COLOURS = 96  # of a picture, so that it stays small
_WIDE, _PHONE = 1280, 360


def _minute(number: int, back: int, calls: int, slow: int) -> Minute:
    """A minute of the hour before: more or less calls by and by, a slow one now and then."""
    made = Minute(number, calls=int(calls * (1.2 + math.sin(back / 9) + 0.1 * math.sin(back * 2))))
    made.rows = 8 * made.calls
    made.seconds.counts[2], made.seconds.counts[slow if back % 13 else slow + 3] = (
        made.calls - made.calls // 20,
        made.calls // 20,
    )
    return made


def _hour(calls: int, slow: int) -> tuple[Minute, ...]:
    return tuple(_minute(MINUTE - back, back, calls, slow) for back in reversed(range(60)))


def _moved(name: str, psi: float, kind: Kind = "feature") -> Shift:
    return Shift(name, kind, psi, 184_220, 5_000, chance=0.01)


def _well() -> Facts:
    """A gateway of some models, all of them well."""
    booster: dict[str, Any] = {"engine": "lignum 0.3.0 compiled, for xgboost 3.2.0"}
    shifts = (
        _moved("monthly_charges", 0.13),
        _moved("score", 0.08, "score"),
        _moved("tenure", 0.03),
        _moved("age", 0.01),
    )
    at = datetime.fromisoformat("2026-03-01T11:40:00Z")
    drift = VersionShifts("churn", 12, shifts, 184_220, 0, at - timedelta(days=1), at, whole=True)
    return facts(
        served("churn", 12, minutes=_hour(400, 3), **booster),
        served("churn", 11, serving=False, **booster),
        served("diabetes", 3, minutes=_hour(40, 5), workers=Workers(idle=3, busy=1, replaced=2)),
        served("fraud", 7, minutes=_hour(1500, 3), **booster),
        *(served("fraud", at, state=State.NOT_RESIDENT, serving=False) for at in range(1, 6)),
        host="score-1",
        stores={"features": ""},
        log=log(),
        drift=Drift((drift,), at, ""),
    )


@asynccontextmanager
async def _ill(folder: Path) -> AsyncIterator[Gateway]:
    """A gateway that is ill after an hour in which it was well, with a full disk."""
    booster, rows = train_cancer.train(folder)
    cancer = Cancer(folder / "cancer", rows.to_numpy(), list(rows.columns), booster)
    async with AsyncExitStack() as stack:
        disk = stack.enter_context(mounted(folder / "disk"))

        async def start(repository: Path, **settings: Any) -> Gateway:
            given = {"repository": repository, "grpc_port": 0, "http_port": 0, "grace_s": 0.2}
            gateway = Gateway(GatewaySettings.model_validate(given | settings))
            stack.push_async_callback(gateway.close)
            await gateway.start()
            await gateway.load()
            return gateway

        def connect(gateway: Addressed) -> AsyncScoringClient:
            client = AsyncScoringClient(gateway.grpc_address, options=NO_RETRIES, circuit_failures=0)
            stack.push_async_callback(client.close)
            return client

        sick = await start_ill_gateway(folder, cancer, start, connect, log_dir=disk.path / "log")
        disk.fill(0)
        while vars(sick.gateway)["_log"].lost < 20:
            await sick.call("score", [1.0] * 50)
        for counted in vars(sick.gateway)["_services"].answering.counters.versions.values():
            last = counted.minutes[-1].number
            counted.minutes.extendleft(_minute(last - back, back, 300, 5) for back in range(1, 60))
        yield sick.gateway
        disk.empty()


async def _shoot(browser: Browser, url: str, path: Path, *, width: int = _WIDE, most: int = 1500, **more: Any) -> None:
    async with opened(browser, url, width=width, **more) as page:
        height = min(most, int(await page.evaluate("document.documentElement.scrollHeight")))
        await page.set_viewport_size({"width": width, "height": height})
        await page.screenshot(path=path)
    await asyncio.to_thread(_made_small, path)


def _made_small(path: Path) -> None:
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


async def _shoot_all(folder: Path, target: Path) -> None:
    well = (folder / "well.html").as_uri()
    async with chromium() as browser, _ill(folder) as gateway:
        ill = f"http://{gateway.http_address}/?still"
        await _shoot(browser, well, target / "status-wide.png")
        await _shoot(browser, well, target / "status-dark.png", color_scheme="dark")
        await _shoot(browser, ill, target / "status-ill.png")
        await _shoot(browser, ill, target / "status-phone.png", width=_PHONE)


def _main(target: Path) -> None:
    folder = Path("/srv/scorebridge")  # the pictures show it
    folder.mkdir()
    try:
        (folder / "well.html").write_bytes(render(_well(), still=False))
        asyncio.run(_shoot_all(folder, target))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
