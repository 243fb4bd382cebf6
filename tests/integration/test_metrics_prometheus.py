"""A real Prometheus scrapes a gateway by the configuration that we give away, and its alerts see what is wrong."""

import asyncio
import http.client
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fixtures import ROOT, Cancer, StartGateway, make_r_bundle, put
from redis_servers import free_port
from scorebridge import AsyncScoringClient
from waiting import moment

from bridge.gateway.server import Gateway

Connect = Callable[[Gateway], AsyncScoringClient]
OPS = ROOT / "ops" / "prometheus"


@pytest.fixture
def front() -> str:
    """The page is the same on either."""
    return "grpc"


class Prometheus:
    """One that runs, as its callers know it."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def get(self, path: str, **query: str) -> Any:
        """What its API says; None while it does not answer."""
        return await asyncio.to_thread(self._get, f"/api/v1/{path}?{urlencode(query)}")

    def _get(self, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            connection.request("GET", path)
            answer = json.loads(connection.getresponse().read())
        except (OSError, ValueError):
            return None
        finally:
            connection.close()
        return answer.get("data")

    async def value(self, query: str) -> float | None:
        """The value of a query that has one series; None if it has none yet."""
        found = await self.get("query", query=query)
        if not found or not found["result"]:
            return None
        (only,) = found["result"]
        return float(only["value"][1])

    async def alerts(self) -> dict[str, str]:
        """The states of alerts that are pending or firing, by name."""
        found = await self.get("alerts")
        return {one["labels"]["alertname"]: one["state"] for one in found["alerts"]}


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Returns as soon as the condition holds."""
    async with asyncio.timeout(60):
        while not await condition():
            await moment()


@pytest.fixture
async def gateway(cancer: Cancer, repository: Path, start_gateway: StartGateway, tmp_path: Path) -> Gateway:
    """One with a model, and a bundle that it refuses."""
    put(cancer.folder, repository, "cancer")
    put(make_r_bundle(tmp_path / "bundle", "Pred.R <- 5"), repository, "sick")
    made: Gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    return made


@pytest.fixture
async def prometheus(gateway: Gateway, tmp_path: Path) -> AsyncIterator[Prometheus]:
    """Ours but for the address of the gateway, and quicker."""
    text = (OPS / "prometheus.yml").read_text()
    assert text.count("15s") == 2
    config = tmp_path / "prometheus.yml"
    config.write_text(text.replace("127.0.0.1:8082", gateway.http_address).replace("15s", "200ms"))
    (tmp_path / "alerts.yml").write_text((OPS / "alerts.yml").read_text())
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    yield Prometheus(port)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_it_scrapes_a_gateway_and_its_alerts_see_what_is_wrong(
    gateway: Gateway, prometheus: Prometheus, cancer: Cancer, connect: Connect
) -> None:
    await connect(gateway).score("cancer", cancer.rows[:3], timeout_s=30)

    async def scraped() -> bool:
        return await prometheus.value('scorebridge_rows_total{model="cancer", source="MODEL"}') == 3

    await until(scraped)
    (target,) = (await prometheus.get("targets"))["activeTargets"]
    assert (target["health"], target["lastError"], target["labels"]["job"]) == ("up", "", "scorebridge")
    assert await prometheus.value("sum(scorebridge_build_info)") == 1
    assert await prometheus.value('sum(scorebridge_calls_total{code="OK", wire="scorebridge.v1"})') == 1
    median = 'histogram_quantile(0.5, sum by (le) (scorebridge_call_seconds_bucket{model="cancer"}))'
    assert 0 < (await prometheus.value(median) or 0) < 60
    found = (await prometheus.get("metadata"))["scorebridge_call_seconds"]
    assert [(one["type"], one["help"].endswith(".")) for one in found] == [("histogram", True)]

    async def seen() -> bool:
        return "ScorebridgeVersionRefused" in await prometheus.alerts()

    await until(seen)
    rules = [rule for group in (await prometheus.get("rules"))["groups"] for rule in group["rules"]]
    assert len(rules) > 10
    assert {rule.get("lastError", "") for rule in rules} == {""}
    assert set(await prometheus.alerts()) == {"ScorebridgeVersionRefused"}
    await gateway.close()

    async def missed() -> bool:
        return "ScorebridgeNotScraped" in await prometheus.alerts()

    await until(missed)
