"""R models and levels that they do not know: the same rules as for xgboost, and reconcile agrees."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fixtures import StartGateway, deploy, make_r_bundle
from logged import run, said

from bridge.errors import BundleError

CODE = "Pred.R <- function(size, x) ifelse(is.na(size), -1, x * 10 + as.integer(size))"
DEFAULT = 'unknown_level = "default"\ndefault_score = 0.5'
FACTOR = '[features]\nx = "double"\nsize = {type = "factor", levels = ["s", "l"]}\n'


@pytest.mark.parametrize("front", ["native"], indirect=True)
@pytest.mark.parametrize(
    ("settings", "scores", "reasons"),
    [
        ('unknown_level = "missing"', [11, -1, 32], [None, None, None]),
        (
            'unknown_level = "default"\ndefault_score = 0.5\nrow_wise = true',
            [11, 0.5, 32],
            [None, "UNKNOWN_LEVEL", None],
        ),
        ('unknown_level = "default"\ndefault_score = 0.5', [0.5] * 3, ["UNKNOWN_LEVEL"] * 3),
    ],
    ids=["missing", "row-wise", "rows together"],
)
async def test_the_rule_holds_for_factors_too(
    tmp_path: Path,
    repository: Path,
    start_gateway: StartGateway,
    connect: Any,
    settings: str,
    scores: list[float],
    reasons: list[str | None],
) -> None:
    bundle = make_r_bundle(tmp_path / "bundle", CODE, settings=f"{settings}\n{FACTOR}")
    await deploy(bundle, repository, "m")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    answer = await connect(gateway).score("m", {"size": ["s", "xl", "l"], "x": [1.0, 2.0, 3.0]}, timeout_s=10)
    assert answer.scores.tolist() == scores
    assert answer.reasons == reasons
    await gateway.close()
    result = await asyncio.to_thread(run, tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    compared = reasons.count(None)
    assert (f"all {compared} rows are equal" if compared else "there is no row to be compared") in said(result)


@pytest.mark.parametrize("line", ["'int64'", "{type = 'int', levels = [1, 2]}", "{levels = 'codes'}"])
async def test_what_r_has_no_word_for_is_refused(tmp_path: Path, repository: Path, line: str) -> None:
    bundle = make_r_bundle(tmp_path / "bundle", CODE, settings=f"[features]\nx = {line}\n")
    with pytest.raises(BundleError, match=r"'x' is int64 or has numbers as levels"):
        await deploy(bundle, repository, "m")
