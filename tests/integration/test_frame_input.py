"""R functions of one argument that is a data frame: `input = "frame"`, what proposes it, and that reconcile agrees."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from fixtures import ROOT, StartGateway, deploy, make_r_bundle
from logged import run, said
from scorebridge import AsyncScoringClient, InvalidRequest, PredictionFailed, Source
from waiting import eventually, runs

from bridge.backends import Description
from bridge.bundles.bundle import read_bundle
from bridge.columns import Type
from bridge.errors import BundleError
from bridge.features.feature import Feature
from bridge.gateway.server import Gateway
from bridge.models.acceptance import accept

Connect = Callable[[Gateway], AsyncScoringClient]

# The argument without a default is the frame, wherever it stands; R's own data.frame() says what it is to be.
TYPES = """
Pred.R <- function(scale = k, data, ...) {
  if (nrow(data) > 3) stop("too many")
  wanted <- data.frame(
    `my col` = as.double(data[[1]]), n = as.integer(data[["n"]]), ok = as.logical(data[["ok"]]),
    s = as.character(data[["s"]]), size = factor(as.character(data[["size"]]), c("s", "gr\\u00f6\\u00dfer")),
    rank = factor(as.character(data[["rank"]]), c("lo", "hi"), ordered = TRUE),
    check.names = FALSE, stringsAsFactors = FALSE
  )
  stopifnot(identical(data, wanted), identical(row.names(data), as.character(seq_len(nrow(data)))))
  list(score = data$`my col` * scale + as.integer(data$size), text = paste0(data$s, is.na(data$n)),
       high = data$rank > "lo", random = runif(nrow(data)))
}
"""
FEATURES = """
input = "frame"
[features]
"my col" = "double"
n = "int"
ok = "bool"
s = "string"
size = {type = "factor", levels = ["s", "größer"]}
rank = {type = "factor", levels = ["lo", "hi"], ordered = true}
"""
ROWS: dict[str, list[Any]] = {
    "rank": ["hi", "lo", None],
    "size": ["größer", None, "s"],
    "s": ["", "日本", None],
    "ok": [True, None, False],
    "n": [1, None, -3],
    "my col": [1.5, -0.0, None],
}


@pytest.mark.parametrize("front", ["native"], indirect=True)
async def test_the_function_gets_one_data_frame_of_every_type(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    await deploy(make_r_bundle(tmp_path / "types", TYPES, settings=FEATURES), repository, "m")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    client = connect(gateway)
    for count in (3, 1, 2):
        answer = await client.score("m", {name: values[:count] for name, values in ROWS.items()}, timeout_s=10)
        assert answer.source is Source.MODEL
        wanted = [5.0, np.nan, np.nan][:count]
        assert np.array_equal(answer.columns["score"], wanted, equal_nan=True)
        assert answer.columns["text"].tolist() == ["FALSE", "日本TRUE", "NAFALSE"][:count]
        assert answer.columns["high"].tolist() == [True, False, None][:count]
    for name in ROWS:
        with pytest.raises(InvalidRequest, match=f"missing column '{name}'"):
            await client.score("m", {other: values for other, values in ROWS.items() if other != name})
    with pytest.raises(InvalidRequest, match=r"the model does not know column 'data'"):
        await client.score("m", ROWS | {"data": [1.0] * 3})
    with pytest.raises(PredictionFailed) as raised:
        await client.score("m", {name: values * 2 for name, values in ROWS.items()}, timeout_s=10)
    assert "日本" not in str(raised.value)
    (detail,) = await client.model("m")
    assert [feature.name for feature in detail.features] == list(reversed(ROWS))
    assert all(feature.required for feature in detail.features)
    await gateway.close()
    result = await asyncio.to_thread(run, tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 6 rows are equal" in said(result)


NUMBERS = 'row_wise = true\ninput = "frame"\n[features]\nb = "double"\na = "double"\n'


@pytest.mark.parametrize("front", ["native"], indirect=True)
async def test_a_matrix_is_a_frame_of_the_features_in_their_order(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    bundle = make_r_bundle(
        tmp_path / "m", "Pred.R <- function(d) as.vector(as.matrix(d) %*% c(10, 1))", settings=NUMBERS
    )
    await deploy(bundle, repository, "m")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    client = connect(gateway)
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert (await client.score("m", rows, timeout_s=10)).scores.tolist() == [12.0, 34.0]
    assert (await client.score("m", rows, columns=["a", "b"], timeout_s=10)).scores.tolist() == [21.0, 43.0]
    assert (await client.score("m", {"a": [1.0], "b": [2.0]}, timeout_s=10)).scores.tolist() == [21.0]
    with pytest.raises(InvalidRequest, match="the matrix has 3 columns and no names; the model takes 2"):
        await client.score("m", np.ones((1, 3)))
    (detail,) = await client.model("m")
    assert detail.row_wise
    await gateway.close()
    result = await asyncio.to_thread(run, tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 5 rows are equal" in said(result)


async def description(bundle: Path) -> Description:
    before = {child.pid for child in psutil.Process().children(recursive=True)}  # such as servers of the session
    accepted = await accept(read_bundle(bundle))
    family = {child.pid for child in psutil.Process().children(recursive=True)} - before
    await accepted.backend.close()
    await eventually(lambda: not any(runs(pid) for pid in family))
    return accepted.description


MODEL = """
rows <- data.frame(sex = factor(c("m", "f", "m", "f")), x = c(1, 2, 3, 5), y = c(1, 3, 2, 5))
fit <- lm(y ~ sex + log(x), rows); rm(rows)
"""


@pytest.mark.parametrize("others", ["", ", type = 'response', ..."])
async def test_a_function_of_one_argument_has_its_model_s_variables_proposed(tmp_path: Path, others: str) -> None:
    code = f"Pred.R <- function(data{others}) predict(fit, data)"
    found = await description(make_r_bundle(tmp_path / "m", code, objects=MODEL))
    assert [feature.name for feature in found.features if feature.required] == ["data"]
    assert found.frame_features == (Feature("sex", Type.FACTOR, ("f", "m")), Feature("x"))
    settings = 'input = "frame"\n[features]\nsex = {type = "factor", levels = ["f", "m"]}\nx = "double"\n'
    (tmp_path / "m" / "model.toml").write_text(settings)
    framed = await description(tmp_path / "m")
    assert framed.features == (Feature("sex", Type.FACTOR, ("f", "m")), Feature("x", Type.DOUBLE))
    assert framed.frame_features == framed.proposed == ()


@pytest.mark.parametrize(
    "code",
    [
        "Pred.R <- function(x) predict(fit, data.frame(sex = 'm', x))",
        "Pred.R <- function(x, sex) predict(fit, data.frame(sex, x))",
        "Pred.R <- function(data = NULL) rep(1, NROW(data))",
    ],
    ids=["one feature", "two features", "nothing is required"],
)
async def test_other_functions_have_none_proposed(tmp_path: Path, code: str) -> None:
    assert (await description(make_r_bundle(tmp_path / "m", code, objects=MODEL))).frame_features == ()


@pytest.mark.parametrize(
    ("code", "settings", "sentence"),
    [
        (
            "Pred.R <- function(model, data) 1",
            'input = "frame"\n[features]\nx = "double"\n',
            r"Pred.R has 2 arguments without a default \(model, data\): with input = \"frame\" it takes one",
        ),
        (
            "Pred.R <- function(data) 1",
            'input = "frame"',
            r"input is 'frame', so \[features\] must list its columns: one line each, in their order",
        ),
        ("Pred.R <- function(data) 1", 'input = "rows"', "model.toml: input: Input should be 'columns' or 'frame'"),
        (
            "Pred.R <- function(data) 1",
            'input = "frame"\n[features]\nx = {unknown_level = "missing"}\n',
            r"\[features\] has no type or no levels of 'x'",
        ),
    ],
    ids=["two arguments", "no features", "another word", "no type"],
)
async def test_what_can_be_no_frame_is_refused(tmp_path: Path, code: str, settings: str, sentence: str) -> None:
    with pytest.raises(BundleError, match=sentence):
        await description(make_r_bundle(tmp_path / "m", code, settings=settings))


WRITE = r"""
suppressMessages(library(randomForest))
source("rscripts/bundle.R")
target <- commandArgs(trailingOnly = TRUE)[1]
set.seed(2)
rows <- data.frame(size = factor(rep(c("s", "l"), 20), c("s", "l")), x = runif(40))
rows$y <- factor(ifelse(rows$x + (rows$size == "l") / 3 + rnorm(40) / 5 > 0.6, "yes", "no"))
forest <- randomForest(y ~ size + x, rows, ntree = 25)
suppressMessages(write_bundle(target, forest, Pred.R = function(data) list(predict(forest, data, type = "prob")),
                              golden = rows[1:6, c("x", "size")], row_wise = TRUE, input = "frame"))
cat(sprintf("%a", predict(forest, rows[1:6, c("x", "size")], type = "prob")[, "yes"]), "\n")
cat(sprintf("%a", rows$x[1:6]), "\n")
"""


@pytest.mark.parametrize("front", ["native"], indirect=True)
async def test_what_write_bundle_writes_scores_as_the_session_did(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    script = tmp_path / "write.R"
    script.write_text(WRITE)
    command = ["Rscript", "--vanilla", str(script), str(tmp_path / "m")]
    done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=True, capture_output=True, text=True)
    scores, x = ([float.fromhex(text) for text in line.split()] for line in done.stdout.splitlines())
    await deploy(tmp_path / "m", repository, "m")
    client = connect(await start_gateway(repository))
    for count in (6, 1, 2):
        answer = await client.score("m", {"size": (["s", "l"] * 3)[:count], "x": x[:count]}, timeout_s=10)
        assert list(answer.columns) == ["no", "yes"]
        assert answer.columns["yes"].tolist() == scores[:count]
