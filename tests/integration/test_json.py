"""The HTTP/JSON wire, with real models: scores, facts, failures, and what is on record."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures import Addressed, Cancer, Pima, StartGateway, deploy, make_r_bundle, put
from gateways import GatewayProcess
from http_calls import Said, ask, dialed, request_bytes
from scorebridge import AsyncScoringClient
from scorebridge.v1 import prediction_log_pb2 as log_pb
from typer.testing import CliRunner
from waiting import eventually

from bridge.cli.app import app
from bridge.codecs.logged import request_of, response_of
from bridge.prediction_log.reader import read_log

Connect = Callable[[Addressed], AsyncScoringClient]


@pytest.fixture
def front() -> str:
    """The other port's is the same on either."""
    return "grpc"


async def score(gateway: Addressed, model: str, body: Any, **headers: str) -> Said:
    """What the gateway answers to a request for scores."""
    return await ask(gateway, "POST", f"/v1/models/{model}:score", body, headers)


def columns_of(rows: np.ndarray[Any, Any], names: list[str]) -> dict[str, list[Any]]:
    return {
        name: [None if np.isnan(one) else one for one in rows[:, place].tolist()] for place, name in enumerate(names)
    }


def records(log: Path) -> list[log_pb.LogRecord]:
    return [entry.record for entry in read_log(log)]


async def test_columns_and_rows_are_the_two_shapes_of_a_request(
    cancer_gateway: GatewayProcess, cancer: Cancer, connect: Connect
) -> None:
    columns = columns_of(cancer.rows[:3], cancer.names)
    rows = [dict(zip(cancer.names, row, strict=True)) for row in cancer.rows[:3].tolist()]
    by_grpc = await connect(cancer_gateway).score("cancer", cancer.rows[:3])
    for body in ({"columns": columns}, {"rows": rows}):
        said = await score(cancer_gateway, "cancer", body)
        assert said.status == 200
        assert said.headers["content-type"] == "application/json"
        answer = said.json
        assert answer["scores"] == {"score": by_grpc.scores.astype(np.float64).tolist()}
        fixed = ("model", "version", "source", "defaulted_rows", "failed_rows", "attempts")
        assert [answer[name] for name in fixed] == ["cancer", 1, "SCORE_SOURCE_MODEL", [], [], 1]
        assert answer["digest"].startswith("sha256:")
        assert len(answer["request_id"]) == 36
        assert answer["queue_time"].endswith("s")
        assert answer["backend_time"].endswith("s")


async def test_the_bits_of_many_rows_are_those_of_scorebridge_v1(
    repository: Path, cancer: Cancer, pima: Pima, start_gateway: StartGateway, connect: Connect
) -> None:
    put(cancer.folder, repository, "cancer")
    await deploy(pima.folder / "glm", repository, "glm")
    gateway = await start_gateway(repository, log_dir=repository.parent / "log")
    rng = np.random.default_rng(17)
    many = cancer.rows[rng.integers(0, len(cancer.rows), 5000)] * rng.normal(1, 0.2, (5000, len(cancer.names)))
    many[rng.random(many.shape) < 0.05] = np.nan
    differ = 0
    for first in range(0, 5000, 1000):
        part = many[first : first + 1000]
        by_json = (await score(gateway, "cancer", {"columns": columns_of(part, cancer.names)})).json["scores"]["score"]
        by_grpc = (await connect(gateway).score("cancer", {n: part[:, i] for i, n in enumerate(cancer.names)})).scores
        differ += int(np.count_nonzero(np.array(by_json).astype(np.float32).view(np.uint32) != by_grpc.view(np.uint32)))
    answer = await score(gateway, "glm", {"columns": columns_of(pima.rows, pima.names)})
    direct = pima.direct["glm"]
    differ += int(np.count_nonzero(np.array(answer.json["scores"]["score"]).view(np.uint64) != direct.view(np.uint64)))
    assert differ == 0
    await gateway.close()
    done = CliRunner().invoke(app, ["reconcile", str(repository.parent / "log"), "--repository", str(repository)])
    assert done.exit_code == 0, done.output
    assert "all 10332 rows are equal" in done.output


TYPED = """
Pred.R <- function(n, x, flag, word) {
  list(whole = as.integer(n), real = x, truth = !flag, text = paste0(word, "!"))
}
"""


