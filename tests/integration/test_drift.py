"""Drift of what real gateways put on record: every wire, xgboost and R, by the command and by the watch."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc.aio
import http_calls
import numpy as np
import pytest
from fixtures import Addressed, Cancer, Pima, StartGateway, put
from infer_messages import add, add_raw
from scorebridge import AsyncScoringClient
from typer.testing import CliRunner
from waiting import eventually

from bridge.cli.app import app
from bridge.codecs.open_inference import inference_pb2
from bridge.config import GatewaySettings
from bridge.drift.shift import VersionShifts
from bridge.gateway.drift import DriftWatch
from bridge.gateway.server import Gateway
from bridge.prediction_log.verify import verify

Connect = Callable[[Gateway], AsyncScoringClient]
MUCH = 0.25


@pytest.fixture
def front() -> str:
    """The log is the same behind either."""
    return "grpc"


@pytest.fixture
def golden_cancer(cancer: Cancer, tmp_path: Path) -> Path:
    """The xgboost bundle with all its rows as golden ones."""
    bundle = tmp_path / "golden-cancer"
    shutil.copytree(cancer.folder, bundle)
    write_golden(bundle, cancer.names, cancer.rows, cancer.booster.inplace_predict(cancer.rows))
    return bundle


@pytest.fixture
def golden_glm(pima: Pima, tmp_path: Path) -> Path:
    """The bundle of R's glm with all rows of Pima.te as golden ones."""
    bundle = tmp_path / "golden-glm"
    shutil.copytree(pima.folder / "glm", bundle)
    write_golden(bundle, pima.names, pima.rows, pima.direct["glm"])
    settings = (bundle / "model.toml").read_text()
    (bundle / "model.toml").write_text(f"golden_tolerance = 1e-6\n{settings}")
    return bundle


def write_golden(bundle: Path, names: list[str], rows: Any, scores: Any) -> None:
    lines = [",".join([*names, "score.score"])]
    lines += [
        ",".join([*(repr(value) for value in row), f"{score:.17g}"])
        for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
    ]
    (bundle / "golden.csv").write_text("\n".join([*lines, ""]))


async def infer(gateway: Addressed, request: inference_pb2.ModelInferRequest) -> None:
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        method = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=inference_pb2.ModelInferRequest.SerializeToString,
            response_deserializer=inference_pb2.ModelInferResponse.FromString,
        )
        await method(request, timeout=20)


async def over_every_wire(gateway: Gateway, client: AsyncScoringClient, cancer: Cancer, rows: Any) -> int:
    """Has the rows scored once in each way that a caller may send them; how many ways there are."""
    columns = {name: rows[:, place] for place, name in enumerate(cancer.names)}
    await client.score("cancer", columns, timeout_s=20)  # a table
    await client.score("cancer", rows, timeout_s=20)  # a matrix without names
    await client.score("cancer", rows.astype(np.float32), timeout_s=20)
    body: dict[str, Any] = {"columns": {name: values.tolist() for name, values in columns.items()}}
    assert (await http_calls.ask(gateway, "POST", "/v1/models/cancer:score", body)).status == 200
    tensor = {"name": "x", "datatype": "FP64", "shape": list(rows.shape), "data": rows.tolist()}
    answer = await http_calls.ask(gateway, "POST", "/v2/models/cancer/infer", {"inputs": [tensor]})
    assert answer.status == 200, answer.body
    by_matrix = inference_pb2.ModelInferRequest(model_name="cancer")
    add_raw(by_matrix, "x", "FP64", rows.shape, rows.tobytes())
    await infer(gateway, by_matrix)
    by_column = inference_pb2.ModelInferRequest(model_name="cancer")
    for name, values in columns.items():
        add(by_column, name, "FP64", [len(values)], "fp64_contents", values.tolist())
    await infer(gateway, by_column)
    return 7


