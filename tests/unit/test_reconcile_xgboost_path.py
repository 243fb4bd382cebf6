"""Which boosters reconcile scores again, which it refuses, and what it asks them."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from boosters import BINARY, NAMES, Model, some_rows, train, write
from logged import matrix
from saved_bundles import BY_NAME, expected, levels_line, saved, table_of
from saved_models.kinds import ROWS
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.bundles.bundle import read_bundle
from bridge.columns import Array
from bridge.errors import BundleError
from bridge.reconcile import xgboost_file
from bridge.reconcile.calls import AnsweredCall, LoggedBatch
from bridge.reconcile.compare import Failure, Rescored
from bridge.reconcile.xgboost_path import XgboostPath


@pytest.fixture(autouse=True)
def _no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that harm nobody need no process of their own, which takes a second."""
    monkeypatch.setattr(xgboost_file, "_try_in_a_child", lambda *_: None)


@pytest.fixture(scope="module")
def binary() -> xgboost.Booster:
    return train(BINARY)


def batches_of(*features: pb.Matrix | pb.Table) -> list[LoggedBatch]:
    logged_batches = []
    for one in features:
        request = pb.ScoreRequest()
        getattr(request, "matrix" if isinstance(one, pb.Matrix) else "table").CopyFrom(one)
        logged_batches += AnsweredCall(1, log_pb.LogRecord(), request, pb.ScoreResponse()).batches()
    return logged_batches


def scores_of(path: XgboostPath, *features: pb.Matrix | pb.Table) -> list[Array]:
    results = path.score(batches_of(*features))
    assert all(isinstance(one, Rescored) for one in results), results
    return [np.column_stack([column.values for column in one.columns]) for one in results if isinstance(one, Rescored)]


def names_of(path: XgboostPath, features: pb.Matrix) -> list[str]:
    (result,) = path.score(batches_of(features))
    assert isinstance(result, Rescored)
    return [column.name for column in result.columns]


def open_path(folder: Path) -> XgboostPath:
    return XgboostPath(read_bundle(folder))


@pytest.mark.parametrize("version", ["1.7.6", "2.1.4", "3.0.5", "3.1.3", "3.2.0"])
def test_values_and_codes_come_out_as_the_file_s_own_library_predicted(tmp_path: Path, version: str) -> None:
    for name in ("int_categories", "int64_categories", "text_categories", "text_categories_beyond_ascii"):
        kind = BY_NAME[name]
        path = open_path(saved(tmp_path / name, version, name, levels_line(kind, kind.levels)))
        right = expected(version, name).reshape(ROWS, 1)
        for found in scores_of(path, matrix(kind.rows), table_of(kind)):
            assert found.tobytes() == right.tobytes(), name


@pytest.mark.parametrize(
    "name", ["numeric", "nameless", "missing_sentinel", "base_score", "dart", "multiclass", "gblinear"]
)
def test_every_kind_of_booster_comes_out_as_its_own_library_predicted(tmp_path: Path, name: str) -> None:
    kind = BY_NAME[name]
    settings = f"[xgboost]\nmissing = {kind.missing}\n" if kind.missing == kind.missing else ""
    path = open_path(saved(tmp_path / name, "3.2.0", name, settings))
    (found,) = scores_of(path, matrix(kind.rows))
    assert found.tobytes() == expected("3.2.0", name).tobytes()


def test_the_number_for_missing_is_held_against_codes_as_in_a_matrix(tmp_path: Path) -> None:
    kind = BY_NAME["text_categories"]
    different = 0
    for missing in range(kind.codes):
        settings = f"[xgboost]\nmissing = {missing}.0\n"
        path = open_path(saved(tmp_path / f"m{missing}", "3.2.0", kind.name, settings))
        by_codes, by_values = scores_of(path, matrix(kind.rows), table_of(kind))
        assert by_codes.tobytes() == by_values.tobytes()
        different += by_codes.tobytes() != expected("3.2.0", kind.name).tobytes()
    assert different > 1


