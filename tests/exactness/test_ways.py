"""What is served is what `Booster.predict` gives on a DMatrix, whatever the booster is and what is asked of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from bridge.backends import Backend
from bridge.backends.choice import load_backend
from bridge.bundles.bundle import read_bundle
from bridge.calls import Call, ModelRef, now
from bridge.columns import Array, Batch, Column, Matrix, Type
from bridge.errors import BundleError

NAMES = ["a", "b", "c"]
# xgboost 3.4 says so of linear and of dropped-out boosters.
pytestmark = pytest.mark.filterwarnings(r"ignore:[\s\S]*is deprecated:UserWarning")


def rows_of(count: int, seed: int = 5) -> Array:
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(count, len(NAMES)))
    rows[chance.random(rows.shape) < 0.15] = np.nan
    return rows


def trained(rounds: int = 8, **parameters: Any) -> xgboost.Booster:
    rows = rows_of(400, 1)
    target = (np.nan_to_num(rows[:, 0]) > 0).astype(int) + (np.nan_to_num(rows[:, 1]) > 0)
    label = np.column_stack([target, -target]) if "multi_strategy" in parameters else target
    if parameters.get("objective", "").startswith(("binary", "reg:logistic")):
        label = target > 0
    matrix = xgboost.DMatrix(rows, label, feature_names=NAMES)
    depth = {} if parameters.get("booster") == "gblinear" else {"max_depth": 3}
    return xgboost.train({"nthread": 1, "seed": 3} | depth | parameters, matrix, rounds)


def matrix_of(rows: Array, **more: Any) -> xgboost.DMatrix:
    return xgboost.DMatrix(rows, feature_names=NAMES, **more)


def bundle(folder: Path, booster: xgboost.Booster, settings: str) -> Path:
    folder.mkdir(exist_ok=True)
    booster.save_model(folder / "model.ubj")
    (folder / "model.toml").write_text(settings)
    return folder


@asynccontextmanager
async def served(folder: Path, booster: xgboost.Booster, settings: str = "") -> AsyncIterator[Backend]:
    backend = await load_backend(read_bundle(bundle(folder, booster, settings)))
    try:
        yield backend
    finally:
        await backend.close()


async def scores(backend: Backend, batch: Batch) -> dict[str, Column]:
    bound = backend.bind(batch)
    (part,) = (await backend.score(Call("id", ModelRef("m", 1, ""), bound, now()))).ranges
    assert [output.name for output in backend.description.outputs or ()] == [one.name for one in part.scores]
    return {column.name: column for column in part.scores}


def bits(*columns: Column) -> bytes:
    assert {column.type for column in columns} == {Type.FLOAT}
    return np.column_stack([one.values for one in columns]).tobytes()


DROPPED = {"booster": "dart", "rate_drop": 0.5, "one_drop": 1}


@pytest.mark.parametrize("rounds", [4, 40])
@pytest.mark.parametrize("objective", ["binary:logistic", "reg:squarederror"])
async def test_dropped_out_trees_are_scored_through_a_matrix(tmp_path: Path, objective: str, rounds: int) -> None:
    booster = trained(rounds, objective=objective, **DROPPED)
    async with served(tmp_path / "m", booster) as backend:
        assert backend.description.booster is not None
        assert backend.description.booster.booster == "dart"
        assert "only through a DMatrix" in backend.description.engine_reason
        for count in (1, 63, 3000):
            rows = rows_of(count, count)
            assert (
                bits(*(await scores(backend, Matrix((), rows))).values()) == booster.predict(matrix_of(rows)).tobytes()
            )


async def test_linear_models_are_scored_through_a_matrix(tmp_path: Path) -> None:
    booster = trained(booster="gblinear", objective="binary:logistic")
    async with served(tmp_path / "m", booster) as backend:
        rows = rows_of(500)
        assert bits(*(await scores(backend, Matrix((), rows))).values()) == booster.predict(matrix_of(rows)).tobytes()
        assert backend.description.engine_reason.startswith("gblinear boosters are exact only through a DMatrix")


async def test_a_linear_model_can_not_stop_at_its_best_round(tmp_path: Path) -> None:
    booster = trained(booster="gblinear")
    booster.set_attr(best_iteration="3")
    with pytest.raises(BundleError, match=r"a linear model has the weights of its last round only$"):
        async with served(tmp_path / "m", booster, '[xgboost]\ntrees = "best"'):
            pass
    async with served(tmp_path / "m", booster) as backend:
        rows = rows_of(20)
        assert bits((await scores(backend, Matrix((), rows)))["score"]) == booster.predict(matrix_of(rows)).tobytes()


async def test_several_targets_in_one_tree_have_the_booster_s_bits(tmp_path: Path) -> None:
    booster = trained(multi_strategy="multi_output_tree")
    async with served(tmp_path / "m", booster) as backend:
        rows = rows_of(500)
        assert bits(*(await scores(backend, Matrix((), rows))).values()) == booster.predict(matrix_of(rows)).tobytes()


@pytest.mark.parametrize("parameters", [{}, {"booster": "gblinear"}, {"objective": "binary:logistic"}], ids=str)
async def test_margins_come_where_they_are_asked_for(tmp_path: Path, parameters: dict[str, Any]) -> None:
    booster, rows = trained(**parameters), rows_of(300)
    async with served(tmp_path / "m", booster, "[xgboost]\noutput_margin = true") as backend:
        direct = booster.predict(matrix_of(rows), output_margin=True)
        assert bits((await scores(backend, Matrix((), rows)))["score"]) == direct.tobytes()


async def test_a_row_s_own_margin_is_where_it_starts_from(tmp_path: Path) -> None:
    booster, rows = trained(objective="count:poisson", base_score=0.5), rows_of(300)
    exposure = np.log(np.random.default_rng(2).uniform(0.1, 2, 300))
    async with served(tmp_path / "m", booster, '[xgboost]\nbase_margin = "exposure"') as backend:
        assert [feature.name for feature in backend.description.features] == [*NAMES, "exposure"]
        direct = booster.predict(matrix_of(rows, base_margin=exposure))
        for batch in (
            Matrix((), np.column_stack([rows, exposure])),
            Matrix(("exposure", *NAMES), np.column_stack([exposure, rows])),
            Matrix(("exposure", *NAMES), np.column_stack([exposure, rows])).table(["exposure", *NAMES]),
        ):
            assert bits((await scores(backend, batch))["score"]) == direct.tobytes()
    several = trained(objective="multi:softprob", num_class=3)
    with pytest.raises(BundleError, match=r"base_margin is one number a row, the model has 3 outputs$"):
        async with served(tmp_path / "s", several, '[xgboost]\nbase_margin = "exposure"'):
            pass


async def test_contributions_leaves_and_reasons_are_the_library_s_own(tmp_path: Path) -> None:
    booster, rows = trained(objective="binary:logistic"), rows_of(400)
    settings = "[xgboost]\ncontributions = true\nleaves = true\ntop_reasons = 2"
    async with served(tmp_path / "m", booster, settings) as backend:
        found = await scores(backend, Matrix((), rows))
    contributions = booster.predict(matrix_of(rows), pred_contribs=True)
    assert bits(found["score"]) == booster.predict(matrix_of(rows)).tobytes()
    names = [*(f"contribution.{name}" for name in NAMES), "contribution_bias"]
    assert bits(*(found[name] for name in names)) == contributions.tobytes()
    leaves = booster.predict(matrix_of(rows), pred_leaf=True)
    assert bits(*(found[f"leaf_{tree}"] for tree in range(leaves.shape[1]))) == leaves.tobytes()
    for row, shares in enumerate(np.abs(contributions[:, :-1]).tolist()):
        named = [at for _, at in sorted((-size, at) for at, size in enumerate(shares))]
        expected = [NAMES[at] if shares[at] else None for at in named[:2]]
        got = [found[f"reason_{place}"] for place in (1, 2)]
        assert [None if one.missing()[row] else one.values[row] for one in got] == expected


async def test_contributions_of_several_classes_are_named_by_class(tmp_path: Path) -> None:
    booster, rows = trained(objective="multi:softprob", num_class=3), rows_of(100)
    settings = '[xgboost]\ncontributions = true\noutput_names = ["no", "maybe", "yes"]'
    async with served(tmp_path / "m", booster, settings) as backend:
        found = await scores(backend, Matrix((), rows))
    assert bits(found["no"], found["maybe"], found["yes"]) == booster.predict(matrix_of(rows)).tobytes()
    shares = booster.predict(matrix_of(rows), pred_contribs=True)
    for at, label in enumerate(("no", "maybe", "yes")):
        names = [*(f"contribution.{label}.{name}" for name in NAMES), f"contribution_bias.{label}"]
        assert bits(*(found[name] for name in names)) == np.ascontiguousarray(shares[:, at]).tobytes()


@pytest.mark.parametrize("asked", ["contributions = true", "top_reasons = 1"])
async def test_a_class_has_no_contributions_of_its_own(tmp_path: Path, asked: str) -> None:
    booster = trained(objective="multi:softmax", num_class=3)
    with pytest.raises(BundleError, match=r"multi:softmax gives 1 score a row, its contributions explain 3 margins"):
        async with served(tmp_path / "m", booster, f"[xgboost]\n{asked}"):
            pass


async def test_two_names_give_both_classes_of_a_probability(tmp_path: Path) -> None:
    booster, rows = trained(objective="binary:logistic"), rows_of(300)
    async with served(tmp_path / "m", booster, '[xgboost]\noutput_names = ["good", "bad"]') as backend:
        found = await scores(backend, Matrix((), rows))
    bad = booster.predict(matrix_of(rows))
    assert bits(found["good"], found["bad"]) == np.vstack((1.0 - bad, bad)).transpose().tobytes()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ('output_names = ["a", "b", "c"]', "output_names has 3 names, the model gives 1 scores"),
        ('output_names = ["a", "b"]\noutput_margin = true', "output_names has 2 names, the model gives 1 scores"),
        (
            'output_names = ["contribution_bias"]\ncontributions = true',
            "two outputs would be named 'contribution_bias'",
        ),
        ('feature_names = ["a", "b", "x"]', "feature_names are not the names that the model file has"),
    ],
)
async def test_names_that_do_not_fit_are_refused(tmp_path: Path, settings: str, sentence: str) -> None:
    with pytest.raises(BundleError, match=sentence):
        async with served(tmp_path / "m", trained(objective="binary:logistic"), f"[xgboost]\n{settings}"):
            pass


async def test_a_file_without_names_gets_those_of_the_author(tmp_path: Path) -> None:
    booster = trained()
    booster.feature_names = None
    rows = rows_of(50)
    async with served(tmp_path / "m", booster, '[xgboost]\nfeature_names = ["z", "y", "x"]') as backend:
        found = await scores(backend, Matrix(("x", "y", "z"), rows[:, ::-1]))
        assert bits(found["score"]) == booster.predict(xgboost.DMatrix(rows)).tobytes()
    with pytest.raises(BundleError, match=r"feature_names has 2 names, the model takes 3 features$"):
        async with served(tmp_path / "n", booster, '[xgboost]\nfeature_names = ["z", "y"]'):
            pass


async def test_two_features_of_one_name_are_refused(tmp_path: Path) -> None:
    booster = trained()
    booster.feature_names = ["amount", "amount", "age"]
    with pytest.raises(BundleError, match=r"^model\.ubj has two features named 'amount'"):
        async with served(tmp_path / "m", booster):
            pass


async def test_the_best_round_asks_nothing_where_it_is_the_last(tmp_path: Path) -> None:
    booster, rows = trained(rounds=8), rows_of(50)
    booster.set_attr(best_iteration="7")
    async with served(tmp_path / "m", booster) as backend:
        assert bits((await scores(backend, Matrix((), rows)))["score"]) == booster.predict(matrix_of(rows)).tobytes()
        assert backend.description.booster is not None
        assert (backend.description.booster.rounds_used, backend.description.booster.best_iteration) == (8, 7)
    booster.set_attr(best_iteration="3")
    async with served(tmp_path / "m", booster, '[xgboost]\ntrees = "best"\ncontributions = true') as backend:
        found = await scores(backend, Matrix((), rows))
        assert bits(found["score"]) == booster.predict(matrix_of(rows), iteration_range=(0, 4)).tobytes()
        shares = booster.predict(matrix_of(rows), pred_contribs=True, iteration_range=(0, 4))
        assert bits(*(found[f"contribution.{name}"] for name in NAMES), found["contribution_bias"]) == shares.tobytes()


async def test_what_the_sklearn_wrapper_said_of_missing_is_taken_or_contradicted_aloud(tmp_path: Path) -> None:
    booster, rows = trained(), np.nan_to_num(rows_of(80), nan=-7.0)
    booster.set_attr(scikit_learn='{"missing": -7.0, "classes_": ["no", "yes"]}')
    for settings, missing, said in (
        ("", -7.0, "-7 stands for missing"),
        ("missing = -1", -1.0, "model.toml says that -1"),
    ):
        async with served(tmp_path / "m", booster, f"[xgboost]\n{settings}") as backend:
            found = await scores(backend, Matrix((), rows))
            assert bits(found["score"]) == booster.predict(matrix_of(rows, missing=missing)).tobytes()
            assert any(note.startswith(said) for note in backend.description.notes)
            assert any('output_names = ["no", "yes"]' in note for note in backend.description.notes)
