"""What model.toml asks of a booster beside plain scores is asked again by `scorebridge reconcile`, and compared."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import xgboost
from boosters import BINARY, NAMES, Model, some_rows, write
from fixtures import StartGateway, deploy, put
from logged import Log, doubles, floats, matrix, run, said
from saved_bundles import BY_NAME, expected, saved
from scorebridge import AsyncScoringClient
from scorebridge.v1 import scoring_pb2 as pb

from bridge.columns import Array


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    rows = some_rows(200)
    known = xgboost.DMatrix(rows, np.nan_to_num(rows[:, 0] + rows[:, 1]) > 0, feature_names=NAMES)
    return xgboost.train(BINARY | {"nthread": 1, "max_depth": 3}, known, 8)


@pytest.mark.parametrize(("trees", "exit_code"), [("all", 0), ("best", 0), (None, 2)])
def test_which_rounds_predict_is_model_toml_s_to_say(
    repository: Path, tmp_path: Path, trees: str | None, exit_code: int
) -> None:
    kind = BY_NAME["early_stopped"]
    settings = f'[xgboost]\ntrees = "{trees}"\n' if trees else ""
    stored = put(saved(tmp_path / "bundle", "3.2.0", kind.name, settings), repository, "early")
    log = Log(tmp_path / "log")
    scores = expected("3.2.0", f"{kind.name}_best" if trees == "best" else kind.name)
    log.call(stored, matrix(kind.rows), [floats(scores)])
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == exit_code, result.output
    assert trees or "model.toml must say by xgboost.trees" in said(result)


EXPLAINED = """
default_score = 0.5
[xgboost]
output_names = ["no", "yes"]
contributions = true
leaves = true
top_reasons = 2
"""


def explained(booster: xgboost.Booster, rows: Array) -> list[pb.Column]:
    known = xgboost.DMatrix(rows, feature_names=NAMES)
    yes = booster.predict(known)
    shares, leaves = booster.predict(known, pred_contribs=True), booster.predict(known, pred_leaf=True)
    columns = [floats(np.float32(1) - yes, "no"), floats(yes, "yes")]
    columns += [floats(shares[:, at], f"contribution.{name}") for at, name in enumerate(NAMES)]
    columns += [floats(shares[:, -1], "contribution_bias")]
    columns += [floats(leaves[:, at], f"leaf_{at}") for at in range(leaves.shape[1])]
    order = np.argsort(-np.abs(shares[:, :-1]), axis=1, kind="stable")
    for place in range(2):
        texts = pb.StringArray(values=[NAMES[row[place]] for row in order])
        columns.append(pb.Column(name=f"reason_{place + 1}", strings=texts))
    return columns


def with_default(columns: Sequence[pb.Column], row: int) -> list[pb.Column]:
    """As a gateway answers a row in time that its model did not: a default score, and nothing to explain it."""
    answered = [pb.Column.FromString(column.SerializeToString()) for column in columns]
    for column in answered:
        kind = column.WhichOneof("values") or ""
        getattr(column, kind).values[row] = "" if kind == "strings" else 0.5
        if column.name not in ("no", "yes"):
            column.missing_rows.append(row)
    return answered


def test_what_explains_the_scores_is_compared_too(booster: xgboost.Booster, repository: Path, tmp_path: Path) -> None:
    rows = some_rows(30)
    stored = put(write(tmp_path / "bundle", Model(booster), EXPLAINED), repository, "explained")
    right = explained(booster, rows)
    late = [pb.DefaultedRows(first=4, count=1, reason=pb.DEFAULT_REASON_MISSING_SCORE)]
    log, output = Log(tmp_path / "log"), tmp_path / "out"
    log.call(stored, matrix(rows), right)
    log.call(stored, matrix(rows), with_default(right, 4), late)
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 59 rows are equal" in said(result)
    wrong = explained(booster, rows)
    reasons = wrong[-1].strings.values
    reasons[7] = next(name for name in NAMES if name != reasons[7])
    wrong[2].floats.values[9] += 1
    log.folder = tmp_path / "another"
    log.call(stored, matrix(rows), wrong)
    result = run(log.write(), "--repository", repository, "--output", output)
    assert result.exit_code == 1, result.output
    found = pq.read_table(output / "differences.parquet").to_pylist()
    assert {(one["row"], one["output"]) for one in found} == {(7, "reason_2"), (9, "contribution.a")}
    assert "explained/1: 3 more outputs are compared, but not drawn" in (output / "report.html").read_text()


def test_every_row_starts_from_its_own_margin(booster: xgboost.Booster, repository: Path, tmp_path: Path) -> None:
    rows = some_rows(30)
    settings = '[xgboost]\nbase_margin = "start"\noutput_margin = true\n'
    stored = put(write(tmp_path / "bundle", Model(booster), settings), repository, "margins")
    starts = np.linspace(-2, 2, 30)
    known = xgboost.DMatrix(rows, feature_names=NAMES, base_margin=starts)
    scores = booster.predict(known, output_margin=True)
    log, first = Log(tmp_path / "log"), np.column_stack([starts, rows])
    log.call(stored, matrix(np.column_stack([rows, starts])), [floats(scores)])
    log.call(stored, matrix(first, ["start", *NAMES]), [floats(scores)])
    columns = [doubles(rows[:, at], name) for at, name in enumerate(NAMES)]
    log.call(stored, pb.Table(columns=[doubles(starts, "start"), *columns]), [floats(scores)])
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 90 rows are equal" in said(result)


@pytest.mark.parametrize("front", ["native"], indirect=True)
async def test_what_a_gateway_explains_comes_out_equal(
    booster: xgboost.Booster, repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    rows = some_rows(50)
    rows[7] = np.nan
    settings = EXPLAINED + 'base_margin = "start"\n'
    await deploy(write(tmp_path / "bundle", Model(booster), settings), repository, "explained")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    columns = {name: rows[:, at] for at, name in enumerate(NAMES)} | {"start": np.linspace(-1, 1, 50)}
    async with AsyncScoringClient(gateway.grpc_address) as client:
        for count in (50, 1):
            sent = {name: column[:count] for name, column in columns.items()}
            assert (await client.score("explained", sent, timeout_s=10)).rows == count
    await gateway.close()
    result = await asyncio.to_thread(run, tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 51 rows are equal" in said(result)
