"""What /metrics shows of a gateway with real models, to whom, and that no caller can add a line to it."""

import asyncio
import copy
import hashlib
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from certificates import Authority
from fixtures import Cancer, StartGateway, make_r_bundle, put
from http_calls import Said, ask, dialed
from prometheus_client.parser import text_string_to_metric_families
from redis_servers import RedisServer
from scorebridge import AsyncScoringClient
from scorebridge.v1 import scoring_pb2 as pb
from waiting import eventually, moment

from bridge.bundles.repository import StoredVersion
from bridge.callers.caller import Credentials
from bridge.calls import Arrival, now
from bridge.gateway.metric_table import METRICS, REFUSALS
from bridge.gateway.server import Gateway
from bridge.services.scoring import ScoringWire

Connect = Callable[[Gateway], AsyncScoringClient]
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

SCORE = "/scorebridge.v1.ScoringService/Score"
R_CODE = "Pred.R <- function(x) ifelse(x < 0, NA_real_, x * k)"
R_SETTINGS = 'default_score = -1.0\nworkers = 2\n[features]\nx = "double"\n'


@pytest.fixture
def front() -> str:
    """The numbers are the same on either."""
    return "grpc"


def read_series(said: Said) -> Series:
    """Every sample of a scrape, by its name and labels; no two have the same."""
    assert (said.status, said.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    samples = [one for family in text_string_to_metric_families(said.body.decode()) for one in family.samples]
    found = {(one.name, frozenset(one.labels.items())): float(one.value) for one in samples}
    assert len(found) == len(samples)
    return found


async def scrape(gateway: Gateway) -> Series:
    return read_series(await ask(gateway, "GET", "/metrics"))


def of(series: Series, name: str, **labels: str) -> float:
    return series[name, frozenset(labels.items())]


async def test_calls_of_every_wire_rows_workers_and_the_log_are_counted(
    cancer: Cancer, repository: Path, start_gateway: StartGateway, connect: Connect, tmp_path: Path
) -> None:
    put(cancer.folder, repository, "cancer")
    put(make_r_bundle(tmp_path / "bundle", R_CODE, settings=R_SETTINGS), repository, "twice", 3)
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    client = connect(gateway)
    scores = await client.score("twice", {"x": [1.0, -1.0, 2.0]}, timeout_s=30)
    assert scores.defaulted.tolist() == [False, True, False]
    await client.score("cancer", cancer.rows[:4], timeout_s=30)
    row = {name: [0.5] for name in cancer.names}
    assert (await ask(gateway, "POST", "/v1/models/cancer:score", {"columns": row})).status == 200
    assert (await ask(gateway, "POST", "/v1/models/cancer/versions/1:score", {"columns": {"x": ["a"]}})).status == 400
    inputs = [{"name": name, "shape": [1, 1], "datatype": "FP64", "data": [0.5]} for name in cancer.names]
    assert (await ask(gateway, "POST", "/v2/models/cancer/infer", {"inputs": inputs})).status == 200
    found = await scrape(gateway)
    one = {"model": "cancer", "version": "1"}
    wires = ("scorebridge.v1", "json", "open_inference_json")
    assert [of(found, "scorebridge_calls_total", **one, wire=wire, code="OK") for wire in wires] == [1, 1, 1]
    assert of(found, "scorebridge_calls_total", **one, wire="json", code="INVALID_ARGUMENT") == 1
    assert of(found, "scorebridge_refusals_total", reason="INVALID_REQUEST") == 1
    assert of(found, "scorebridge_rows_total", **one, source="MODEL") == 6
    assert of(found, "scorebridge_call_seconds_count", **one) == 3
    twice = {"model": "twice", "version": "3"}
    assert [of(found, "scorebridge_rows_total", **twice, source=source) for source in ("MODEL", "DEFAULT")] == [2, 1]
    assert of(found, "scorebridge_default_rows_total", **twice, reason="MISSING_SCORE") == 1
    assert of(found, "scorebridge_workers", **twice, state="idle") == 2
    assert of(found, "scorebridge_lease_wait_seconds_count", **twice) >= 1
    assert of(found, "scorebridge_circuit_state", **twice, state="closed") == 1
    assert of(found, "scorebridge_resident_versions") == of(found, "scorebridge_ready") + 1 == 2
    assert of(found, "scorebridge_log_records_total") == 5
    written = sum(path.stat().st_size for path in (tmp_path / "log").glob("*.sblog"))
    assert 0 < written - of(found, "scorebridge_log_bytes_total") < 4096, "the header of the segment"
    info = [dict(labels) for name, labels in found if name == "scorebridge_version_info"]
    (engine,) = [one["engine"] for one in info if one["model"] == "twice"]
    assert engine.startswith("R ")


async def test_a_version_that_is_refused_or_gone_is_shown_as_such(
    cancer: Cancer, repository: Path, start_gateway: StartGateway, tmp_path: Path
) -> None:
    put(cancer.folder, repository, "cancer")
    put(make_r_bundle(tmp_path / "bundle", "Pred.R <- 5"), repository, "sick")
    gateway = await start_gateway(repository, watch_interval_s=0.01)

    async def states() -> dict[str, str]:
        info = [dict(labels) for name, labels in await scrape(gateway) if name == "scorebridge_version_info"]
        return {one["model"]: one["state"] for one in info}

    assert await states() == {"cancer": "ready", "sick": "refused"}
    await asyncio.to_thread(subprocess.run, ["rm", "-r", str(repository / "sick")], check=True)
    await eventually(lambda: not gateway.registry.versions("sick"))
    assert await states() == {"cancer": "ready"}


async def test_the_log_s_lag_grows_while_the_disk_does_not_take_what_was_written(
    cancer: Cancer, repository: Path, start_gateway: StartGateway, connect: Connect, tmp_path: Path
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log", log_fsync_interval_s=3600.0)
    assert of(await scrape(gateway), "scorebridge_log_lag_seconds") == 0
    before = time.monotonic()
    await connect(gateway).score("cancer", cancer.rows[:1], timeout_s=30)
    first = of(await scrape(gateway), "scorebridge_log_lag_seconds")
    second = of(await scrape(gateway), "scorebridge_log_lag_seconds")
    assert 0 < first < second < time.monotonic() - before


async def test_a_scrape_of_a_hundred_versions_holds_the_loop_for_less_than_5_ms(
    cancer: Cancer, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository)
    await connect(gateway).score("cancer", cancer.rows[:1], timeout_s=30)
    (version,), counters = gateway.registry.versions(), gateway._services.answering.counters
    for number in range(100):
        other = copy.copy(version)
        other.stored = StoredVersion(f"m{number}", 1, version.stored.path)
        gateway.registry._models[f"m{number}"] = {1: other}
        counters.versions[f"m{number}", 1] = counters.versions["cancer", 1]
    held = []
    for _ in range(5):
        gateway._holds.start()
        said = await ask(gateway, "GET", "/metrics")
        held.append(gateway._holds.longest_s())
        assert said.body.count(b"\nscorebridge_version_info{") == 101
    for number in range(100):
        del gateway.registry._models[f"m{number}"]
    assert min(held) < 0.005


async def test_workers_that_end_and_the_circuit_that_opens_are_shown(
    repository: Path, start_gateway: StartGateway, connect: Connect, tmp_path: Path
) -> None:
    code = 'Pred.R <- function(x) if (x[1L] < 0) quit(save = "no") else x * k'
    settings = f"{R_SETTINGS}[circuit]\nfailures = 2\nopen_s = 3600\n[retry]\nattempts = 1\n"
    put(make_r_bundle(tmp_path / "bundle", code, settings=settings), repository, "sick")
    gateway, sick = await start_gateway(repository), {"model": "sick", "version": "1"}
    client = connect(gateway)
    for _ in range(3):
        assert (await client.score("sick", {"x": [-1.0]}, timeout_s=30)).defaulted.all()
    found = await scrape(gateway)
    assert of(found, "scorebridge_circuit_state", **sick, state="open") == 1
    assert of(found, "scorebridge_circuit_state", **sick, state="closed") == 0
    assert of(found, "scorebridge_default_rows_total", **sick, reason="WORKER_LOST") == 2
    assert of(found, "scorebridge_default_rows_total", **sick, reason="CIRCUIT_OPEN") == 1

    async def replaced() -> bool:
        return of(await scrape(gateway), "scorebridge_replaced_workers_total", **sick) == 2

    async with asyncio.timeout(30):
        while not await replaced():
            await moment()
    assert of(await scrape(gateway), "scorebridge_workers", **sick, state="idle") == 2


async def test_a_store_that_does_not_answer_is_down(repository: Path, start_gateway: StartGateway) -> None:
    server = RedisServer()
    try:
        stores = {name: {"url": url} for name, url in (("there", server.url), ("gone", "redis://127.0.0.1:1/0"))}
        gateway = await start_gateway(repository, stores=stores)
        await eventually(lambda: gateway._stores.states["gone"])
        found = await scrape(gateway)
        assert [of(found, "scorebridge_store_up", store=name) for name in stores] == [1, 0]
        await gateway.close()
    finally:
        server.close()


async def test_wrong_files_of_certificates_and_callers_are_shown(
    repository: Path, start_gateway: StartGateway, tmp_path: Path
) -> None:
    callers, authority = tmp_path / "callers.toml", Authority(tmp_path / "authority")
    served = authority.issue("gateway", "DNS:localhost")
    callers.write_text(f'[callers.shop]\ntoken_sha256 = "{"0" * 64}"\n')
    files = {"tls_certificate": served.certificate, "tls_key": served.key, "callers": callers}
    gateway = await start_gateway(repository, watch_interval_s=0.01, **files)
    tls = ssl.create_default_context(cafile=str(authority.certificate))

    async def faults() -> list[float]:
        found = read_series(await ask(gateway, "GET", "/metrics", tls=tls))
        return [of(found, f"scorebridge_{name}_fault") for name in ("certificate", "callers")]

    assert await faults() == [0, 0]
    served.key.write_text("no key")
    callers.write_text("[callers.shop]\n")
    await eventually(lambda: gateway._front.tls_fault and gateway._services.access.fault)
    assert await faults() == [1, 1]


def requests_of_a_stranger(number: int) -> bytes:
    """A request that names what nobody has: a model, a column, an id and labels."""
    name = f'{number}"}} 1\nscorebridge_ready 0\n'
    request = pb.ScoreRequest(model=name, version=number, request_id=f"r{number}", labels={name[:60]: name})
    request.table.columns.add(name=name)
    return request.SerializeToString()


async def test_a_caller_can_not_add_a_label(
    cancer: Cancer, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository)
    await connect(gateway).score("cancer", cancer.rows[:1], timeout_s=30)
    before = set(await scrape(gateway))
    services = gateway._services
    wire, by = ScoringWire(services.intake), services.access.identify(Credentials(peer="ipv4:127.0.0.1:1"))
    for number in range(10_000):
        request, peer = requests_of_a_stranger(number), f"ipv4:127.0.0.1:{number}"
        arrival = Arrival(f"/x.Y/M{number}", request, peer, f"c{number}", now(), 0)
        await services.answering.answer(wire, arrival, None, by)
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        for number in range(50):
            for path in (SCORE, f"/x.Y{number}/Z", "/scorebridge.v1.ScoringService/GetModel"):
                method: Any = channel.unary_unary(path, bytes, bytes)
                with pytest.raises(grpc.aio.AioRpcError):
                    await method(requests_of_a_stranger(number), metadata=[(f"x-{number}", "y")])
    models = "/v1/models"
    for number in range(50):
        for path in (f"/x{number}", f"{models}/m{number}:score", f"{models}/cancer/versions/{number + 7}:score"):
            for method in ("GET", "POST", f"M{'X' * number}"):
                assert (await ask(gateway, method, path, {"columns": {f"c{number}": [1]}})).status >= 400
    after = await scrape(gateway)
    assert set(after) == before
    reasons = ("MODEL_NOT_FOUND", "NOT_FOUND", "METHOD_NOT_ALLOWED")
    assert all(of(after, "scorebridge_refusals_total", reason=reason) > 0 for reason in reasons)
    assert of(after, "scorebridge_refusals_total", reason="MODEL_NOT_FOUND") > 10_000
    assert {dict(labels)["reason"] for name, labels in after if name == "scorebridge_refusals_total"} == set(REFUSALS)


def other_address() -> str:
    """An address of this machine that is not loopback; no packet is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


async def test_others_get_the_page_only_where_it_is_open(
    cancer: Cancer, repository: Path, start_gateway: StartGateway
) -> None:
    put(cancer.folder, repository, "cancer")
    closed = await start_gateway(repository, host=other_address(), insecure=True, probe_port=0)
    said = await ask(closed, "GET", "/metrics")
    assert (said.status, said.json["reason"], b"cancer" in said.body) == (403, "PERMISSION_DENIED", False)
    assert (await ask(_Probe(closed), "GET", "/metrics")).status == 404
    opened = await start_gateway(repository, host=other_address(), insecure=True, probe_port=0, metrics_open=True)
    for port in (opened, _Probe(opened)):
        assert read_series(await ask(port, "GET", "/metrics"))


class _Probe:
    """The port for probes of a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.grpc_address, self.http_address = gateway.grpc_address, gateway.probe_address


async def test_operators_get_the_page_and_other_callers_do_not(
    cancer: Cancer, repository: Path, start_gateway: StartGateway, tmp_path: Path
) -> None:
    put(cancer.folder, repository, "cancer")
    tokens = {role: f"{role}-0123456789abcdefghijklmnopqrstuvwxyzABCDEFG" for role in ("operate", "score")}
    callers = tmp_path / "callers.toml"
    callers.write_text(
        "".join(
            f'[callers.{role}]\nrole = "{role}"\ntoken_sha256 = "{hashlib.sha256(token.encode()).hexdigest()}"\n'
            for role, token in tokens.items()
        )
    )
    authority = Authority(tmp_path / "authority")
    served = authority.issue("gateway", "DNS:localhost")
    files = {"tls_certificate": served.certificate, "tls_key": served.key, "callers": callers}
    gateway = await start_gateway(repository, host=other_address(), **files)
    tls = ssl.create_default_context(cafile=str(authority.certificate))

    async def status(token: str) -> int:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return (await ask(gateway, "GET", "/metrics", headers=headers, tls=tls)).status

    assert [await status(token) for token in (*tokens.values(), "", "wrong")] == [200, 403, 403, 403]


async def test_head_gets_no_body(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository)
    reader, writer = await dialed(gateway.http_address)
    writer.write(b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    got = await reader.read()
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert got.endswith(b"\r\n\r\n")
    writer.close()


async def test_every_metric_of_a_gateway_is_in_the_table(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository)
    families = text_string_to_metric_families((await ask(gateway, "GET", "/metrics")).body.decode())
    names = {f"{one.name}_total" if one.type == "counter" else one.name for one in families}
    assert {name for name in names if not name.startswith("process_")} <= set(METRICS)