def test_a_file_without_names_gets_those_of_model_toml(tmp_path: Path) -> None:
    kind = BY_NAME["nameless"]
    settings = '[xgboost]\nfeature_names = ["p", "q", "r"]\n'
    path = open_path(saved(tmp_path / "named", "3.2.0", kind.name, settings))
    (found,) = scores_of(path, matrix(kind.rows[:, ::-1], ["r", "q", "p"]))
    assert found.tobytes() == expected("3.2.0", kind.name).tobytes()
    few = saved(tmp_path / "few", "3.2.0", kind.name, '[xgboost]\nfeature_names = ["p", "q"]\n')
    with pytest.raises(BundleError, match=r"xgboost\.feature_names has 2 names, the model takes 3 features$"):
        open_path(few)


def test_names_that_a_matrix_of_the_library_does_not_take_are_no_hindrance(tmp_path: Path) -> None:
    booster, rows = train(BINARY), some_rows(20)
    right = Model(booster).direct(rows)
    booster.feature_names = ["a[0]", "a<1", "c", "d"]
    path = open_path(write(tmp_path / "m", Model(booster)))
    (found,) = scores_of(path, matrix(rows, ["a[0]", "a<1", "c", "d"]))
    assert found.tobytes() == right.tobytes()


def test_calls_that_the_library_refuses_are_found_among_the_others(
    binary: xgboost.Booster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rows = open_path(write(tmp_path / "m", Model(binary))), some_rows(9)
    rows[4, 0] = 666
    whole = xgboost.DMatrix

    def refusing(given: Array, **options: Any) -> xgboost.DMatrix:
        if (given == 666).any():
            raise xgboost.core.XGBoostError("\nnot this one\nStack trace:\n  0x0")
        return whole(given, **options)

    monkeypatch.setattr(xgboost, "DMatrix", refusing)
    results = path.score(batches_of(*(matrix(row[None]) for row in rows)))
    assert [at for at, one in enumerate(results) if isinstance(one, Failure)] == [4]
    assert results[4] == Failure("xgboost failed: not this one")


def test_pandas_is_needed_for_values_of_categories_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = BY_NAME["text_categories"]
    path = open_path(saved(tmp_path / "m", "3.2.0", kind.name))
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert len(scores_of(path, matrix(kind.rows))) == 1
    with pytest.raises(BundleError, match=r"^pandas is not installed: pip install 'scorebridge-gateway\[log\]'$"):
        path.score(batches_of(table_of(kind)))


SOME = matrix(some_rows(3))


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ("", ["score"]),
        ('output_names = ["risk"]', ["risk"]),
        ('output_names = ["no", "yes"]', ["no", "yes"]),
        ("output_margin = true\nleaves = true", ["score", *(f"leaf_{at}" for at in range(30))]),
        ("contributions = true", ["score", *(f"contribution.{name}" for name in NAMES), "contribution_bias"]),
        ("top_reasons = 6", ["score", *(f"reason_{at}" for at in range(1, 7))]),
    ],
)
def test_outputs_have_the_names_that_model_toml_gives(
    binary: xgboost.Booster, tmp_path: Path, settings: str, names: list[str]
) -> None:
    path = open_path(write(tmp_path / "m", Model(binary), f"[xgboost]\n{settings}\n"))
    assert names_of(path, SOME) == names


def test_each_score_of_several_has_contributions_of_its_own(tmp_path: Path) -> None:
    settings = 'output_names = ["low", "mid", "high"]\ncontributions = true\n'
    model = Model(train(BINARY | {"objective": "multi:softprob", "num_class": 3}))
    path = open_path(write(tmp_path / "m", model, f"[xgboost]\n{settings}"))
    shares = [(f"contribution.{one}.{name}", f"contribution_bias.{one}") for one in ("low", "mid") for name in NAMES]
    assert names_of(path, SOME)[:9] == [
        "low",
        "mid",
        "high",
        *(name for name, _ in shares[:4]),
        shares[0][1],
        shares[4][0],
    ]
    known = xgboost.DMatrix(some_rows(3), feature_names=NAMES)
    right = model.booster.predict(known, pred_contribs=True)
    assert scores_of(path, SOME)[0][:, 3:].tobytes() == right.reshape(3, -1).tobytes()


