"""The Open Inference Protocol on the HTTP port, against scorebridge.v1 to the bit."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import http_calls
import numpy as np
import pytest
from fixtures import Addressed, Cancer, StartGateway, make_r_bundle, put
from gateways import GatewayProcess, shared
from http_calls import Said
from logged import run, said
from scorebridge.v1 import prediction_log_pb2 as log_pb
from typer.testing import CliRunner
from waiting import eventually

from bridge.cli.app import app
from bridge.prediction_log.reader import read_log

MANY_ROWS, CALL_ROWS, JSON_ROWS = 100_000, 20_000, 2_000
PEER = "ipv4:127.0.0.1:5123"


@pytest.fixture
def front() -> str:
    """The other port is the same on either."""
    return "grpc"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the gateway that is shared."""
    return tmp_path_factory.mktemp("served") / "log"


@pytest.fixture(scope="module")
def served(cancer: Cancer, log: Path) -> Iterator[GatewayProcess]:
    """A gateway for tests that change nothing of it; its log grows."""
    repository = log.with_name("repository")
    repository.mkdir()
    put(cancer.folder, repository, "cancer")
    # Every refusal is to be on record, however quickly the tests come.
    with shared(repository, log.parent, log_dir=log, log_refusals_per_s=1e6) as gateway:
        yield gateway