async def test_every_type_goes_in_and_comes_out(repository: Path, tmp_path: Path, start_gateway: StartGateway) -> None:
    settings = '[features]\nn = "int"\nx = "double"\nflag = "bool"\nword = "string"\n'
    await deploy(make_r_bundle(tmp_path / "typed", TYPED, settings=settings), repository, "typed")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    body = {"columns": {"n": [1, None], "x": [0.1, -0.0], "flag": [True, None], "word": ['\u00e9"\\', "b"]}}
    said = await score(gateway, "typed", body)
    assert said.status == 200, said.body
    assert said.json["scores"] == {
        "whole": [1, None],
        "real": [0.1, 0.0],
        "truth": [False, None],
        "text": ['\u00e9"\\!', "b!"],
    }
    assert str(said.json["scores"]["real"][1]) == "-0.0"
    refused = await score(gateway, "typed", {"columns": {**body["columns"], "n": [1.5, 2]}})
    assert refused.status == 400
    assert refused.json["detail"] == "column 'n' is double, the model takes int"
    await gateway.close()
    first = records(tmp_path / "log")[0]
    assert first.method == "POST /v1/models/typed:score"
    assert [one.name for one in request_of(first).table.columns] == ["n", "x", "flag", "word"]
    assert list(response_of(first).scores[3].strings.values) == ['\u00e9"\\!', "b!"]