def test_reasons_are_the_features_by_the_size_of_their_shares(tmp_path: Path) -> None:
    rows = np.array([[2.0, -1, 0, 0], [-2, 1, 0, 0], [0, 0, 0, 0]])
    known = xgboost.DMatrix(np.tile(rows, (20, 1)), np.tile([5.0, -5, 0], 20), feature_names=NAMES)
    booster = xgboost.train({"nthread": 1, "max_depth": 1, "base_score": 0}, known, 5)
    path = open_path(write(tmp_path / "m", Model(booster), "[xgboost]\ntop_reasons = 2\n"))
    (result,) = path.score(batches_of(matrix(rows)))
    assert isinstance(result, Rescored)
    _, first, second = result.columns
    shares = booster.predict(xgboost.DMatrix(rows, feature_names=NAMES), pred_contribs=True)[:, :-1]
    used = [[NAMES[at] for at in sorted(range(4), key=lambda at: (-abs(row[at]), at)) if row[at]] for row in shares]
    for place, column in enumerate((first, second)):
        assert column.missing().tolist() == [len(names) <= place for names in used]
        assert column.values.tolist() == [names[place] if len(names) > place else "" for names in used]


@pytest.mark.parametrize(
    ("objective", "settings", "why"),
    [
        (BINARY, 'output_names = ["a", "b", "c"]', r"output_names has 3 names, the model gives 1 scores$"),
        (
            BINARY,
            'output_names = ["a", "b"]\noutput_margin = true',
            r"output_names has 2 names, the model gives 1 scores$",
        ),
        ({"objective": "multi:softprob", "num_class": 3}, "top_reasons = 1", r"top_reasons explains one score"),
        (
            {"objective": "multi:softmax", "num_class": 3},
            "contributions = true",
            r"multi:softmax gives 1 score a row, its contributions explain 3 margins",
        ),
        (BINARY | {"booster": "gblinear"}, "leaves = true", r"^xgboost can't give what model\.toml asks for: "),
        (BINARY, 'trees = "best"', r"xgboost\.trees is 'best', but the model has no best iteration$"),
    ],
)
def test_what_the_booster_does_not_give_is_refused(
    tmp_path: Path, objective: dict[str, Any], settings: str, why: str
) -> None:
    folder = write(tmp_path / "m", Model(train(objective)), f"[xgboost]\n{settings}\n")
    with pytest.raises(BundleError, match=why):
        open_path(folder)


def test_an_impossible_best_iteration_is_refused(tmp_path: Path) -> None:
    booster = train(BINARY)
    for said in ("30", "-1", "many"):
        booster.set_attr(best_iteration=said)
        folder = write(tmp_path / f"m{said}", Model(booster), '[xgboost]\ntrees = "best"\n')
        with pytest.raises(BundleError, match=r"best_iteration names none of its rounds$"):
            open_path(folder)


@pytest.mark.parametrize(
    ("said", "stands_for_missing"), [('{"missing": -1}', True), ('{"missing": NaN}', False), ("[", False)]
)
def test_what_a_wrapper_took_for_missing_is_known(tmp_path: Path, said: str, stands_for_missing: bool) -> None:
    booster, rows = train(BINARY), np.nan_to_num(some_rows(50), nan=-1)
    booster.set_attr(scikit_learn=said)
    (found,) = scores_of(open_path(write(tmp_path / "m", Model(booster))), matrix(rows))
    right = Model(booster, missing=-1.0 if stands_for_missing else np.nan).direct(rows)
    assert found.ravel().tobytes() == right.tobytes()


def test_without_the_library_nothing_is_scored_again(
    binary: xgboost.Booster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "m", Model(binary))
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(BundleError, match=r"^xgboost is not installed: pip install 'scorebridge-gateway\[xgboost\]'$"):
        open_path(folder)


def test_repeated_names_are_refused(tmp_path: Path) -> None:
    booster = train(BINARY)
    booster.feature_names = ["amount", "age", "amount", "d"]
    with pytest.raises(BundleError, match="more than one feature named 'amount'"):
        open_path(write(tmp_path / "m", Model(booster)))