def against_golden(log: Path, repository: Path) -> dict[str, dict[str, Any]]:
    """What the command says of each version."""
    command = ["log", "stats", str(log), "--against", "golden", "--repository", str(repository), "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.stderr
    return {f"{one['model']}/{one['version']}": one for one in json.loads(done.stdout)["versions"]}


async def watched(gateway: Gateway, repository: Path, log: Path) -> dict[str, VersionShifts]:
    """What the gateway's watch says of each version."""
    settings = GatewaySettings.model_validate({"repository": repository, "log_dir": log, "drift_interval_s": 0.05})
    watch = DriftWatch(settings, gateway.registry)
    watch.start()
    try:
        await eventually(lambda: watch.at or watch.failure, 60)
    finally:
        await watch.close()
    assert watch.failure == ""
    return {f"{one.model}/{one.version}": one for one in watch.latest}


def figures(version: VersionShifts) -> dict[tuple[str, str], tuple[float | None, int, int]]:
    return {(one.kind, one.name): (one.psi, one.rows, one.against) for one in version.shifts}


async def test_calls_over_every_wire_of_an_xgboost_model(
    cancer: Cancer, golden_cancer: Path, tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(golden_cancer, repository, "cancer")
    log = tmp_path / "log"
    gateway = await start_gateway(repository, log_dir=log)
    client = connect(gateway)
    ways = await over_every_wire(gateway, client, cancer, cancer.rows)
    rows = ways * len(cancer.rows)
    version = against_golden(log, repository)["cancer/1"]
    assert (version["rows"], version["default_rows"], version["why"]) == (rows, 0, None)
    assert [one["name"] for one in version["shifts"]] == [*cancer.names, "score"]
    assert {(one["psi"], one["rows"], one["against"]) for one in version["shifts"]} == {(0.0, rows, len(cancer.rows))}

    shifted = cancer.rows.copy()
    shifted[:, 0] *= 1.5
    await over_every_wire(gateway, client, cancer, shifted)
    version = against_golden(log, repository)["cancer/1"]
    assert version["rows"] == 2 * rows
    psi = {one["name"]: one["psi"] for one in version["shifts"]}
    assert psi.pop(cancer.names[0]) > MUCH
    psi.pop("score")
    assert set(psi.values()) == {0.0}

    found = (await watched(gateway, repository, log))["cancer/1"]
    assert (found.whole, found.why, found.rows) == (True, "", 2 * rows)
    assert figures(found) == {
        (one["kind"], one["name"]): (one["psi"], one["rows"], one["against"]) for one in version["shifts"]
    }


async def test_calls_of_an_r_model(
    pima: Pima, golden_glm: Path, tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(golden_glm, repository, "glm")
    log = tmp_path / "log"
    gateway = await start_gateway(repository, log_dir=log)
    client = connect(gateway)
    await client.score("glm", pima.table(), timeout_s=20)
    await client.score("glm", pima.rows, timeout_s=20)
    rows = len(pima.rows)
    version = against_golden(log, repository)["glm/1"]
    # Only R can tell the order of a function's arguments, so the command can't count the matrix without names.
    assert version["why"] == f"the features of {rows} rows don't count: they came as a matrix without names of columns"
    assert {one["name"]: one["rows"] for one in version["shifts"]} == dict.fromkeys(pima.names, rows) | {
        "score": 2 * rows
    }
    assert {one["psi"] for one in version["shifts"]} == {0.0}
    found = (await watched(gateway, repository, log))["glm/1"]  # which knows it
    assert (found.why, found.rows) == ("", 2 * rows)
    assert set(figures(found).values()) == {(0.0, 2 * rows, rows)}
    put(pima.folder / "glm", repository, "few")
    await gateway.registry.refresh()
    await client.score("few", pima.table(), timeout_s=20)
    said = "golden.csv has 20 rows, which is fewer than 100"
    assert {one["why"] for one in against_golden(log, repository)["few/1"]["shifts"]} == {said}


async def test_versions_without_golden_rows_or_with_too_few_or_no_calls(
    cancer: Cancer, pima: Pima, tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(cancer.folder, repository, "bare")
    put(pima.folder / "glm", repository, "idle")
    put(pima.folder / "glm", repository, "quiet")
    log = tmp_path / "log"
    gateway = await start_gateway(repository, log_dir=log)
    client = connect(gateway)
    await client.score("bare", cancer.rows, timeout_s=20)
    await client.score("quiet", pima.table(0, 5), timeout_s=20)
    said = against_golden(log, repository)
    assert set(said) == {"bare/1", "quiet/1"}
    assert (said["bare/1"]["why"], said["bare/1"]["shifts"]) == ("it has no golden rows", [])
    assert {one["why"] for one in said["quiet/1"]["shifts"]} == {"calls have 5 rows, which is fewer than 100"}
    found = await watched(gateway, repository, log)
    assert set(found) == {"idle/1", "quiet/1"}
    assert (found["idle/1"].why, found["idle/1"].shifts) == ("no row was answered with a score in this time", ())
    assert {one.psi for one in found["quiet/1"].shifts} == {None}


async def test_another_bundle_under_the_same_version_is_not_compared(
    pima: Pima, tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(pima.folder / "glm", repository, "glm")
    log, other = tmp_path / "log", tmp_path / "other"
    gateway = await start_gateway(repository, log_dir=log)
    await connect(gateway).score("glm", pima.table(), timeout_s=20)
    other.mkdir()
    assert against_golden(log, other)["glm/1"]["why"] == "it is no longer in the repository"
    put(pima.folder / "forest", other, "glm")
    assert "its digest is not the logged one" in against_golden(log, other)["glm/1"]["why"]


async def test_a_bundle_and_its_golden_rows_may_be_named(
    cancer: Cancer, golden_cancer: Path, tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(golden_cancer, repository, "cancer")
    log = tmp_path / "log"
    gateway = await start_gateway(repository, log_dir=log)
    await connect(gateway).score("cancer", cancer.rows, timeout_s=20)
    for against, more in (
        (golden_cancer, []),
        (golden_cancer / "golden.csv", ["--repository", str(repository), "--model", "cancer/1"]),
    ):
        done = CliRunner().invoke(app, ["log", "stats", str(log), "--against", str(against), "--json", *more])
        (version,) = json.loads(done.stdout)["versions"]
        assert {one["psi"] for one in version["shifts"]} == {0.0}, against


async def test_the_log_is_written_and_removed_as_ever_while_the_watch_reads_it(
    cancer: Cancer, golden_cancer: Path, tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(golden_cancer, repository, "cancer")
    log = tmp_path / "log"
    gateway = await start_gateway(repository, log_dir=log, log_segment_bytes=1 << 20, log_keep_bytes=3 << 20)
    client = connect(gateway)
    settings = GatewaySettings.model_validate({"repository": repository, "log_dir": log, "drift_interval_s": 0.01})
    watch = DriftWatch(settings, gateway.registry)
    failures: set[str] = set()
    times: set[Any] = set()

    def measured() -> int:
        failures.add(watch.failure)
        times.update({watch.at} - {None})
        return len(times)

    async def call_on() -> None:
        while True:
            await client.score("cancer", cancer.rows, timeout_s=20)

    calling = asyncio.create_task(call_on())
    watch.start()
    try:
        await eventually(lambda: measured() >= 4 and first_segment(log) > 0, 120)
    finally:
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        await watch.close()
    assert failures == {""}
    assert watch.latest[0].rows > 0
    assert {one.psi for one in watch.latest[0].shifts} == {0.0}
    found = await asyncio.to_thread(verify, log)
    assert found.ok, found.findings


def first_segment(log: Path) -> int:
    """The number of the first record that is still there."""
    return min(int(path.stem) for path in log.glob("*.sblog"))
