"""The clients of other servers, as they are published: tritonclient, and MLServer's stubs and codec of data frames."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures import ROOT, Cancer, StartGateway, make_r_bundle, put
from walkthrough import blocks

from bridge.gateway.server import Gateway

PYTHON = ROOT / ".triton" / "bin" / "python"
HERE = Path(__file__).parent
MIXED = """
Pred.R <- function(town, age, member, income) {
  if (any(income < 0)) Sys.sleep(20)
  list(label = paste0(town, ":", age), points = 2L * age, ok = !member, rate = income / 4)
}
"""
SETTINGS = """
[features]
town = "string"
age = "int"
member = "bool"
income = "double"
[outputs]
label = "string"
points = "int"
ok = "bool"
rate = "double"
"""
ROWS = 500


@pytest.fixture
def models(cancer: Cancer, repository: Path, tmp_path: Path) -> Path:
    put(cancer.folder, repository, "cancer")
    put(make_r_bundle(tmp_path / "bundle", MIXED, settings=SETTINGS), repository, "mixed")
    return repository


async def session(script: str, *arguments: object) -> Any:
    """What a script of the other environment found."""
    process = await asyncio.create_subprocess_exec(
        str(PYTHON), str(HERE / script), *map(str, arguments), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, "what it raised is on standard error"
    return json.loads(printed)


async def triton(gateway: Gateway, cancer: Cancer, folder: Path, transport: str) -> dict[str, Any]:
    np.save(folder / "rows.npy", cancer.rows[:ROWS])
    (folder / "columns.json").write_text(json.dumps(cancer.names))
    url = gateway.grpc_address if transport == "grpc" else gateway.http_address
    found: dict[str, Any] = await session(
        "triton_session.py", transport, url, folder / "rows.npy", folder / "columns.json"
    )
    return found


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_tritonclient_s_whole_session_works(
    cancer: Cancer, models: Path, tmp_path: Path, start_gateway: StartGateway, transport: str
) -> None:
    gateway = await start_gateway(models)
    found = await triton(gateway, cancer, tmp_path, transport)
    described = found["describe"]
    assert (described["live"], described["ready"], described["model ready"]) == (True, True, [True, True])
    assert described["server"] == "scorebridge"
    assert [one["name"] for one in described["model"]["inputs"]] == cancer.names
    assert described["model"]["outputs"][0]["datatype"] == "FP32"
    booster = cancer.booster.inplace_predict(cancer.rows[:ROWS].astype(np.float32))
    expected = {"dtype": "float32", "hex": np.asarray(booster, np.float32).tobytes().hex()}
    scored = found["score"]
    told = scored.pop("told")
    assert {name: one == expected for name, one in scored.items()} == dict.fromkeys(scored, True)
    assert (told["score_source"], told["version"]) == ("MODEL", "1")
    assert found["mix"]["outputs"] == {
        "label": ["Köln:30", "Ulm:31"],
        "points": {"dtype": "int32", "hex": np.array([60, 62], np.int32).tobytes().hex()},
        "ok": {"dtype": "bool", "hex": "0001"},
        "rate": {"dtype": "float64", "hex": np.array([0.25, 0.5]).tobytes().hex()},
    }
    assert "no scores after" in found["mix"]["late"]
    misused = found["misuse"]
    assert "this gateway has no model 'none'" in misused["model"]
    assert "the version must be a whole number from 1 up without leading zeros" in misused["version"]
    assert "the matrix has 3 columns and no names; the model takes 30" in misused["columns"]
    assert "output 'secret' is none of cancer/1" in misused["output"]
    assert "a parameter 'defualt_score', which this gateway does not know" in misused["parameter"]
    operated = found["operate"]
    assert operated["before"] == operated["loaded"] == [["cancer", "1", "READY"], ["mixed", "1", "READY"]]
    assert operated["unloaded"] == [["cancer", "1", "UNAVAILABLE"], ["mixed", "1", "READY"]]
    assert operated["ready"] is False
    assert "'cancer' was unloaded" in operated["refused"]
    assert "the parameter 'config' is not taken" in operated["config"]
    assert operated["scores"] == expected


async def test_mlserver_s_stubs_and_its_frames_work(models: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(models)
    found = await session("mlserver_session.py", gateway.grpc_address)
    told = found.pop("told")
    assert (told["score_source"], told["version"]) == ("MODEL", "1")
    assert found == {
        "live": True,
        "ready": True,
        "server": "scorebridge",
        "model": [
            ["town", "BYTES", [-1]],
            ["age", "INT32", [-1]],
            ["member", "BOOL", [-1]],
            ["income", "FP64", [-1]],
            ["label", "BYTES", [-1]],
            ["points", "INT32", [-1]],
            ["ok", "BOOL", [-1]],
            ["rate", "FP64", [-1]],
        ],
        "label": ["Köln:30", "Ulm:31"],
        "outputs": {"points": [60, 62], "ok": [False, True], "rate": [0.25, 0.5]},
        "index": [["cancer", "1", "READY"], ["mixed", "1", "READY"]],
        "unloaded": False,
        "loaded": True,
    }


async def test_the_page_s_examples_print_scores(
    cancer: Cancer, repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    put(cancer.folder, repository, "cancer")
    code = 'Pred.R <- function(town, age) list(score = ifelse(town == "Ulm", age / 2, age))'
    settings = '[features]\ntown = "string"\nage = "double"\n'
    put(make_r_bundle(tmp_path / "bundle", code, settings=settings), repository, "claims")
    gateway = await start_gateway(repository)
    programs = [block for block in blocks(ROOT / "docs" / "open-inference.md") if block.language == "python"]
    printed = []
    for place, program in enumerate(programs):
        path = tmp_path / f"program_{place}.py"
        text = program.text.replace("127.0.0.1:8081", gateway.grpc_address)
        path.write_text(text.replace("127.0.0.1:8082", gateway.http_address))
        process = await asyncio.create_subprocess_exec(str(PYTHON), str(path), stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        assert process.returncode == 0, "what it raised is on standard error"
        printed.append(output.decode())
    assert printed == ["(2,) MODEL\n", "(2,) MODEL\n", "score [15.5, 58.0]\n"]
