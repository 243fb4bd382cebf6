"""What commands print for programs, also where there is nothing to list; and what a shell completes."""

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fixtures import SCOREBRIDGE, Cancer, StartGateway, put
from prediction_logs import record, write_log
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.cli.gateway_options import GatewayOptions
from bridge.cli.models import print_models


@pytest.fixture
def front() -> str:
    """One will do."""
    return "grpc"


async def test_a_gateway_without_models_has_an_empty_list(
    repository: Path, start_gateway: StartGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = await start_gateway(repository)
    await asyncio.to_thread(print_models, GatewayOptions(gateway.grpc_address), 20, as_json=True)
    assert json.loads(capsys.readouterr().out) == []


async def test_a_version_that_does_not_serve_says_why_in_json(
    cancer: Cancer, repository: Path, start_gateway: StartGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    put(cancer.folder, repository, "cancer")
    stored = put(cancer.folder, repository, "cancer", 2)
    (stored.path / "model.toml").write_text("none")
    gateway = await start_gateway(repository)
    await asyncio.to_thread(print_models, GatewayOptions(gateway.grpc_address), 20, as_json=True)
    first, second = json.loads(capsys.readouterr().out)
    assert (first["version"], first["state"], first["serving"], first["state_reason"]) == (1, "READY", True, "")
    assert (second["version"], second["state"], second["serving"]) == (2, "REFUSED", False)
    assert "model.toml" in second["state_reason"]


def test_a_reconciliation_is_told_in_json(tmp_path: Path, cancer: Cancer, repository: Path) -> None:
    put(cancer.folder, repository, "cancer")
    write_log(tmp_path / "empty", [])
    command = ["--repository", str(repository), "--json"]
    done = CliRunner().invoke(app, ["reconcile", str(tmp_path / "empty"), *command])
    assert done.exit_code == 2
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["exit_code"], told["versions"]) == (2, [])
    assert told["verdict"] == "there is no call to be reconciled"
    write_log(tmp_path / "log", [record("a", model="ghost", version=7)])
    told = json.loads(CliRunner().invoke(app, ["reconcile", str(tmp_path / "log"), *command]).stdout)
    (version,) = told["versions"]
    assert (version["version"], version["calls"], version["rows"], version["different"]) == ("ghost/7", 1, 0, 0)
    assert version["not_rescored"]
    assert set(version) == {
        *("version", "calls", "failed", "cancelled", "rows", "equal", "different", "largest", "defaulted"),
        *("without_score", "unknown", "over_limit", "not_rescored", "failures", "left_out", "notes"),
    }


def completed(*words: str) -> list[str]:
    """What bash is told to offer for the last of some words."""
    variables = {
        "_SCOREBRIDGE_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["scorebridge", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run([str(SCOREBRIDGE)], env=os.environ | variables, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_commands_options_and_models_are_completed(tmp_path: Path) -> None:
    for name in ("glm", "glm-2", "fraud"):
        (tmp_path / name / "1").mkdir(parents=True)
    assert completed("re") == ["retire", "reconcile"]
    assert "--tls-ca" in completed("models", "--tls")
    for command in ("promote", "retire"):
        assert completed(command, "--repository", str(tmp_path), "g") == ["glm", "glm-2"]
        assert completed(command, "--repository", str(tmp_path / "nowhere"), "g") == []
        assert completed(command, "g") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str) -> None:
    done = subprocess.run(
        [str(SCOREBRIDGE)],
        env=os.environ | {"_SCOREBRIDGE_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"complete_{shell}" in done.stdout
    assert "scorebridge" in done.stdout
