"""xgboost models: what is served is what the booster itself predicts, to the bit."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from boosters import BINARY, NAMES, Model, some_rows, train, write

from bridge.backends import Backend
from bridge.backends.choice import load_backend
from bridge.bundles.bundle import read_bundle
from bridge.calls import Call, ModelRef, now
from bridge.columns import Array, Batch, Column, Matrix, Table, Type
from bridge.errors import BundleError, PredictionFailed

ROWS = [1, 64, 65, 5000]
STORES_CATEGORIES = tuple(map(int, xgboost.__version__.split(".")[:2])) >= (3, 1)


@pytest.fixture(scope="module")
def binary() -> Model:
    return Model(train(BINARY))


@pytest.fixture(scope="module")
def stopped() -> Model:
    return Model(train(BINARY, stop_early=True))


@asynccontextmanager
async def loaded(folder: Path) -> AsyncIterator[Backend]:
    backend = await load_backend(read_bundle(folder))
    try:
        yield backend
    finally:
        await backend.close()


async def scores_of(backend: Backend, batch: Batch) -> tuple[Column, ...]:
    bound = backend.bind(batch)
    outcome = await backend.score(Call("id", ModelRef("m", 1, ""), bound, now()))
    (part,) = outcome.ranges
    assert (part.first, part.count, part.error) == (0, bound.rows, None)
    return part.scores


def as_matrix(columns: tuple[Column, ...]) -> Array:
    assert {column.type for column in columns} == {Type.FLOAT}
    return np.column_stack([one.values for one in columns])  # noqa: PD011 - no pandas


async def assert_equal_bits(folder: Path, model: Model, names: list[str]) -> None:
    async with loaded(folder) as backend:
        described = backend.description
        assert [feature.name for feature in described.features] == NAMES
        assert [output.name for output in described.outputs or ()] == names
        for count in ROWS:
            rows = some_rows(count, seed=count)
            rows[rows > 1] = rows[rows > 1] if np.isnan(model.missing) else model.missing
            direct = model.direct(rows).reshape(count, len(names))
            table = Matrix((), rows).table(NAMES)
            sent: list[Batch] = [
                Matrix((), rows),
                Matrix((), rows.astype(np.float32)),
                Matrix(tuple(NAMES[::-1]), rows[:, ::-1]),
                Table(table.columns[::-1], count),
            ]
            for batch in sent:
                columns = await scores_of(backend, batch)
                assert [column.name for column in columns] == names
                assert as_matrix(columns).tobytes() == direct.tobytes()


@pytest.mark.parametrize("name", ["model.ubj", "model.json"])
async def test_one_score_a_row_is_the_booster_s_own(tmp_path: Path, binary: Model, name: str) -> None:
    await assert_equal_bits(write(tmp_path / "m", binary, name=name), binary, ["score"])


@pytest.mark.parametrize(("engine", "said"), [("auto", "lignum "), ("lignum", "lignum "), ("xgboost", "xgboost ")])
async def test_either_engine_gives_the_booster_s_bits(tmp_path: Path, binary: Model, engine: str, said: str) -> None:
    folder = write(tmp_path / "m", binary, f'[engine]\nname = "{engine}"')
    await assert_equal_bits(folder, binary, ["score"])
    async with loaded(folder) as backend:
        assert backend.description.engine.startswith(said)


async def test_a_booster_that_is_faster_for_every_batch_scores_them_and_is_named(
    tmp_path: Path, binary: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.backends.xgboost.backend.faster_of", lambda _, many, __: (many, 0))
    folder = write(tmp_path / "m", binary, '[engine]\nname = "auto"')
    await assert_equal_bits(folder, binary, ["score"])
    async with loaded(folder) as backend:
        described = backend.description
        assert described.engine.startswith("xgboost ")
        assert described.engine_reason == "lignum gave the booster's bits on every trial row, but the booster is faster"


async def test_lignum_is_not_taken_where_it_can_not_do_the_same(tmp_path: Path, stopped: Model) -> None:
    folder = write(tmp_path / "m", stopped, '[xgboost]\ntrees = "best"\n[engine]\nname = "lignum"')
    with pytest.raises(BundleError, match=r"engine\.name is 'lignum', but lignum predicts with all trees"):
        await load_backend(read_bundle(folder))
    other = write(tmp_path / "o", stopped, '[xgboost]\ntrees = "all"\nmissing = -1')
    async with loaded(other) as backend:
        assert backend.description.engine.startswith("xgboost ")
        assert backend.description.engine_reason == "lignum knows no other missing value than NaN"


async def test_margins_are_compared_too(tmp_path: Path, binary: Model) -> None:
    path = write(tmp_path / "m", binary, name="model.json") / "model.json"
    model = json.loads(path.read_text())
    model["learner"]["learner_model_param"]["base_score"] = "9.999999E-1"  # xgboost takes it for 0.999999
    path.write_text(json.dumps(model))
    async with loaded(path.parent) as backend:
        if STORES_CATEGORIES:  # older ones read the number as lignum does
            assert backend.description.engine.startswith("xgboost ")
            assert backend.description.engine_reason == "lignum gives other margins than the booster for trial rows"
        rows = some_rows(100)
        direct = xgboost.Booster(model_file=path).predict(xgboost.DMatrix(rows, feature_names=NAMES))
        assert as_matrix(await scores_of(backend, Matrix((), rows))).tobytes() == direct.tobytes()


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"objective": "survival:aft"}, ["score"]),
        ({"objective": "multi:softprob", "num_class": 3}, ["score_0", "score_1", "score_2"]),
        ({"objective": "multi:softmax", "num_class": 3}, ["score"]),
        ({"objective": "rank:pairwise"}, ["score"]),
    ],
)
async def test_every_kind_of_score_is_the_booster_s_own(
    tmp_path: Path, parameters: dict[str, Any], names: list[str]
) -> None:
    model = Model(train(parameters))
    await assert_equal_bits(write(tmp_path / "m", model), model, names)


async def test_another_number_may_stand_for_missing_beside_nan(tmp_path: Path) -> None:
    model = Model(train(BINARY, missing=-999.0), -999.0)
    await assert_equal_bits(write(tmp_path / "m", model, "[xgboost]\nmissing = -999"), model, ["score"])


async def test_a_code_may_stand_for_missing(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    rows = np.column_stack([chance.normal(size=3000), chance.integers(-1, 8, 3000)])
    target = (rows[:, 1] % 2 == 0) ^ (rows[:, 0] > 0)
    for missing in (-1.0, 3.0):
        kept = rows[(rows[:, 1] >= 0) | (missing < 0)]
        types = {"feature_types": ["q", "c"], "missing": missing}
        training = xgboost.DMatrix(kept, target[: len(kept)], enable_categorical=True, **types)
        booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, training, 20)
        folder = write(
            tmp_path / f"{missing}",
            Model(booster),
            f'[xgboost]\nmissing = {missing}\n[features]\nf1 = {{levels = "codes"}}',
        )
        async with loaded(folder) as backend:
            direct = booster.predict(xgboost.DMatrix(kept, **types))
            for batch in (Matrix((), kept), Matrix((), kept).table(["f0", "f1"])):
                assert as_matrix(await scores_of(backend, batch)).tobytes() == direct.tobytes()


async def test_the_author_says_which_trees_predict(tmp_path: Path, stopped: Model) -> None:
    rounds = stopped.booster.best_iteration + 1
    assert rounds < stopped.booster.num_boosted_rounds()
    every, best = Model(stopped.booster), Model(stopped.booster, rounds=rounds)
    rows = some_rows(5)
    assert (every.direct(rows) != best.direct(rows)).all()
    await assert_equal_bits(write(tmp_path / "all", every, '[xgboost]\ntrees = "all"'), every, ["score"])
    await assert_equal_bits(write(tmp_path / "best", best, '[xgboost]\ntrees = "best"'), best, ["score"])


async def test_a_best_iteration_and_nothing_said_is_refused(tmp_path: Path, stopped: Model, binary: Model) -> None:
    best, last = stopped.booster.best_iteration, stopped.booster.num_boosted_rounds() - 1
    sentence = rf'^the model has a best iteration \({best}\) before its last \({last}\): say xgboost.trees = "all"'
    with pytest.raises(BundleError, match=sentence):
        await load_backend(read_bundle(write(tmp_path / "unsaid", stopped)))
    with pytest.raises(BundleError, match=r"xgboost.trees is 'best', but the model has no best iteration$"):
        await load_backend(read_bundle(write(tmp_path / "none", binary, '[xgboost]\ntrees = "best"')))


async def test_text_goes_through_the_categories_that_the_model_stores(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    kinds = np.array(["low", "mid", "high", "top"], object)
    frame = pd.DataFrame({"kind": pd.Categorical(generator.choice(kinds, 400)), "x": generator.normal(size=400)})
    target = frame["kind"].isin(["low", "top"]).to_numpy() ^ (frame["x"].to_numpy() > 0)
    training = xgboost.DMatrix(frame, target.astype(int), enable_categorical=True)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, training, 20)
    levels = json.dumps(frame["kind"].cat.categories.tolist())
    line = "" if STORES_CATEGORIES else f'[features]\nkind = {{type = "factor", levels = {levels}}}'
    async with loaded(write(tmp_path / "m", Model(booster), line)) as backend:
        (kind, x) = backend.description.features
        assert (kind.type, set(kind.levels), x.type) == (Type.FACTOR, set(kinds), Type.DOUBLE)
        text = Column("kind", Type.STRING, frame["kind"].to_numpy(dtype=object))
        number = Column("x", Type.DOUBLE, frame["x"].to_numpy())
        assert (
            as_matrix(await scores_of(backend, Table((number, text), 400)))[:, 0].tobytes()
            == np.asarray(booster.predict(training)).tobytes()
        )


@pytest.mark.parametrize(("engine", "raised_by_it"), [("lignum", "ValueError"), ("xgboost", "XGBoostError")])
async def test_what_xgboost_itself_refuses_is_the_model_s_error_and_its_words_stay_inside(
    tmp_path: Path, binary: Model, engine: str, raised_by_it: str
) -> None:
    async with loaded(write(tmp_path / "m", binary, f'[engine]\nname = "{engine}"\n')) as backend:
        for count in (1, 5000):
            narrow = Matrix((), np.zeros((count, 2), np.float32))
            with pytest.raises(PredictionFailed, match=r"^m/1: xgboost failed$") as raised:
                await backend.score(Call("id", ModelRef("m", 1, ""), narrow, now()))
            assert "feature" in raised.value.private.lower()
            assert raised.value.condition_class == raised_by_it
        assert as_matrix(await scores_of(backend, Matrix((), some_rows(3)))).tobytes() == (
            binary.direct(some_rows(3)).tobytes()
        )