async def test_what_came_and_went_is_on_record_as_it_was(
    repository: Path, cancer: Cancer, start_gateway: StartGateway, tmp_path: Path
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    body: dict[str, Any] = {
        "columns": columns_of(cancer.rows[:2], cancer.names),
        "request_id": "r1",
        "row_keys": ["a", "b"],
    }
    body |= {"batch_id": "night", "labels": {"shop": "7"}, "default_score": 0.25}
    raw = request_bytes("POST", "/", body).partition(b"\r\n\r\n")[2]
    said = await ask(gateway, "POST", "/v1/models/cancer/versions/1:score", raw)
    assert said.json["request_id"] == "r1"
    refused = await score(gateway, "cancer", {"columns": {"x": [1]}, "request_id": "r2"})
    assert (refused.status, refused.json["request_id"]) == (400, "r2")
    await gateway.close()
    first, second = records(tmp_path / "log")
    assert first.method == "POST /v1/models/cancer/versions/1:score"
    assert (first.request, first.response, first.status) == (raw, said.body, 0)
    assert (first.model, first.version, first.caller, first.request_id) == ("cancer", 1, "ipv4:127.0.0.1", "r1")
    request = request_of(first)
    assert (request.model, request.version, request.batch_id, dict(request.labels)) == (
        "cancer",
        1,
        "night",
        {"shop": "7"},
    )
    assert (list(request.row_keys), request.default_score) == (["a", "b"], 0.25)
    response = response_of(first)
    assert list(response.scores[0].doubles.values) == said.json["scores"]["score"]
    assert (second.status, second.error_reason, second.request_id, second.model) == (
        3,
        "INVALID_REQUEST",
        "r2",
        "cancer",
    )


async def test_show_and_export_read_such_records(
    repository: Path, cancer: Cancer, start_gateway: StartGateway, tmp_path: Path
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    said = await score(gateway, "cancer", {"columns": columns_of(cancer.rows[:2], cancer.names), "request_id": "shown"})
    await gateway.close()
    shown = CliRunner().invoke(app, ["log", "show", str(tmp_path / "log"), "--request-id", "shown"])
    assert shown.exit_code == 0, shown.output
    for number in said.json["scores"]["score"]:
        assert f"{number:.4g}"[:5] in shown.output
    out = tmp_path / "rows.jsonl"
    exported = CliRunner().invoke(
        app, ["log", "export", str(tmp_path / "log"), "--output", str(out), "--format", "jsonl"]
    )
    assert exported.exit_code == 0, exported.output


FAILURES: list[tuple[str, str, Any, dict[str, str], int, str]] = [
    ("POST", "/v1/models/nobody:score", {"columns": {"x": [1]}}, {}, 404, "MODEL_NOT_FOUND"),
    ("POST", "/v1/models/cancer/versions/9:score", {"columns": {"x": [1]}}, {}, 404, "MODEL_NOT_FOUND"),
    ("POST", "/v1/models/cancer/versions/0:score", {"columns": {"x": [1]}}, {}, 400, "INVALID_REQUEST"),
    ("POST", "/v1/models/cancer/versions/01:score", {"columns": {"x": [1]}}, {}, 400, "INVALID_REQUEST"),
    ("POST", "/v1/models/cancer/versions/99999999999:score", {"columns": {"x": [1]}}, {}, 400, "INVALID_REQUEST"),
    ("POST", "/v1/models/cancer:score?version=1", {"columns": {"x": [1]}}, {}, 400, "INVALID_REQUEST"),
    ("POST", "/v1/models/cancer:score", {"columns": {"x": [1]}}, {}, 400, "INVALID_REQUEST"),
    ("POST", "/v1/models/cancer:score", b"", {}, 400, "INVALID_REQUEST"),
    ("POST", "/v1/models/cancer:score", b"{}", {"Content_Type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    (
        "POST",
        "/v1/models/cancer:score",
        b"{}",
        {"Content_Type": "application/json; charset=latin-1"},
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    ),
    ("POST", "/v1/models/cancer:score", b"{}", {"Content_Type": "application/jsonp"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("POST", "/v1/models/cancer:score", b"{}", {"Content_Type": ""}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("POST", "/v1/models/cancer:score", b"{}", {"Content_Encoding": "br"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("POST", "/v1/models/cancer:score", b"{}", {"Content_Encoding": "gzip, gzip"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("POST", "/v1/models/cancer:score", b"{}", {"Expect": "a-miracle"}, 417, "INVALID_REQUEST"),
    ("POST", "/v1/models/cancer:score", b"{}", {"X_Request_Timeout": "soon"}, 400, "INVALID_REQUEST"),
    (
        "POST",
        "/v1/models/cancer:score",
        b"{}",
        {"X_Request_Timeout": "1", "Grpc_Timeout": "1S"},
        400,
        "INVALID_REQUEST",
    ),
    ("GET", "/v1/models/cancer:score", None, {}, 405, "METHOD_NOT_ALLOWED"),
    ("PUT", "/v1/models/cancer", b"{}", {}, 405, "METHOD_NOT_ALLOWED"),
    ("GET", "/v1/models/nobody", None, {}, 404, "MODEL_NOT_FOUND"),
    ("GET", "/v1/models/cancer/versions/2", None, {}, 404, "MODEL_NOT_FOUND"),
    ("GET", "/v1/models/cancer/versions/x", None, {}, 400, "INVALID_REQUEST"),
    ("GET", "/v1/models?page=2", None, {}, 400, "INVALID_REQUEST"),
    ("GET", "/v1", None, {}, 404, "NOT_FOUND"),
    ("GET", "/V1/models", None, {}, 404, "NOT_FOUND"),
    ("POST", "/v1/models/%ff:score", b"{}", {}, 404, "NOT_FOUND"),
    ("POST", "/v1/models/a%2fb:score", b"{}", {}, 404, "NOT_FOUND"),
]


@pytest.mark.parametrize(("method", "path", "body", "headers", "status", "reason"), FAILURES)
async def test_a_failed_request_gets_a_problem_document(
    cancer_gateway: GatewayProcess,
    method: str,
    path: str,
    body: Any,
    headers: dict[str, str],
    status: int,
    reason: str,
) -> None:
    said = await ask(cancer_gateway, method, path, body, headers)
    assert said.headers["content-type"] == "application/problem+json"
    problem = said.json
    assert (said.status, problem["status"], problem["reason"]) == (status, status, reason)
    assert problem["title"]
    assert problem["detail"]
    assert "Traceback" not in problem["detail"]


async def test_facts_of_models_are_those_of_get_model(cancer_gateway: GatewayProcess, cancer: Cancer) -> None:
    (listed,) = (await ask(cancer_gateway, "GET", "/v1/models")).json["versions"]
    assert (listed["model"], listed["version"], listed["state"], listed["serving"]) == (
        "cancer",
        1,
        "VERSION_STATE_READY",
        True,
    )
    (by_model,) = (await ask(cancer_gateway, "GET", "/v1/models/cancer")).json["versions"]
    (by_version,) = (await ask(cancer_gateway, "GET", "/v1/models/cancer/versions/1")).json["versions"]
    assert by_model == by_version
    assert [one["name"] for one in by_model["features"]] == cancer.names
    assert by_model["outputs"] == [{"name": "score", "type": "COLUMN_TYPE_FLOAT", "additional": False}]
    assert by_model["version"] == listed
    assert by_model["timeout"].endswith("s")
    head = await ask(cancer_gateway, "HEAD", "/v1/models")
    assert head.status == 200
    assert head.body == b""


SLOW = "Pred.R <- function(x) { Sys.sleep(x[1]); x }"


async def test_a_deadline_is_answered_with_the_default_or_an_error(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    bundle = make_r_bundle(tmp_path / "slow", SLOW, settings='[features]\nx = "double"\n')
    await deploy(bundle, repository, "slow")
    gateway = await start_gateway(repository)
    for header in ({"Grpc_Timeout": "200m"}, {"X_Request_Timeout": "0.2"}):
        body = {"columns": {"x": [30.5]}, "default_score": 0.5}
        said = await score(gateway, "slow", body, **header)
        assert said.json["source"] == "SCORE_SOURCE_DEFAULT"
        assert said.json["scores"] == {"score": [0.5]}
        (part,) = said.json["defaulted_rows"]
        assert (part["first"], part["count"], part["reason"]) == (0, 1, "DEFAULT_REASON_DEADLINE")
        never = await score(gateway, "slow", body | {"default_policy": "DEFAULT_POLICY_NEVER"}, **header)
        assert (never.status, never.json["reason"]) == (504, "DEADLINE")
        assert (never.json["model"], never.json["version"]) == ("slow", 1)


async def test_a_caller_that_hangs_up_cancels_its_call(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    bundle = make_r_bundle(tmp_path / "slow", SLOW, settings='[features]\nx = "double"\n')
    await deploy(bundle, repository, "slow")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    _, writer = await dialed(gateway.http_address)
    writer.write(request_bytes("POST", "/v1/models/slow:score", {"columns": {"x": [30.5]}}))
    version = gateway.registry.serving("slow")
    assert version is not None
    await eventually(lambda: version.accepted is not None and version.accepted.backend.workload.pending_rows)
    writer.transport.abort()
    await eventually(lambda: [one for one in records(tmp_path / "log") if one.error_reason == "CANCELLED"])


INFINITE = "Pred.R <- function(x) x / 0"


async def test_an_infinite_score_fails_the_call_in_json(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    bundle = make_r_bundle(tmp_path / "infinite", INFINITE, settings='[features]\nx = "double"\n')
    await deploy(bundle, repository, "infinite")
    gateway = await start_gateway(repository)
    said = await score(gateway, "infinite", {"columns": {"x": [1.0]}})
    assert (said.status, said.json["reason"]) == (400, "INVALID_REQUEST")
    assert said.json["detail"] == (
        "output 'score', row 0: an infinite score, which JSON can't hold; ask by gRPC, or for binary data"
    )


async def test_partial_calls_say_which_rows_failed(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    settings = 'row_wise = true\n[features]\nx = {type = "factor", levels = ["a", "b"]}\n'
    bundle = make_r_bundle(tmp_path / "level", "Pred.R <- function(x) as.numeric(x)", settings=settings)
    await deploy(bundle, repository, "level")
    gateway = await start_gateway(repository)
    said = await score(gateway, "level", {"columns": {"x": ["a", "z", "b"]}, "partial": True})
    assert said.json["scores"] == {"score": [1.0, None, 2.0]}
    (part,) = said.json["failed_rows"]
    assert (part["first"], part["count"], part["reason"]) == (1, 1, "DEFAULT_REASON_UNKNOWN_LEVEL")
    assert "z" not in part["detail"].replace("level", "")


async def test_many_calls_on_one_connection_are_answered_in_turn(
    cancer_gateway: GatewayProcess, cancer: Cancer
) -> None:
    bodies = [{"columns": columns_of(cancer.rows[row : row + 1], cancer.names)} for row in range(40)]
    raw = b"".join(request_bytes("POST", "/v1/models/cancer:score", body, Connection="keep-alive") for body in bodies)
    reader, writer = await dialed(cancer_gateway.http_address)
    writer.write(raw)
    found = []
    async with asyncio.timeout(20):
        for _ in bodies:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            found.append(Said.of(head + await reader.readexactly(length)).json["scores"]["score"][0])
    writer.transport.abort()
    expected = (await score(cancer_gateway, "cancer", {"columns": columns_of(cancer.rows[:40], cancer.names)})).json[
        "scores"
    ]
    assert found == expected["score"]


async def test_a_drain_waits_for_calls_and_takes_no_new_ones(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    bundle = make_r_bundle(tmp_path / "slow", SLOW, settings='[features]\nx = "double"\n')
    await deploy(bundle, repository, "slow")
    gateway = await start_gateway(repository, grace_s=20.0)
    version = gateway.registry.serving("slow")
    assert version is not None
    assert version.accepted is not None
    workload = version.accepted.backend.workload
    under_way = asyncio.create_task(score(gateway, "slow", {"columns": {"x": [0.5]}}))
    await eventually(lambda: workload.pending_rows)
    draining = asyncio.create_task(gateway.drain())
    await eventually(lambda: gateway.pages.draining and vars(vars(gateway)["_http"])["_draining"])
    refused = await score(gateway, "slow", {"columns": {"x": [0.0]}})
    assert (refused.status, refused.json["reason"]) == (503, "DRAINING")
    assert (await ask(gateway, "GET", "/readyz")).status == 503
    assert (await under_way).json["scores"] == {"score": [0.5]}
    await draining
