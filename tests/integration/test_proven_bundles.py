"""What check and deploy prove of an R bundle: that it scores, any number of rows, with the data it was given."""

import asyncio
import datetime as dt
import shutil
from pathlib import Path

import numpy as np
import pytest
from fixtures import ROOT, StartGateway, make_r_bundle, put
from logged import run, said
from scorebridge import AsyncScoringClient, PredictionFailed

from bridge.bundles.bundle import read_bundle
from bridge.bundles.repository import Repository
from bridge.cli.deploy import PrintedReport
from bridge.errors import BundleError
from bridge.gateway.server import Gateway
from bridge.models import deploy as deploying
from bridge.models.acceptance import accept
from bridge.models.deploy import Waivers

DATA = """
set.seed(1)
d <- data.frame(age = runif(99, 20, 80), bmi = runif(99, 18, 40), region = factor(rep(c("north", "south", "east"), 33)))
d$y <- factor(ifelse(d$age + d$bmi + 9 * (d$region == "south") > 85, "yes", "no"))
"""
GLM = DATA + "fit <- suppressWarnings(glm(y ~ age + bmi, binomial, d))\nrm(d)"
FOREST = DATA + "library(randomForest)\nrf <- randomForest(y ~ age + bmi + region, d, ntree = 5)\nrm(d)"
PREDICT = "predict(fit, data.frame(age, bmi), type = 'response')"
LOGIT = f"Pred.R <- function(age, bmi) {PREDICT}"
FRAME = "data.frame(age, bmi, region)"
NO_LIBRARY = f"Pred.R <- function(age, bmi, region) predict(rf, {FRAME}, type = 'prob')[, 2]"
WITH_LIBRARY = f"library(randomForest)\n{NO_LIBRARY}"

NEVER = {
    "library() forgotten": (
        NO_LIBRARY,
        FOREST,
        r"no applicable method for 'predict'.*is library\(\) of the function's package missing in Pred\.R\?",
    ),
    "another package forgotten": (
        "Pred.R <- function(age) ginv(matrix(age))",
        "k <- 1",
        r"could not find function \"ginv\".*is library\(\) of the function's package missing",
    ),
    "a file that is not there": (
        "Pred.R <- function(age) age * read.csv('weights.csv')$w",
        "k <- 1",
        r"cannot open the connection \(R warned: cannot open file 'weights\.csv'.*read the file at the top of Pred\.R",
    ),
    "a file that is only there while Pred.R is loaded": (
        "Pred.R <- function(age) age * readRDS('k.rds')",
        "k <- 1",
        r"cannot open compressed file 'k\.rds', probable reason 'No such file.*read the file at the top of Pred\.R",
    ),
    "a pointer into another session": (
        "Pred.R <- function(age) .Call(symbol, age)",
        "symbol <- getDLLRegisteredRoutines('stats')$.Call[[1L]]$address",
        r"NULL value passed as symbol address.*a pointer into the R session that made it",
    ),
    "a connection of another session": (
        "Pred.R <- function(age) age * nchar(readLines(con, 1))",
        "con <- textConnection('7')",
        r"invalid connection.*a pointer into the R session that made it",
    ),
    "an object that was not saved": ("Pred.R <- function(age) age * weights_of_last_week", "k <- 1", "weights_of_last"),
    "a package's own data": ("Pred.R <- function(age) { data(nosuch); nosuch * age }", "k <- 1", "object 'nosuch' not"),
}


@pytest.mark.parametrize(("code", "objects", "sentence"), NEVER.values(), ids=NEVER)
async def test_a_bundle_that_never_scores_is_refused_with_rs_words(
    code: str, objects: str, sentence: str, tmp_path: Path
) -> None:
    bundle, target = make_r_bundle(tmp_path / "b", code, objects), Repository(tmp_path / "r")
    with pytest.raises(BundleError, match=rf"(?s)nothing was scored: .*{sentence}.*--unproven"):
        await deploying.deploy(bundle, target, "m", None, waivers=Waivers(), report=PrintedReport())
    assert target.versions() == []
    stored = await deploying.deploy(bundle, target, "m", None, waivers=Waivers(unproven=True), report=PrintedReport())
    assert stored.version == 1


async def test_lines_with_which_it_would_score_are_tried_and_told(tmp_path: Path) -> None:
    bundle = make_r_bundle(tmp_path / "b", WITH_LIBRARY, FOREST)
    with pytest.raises(BundleError, match=r"with these lines in model\.toml the bundle scores") as raised:
        await deploying.check(bundle, Waivers(), PrintedReport())
    lines = str(raised.value).split("the bundle scores:\n")[1].split("\n;")[0]
    assert '"region" = {type = "factor", levels = ["east", "north", "south"]}' in lines
    (bundle / "model.toml").write_text(lines)
    await deploying.check(bundle, Waivers(), PrintedReport())


