"""reconcile on calls that were answered with defaults before anyone knew what the model takes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import xgboost
from fixtures import Cancer, make_r_bundle, put
from logged import Log, doubles, floats, matrix, run, said, table
from scorebridge.v1 import scoring_pb2 as pb

R_CODE = "Pred.R <- function(x, level) ifelse(is.na(level), -1, x * k)"
R_SETTINGS = '[features]\nx = "int"\nlevel = {type = "factor", levels = ["a", "b"]}\n'


def not_ready(rows: int) -> list[pb.DefaultedRows]:
    return [pb.DefaultedRows(first=0, count=rows, reason=pb.DEFAULT_REASON_MODEL_NOT_READY)]


def strings(name: str, values: Sequence[str]) -> pb.Column:
    return pb.Column(name=name, strings=pb.StringArray(values=values))


def reasons(output: Path) -> list[str | None]:
    """Why each defaulted row got no score again, in the order of the log."""
    rows = pq.read_table(output / "defaulted.parquet").to_pylist()
    assert {row["reason"] for row in rows} == {"MODEL_NOT_READY"}
    assert all((row["rescored"] is None) == (row["not_rescored"] is not None) for row in rows)
    return [row["not_rescored"] for row in rows]


def test_calls_that_do_not_fit_a_booster_cost_the_others_nothing(
    cancer: Cancer, repository: Path, tmp_path: Path
) -> None:
    stored = put(cancer.folder, repository, "cancer")
    scores = cancer.booster.predict(xgboost.DMatrix(cancer.rows[:3], feature_names=cancer.names))
    log, output = Log(tmp_path / "log"), tmp_path / "out"
    columns = dict(zip(cancer.names, cancer.rows[:1].T, strict=True))
    first, *others = cancer.names
    text = table({name: columns[name] for name in others})
    text.columns.append(strings(first, ["1.5"]))
    infinite, large = cancer.rows[:1].copy(), cancer.rows[:1].copy()
    infinite[0, 1], large[0, 2] = np.inf, 1e39
    few = pb.Matrix(rows=2)  # a matrix without columns may claim any number of rows
    odd: list[pb.Matrix | pb.Table] = [
        matrix(np.ones((1, 2))),
        matrix(infinite),
        matrix(large),
        text,
        table({"ghost": [1.0]}),
    ]
    log.call(stored, matrix(cancer.rows[:3]), [floats(scores)])
    for features in odd:
        log.call(stored, features, [floats([0.5])], not_ready(1))
    log.call(stored, few, [floats([0.5, 0.5])], not_ready(2))
    log.call(stored, matrix(cancer.rows[:3]), [floats([0.5] * 3)], not_ready(3))
    result = run(log.write(), "--repository", repository, "--output", output)
    assert result.exit_code == 0, result.output
    assert "all 3 rows are equal" in said(result)
    width = len(cancer.names)
    why = [
        f"they have 2 columns, the model takes {width}",
        f"column '{cancer.names[1]}' holds an infinite number, or one beyond float32",
        f"column '{cancer.names[2]}' holds an infinite number, or one beyond float32",
        f"column '{first}' is string, the model takes numbers",
        "they have other columns than the model",
        *[f"they have 0 columns, the model takes {width}"] * 2,
    ]
    assert reasons(output) == [*(f"the rows don't fit the booster: {one}" for one in why), None, None, None]


def test_a_call_that_xgboost_itself_refuses_costs_the_others_nothing(
    cancer: Cancer, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = put(cancer.folder, repository, "cancer")
    scores = cancer.booster.predict(xgboost.DMatrix(cancer.rows[:3], feature_names=cancer.names))
    log, output = Log(tmp_path / "log"), tmp_path / "out"
    log.call(stored, matrix(cancer.rows[:3]), [floats(scores)])
    log.call(stored, matrix(np.full((1, len(cancer.names)), 666.0)), [floats([0.5])], not_ready(1))
    whole = xgboost.DMatrix

    def refusing(rows: np.ndarray[tuple[int, int], np.dtype[np.float32]], **options: object) -> xgboost.DMatrix:
        if (rows == 666).any():
            raise xgboost.core.XGBoostError("\nnot this one\nStack trace:\n  0x0")
        return whole(rows, **options)

    monkeypatch.setattr(xgboost, "DMatrix", refusing)
    result = run(log.write(), "--repository", repository, "--output", output)
    assert result.exit_code == 0, result.output
    assert reasons(output) == ["xgboost failed: not this one"]


def test_calls_that_do_not_fit_an_r_model_get_no_score_and_no_guess(repository: Path, tmp_path: Path) -> None:
    stored = put(make_r_bundle(tmp_path / "typed", R_CODE, settings=R_SETTINGS), repository, "typed")
    log, output = Log(tmp_path / "log"), tmp_path / "out"

    def sent(x: pb.Column, *levels: pb.Column) -> pb.Table:
        return pb.Table(columns=[x, *levels])

    good = sent(doubles([3.0], "x"), strings("level", ["a"]))
    odd: list[pb.Matrix | pb.Table] = [
        matrix(np.ones((1, 3))),
        pb.Matrix(rows=1),
        sent(strings("x", ["3"]), strings("level", ["a"])),
        sent(doubles([3.5], "x"), strings("level", ["a"])),
        sent(doubles([np.inf], "x"), strings("level", ["a"])),
        sent(doubles([3.0], "x"), strings("level", ["c"])),
        sent(doubles([3.0], "x"), doubles([1.0], "level")),
        sent(doubles([3.0], "x"), doubles([1.0], "x"), strings("level", ["a"])),
        sent(doubles([3.0], "x"), strings("level", ["a"]), strings("ghost", ["a"])),
    ]
    log.call(stored, good, [doubles([6.0])])
    for features in odd:
        log.call(stored, features, [doubles([0.5])], not_ready(1))
    log.call(stored, good, [doubles([0.5])], not_ready(1))
    result = run(log.write(), "--repository", repository, "--output", output)
    assert result.exit_code == 0, result.output
    assert "all 1 rows are equal" in said(result)
    unfit = ["the column 'x' does not fit the type that model.toml declares"] * 3
    unfit += ["the column 'level' does not fit the type that model.toml declares"] * 2
    twice, ghost = "the call has a column twice", "the call has a column that the model does not take"
    assert reasons(output) == [
        *["the call has another number of columns than the model"] * 2,
        *unfit,
        twice,
        ghost,
        None,
    ]