async def ask(
    gateway: Addressed, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Said:
    """What the port answers."""
    return await http_calls.ask(gateway, method, path, body if method == "POST" else None, headers)


def infer_json(rows: Any, datatype: str, **more: Any) -> bytes:
    tensor = {"name": "x", "datatype": datatype, "shape": list(rows.shape), "data": rows.tolist()}
    return json.dumps({"inputs": [tensor], **more}).encode()


def infer_binary(rows: Any, datatype: str, **more: Any) -> tuple[bytes, dict[str, str]]:
    size = {"binary_data_size": rows.nbytes}
    tensor = {"name": "x", "datatype": datatype, "shape": list(rows.shape), "parameters": size}
    text = json.dumps({"inputs": [tensor], **more}).encode()
    return text + rows.tobytes(), {"inference-header-content-length": str(len(text))}


def parsed(answer: Said) -> Any:
    assert answer.headers["content-type"] == "application/json"
    return json.loads(answer.body)


def raw_scores(answer: Said) -> Any:
    """The one output of a binary answer."""
    assert (answer.status, answer.headers["content-type"]) == (200, "application/octet-stream")
    json_bytes = int(answer.headers["inference-header-content-length"])
    (output,) = json.loads(answer.body[:json_bytes])["outputs"]
    scores = np.frombuffer(answer.body[json_bytes:], np.float32)
    assert output["parameters"]["binary_data_size"] == scores.nbytes
    return scores


def records(log: Path) -> list[log_pb.LogRecord]:
    return [entry.record for entry in read_log(log)]


async def test_many_rows_have_the_booster_s_bits_in_json_and_as_binary_data(
    cancer: Cancer, repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    picked = np.random.default_rng(18).integers(0, len(cancer.rows), (MANY_ROWS, len(cancer.names)))
    rows = np.take_along_axis(cancer.rows, picked, axis=0)
    single = rows.astype(np.float32)
    expected = np.asarray(cancer.booster.inplace_predict(single), np.float32).view(np.uint32)
    different = 0
    path, binary = "/v2/models/cancer/infer", {"binary_data_output": True}
    for first in range(0, MANY_ROWS, CALL_ROWS):
        part = slice(first, first + CALL_ROWS)
        for body, headers in (infer_binary(single[part], "FP32", parameters=binary),):
            scores = raw_scores(await ask(gateway, "POST", path, body, headers))
            different += int((scores.view(np.uint32) != expected[part]).sum())
        few = slice(first, first + JSON_ROWS)
        for values, datatype in ((single[few], "FP32"), (rows[few], "FP64")):
            answer = parsed(await ask(gateway, "POST", path, infer_json(values, datatype)))
            read = np.array(answer["outputs"][0]["data"], np.float32)
            different += int((read.view(np.uint32) != expected[few]).sum())
    await gateway.close()
    assert different == 0
    result = run(tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    assert f"all {MANY_ROWS + 2 * MANY_ROWS // CALL_ROWS * JSON_ROWS} rows are equal" in said(result)


async def test_columns_of_every_kind_come_and_go_and_are_on_record(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    code = 'Pred.R <- function(town, age) list(label = paste0(town, ":", age), half = age / 2)'
    settings = '[features]\ntown = "string"\nage = "int"\n[outputs]\nlabel = "string"\nhalf = "double"\n'
    put(make_r_bundle(tmp_path / "bundle", code, settings=settings), repository, "towns")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    body = json.dumps(
        {
            "id": "call-1",
            "parameters": {"content_type": "pd"},
            "inputs": [
                {"name": "town", "datatype": "BYTES", "shape": [2, 1], "data": ["Köln", "Ulm"]},
                {"name": "age", "datatype": "INT64", "shape": [2], "data": [31, None]},
            ],
            "outputs": [{"name": "half"}, {"name": "label", "parameters": {"binary_data": True}}],
        }
    ).encode()
    answer = await ask(gateway, "POST", "/v2/models/towns/versions/1/infer", body, {"content-type": "application/json"})
    json_bytes = int(answer.headers["inference-header-content-length"])
    told = json.loads(answer.body[:json_bytes])
    assert (told["id"], told["model_name"], told["model_version"]) == ("call-1", "towns", "1")
    assert told["outputs"][0] == {"name": "half", "datatype": "FP64", "shape": [2], "data": [15.5, None]}
    assert answer.body[json_bytes + 4 :].startswith("Köln:31".encode())
    await gateway.close()
    (record,) = records(tmp_path / "log")
    assert record.method == "POST /v2/models/towns/versions/1/infer"
    assert (record.request, record.response) == (body, answer.body)
    assert (record.request_json_bytes, record.response_json_bytes) == (0, json_bytes)
    assert run(tmp_path / "log", "--repository", repository).exit_code == 0
    shown = CliRunner().invoke(app, ["log", "show", str(tmp_path / "log"), "--request-id", "call-1"])
    assert "asked version   1" in shown.output
    assert "Köln" in shown.output


async def test_what_the_server_says_of_itself_and_its_models(
    cancer: Cancer, repository: Path, start_gateway: StartGateway
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository)
    assert parsed(await ask(gateway, "GET", "/v2/health/live")) == {"live": True}
    assert parsed(await ask(gateway, "GET", "/v2/health/ready")) == {"ready": True}
    assert parsed(await ask(gateway, "GET", "/v2"))["name"] == "scorebridge"
    for base in ("/v2/models/cancer", "/v2/models/cancer/versions/1"):
        assert parsed(await ask(gateway, "GET", f"{base}/ready")) == {"name": "cancer", "ready": True}
        model = parsed(await ask(gateway, "GET", base))
        assert [one["name"] for one in model["inputs"]] == cancer.names
        assert model["outputs"] == [{"name": "score", "datatype": "FP32", "shape": [-1]}]
        assert model["versions"] == ["1"]
        assert "properties" not in model
    index = parsed(await ask(gateway, "POST", "/v2/repository/index", b'{"ready": true}'))
    assert index == [{"name": "cancer", "version": "1", "state": "READY", "reason": ""}]
    assert (await ask(gateway, "POST", "/v2/repository/models/cancer/unload")).status == 200
    assert parsed(await ask(gateway, "POST", "/v2/repository/index", b'{"ready": true}')) == []
    for path in ("/v2/models/cancer/ready", "/v2/health/ready"):
        assert (await ask(gateway, "GET", path)).status == 503
    assert (await ask(gateway, "POST", "/v2/models/cancer/infer", infer_json(cancer.rows[:1], "FP64"))).status == 503
    assert (await ask(gateway, "POST", "/v2/repository/models/cancer/load", b'{"parameters": {}}')).status == 200
    assert (await ask(gateway, "POST", "/v2/models/cancer/infer", infer_json(cancer.rows[:1], "FP64"))).status == 200


OCTETS = {"content-type": "application/octet-stream"}
LENGTH = "inference-header-content-length"


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "sentence"),
    [
        ("none/infer", b"", {}, 404, "this gateway has no model 'none'"),
        ("cancer/versions/2/infer", b"", {}, 404, "this gateway has no version 2 of 'cancer'"),
        ("cancer/versions/01/infer", b"", {}, 400, "the version must be a whole number from 1 up"),
        ("cancer/infer", b"", {"content-type": "text/plain"}, 415, "the body must be application/json, or"),
        ("cancer/infer", b"", {"content-type": "application/json; charset=latin-1"}, 415, "the body must be"),
        ("cancer/infer", b"", {"content-type": "application/x-www-form-urlencoded"}, 415, "the body must be"),
        ("cancer/infer", b"", OCTETS, 415, "with the header Inference-Header-Content-Length"),
        ("cancer/infer", b"", OCTETS | {LENGTH: "0"}, 400, "must be a whole number of bytes, at least 1"),
        ("cancer/infer", b"", OCTETS | {LENGTH: "-1"}, 400, "must be a whole number of bytes, at least 1"),
        ("cancer/infer", b"", OCTETS | {LENGTH: "1e3"}, 400, "must be a whole number of bytes, at least 1"),
        (
            "cancer/infer",
            b"",
            OCTETS | {LENGTH: "9999999"},
            400,
            "Inference-Header-Content-Length is 9999999; the body",
        ),
        ("cancer/infer", b"", {"grpc-timeout": "1"}, 400, "Grpc-Timeout must be 1 to 8 digits and one of the units"),
        ("cancer/infer", b"", {"x-request-timeout": "-1"}, 400, "X-Request-Timeout must be seconds"),
        (
            "cancer/infer",
            b"",
            {"grpc-timeout": "1S", "x-request-timeout": "1"},
            400,
            "are both there: send one of them",
        ),
        ("cancer/infer", b'{"inputs": 1}', {}, 400, "inputs must be an array of objects"),
        ("cancer/infer", b"\xff", {}, 400, "the body is not UTF-8"),
        ("cancer/infer", b"[" * 100_000, {}, 400, "the body is nested deeper than 8 levels"),
    ],
)
async def test_a_failed_call_is_a_problem_document_that_its_clients_read_and_is_on_record(
    cancer: Cancer,
    log: Path,
    served: GatewayProcess,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    sentence: str,
) -> None:
    before = len(records(log))
    sent = body or infer_json(cancer.rows[:1], "FP64", id="call-1")
    answer = await ask(served, "POST", f"/v2/models/{path}", sent, headers)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    document = json.loads(answer.body)
    assert sentence in document["detail"]
    assert document["error"] == document["detail"]
    assert document["status"] == status
    await eventually(lambda: len(records(log)) > before)
    (record,) = records(log)[before:]
    assert record.method == f"POST /v2/models/{path}"
    assert record.model == path.split("/", maxsplit=1)[0]
    assert sent.startswith(record.request)
    assert record.attempts == 0


async def test_nobody_without_a_name_scores(
    cancer: Cancer, repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    put(cancer.folder, repository, "cancer")
    token, callers = "shop-" + "0123456789" * 4, tmp_path / "callers.toml"
    digest = hashlib.sha256(token.encode()).hexdigest()
    callers.write_text(f'[callers.shop]\ntoken_sha256 = "{digest}"\nmodels = ["cancer"]\n')
    gateway = await start_gateway(repository, callers=callers, log_dir=tmp_path / "log")
    body, known = infer_json(cancer.rows[:1], "FP64"), {"authorization": f"Bearer {token}"}
    wrong = {"authorization": "Bearer " + "x" * 40}
    asked = [
        ("POST", "/v2/models/cancer/infer"),
        ("GET", "/v2"),
        ("GET", "/v2/models/cancer"),
        ("GET", "/v2/models/cancer/ready"),
        ("POST", "/v2/repository/index"),
        ("POST", "/v2/repository/models/cancer/unload"),
    ]
    for method, path in asked:
        for headers in ({}, wrong):
            refused = await ask(gateway, method, path, body if path.endswith("infer") else b"", headers)
            assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert (await ask(gateway, "GET", "/v2/health/live")).status == 200
    assert (await ask(gateway, "POST", "/v2/models/cancer/infer", body, known)).status == 200
    for method, path in (("POST", "/v2/repository/models/cancer/load"), ("GET", "/v2/models/other")):
        assert (await ask(gateway, method, path, b"", known)).status == 403
    await gateway.close()
    assert [one.error_reason for one in records(tmp_path / "log")] == ["UNAUTHENTICATED"] * 2 + [""]
    assert all(token.encode() not in entry.read_bytes() for entry in (tmp_path / "log").iterdir())


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("index", b'{"ready": 1}', "ready must be true or false"),
        ("index", b'{"reddy": true}', "the body may have only ready"),
        ("index", b"[]", "the body must be a JSON object"),
        ("index", b" " * 5000, "the body is longer than any valid one of this method"),
        ("models/cancer/load", b'{"parameters": {"config": "{}"}}', "the parameter 'config' is not taken"),
        ("models/cancer/load", b'{"parameters": 1}', "parameters must be an object"),
        ("models/cancer/unload", b'{"parameters": {"x": 1}}', "the parameter 'x' is not taken"),
    ],
)
async def test_what_the_repository_is_not_asked_is_refused(
    served: GatewayProcess, path: str, body: bytes, sentence: str
) -> None:
    answer = await ask(served, "POST", f"/v2/repository/{path}", body)
    assert answer.status == 400
    assert sentence in json.loads(answer.body)["error"]
    index = parsed(await ask(served, "POST", "/v2/repository/index", b'{"ready": true}'))
    assert [one["name"] for one in index] == ["cancer"]


async def test_a_call_takes_no_longer_than_it_says(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    code = "Pred.R <- function(x) { if (any(x < 0)) Sys.sleep(20); list(score = x) }"
    put(make_r_bundle(tmp_path / "bundle", code, settings="default_score = 0.25\n"), repository, "slow")
    gateway = await start_gateway(repository)
    row = np.array([-1.0])
    body = infer_json(row, "FP64", parameters={"timeout": 300_000})
    answer = parsed(await ask(gateway, "POST", "/v2/models/slow/infer", body))
    assert answer["outputs"][0]["data"] == [0.25]
    assert answer["parameters"]["default_reason"] == "DEADLINE"
    never = {"timeout": 300_000, "default_policy": "never"}
    late = await ask(gateway, "POST", "/v2/models/slow/infer", infer_json(row, "FP64", parameters=never, id="call-1"))
    assert late.status == 504
    document = json.loads(late.body)
    assert (document["reason"], document["request_id"], document["model"]) == ("DEADLINE", "call-1", "slow")
    for headers in ({"x-request-timeout": "0.3"}, {"grpc-timeout": "300m"}):
        answer = parsed(await ask(gateway, "POST", "/v2/models/slow/infer", infer_json(row, "FP64"), headers))
        assert answer["parameters"]["default_reason"] == "DEADLINE"