async def test_a_text_that_a_model_knows_is_what_it_is_tried_with(tmp_path: Path) -> None:
    """Without the values that the model knows, its own terms would refuse whatever is made up."""
    objects = DATA + "d$region <- as.character(d$region); fit <- lm(age ~ bmi + region, d); rm(d)"
    code = "Pred.R <- function(bmi, region) predict(fit, data.frame(bmi, region))"
    await deploying.check(make_r_bundle(tmp_path / "b", code, objects), Waivers(), PrintedReport())


async def test_a_version_that_never_scored_serves_and_is_listed_so_until_it_has(
    tmp_path: Path, repository: Path, start_gateway: StartGateway
) -> None:
    code = "Pred.R <- function(key) { if (key[1L] < 7) stop('no such key'); key }"
    put(make_r_bundle(tmp_path / "b", code), repository, "picky")
    gateway: Gateway = await start_gateway(repository)
    async with AsyncScoringClient(gateway.grpc_address) as client:
        (listed,) = await client.models()
        assert (listed.never_scored, listed.serving) == (True, True)
        assert (await client.model("picky"))[0].version.never_scored
        with pytest.raises(PredictionFailed):
            await client.score("picky", {"key": np.array([1.0])})
        assert (await client.models())[0].never_scored
        assert (await client.score("picky", {"key": np.array([8.0])})).scores.tolist() == [8.0]
        assert not (await client.models())[0].never_scored


SIZES = {
    "a matrix of one row drops": (
        "Pred.R <- function(age, bmi) { p <- cbind(no = age, yes = bmi); p[seq_along(age), ] }",
        r"1 row can't be scored, though 3 can: .*2 scores for 1 row",
    ),
    "written for one row, with if": (
        f"Pred.R <- function(age, bmi) {{ if (age < 21) age <- 21; {PREDICT} }}",
        r"2 rows can't be scored, though 1 can: .*condition has length > 1.*the bundle scores:\n\nrow_by_row = true",
    ),
    "needs two rows": (
        "Pred.R <- function(age) { if (length(age) < 2) stop('two at least'); age }",
        r"1 row can't be scored, though 3 can: .*two at least",
    ),
    "no two rows": (
        "Pred.R <- function(age) { if (length(age) == 2) stop('not two'); age }",
        r"2 rows can't be scored, though 3 can: .*not two",
    ),
    "as many rows as outputs": (
        "Pred.R <- function(age) { p <- outer(age, 1:5); if (nrow(p) == ncol(p)) stop('square'); p }",
        r"5 rows can't be scored, though 3 can: .*square",
    ),
    "one row has other outputs": (
        "Pred.R <- function(age) if (length(age) == 1) list(alone = age) else list(one = age, two = age)",
        r"1 row can't be scored, though 3 can|1 row have other outputs",
    ),
}


