"""What R models return as it is: through the gateway, one, two and three rows have R's own scores."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures import StartGateway, deploy, make_r_bundle, put
from logged import run, said
from scorebridge import AsyncScoringClient, PredictionFailed, Source

from bridge.gateway.server import Gateway

Connect = Callable[[Gateway], AsyncScoringClient]

TRAIN = r"""
suppressMessages({library(MASS); library(randomForest)})
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(4)
fitted <- na.omit(Pima.tr2)
forest <- randomForest(fitted[c("glu", "bmi", "age")], fitted$type, ntree = 30)
two <- lda(type ~ glu + bmi + age, fitted)
iris$Species <- factor(iris$Species)
three <- lda(Species ~ ., data = setNames(iris, c("glu", "bmi", "age", "ped", "Species")))
rows <- data.frame(glu = c(99, 150.5, 201), bmi = c(21, 33.25, 40), age = c(22, 45, 61), ped = c(.2, .7, 1.1))
sheet <- function(p) array(p, c(dim(p), 1L), list(NULL, colnames(p), "s0"))
# The deployment notes' own form first; of each, what R gives for the rows, as the columns that are to come out.
forms <- list(
  notes = list("data <- cbind(glu, bmi, age); score <- predict(modelname, data, type = 'prob'); return(list(score))",
    list(modelname = forest), function(d) as.data.frame(unclass(predict(forest, as.matrix(d[1:3]), type = "prob")))),
  lda = list("predict(two, data.frame(glu, bmi, age))", list(two = two),
    function(d) { p <- predict(two, d); data.frame(class = p$class, posterior = p$posterior, x.LD1 = p$x[, 1]) }),
  lda_three = list("list(predict(three, data.frame(glu, bmi, age, ped)))", list(three = three),
    function(d) { p <- predict(three, d); data.frame(class = p$class, posterior = p$posterior, x = p$x) }),
  sheet = list("sheet(unclass(predict(forest, data.frame(glu, bmi, age), type = 'prob')))",
    list(forest = forest, sheet = sheet), function(d) as.data.frame(unclass(predict(forest, d, type = "prob")))),
  bound = list("p <- age / 100; list(cbind(no = 1 - p, yes = p))", list(k = 1),
    function(d) data.frame(no = 1 - d$age / 100, yes = d$age / 100)),
  frames = list("list(cost = data.frame(low = glu, high = 2 * bmi), sure = age > 40)", list(k = 1),
    function(d) data.frame(cost.low = d$glu, cost.high = 2 * d$bmi, sure = d$age > 40))
)
text <- function(column) {
  if (is.double(column)) sprintf("%a", column) else as.character(column)
}
for (name in names(forms)) {
  path <- file.path(folder, name)
  dir.create(path)
  form <- forms[[name]]
  names <- if (name == "lda_three") "glu, bmi, age, ped" else "glu, bmi, age"
  code <- sprintf("Pred.R <- function(%s) { %s }", names, form[[1]])
  writeLines(c("suppressMessages({library(MASS); library(randomForest)})", code), file.path(path, "Pred.R"))
  save(list = names(form[[2]]), file = file.path(path, "model.RData"), envir = list2env(form[[2]]))
  direct <- form[[3]](rows)
  cat(sprintf("{\"form\": \"%s\", \"columns\": {%s}}\n", name, paste0(
    "\"", colnames(direct), "\": [", vapply(direct, function(x) paste0("\"", text(x), "\"", collapse = ", "), ""), "]",
    collapse = ", "
  )))
}
"""
ROWS = {
    "glu": [99.0, 150.5, 201.0],
    "bmi": [21.0, 33.25, 40.0],
    "age": [22.0, 45.0, 61.0],
    "ped": [0.2, 0.7, 1.1],
}


@dataclass
class Forms:
    """Bundles by name, and R's own columns of each for ROWS, as texts."""

    folder: Path
    direct: dict[str, dict[str, list[str]]]


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Forms:
    folder = tmp_path_factory.mktemp("forms")
    script = folder / "train.R"
    script.write_text(TRAIN)
    done = subprocess.run(["Rscript", "--vanilla", script, folder], check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return Forms(folder, {line["form"]: line["columns"] for line in lines})


def values(texts: list[str], found: Any) -> list[Any]:
    """R's texts as what was answered is."""
    if found.dtype == np.float64:
        return [float.fromhex(text) for text in texts]
    return [text == "TRUE" for text in texts] if found.dtype == np.bool_ else texts


@pytest.mark.parametrize("front", ["native"], indirect=True)
@pytest.mark.parametrize("form", ["notes", "lda", "lda_three", "sheet", "bound", "frames"])
async def test_each_form_gives_r_s_own_scores_for_one_two_and_three_rows(
    forms: Forms, tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect, form: str
) -> None:
    await deploy(forms.folder / form, repository, "m")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    client = connect(gateway)
    names = list(ROWS) if form == "lda_three" else ["glu", "bmi", "age"]
    for count in (3, 1, 2):
        answer = await client.score("m", {name: ROWS[name][:count] for name in names}, timeout_s=10)
        assert answer.source is Source.MODEL
        assert list(answer.columns) == list(forms.direct[form])
        for name, found in answer.columns.items():
            assert found.tolist() == values(forms.direct[form][name][:count], found)
    await gateway.close()
    result = await asyncio.to_thread(run, tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 6 rows are equal" in said(result)


@pytest.mark.parametrize("front", ["native"], indirect=True)
@pytest.mark.parametrize("row", ["c(no = 1 - one, yes = one)", "c(1 - one, one)"])
async def test_a_list_that_reads_two_ways_is_no_score(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect, row: str
) -> None:
    bundle = make_r_bundle(tmp_path / "rows", f"Pred.R <- function(p) lapply(p, function(one) {row})")
    put(bundle, repository, "m")
    client = connect(await start_gateway(repository))
    for p in ([0.1, 0.2], [0.1], [0.1, 0.2, 0.3]):
        with pytest.raises(PredictionFailed, match=r"if each is a row") as raised:
            await client.score("m", {"p": p}, timeout_s=10)
        assert raised.value.reason == "MALFORMED_PREDICTION"
        assert "do.call(rbind, ...)" in str(raised.value)
