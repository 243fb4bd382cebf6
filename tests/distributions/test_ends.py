"""The oldest and the newest releases that the packages may be installed with do what the documentation says."""

import json
import tomllib
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import pytest
from distributions.environments import CLIENT, Environment
from fixtures import ROOT, make_r_bundle
from packaging.requirements import Requirement

from bridge.prediction_log.export import Format

HERE = Path(__file__).parent


def floors(project: Path) -> dict[str, str]:
    """The lowest release that a project's pyproject.toml says of each that it needs, extras too.

    Without Spark, which has an environment of its own, in one release.
    """
    declared = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    extras = [needed for name, needed in declared.get("optional-dependencies", {}).items() if name != "spark"]
    needed = map(Requirement, chain(declared["dependencies"], *extras))
    return {one.name: bound.version for one in needed for bound in one.specifier if bound.operator in (">=", "==")}


def installed(environment: Environment, name: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
    return environment.run("python", "-c", code).strip()


@pytest.mark.parametrize("end", ["lowest"], indirect=True)
@pytest.mark.parametrize("project", [ROOT, CLIENT], ids=["gateway", "client"])
def test_the_lowest_releases_are_those_that_are_declared(
    project: Path, end: str, gateway: Environment, client: Environment
) -> None:
    environment = gateway if project == ROOT else client
    for name, floor in floors(project).items():
        exact = Requirement(f"{name}=={floor}.*")
        assert exact.specifier.contains(installed(environment, name)), f"{end}: {name}"


def test_every_command_shows_its_help(gateway: Environment) -> None:
    helps = json.loads(gateway.run("python", HERE / "helps.py"))
    assert {"", "serve", "reconcile", "log", "log export"} <= helps.keys()
    for words, shown in helps.items():
        assert " ".join(["Usage: scorebridge", *words.split()]) in shown
    assert "Usage: scorebridge log export" in gateway.run("scorebridge", "log", "export", "--help")


def test_it_says_its_version(gateway: Environment) -> None:
    assert gateway.run("scorebridge", "--version") == f"scorebridge {version('scorebridge-gateway')}\n"


def test_columns_are_sent_alike_whatever_pandas_keeps_them_in(gateway: Environment) -> None:
    assert json.loads(gateway.run("python", HERE / "frames.py")) == {
        "text": ["strings", "a", None, "é"],
        "string": ["strings", "a", None, "é"],
        "labels": ["strings", "a", "b", "é"],
        "category of text": ["strings", "b", None, "a"],
        "category of whole numbers": ["int64s", 8, 7, 8],
        "nullable whole numbers": ["int64s", 1, None, 3],
        "whole numbers of arrow": ["int64s", 1, None, 3],
        "truth values": ["bools", True, None, False],
        "fractions": ["doubles", 0.5, None, 2.0],
        "whole numbers": ["int64s", 1, 2, 3],
        "text of arrow": ["strings", "a", None, "é"],
        "chunks of arrow": ["doubles", 0.5, None, 2.0],
        "times": "no model takes times, pass numbers or text",
        "other things": "pass numbers, truth values or text",
    }


@dataclass(frozen=True)
class Risk:
    """A model in a repository, rows for it, and what its own library says of them."""

    repository: Path
    rows: Path
    scores: list[str]


@pytest.fixture(scope="module")
def risk(gateway: Environment, tmp_path_factory: pytest.TempPathFactory) -> Risk:
    folder = tmp_path_factory.mktemp("risk")
    gateway.run("python", HERE / "train.py", folder)
    repository = folder / "repository"
    repository.mkdir()
    deployed = gateway.run("scorebridge", "deploy", folder / "risk", "--repository", repository, "--model", "risk")
    assert deployed.splitlines()[-1] == "deployed risk/1"
    return Risk(repository, folder / "rows.csv", (folder / "scores.txt").read_text().splitlines())


def test_what_is_served_is_scored_logged_and_reconciled(gateway: Environment, risk: Risk, tmp_path: Path) -> None:
    log, target = tmp_path / "log", tmp_path / "scored.csv"
    with gateway.serving(risk.repository, "--log-dir", log) as url:
        assert "ready (serves)" in gateway.run("scorebridge", "models", "--url", url)
        gateway.run("scorebridge", "score", "risk", "--url", url, "--input", risk.rows, "--output", target)
    scored = [line.split(",")[0] for line in target.read_text().splitlines()[1:]]
    assert [float(score) for score in scored] == [float(score) for score in risk.scores]
    assert gateway.run("scorebridge", "log", "verify", log) == "ok: 1 records in 1 segments\n"
    assert "risk/1" in gateway.run("scorebridge", "log", "stats", log)
    for form in Format:
        files = gateway.run(
            "scorebridge",
            "log",
            "export",
            log,
            "--format",
            form,
            "--output",
            tmp_path / form,
            told="40 rows of 1 calls\n",
        )
        assert all(Path(line).stat().st_size for line in files.splitlines())
    report = gateway.run("scorebridge", "reconcile", log, "--repository", risk.repository, "--output", tmp_path / "out")
    assert "report.html" in report


@pytest.mark.parametrize("front", ["grpc", "native"])
def test_the_client_gets_the_scores_of_the_models_own_library(
    gateway: Environment, client: Environment, risk: Risk, front: str
) -> None:
    with gateway.serving(risk.repository, "--front", front) as url:
        assert client.run("python", HERE / "ask.py", url, risk.rows).splitlines() == risk.scores


def test_an_r_model_is_served_by_the_scripts_in_the_wheel(
    gateway: Environment, client: Environment, tmp_path: Path
) -> None:
    bundle = make_r_bundle(tmp_path / "sum", "Pred.R <- function(age, bmi) k * age + bmi", settings="row_wise = true\n")
    repository, rows = tmp_path / "repository", tmp_path / "rows.csv"
    rows.write_text("age,bmi\n1.5,2\n3,4\n")
    repository.mkdir()
    gateway.run("scorebridge", "deploy", bundle, "--repository", repository, "--model", "risk")
    with gateway.serving(repository) as url:
        assert client.run("python", HERE / "ask.py", url, rows).splitlines() == ["5.0", "10.0"]


def test_a_model_file_is_converted(gateway: Environment, risk: Risk, tmp_path: Path) -> None:
    model = risk.repository / "risk" / "1" / "model.ubj"
    said = gateway.run("scorebridge", "convert", model, "--to", tmp_path / "model.json")
    assert "model.json" in said
    assert (tmp_path / "model.json").stat().st_size
