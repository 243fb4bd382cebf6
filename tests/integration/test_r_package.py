"""The R package scorebridge, built from rscripts/ and installed: it writes what the sourced code writes."""

import os
import re
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest
from fixtures import ROOT, SCOREBRIDGE

SOURCED = f'source("{ROOT}/rscripts/bundle.R")'
ATTACHED = "library(scorebridge)"


def run(*command: object, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | {"TZ": "UTC"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's file, made by R CMD build."""
    folder = tmp_path_factory.mktemp("built")
    run("R", "CMD", "build", ROOT / "rscripts", cwd=folder)
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def library(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of R packages that has it."""
    folder = tmp_path_factory.mktemp("library")
    run("R", "CMD", "INSTALL", f"--library={folder}", package, cwd=folder)
    return folder


def test_its_version_is_the_gateway_s(package: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert package.name == f"scorebridge_{version}.tar.gz"


def test_it_holds_the_functions_and_their_manual_and_nothing_of_a_worker_s_start(package: Path) -> None:
    functions = {f"R/{path.name}" for path in (ROOT / "rscripts" / "R").iterdir()}
    manual = {f"man/{path.name}" for path in (ROOT / "rscripts" / "man").iterdir()}
    with tarfile.open(package) as files:
        names = {name.removeprefix("scorebridge/") for name in files.getnames() if "." in name}
        description = files.extractfile("scorebridge/DESCRIPTION")
        assert description is not None
        assert b"\nLicense: Apache License (== 2.0)\n" in description.read()
    assert {name for name in names if "/" in name} == functions | manual
    assert not names & {"bundle.R", "serve.R", "reconcile.R"}


def test_r_s_own_check_finds_no_error_and_no_warning(package: Path, tmp_path: Path) -> None:
    offline = {"_R_CHECK_FORCE_SUGGESTS_": "false", "_R_CHECK_CRAN_INCOMING_": "false"}
    told = run("R", "CMD", "check", "--no-manual", "--no-vignettes", package, cwd=tmp_path, **offline)
    notes = re.findall(r"^\* (.*) \.\.\. (ERROR|WARNING|NOTE)$", told, re.MULTILINE)
    # Sys.time() is moved while a bundle is tried, and the seed is all that a worker may change.
    assert notes == [("checking R code for possible problems", "NOTE")]
    assert "* checking examples ... OK" in told


MODELS = {
    "a glm": """
        rows <- MASS::Pima.te[1:20, c("glu", "bmi", "age")]
        fit <- glm(type ~ glu + bmi + age, binomial, MASS::Pima.tr)
        Pred.R <- function(glu, bmi, age) predict(fit, data.frame(glu, bmi, age), type = "response")
        write_bundle(target, fit, Pred.R, golden = rows, row_wise = TRUE, default_score = 0.33)
    """,
    "a package and a frame": """
        library(randomForest)
        set.seed(2)
        rows <- data.frame(size = factor(rep(c("s", "l"), 20), c("s", "l")), x = runif(40))
        rows$y <- rows$x + (rows$size == "l")
        forest <- randomForest(y ~ size + x, rows, ntree = 5)
        write_bundle(target, forest, function(data) predict(forest, data), golden = rows[1:6, 1:2], input = "frame")
    """,
    "objects that remember, row by row": """
        steps <- ecdf(mtcars$wt)
        twice <- local({ by <- 2; function(v) v * by })
        one <- function(x) if (x > 3) steps(x) else twice(x)
        write_bundle(target, steps, twice, Pred.R = one, golden = data.frame(x = 1:5 / 1), row_by_row = TRUE)
    """,
    "of a function's own variables": """
        deploy <- function(k) {
          write_bundle(target, k, Pred.R = function(x) k * x, golden = data.frame(x = c(1, NA)), timeout_s = 2)
        }
        deploy(3)
    """,
    "methods of the session's own": """
        `[.money` <- function(x, i) structure(NextMethod(), class = class(x))
        as.character.money <- function(x, ...) "money"
        sort <- function(...) stop("not R's")
        rate <- structure(list(k = 2), class = "rates")
        predict.rates <- function(object, x, ...) object$k * x
        by_rate <- function(x) predict(rate, x)
        write_bundle(target, rate, predict.rates, Pred.R = by_rate, golden = data.frame(x = 1:3 / 2))
    """,
}


@pytest.mark.parametrize("code", MODELS.values(), ids=MODELS)
def test_it_writes_byte_for_byte_what_the_sourced_code_writes(library: Path, tmp_path: Path, code: str) -> None:
    def written(way: str, folder: Path) -> tuple[str, dict[str, bytes]]:
        folder.mkdir()
        script = folder / "session.R"
        script.write_text(f'{way}\ntarget <- "bundle"\n{code}')
        told = run("Rscript", "--vanilla", script, cwd=folder, R_LIBS=str(library))
        return told, {path.name: path.read_bytes() for path in (folder / "bundle").iterdir()}

    sourced, attached = written(SOURCED, tmp_path / "sourced"), written(ATTACHED, tmp_path / "attached")
    assert attached == sourced
    assert set(sourced[1]) == {"Pred.R", "golden.csv", "model.RData", "model.toml"}


REFUSED = {
    "what was not passed": (
        "k <- 2; fit <- 1; write_bundle('b', fit, Pred.R = function(x) k * x)",
        "Pred.R uses 'k', which is in this session and was not passed to write_bundle",
    ),
    "what only the package has": (
        "k <- 2; write_bundle('b', k, Pred.R = function(x) bridge_is_scalar(x), golden = data.frame(x = 1))",
        "the bundle scores the golden rows, but in this session Pred.R fails on them: could not find function",
    ),
    "a folder that holds something": (
        "dir.create('b/c', recursive = TRUE); k <- 2; write_bundle('b', k, Pred.R = function(x) k * x)",
        "b exists and is not empty, and a bundle is never written over: remove it, or name another folder",
    ),
}


@pytest.mark.parametrize("way", [SOURCED, ATTACHED], ids=["sourced", "attached"])
@pytest.mark.parametrize(("code", "sentence"), REFUSED.values(), ids=REFUSED)
def test_it_refuses_in_the_same_words(library: Path, tmp_path: Path, way: str, code: str, sentence: str) -> None:
    caught = (
        f"{way}\ntryCatch({{ {code} }}, bridge_bundle_error = function(e) cat('refused:', conditionMessage(e), '\\n'))"
    )
    told = run("Rscript", "--vanilla", "-e", caught, cwd=tmp_path, R_LIBS=str(library))
    assert f"refused: {sentence}" in told


def test_its_bundle_is_deployed(library: Path, tmp_path: Path) -> None:
    code = 'k <- 2; scorebridge::write_bundle("b", k, Pred.R = function(x) k * x, golden = data.frame(x = c(1, NA)))'
    run("Rscript", "--vanilla", "-e", code, cwd=tmp_path, R_LIBS=str(library))
    told = run(SCOREBRIDGE, "deploy", "b", "--repository", "models", "--model", "m", cwd=tmp_path)
    assert told.endswith("deployed m/1\n")
