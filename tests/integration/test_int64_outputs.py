"""Outputs that are whole numbers of 64 bits keep every digit on each way out, also beyond what a double holds."""

import asyncio
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc.aio
import http_calls
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures import StartGateway, put
from infer_messages import add
from logged import run
from scorebridge import AsyncScoringClient, InvalidRequest, ScoringClient, VersionRefused
from typer.testing import CliRunner, Result

from bridge.bundles.repository import StoredVersion
from bridge.cli.app import app
from bridge.codecs.open_inference import inference_pb2 as pb
from bridge.gateway.server import Gateway

Connect = Callable[[Gateway], AsyncScoringClient]

one_front = pytest.mark.parametrize("front", ["native"])

BIG = 2**53 + 1
LEAST, MOST = -(2**63), 2**63 - 1
IDS = [BIG, LEAST, MOST]
CODE = """
import numpy as np
import pandas as pd

IDS = [2**53 + 1, -(2**63), 2**63 - 1]

def predict(x):
    if (x == 666).any():
        raise ValueError("not this one")
    x = np.nan_to_num(x)
    ids = np.array([IDS[int(one) % 3] for one in x])
    held = [None if one == 1 else name for one, name in zip(x, ids.tolist())]
    return {"id": ids, "held": pd.Series(held, dtype="Int64"), "near": (x * 2).astype(int)}
"""
OUTPUTS = '[outputs]\nid = "int64"\nheld = "int64"\nnear = "int64"\n'
ROWS = {"x": [0.0, 1.0, 2.0]}
HELD = [BIG, None, MOST]


def bundle(folder: Path, settings: str = "", code: str = CODE) -> Path:
    folder.mkdir(parents=True)
    (folder / "Pred.py").write_text(code)
    (folder / "model.toml").write_text(f'backend = "python"\nrow_wise = true\n{settings}')
    return folder


@pytest.fixture
def stored(tmp_path: Path, repository: Path) -> StoredVersion:
    return put(bundle(tmp_path / "bundle", OUTPUTS), repository, "ids")


def command(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    return result


@one_front
@pytest.mark.usefixtures("stored")
async def test_over_grpc_and_by_the_clients(
    repository: Path, start_gateway: StartGateway, connect: Connect, tmp_path: Path
) -> None:
    gateway = await start_gateway(repository)
    client = connect(gateway)
    answer = await client.score("ids", ROWS, timeout_s=30)
    assert answer.columns["id"].dtype == np.int64
    assert answer.columns["id"].tolist() == IDS
    assert answer.columns["held"].tolist() == HELD
    assert answer.columns["near"].tolist() == [0, 2, 4]
    answer = await client.score("ids", {"x": [0.0, 666.0]}, timeout_s=30, partial=True)
    assert answer.columns["id"].tolist() == [BIG, None]
    assert np.array_equal(answer.columns["near"], [0.0, np.nan], equal_nan=True)
    detail = (await client.model("ids"))[0]
    assert [one.type for one in detail.outputs] == ["INT64"] * 3

    def blocking() -> list[int]:
        with ScoringClient(gateway.grpc_address) as one:
            return list(one.score("ids", ROWS, timeout_s=30).columns["id"].tolist())

    assert await asyncio.to_thread(blocking) == IDS
    rows_file, scores = tmp_path / "rows.csv", tmp_path / "scores.csv"
    rows_file.write_text("x\n0\n1\n2\n")
    at = ("score", "ids", "--input", rows_file, "--output", scores, "--url", gateway.grpc_address)
    await asyncio.to_thread(command, *at)
    with scores.open() as file:
        found = list(csv.DictReader(file))
    assert [one["id"] for one in found] == [str(one) for one in IDS]
    assert [one["held"] for one in found] == [str(BIG), "", str(MOST)]


@one_front
@pytest.mark.usefixtures("stored")
async def test_over_http_and_the_open_inference_protocol(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository)
    answered = await http_calls.ask(gateway, "POST", "/v1/models/ids:score", {"columns": ROWS})
    assert answered.status == 200, answered.body
    assert answered.json["scores"] == {"id": IDS, "held": HELD, "near": [0, 2, 4]}
    assert f'"id":[{BIG},{LEAST},{MOST}]'.encode() in answered.body
    tensor = {"name": "x", "datatype": "FP64", "shape": [3], "data": [0.0, 1.0, 2.0]}
    for parameters in ({}, {"binary_data_output": True}):
        body = {"inputs": [tensor], "parameters": parameters}
        answered = await http_calls.ask(gateway, "POST", "/v2/models/ids/infer", body)
        assert answered.status == 200, answered.body
        length = int(answered.headers.get("inference-header-content-length", len(answered.body)))
        outputs = json.loads(answered.body[:length])["outputs"]
        assert [one["datatype"] for one in outputs] == ["INT64"] * 3
        assert outputs[1]["parameters"]["missing_rows"] == "1"
        if parameters:
            assert np.frombuffer(answered.body[length:], "<i8")[:3].tolist() == IDS
        else:
            assert outputs[0]["data"] == IDS
            assert [outputs[1]["data"][row] for row in (0, 2)] == [BIG, MOST]
    request = pb.ModelInferRequest(model_name="ids")
    add(request, "x", "FP64", [3], "fp64_contents", ROWS["x"])
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        infer: Any = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            pb.ModelInferRequest.SerializeToString,
            pb.ModelInferResponse.FromString,
        )
        response = await infer(request, timeout=30)
    ids, held, _ = response.outputs
    assert ids.datatype == "INT64"
    assert list(ids.contents.int64_contents) == IDS
    assert held.parameters["missing_rows"].string_param == "1"