@pytest.mark.parametrize(("code", "sentence"), SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("golden", [True, False])
async def test_every_number_of_rows_is_tried(code: str, sentence: str, golden: bool, tmp_path: Path) -> None:
    features = '[features]\nage = "double"\n' + ('bmi = "double"\n' if "bmi" in code else "")
    bundle = make_r_bundle(tmp_path / "b", code, GLM, features)
    if golden and "length > 1" not in sentence and "other outputs" not in sentence:
        outputs = await _three_scored(bundle)
        (bundle / "golden.csv").write_text(outputs)
    with pytest.raises(BundleError, match=sentence):
        await deploying.check(bundle, Waivers(), PrintedReport())
    await deploying.check(bundle, Waivers(unproven=True), PrintedReport())


async def _three_scored(bundle: Path) -> str:
    """Golden rows of three rows, by the model itself."""
    accepted = await accept(read_bundle(bundle))
    try:
        names = [feature.name for feature in accepted.description.features]
        assert accepted.description.outputs is not None
        outputs = [output.name for output in accepted.description.outputs]
        cells = {"no": [0, 1, 2], "yes": [0, 1, 2]} | {f"score_{k}": [0, k, 2 * k] for k in range(1, 6)}
        cells |= {"score": [0, 1, 2]}
        rows = [[str(row)] * len(names) + [str(cells[name][row]) for name in outputs] for row in range(3)]
        head = [*names, *(f"score.{name}" for name in outputs)]
        return "\n".join(",".join(line) for line in [head, *rows]) + "\n"
    finally:
        await accepted.backend.close()


ONE_ROW = {
    "max()": f"Pred.R <- function(age, bmi) {{ age <- max(age, 21); {PREDICT} }}",
    "the first": "Pred.R <- function(age, bmi) age[1L] + bmi",
    "any()": "Pred.R <- function(age, bmi) age + any(bmi > 1)",
    "centred": "Pred.R <- function(age, bmi) age - mean(age) + bmi",
}


@pytest.mark.parametrize("code", ONE_ROW.values(), ids=ONE_ROW)
async def test_a_function_for_one_row_is_refused_where_its_rows_are_said_to_be_independent(
    code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = make_r_bundle(tmp_path / "b", code, GLM, "row_wise = true")
    refused = r"row_wise = true, but the output 'score' of a row depends on the rows beside it: say row_by_row = true"
    with pytest.raises(BundleError, match=refused):
        await deploying.check(bundle, Waivers(), PrintedReport())
    (bundle / "model.toml").write_text("")
    await deploying.check(bundle, Waivers(), PrintedReport())
    told = _told(capsys)
    assert "if Pred.R was written for one row, its scores for several rows are wrong, and row_by_row = true" in told
    (bundle / "model.toml").write_text("row_wise = false")
    await deploying.check(bundle, Waivers(), PrintedReport())
    assert "row_by_row" not in _told(capsys)
    (bundle / "model.toml").write_text("row_by_row = true")
    await deploying.check(bundle, Waivers(), PrintedReport())
    assert "row-wise: yes, each row is a run of its own" in _told(capsys)


async def test_row_by_row_a_batch_has_the_scores_of_its_rows(
    tmp_path: Path, repository: Path, start_gateway: StartGateway
) -> None:
    bundle = make_r_bundle(tmp_path / "b", ONE_ROW["max()"], GLM, "row_by_row = true")
    put(bundle, repository, "single")
    gateway: Gateway = await start_gateway(repository)
    async with AsyncScoringClient(gateway.grpc_address) as client:
        rows = {"age": np.array([18.0, 40.0, 75.0]), "bmi": np.array([20.0, 30.0, 39.0])}
        together = await client.score("single", rows, timeout_s=10)
        assert together.attempts == 1
        alone = [
            (await client.score("single", {name: values[row : row + 1] for name, values in rows.items()})).scores[0]
            for row in range(3)
        ]
        assert together.scores.tolist() == alone
        (detail,) = await client.model("single")
        assert detail.row_wise


@pytest.mark.parametrize("front", ["native"], indirect=True)
async def test_rows_that_are_runs_of_their_own_fail_alone_and_reconcile_agrees(
    tmp_path: Path, repository: Path, start_gateway: StartGateway
) -> None:
    code = "Pred.R <- function(age) { if (age == 40) stop('forty'); max(age, 21) + runif(1) }"
    put(make_r_bundle(tmp_path / "b", code, settings="row_by_row = true\ndefault_score = 0.5"), repository, "single")
    gateway: Gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    async with AsyncScoringClient(gateway.grpc_address) as client:
        answer = await client.score("single", {"age": np.array([10.0, 40.0, 35.0, 22.0])}, timeout_s=10)
        assert answer.reasons == [None, "MODEL_ERROR", None, None]
        drawn = answer.scores[0] - 21
        assert answer.scores.tolist() == [21 + drawn, 0.5, 35 + drawn, 22 + drawn]
    await gateway.close()
    result = await asyncio.to_thread(run, tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 3 rows are equal" in said(result)


@pytest.mark.parametrize("claim", ["row_wise = false", "coalesce = true", "coalesce = false", "chunk_rows = 10"])
def test_row_by_row_goes_with_no_other_word_of_how_rows_are_run(claim: str, tmp_path: Path) -> None:
    bundle = make_r_bundle(tmp_path / "b", LOGIT, GLM, f"row_by_row = true\n{claim}")
    with pytest.raises(BundleError, match="row_by_row"):
        read_bundle(bundle)


async def test_openblas_is_not_row_wise_and_a_gateway_says_so_and_serves_the_call_as_it_came(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "Pred.R <- function(a, b, c, d, e, f, g) predict(fit, data.frame(a, b, c, d, e, f, g), type = 'response')"
    objects = """
    set.seed(1)
    d <- data.frame(matrix(rnorm(700 * 7), 700)); names(d) <- letters[1:7]
    d$y <- rbinom(700, 1, plogis(rowSums(d)))
    fit <- glm(y ~ ., binomial, d); rm(d)"""
    bundle = make_r_bundle(tmp_path / "b", code, objects, "row_wise = true")
    await deploying.check(bundle, Waivers(), PrintedReport())
    put(bundle, repository, "logit")
    library = ROOT / ".openblas" / "libopenblas.so.0"
    assert library.exists(), "make setup fetches it"
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setattr("bridge.models.row_wise._MANY_S", 60.0)  # a busy machine would try too few rows to see it
    monkeypatch.setattr("bridge.models.row_wise._CHUNKS_S", 60.0)
    by_rounding = "the output 'score' of a row depends by rounding on the rows beside it"
    with pytest.raises(BundleError, match=f"row_wise = true, but {by_rounding}"):
        await deploying.check(bundle, Waivers(), PrintedReport())
    gateway: Gateway = await start_gateway(repository)
    monkeypatch.delenv("LD_PRELOAD")
    async with AsyncScoringClient(gateway.grpc_address) as client:
        (detail,) = await client.model("logit")
        assert (detail.version.state, detail.version.serving) == ("READY", True)
        assert (detail.row_wise, detail.row_wise_reason) == (False, by_rounding)


async def test_a_gateway_refuses_a_deployed_version_whose_claim_is_wrong_by_more_than_rounding(
    tmp_path: Path, repository: Path, start_gateway: StartGateway
) -> None:
    put(make_r_bundle(tmp_path / "b", ONE_ROW["max()"], GLM, "row_wise = true"), repository, "single")
    gateway: Gateway = await start_gateway(repository)
    (version,) = gateway.registry.versions()
    assert version.state == "REFUSED"
    assert "say row_by_row = true" in version.reason


WARNINGS = {
    "text that is no number": ("as.numeric(paste0('v', age))", "NAs introduced by coercion", True),
    "factors that are compared": ("age * (factor(bmi) > 1)", "not meaningful for factors", True),
    "recycled": ("age + seq_len(length(age) + 1L)[-1L] * 0 + c(1, 2)[seq_len(min(2, length(age)))]", "", True),
    "an old model": ("{ warning('fitted long ago'); age }", "fitted long ago", False),
    "logarithms": ("log(age - 100)", "NaNs produced", False),
}


@pytest.mark.parametrize(("score", "text", "changes"), WARNINGS.values(), ids=WARNINGS)
async def test_what_r_warns_of_is_told_and_changed_data_refuses(
    score: str, text: str, changes: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = make_r_bundle(tmp_path / "b", f"Pred.R <- function(age, bmi) {score}")
    if changes:
        with pytest.raises(
            BundleError, match=f"(?s)R went on with other data than it was given: .*{text}.*--accept-warn"
        ):
            await deploying.check(bundle, Waivers(), PrintedReport())
    await deploying.check(bundle, Waivers(warnings=changes), PrintedReport())
    assert f"warning: while rows were scored, R warned: {text}" in _told(capsys) or "not meaningful" in text


async def test_what_will_only_be_seen_later_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "require(nosuch)\nPred.R <- function(age) { Sys.sleep(0.3); age + as.POSIXlt(Sys.time())$yday }"
    bundle = make_r_bundle(tmp_path / "b", code, "k <- 1", "timeout_s = 0.2")
    shutil.copy(bundle / "model.RData", bundle / "model2.RData")
    await deploying.check(bundle, Waivers(), PrintedReport())
    told = _told(capsys)
    assert "note: object 'k' is in model.RData and in model2.RData: the latter is used" in told
    assert "note: R warned while it loaded Pred.R: there is no package called" in told
    assert "note: the slowest batch of trial rows took 0." in told
    assert "note: the model gives other scores on another day, because it reads the clock" in told


async def test_golden_rows_that_come_out_today_alone_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soon = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=20)
    code = "Pred.R <- function(age) age + 0 * as.numeric(Sys.time())"
    bundle = make_r_bundle(tmp_path / "b", code, settings='[features]\nage = "double"')
    (bundle / "golden.csv").write_text("age,score.score\n1,1\n")
    await deploying.check(bundle, Waivers(), PrintedReport())
    assert "another day" not in _told(capsys)
    (bundle / "Pred.R").write_text(f"Pred.R <- function(age) age + (Sys.Date() > as.Date('{soon}'))")
    await deploying.check(bundle, Waivers(), PrintedReport())
    assert "another day, because it reads the clock; its golden rows will then not come out" in _told(capsys)


def _told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out
