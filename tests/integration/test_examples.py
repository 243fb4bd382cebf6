"""The examples are run as their reader would run them."""

import csv
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import demo
import numpy as np
import pytest
from fixtures import ROOT, SCOREBRIDGE, Cancer, put
from gateways import GatewayProcess
from scorebridge import ScoringClient
from scorebridge.runner.environment import ONE_THREAD

NOBODY = "127.0.0.1:1"


@pytest.fixture
def gateway(cancer: Cancer, tmp_path: Path) -> Iterator[GatewayProcess]:
    put(cancer.folder, tmp_path / "repository", "cancer")
    process = GatewayProcess(tmp_path / "repository")
    yield process
    process.end(signal.SIGTERM)


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def scorebridge(*parts: object) -> None:
    done = subprocess.run([SCOREBRIDGE, *map(str, parts)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_plain_script(gateway: GatewayProcess, cancer: Cancer) -> None:
    printed = run("examples/score_batch.py", gateway.url, "cancer", *cancer.names)
    assert printed.startswith("MODEL by version 1, call order-4711\nrow 0: 0.")
    printed = run("examples/score_batch.py", NOBODY, "cancer", *cancer.names)
    assert printed.endswith("row 0: 0.5 (UNAVAILABLE)\nrow 1: 0.5 (UNAVAILABLE)\n")


def test_an_asyncio_one(gateway: GatewayProcess, cancer: Cancer) -> None:
    lines = run("examples/score_async.py", gateway.url, "cancer", *cancer.names).splitlines()
    assert [line.split()[-1] for line in lines[:10]] == ["MODEL"] * 10
    assert lines[10] == "defaults by this client: {}"


def test_a_pipeline_of_scikit_learn_from_its_training_to_its_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ONE_THREAD.items():  # a matrix that is multiplied by several may have other last bits
        monkeypatch.setenv(name, value)
    run("examples/train_python.py", str(tmp_path))
    scorebridge("check", tmp_path / "churn")
    scorebridge("deploy", tmp_path / "churn", "--repository", tmp_path / "repository", "--model", "churn")
    process = GatewayProcess(tmp_path / "repository")
    try:
        files = ("--input", tmp_path / "customers.csv", "--output", tmp_path / "scores.csv")
        scorebridge("score", "churn", *files, "--keep", "direct", "--url", process.url, "--timeout", "30")
    finally:
        process.end(signal.SIGTERM)
    with (tmp_path / "scores.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == 1_000
    assert [float(one["score"]) for one in found] == [float(one["direct"]) for one in found]
    assert {one["source"] for one in found} == {"MODEL"}


def test_load(gateway: GatewayProcess) -> None:
    printed = run("examples/score_load.py", gateway.url, "cancer", "30", "10", "4", "0.5", "10000")
    assert "calls/s, p50" in printed
    assert printed.endswith("scored by the model, defaults {}\n")


def test_the_demo_shows_what_came_where_no_gateway_answers_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {name: np.zeros(3) for name in demo.INPUTS}
    with ScoringClient(NOBODY) as client:
        call = demo.timed(client, "bootstrap", rows, demo.IMPATIENT_S)
    largest = demo.difference(call.answer, np.zeros(3))
    demo.show([("bootstrap", "R (Rserve)", call, largest)])
    assert largest == "-"
    assert "CLIENT_DEFAULT" in capsys.readouterr().out
    assert "each row had the default score 0.33 from the client, marked as one: " in demo.verdict(call)


def test_the_demo_says_so_where_the_slow_model_was_quick(gateway: GatewayProcess, cancer: Cancer) -> None:
    with ScoringClient(gateway.url) as client:
        call = demo.timed(client, "cancer", cancer.rows[:3], 30.0)
    assert "Here it was done in " in demo.verdict(call)
    assert demo.difference(call.answer, call.answer.scores) == "0"


def test_the_demo_s_gateway_that_can_t_start_ends_it_with_the_reason(tmp_path: Path) -> None:
    with (
        pytest.raises(SystemExit, match=r"the gateway did not start\n.* is not a folder"),
        demo.gateway(tmp_path / "nowhere", tmp_path / "gateway.log"),
    ):
        pass