@one_front
@pytest.mark.usefixtures("stored")
async def test_on_record_and_scored_again(
    repository: Path, start_gateway: StartGateway, connect: Connect, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    gateway = await start_gateway(repository, log_dir=log)
    answer = await connect(gateway).score("ids", ROWS, timeout_s=30, row_keys=["a", "b", "c"])
    await gateway.close()
    shown = command("log", "show", log, "--request-id", answer.request_id).stdout
    assert all(str(one) in shown for one in IDS)
    command("log", "export", log, "--output", tmp_path / "rows.jsonl", "--format", "jsonl")
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [one["score.id"] for one in lines] == IDS
    assert [one["score.held"] for one in lines] == HELD
    command("log", "export", log, "--output", tmp_path / "parquet", "--format", "parquet")
    (file,) = (tmp_path / "parquet").rglob("*.parquet")
    exported = pq.read_table(file)
    assert exported.column("score.id").to_pylist() == IDS
    assert exported.column("score.held").to_pylist() == HELD
    result = run(log, "--repository", repository)
    assert result.exit_code == 0, result.output
    other = tmp_path / "other.csv"
    for ids, code in ((IDS, 0), ([BIG - 1, *IDS[1:]], 1)):
        lines = [f"{key},{one},{'' if held is None else held}" for key, one, held in zip("abc", ids, HELD, strict=True)]
        other.write_text("\n".join(["row_key,id,held", *lines]))
        assert run(log, "--against", other).exit_code == code


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "arrow"])
def test_of_a_batch(repository: Path, tmp_path: Path, ending: str) -> None:
    rows, output = tmp_path / "rows.csv", tmp_path / f"scores.{ending}"
    rows.write_text("key,x\n" + "".join(f"{at},{at % 3}\n" for at in range(9)))
    options = ("--repository", repository, "--key", "key", "--batch-size", 4, "--workers", 1)
    command("batch", "ids", "--input", rows, "--output", output, *options)
    if ending == "csv":
        with output.open() as file:
            found = [(int(one["id"]), int(one["held"]) if one["held"] else None) for one in csv.DictReader(file)]
    elif ending == "jsonl":
        found = [(one["id"], one.get("held")) for one in map(json.loads, output.read_text().splitlines())]
    elif ending == "parquet":
        table = pq.read_table(output)
        found = [(one["id"], one["held"]) for one in table.to_pylist()]
    else:
        with pa.ipc.open_file(str(output)) as reader:
            found = [(one["id"], one["held"]) for one in reader.read_all().to_pylist()]
    assert found == list(zip(IDS * 3, HELD * 3, strict=True))


@one_front
async def test_a_default_score_is_a_whole_number(
    repository: Path, start_gateway: StartGateway, connect: Connect, tmp_path: Path
) -> None:
    code = "def predict(x):\n    if (x < 0).any():\n        raise ValueError\n    return x.astype(int)\n"
    for name, default in {"one": 2**53, "half": 0.5, "large": BIG}.items():
        settings = f'default_score = {default}\n[outputs]\nscore = "int64"\n'
        put(bundle(tmp_path / name, settings, code), repository, name)
    put(bundle(tmp_path / "own", '[outputs]\nscore = "int64"\n', code), repository, "own")
    gateway = await start_gateway(repository)
    client = connect(gateway)
    answer = await client.score("one", {"x": [3.0, -1.0]}, timeout_s=30)
    assert answer.scores.tolist() == [3, 2**53]
    assert answer.reasons == [None, "MODEL_ERROR"]
    assert (await client.model("one"))[0].default_scores[0].value == 2**53
    assert (await client.score("own", {"x": [-1.0]}, timeout_s=30, default=7.0)).scores.tolist() == [7]
    with pytest.raises(InvalidRequest, match="default_score can't be a int64"):
        await client.score("own", {"x": [-1.0]}, timeout_s=30, default=0.5)
    states = {one.model: one for one in await client.models()}
    assert "default_score can't be a int64" in states["half"].state_reason
    assert "default_score is too large for a int64" in states["large"].state_reason


@one_front
@pytest.mark.usefixtures("stored")
async def test_another_type_than_that_of_outputs_is_refused(
    repository: Path, start_gateway: StartGateway, connect: Connect, tmp_path: Path
) -> None:
    put(bundle(tmp_path / "other", '[outputs]\nscore = "int64"\n', "def predict(x):\n    return x\n"), repository, "o")
    client = connect(await start_gateway(repository))
    with pytest.raises(VersionRefused, match="the output 'score' is double, and must be int64"):
        await client.score("o", ROWS, timeout_s=30)


@one_front
@pytest.mark.usefixtures("stored")
async def test_their_drift_is_that_of_numbers(
    repository: Path, start_gateway: StartGateway, connect: Connect, tmp_path: Path
) -> None:
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    await connect(gateway).score("ids", {"x": [float(at % 3) for at in range(300)]}, timeout_s=30)
    await gateway.close()
    reference = tmp_path / "reference.parquet"
    held = [HELD[at % 3] for at in range(300)]
    near = [at % 3 * 2 for at in range(300)]
    pq.write_table(pa.table({"score.id": pa.array(IDS * 100), "score.held": held, "score.near": near}), reference)
    shown = command("log", "stats", tmp_path / "log", "--against", reference, "--json").stdout
    (version,) = json.loads(shown)["versions"]
    assert {one["name"]: one["psi"] for one in version["shifts"]} == {"x": None, "id": 0, "held": 0, "near": 0}
