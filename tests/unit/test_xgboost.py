"""xgboost models: what is served is what the booster itself predicts, to the bit; damaged files are only refused."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost

from bridge.backends import Backend, load_backend
from bridge.bundle import read_bundle
from bridge.calls import Call, ModelRef, now
from bridge.columns import Array, Batch, Column, Matrix, Table, Type
from bridge.errors import BundleError, PredictionFailed

NAMES = ["a", "b", "c", "d"]
ROWS = [1, 64, 65, 5000]


def some_rows(count: int, seed: int = 1) -> Array:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(count, len(NAMES)))
    rows[generator.random(rows.shape) < 0.1] = np.nan
    return rows


@dataclass
class Model:
    """A booster, and what its training knew."""

    booster: xgboost.Booster
    missing: float = np.nan
    rounds: int = 0

    def direct(self, rows: Array) -> Array:
        """What xgboost itself predicts."""
        matrix = xgboost.DMatrix(rows, feature_names=NAMES, missing=self.missing)
        return np.asarray(self.booster.predict(matrix, iteration_range=(0, self.rounds)))


def train(parameters: dict[str, Any], *, missing: float = np.nan, stop_early: bool = False) -> xgboost.Booster:
    rows = np.nan_to_num(some_rows(500), nan=missing)
    target = (np.nan_to_num(rows[:, 0]) + np.nan_to_num(rows[:, 1]) > 0).astype(int)
    if "num_class" in parameters:
        target += rows[:, 2] > 0
    training = xgboost.DMatrix(rows, target, feature_names=NAMES, missing=missing)
    if parameters["objective"].startswith("rank"):
        training.set_group([10] * 50)
    if not stop_early:
        return xgboost.train({"nthread": 1} | parameters, training, 30)
    noise = np.random.default_rng(2).integers(0, 2, 500)
    validation = xgboost.DMatrix(rows, noise, feature_names=NAMES, missing=missing)
    chosen: dict[str, Any] = {"early_stopping_rounds": 5, "evals": [(validation, "v")], "verbose_eval": False}
    return xgboost.train({"nthread": 1, "eta": 0.5} | parameters, training, 30, **chosen)


BINARY = {"objective": "binary:logistic"}


@pytest.fixture(scope="module")
def binary() -> Model:
    return Model(train(BINARY))


@pytest.fixture(scope="module")
def stopped() -> Model:
    return Model(train(BINARY, stop_early=True))


def write(folder: Path, model: Model, settings: str = "", name: str = "model.ubj") -> Path:
    folder.mkdir(exist_ok=True)
    model.booster.save_model(folder / name)
    (folder / "model.toml").write_text(settings)
    return folder


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


async def test_lignum_is_not_taken_where_it_can_not_do_the_same(tmp_path: Path, stopped: Model) -> None:
    folder = write(tmp_path / "m", stopped, '[xgboost]\ntrees = "best"\n[engine]\nname = "lignum"')
    with pytest.raises(BundleError, match=r"engine\.name is 'lignum', but lignum predicts with all trees"):
        await load_backend(read_bundle(folder))
    other = write(tmp_path / "o", stopped, '[xgboost]\ntrees = "all"\nmissing = -1')
    async with loaded(other) as backend:
        assert backend.description.engine.startswith("xgboost ")
        assert backend.description.engine_reason == "lignum knows no other missing value than NaN"


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
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


async def test_the_author_says_which_trees_predict(tmp_path: Path, stopped: Model) -> None:
    rounds = stopped.booster.best_iteration + 1
    assert rounds < stopped.booster.num_boosted_rounds()
    every, best = Model(stopped.booster), Model(stopped.booster, rounds=rounds)
    rows = some_rows(5)
    assert (every.direct(rows) != best.direct(rows)).all()
    await assert_equal_bits(write(tmp_path / "all", every, '[xgboost]\ntrees = "all"'), every, ["score"])
    await assert_equal_bits(write(tmp_path / "best", best, '[xgboost]\ntrees = "best"'), best, ["score"])


async def test_a_best_iteration_and_nothing_said_is_refused(tmp_path: Path, stopped: Model, binary: Model) -> None:
    best = stopped.booster.best_iteration
    with pytest.raises(BundleError, match=rf'^the model has a best iteration \({best}\): say xgboost.trees = "all"'):
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
    folder = write(tmp_path / "m", Model(booster))
    async with loaded(folder) as backend:
        (kind, x) = backend.description.features
        assert (kind.type, set(kind.levels), x.type) == (Type.FACTOR, set(kinds), Type.DOUBLE)
        text = Column("kind", Type.STRING, frame["kind"].to_numpy(dtype=object))
        number = Column("x", Type.DOUBLE, frame["x"].to_numpy())
        assert (
            as_matrix(await scores_of(backend, Table((number, text), 400)))[:, 0].tobytes()
            == np.asarray(booster.predict(training)).tobytes()
        )


async def test_what_xgboost_itself_refuses_is_the_model_s_error_and_its_words_stay_inside(
    tmp_path: Path, binary: Model
) -> None:
    async with loaded(write(tmp_path / "m", binary)) as backend:
        for count in (1, 5000):
            narrow = Matrix((), np.zeros((count, 2), np.float32))
            with pytest.raises(PredictionFailed, match=r"^m/1: xgboost failed$") as raised:
                await backend.score(Call("id", ModelRef("m", 1, ""), narrow, now()))
            assert "feature" in raised.value.private.lower()
        assert as_matrix(await scores_of(backend, Matrix((), some_rows(3)))).tobytes() == (
            binary.direct(some_rows(3)).tobytes()
        )


@pytest.mark.parametrize(
    ("booster", "sentence"), [("gblinear", "can't predict with in place"), ("dart", "gives other scores in place")]
)
async def test_a_booster_that_can_not_be_served_exactly_is_refused(tmp_path: Path, booster: str, sentence: str) -> None:
    model = Model(train({"objective": "reg:squarederror", "booster": booster}))
    with pytest.raises(BundleError, match=sentence):
        await load_backend(read_bundle(write(tmp_path / "m", model)))


def child_beyond_the_tree(folder: Path) -> None:
    path = folder / "model.json"
    model = json.loads(path.read_text())
    tree = model["learner"]["gradient_booster"]["model"]["trees"][0]
    for children in ("left_children", "right_children"):
        tree[children][0] = 2**30
    path.write_text(json.dumps(model))


async def test_a_file_that_kills_xgboost_s_process_kills_no_other(tmp_path: Path, binary: Model) -> None:
    folder = write(tmp_path / "m", binary, name="model.json")
    child_beyond_the_tree(folder)
    with pytest.raises(BundleError, match=r"^model\.json crashes xgboost's loader: it is damaged$"):
        await load_backend(read_bundle(folder))


def truncated(share: float) -> Callable[[bytes], bytes]:
    return lambda raw: raw[: int(len(raw) * share)]


def flipped(before: bytes, offset: int, bit: int) -> Callable[[bytes], bytes]:
    def flip(raw: bytes) -> bytes:
        damaged = bytearray(raw)
        damaged[raw.index(before) + offset] ^= 1 << bit
        return bytes(damaged)

    return flip


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": truncated(0),
    "a few bytes": truncated(0.01),
    "half": truncated(0.5),
    "but for the end": truncated(0.99),
    "a key": flipped(b"learner", 0, 0),
    "the length of a key": flipped(b"learner", -1, 7),
    "the length of a key, hugely": flipped(b"learner", -8, 6),
    "the type of an array": flipped(b"base_weights", len("base_weights") + 2, 1),
    "the length of an array, hugely": flipped(b"left_children", len("left_children") + 6, 6),
    "another file": lambda _: b"PK\x03\x04 not a model",
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_file_is_refused(tmp_path: Path, binary: Model, damage: str) -> None:
    path = write(tmp_path / "m", binary) / "model.ubj"
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(BundleError, match=r"^model\.ubj (can't be loaded|crashes xgboost's loader)"):
        await load_backend(read_bundle(path.parent))


async def test_a_load_that_takes_too_long_is_ended(tmp_path: Path, binary: Model) -> None:
    folder = write(tmp_path / "m", binary, "load_timeout_s = 0.001")
    with pytest.raises(BundleError, match=r"^model\.ubj was not loaded within 0\.001 s$"):
        await load_backend(read_bundle(folder))
