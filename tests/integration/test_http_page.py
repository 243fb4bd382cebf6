"""The page of the HTTP wire: its three examples, run as they are printed."""

import asyncio
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from fixtures import ROOT, StartGateway, make_r_bundle, put
from walkthrough import Block, blocks

from bridge.gateway.server import Gateway

GLM = """
Pred.R <- function(glu, bmi, age) 1 / (1 + exp(9.2 - 0.03 * glu - 0.08 * bmi - 0.04 * age))
"""
PAGE = {block.language: block for block in blocks(ROOT / "docs" / "http.md")}


@pytest.fixture
def front() -> str:
    """The other port's is the same on either."""
    return "grpc"


@pytest.fixture
async def gateway(repository: Path, tmp_path: Path, start_gateway: StartGateway) -> Gateway:
    """One that has the model of the page, with a default score."""
    settings = 'default_score = 0.33\n[features]\nglu = "double"\nbmi = "double"\nage = "double"\n'
    put(make_r_bundle(tmp_path / "bundle", GLM, settings=settings), repository, "diabetes")
    made: Gateway = await start_gateway(repository)
    return made


def direct(*rows: tuple[float, float, float]) -> list[float]:
    return [float(1 / (1 + np.exp(9.2 - 0.03 * glu - 0.08 * bmi - 0.04 * age))) for glu, bmi, age in rows]


async def printed(block: Block, gateway: Gateway, folder: Path, *command: str, name: str) -> str:
    """What a block prints that is put into a file and run."""
    path = folder / name
    assert "127.0.0.1:8082" in block.text
    path.write_text(block.text.replace("127.0.0.1:8082", gateway.http_address))
    process = await asyncio.create_subprocess_exec(*command, str(path), stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0, "what it raised is on standard error"
    return output.decode()


async def test_curl_gets_scores_and_a_marked_default(gateway: Gateway, tmp_path: Path) -> None:
    told = json.loads(await printed(PAGE["sh"], gateway, tmp_path, "sh", name="ask.sh"))
    shown = json.loads(PAGE["json"].text)
    assert set(told) == set(shown)
    assert told["scores"]["score"] == [pytest.approx(direct((148, 33.6, 50))[0], rel=1e-12), 0.33]
    assert (told["source"], told["request_id"]) == (shown["source"], shown["request_id"])
    (part,), (expected,) = told["defaulted_rows"], shown["defaulted_rows"]
    assert [part[name] for name in ("first", "count", "reason")] == [
        expected[name] for name in ("first", "count", "reason")
    ]


async def test_python_s_standard_library_gets_scores(gateway: Gateway, tmp_path: Path) -> None:
    source, _, scores = (await printed(PAGE["python"], gateway, tmp_path, sys.executable, name="ask.py")).partition(" ")
    assert source == "SCORE_SOURCE_MODEL"
    assert json.loads(scores) == pytest.approx(direct((148, 33.6, 50), (85, 26.6, 31)), rel=1e-12)


async def test_java_s_http_client_gets_scores(gateway: Gateway, tmp_path: Path) -> None:
    java = shutil.which("java")
    assert java is not None
    status, _, body = (await printed(PAGE["java"], gateway, tmp_path, java, name="Score.java")).partition(" ")
    assert status == "200"
    assert json.loads(body)["scores"]["score"] == pytest.approx(direct((148, 33.6, 50), (85, 26.6, 31)), rel=1e-12)
