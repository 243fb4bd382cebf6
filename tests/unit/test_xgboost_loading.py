"""Compiling trees costs a bounded time of its own and is kept; trial rows cost bounded memory."""

import json
import os
import stat
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import xgboost
from boosters import BINARY, Model, some_rows, train, write

import bridge.backends.xgboost.compiled as compiled_module
from bridge.backends import Backend
from bridge.backends.choice import load_backend
from bridge.backends.xgboost.trial_rows import splits_of, trial_rows
from bridge.bundles.bundle import read_bundle
from bridge.calls import Call, ModelRef, now
from bridge.columns import Matrix


@pytest.fixture(scope="module")
def binary() -> Model:
    return Model(train(BINARY))


@pytest.fixture
async def load(tmp_path: Path, binary: Model) -> AsyncIterator[Any]:
    opened: list[Backend] = []

    async def one(cache: Path | None, settings: str = "") -> Backend:
        opened.append(await load_backend(read_bundle(write(tmp_path / "m", binary, settings)), cache))
        return opened[-1]

    yield one
    for backend in opened:
        await backend.close()


def made(cache: Path) -> list[str]:
    return sorted(path.suffix for path in (cache / "trees").iterdir())


async def test_trees_are_compiled_once_and_give_the_booster_s_bits(
    tmp_path: Path, load: Any, binary: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    first = await load(cache)
    assert first.description.engine.startswith("lignum 0.3.0 compiled, for xgboost")
    assert made(cache) == [".so"]
    assert stat.S_IMODE((cache / "trees").stat().st_mode) == 0o700
    rows = some_rows(100)
    (part,) = (await first.score(Call("id", ModelRef("m", 1, ""), first.bind(Matrix((), rows)), now()))).ranges
    assert part.scores[0].values.tobytes() == binary.direct(rows).tobytes()
    monkeypatch.setenv("PATH", _without_the_linker(tmp_path))
    assert " compiled, " in (await load(cache)).description.engine


def _without_the_linker(tmp_path: Path) -> str:
    """A PATH whose `cc` fails: what is compiled now was compiled before."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "cc").write_text("#!/bin/sh\nexit 1\n")
    (folder / "cc").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


async def test_a_compiler_that_fails_costs_speed_only_and_is_not_asked_again(
    tmp_path: Path, load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", _without_the_linker(tmp_path))
    cache = tmp_path / "cache"
    assert (await load(cache)).description.engine.startswith("lignum 0.3.0, for")
    assert made(cache) == [".none"]
    monkeypatch.undo()
    assert (await load(cache)).description.engine.startswith("lignum 0.3.0, for")


async def test_a_compiler_that_takes_too_long_is_ended(
    tmp_path: Path, load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "cc").write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    (folder / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(compiled_module, "_LIMIT_S", 8.0)
    assert (await load(tmp_path / "cache")).description.engine.startswith("lignum 0.3.0, for")
    left = [one for one in psutil.process_iter(["pid", "status"]) if one.pid == int((tmp_path / "pid").read_text())]
    assert [one for one in left if one.info["status"] != psutil.STATUS_ZOMBIE] == []


async def test_what_others_could_have_put_there_is_not_run(tmp_path: Path, load: Any) -> None:
    cache = tmp_path / "cache"
    await load(cache)
    (cache / "trees").chmod(0o777)
    assert (await load(cache)).description.engine.startswith("lignum 0.3.0, for")
    (cache / "trees").chmod(0o700)
    assert " compiled, " in (await load(cache)).description.engine


async def test_a_damaged_library_is_thrown_away(tmp_path: Path, load: Any) -> None:
    cache = tmp_path / "cache"
    await load(cache)
    (library,) = (cache / "trees").iterdir()
    library.write_bytes(b"\x7fELF" + bytes(5000))
    assert (await load(cache)).description.engine.startswith("lignum 0.3.0, for")
    assert made(cache) == [".none"]


async def test_nothing_is_compiled_for_the_booster_or_without_a_folder(tmp_path: Path, load: Any) -> None:
    backend = await load(tmp_path / "cache", '[engine]\nname = "xgboost"')
    assert backend.description.engine_reason == "model.toml asks for the booster"
    (tmp_path / "file").write_text("")
    assert (await load(tmp_path / "file")).description.engine.startswith("lignum 0.3.0, for")
    assert not (tmp_path / "cache").exists()


def tree_of(conditions: list[float]) -> dict[str, Any]:
    """A chain of splits by feature 0."""
    inner = len(conditions)
    return {
        "left_children": [*(2 * at + 1 for at in range(inner)), *[-1] * (inner + 1)],
        "split_indices": [0] * (2 * inner + 1),
        "split_conditions": [*conditions, *[0.0] * (inner + 1)],
    }


def test_every_threshold_its_neighbours_and_every_code_are_shown() -> None:
    conditions = np.random.default_rng(1).normal(size=500).astype(np.float32)
    tree = tree_of(conditions.tolist())
    tree |= {"categories": [4, 6], "categories_nodes": [0], "categories_segments": [0], "categories_sizes": [2]}
    splits = splits_of([tree], 2, [-1, 3])
    assert splits.codes == [-1, 3]
    shown = np.concatenate(list(trial_rows(splits)))
    for wanted in (conditions, np.nextafter(conditions, np.float32(9)), np.nextafter(conditions, np.float32(-9))):
        assert np.isin(wanted, shown[:, 0]).all()
    assert set(np.unique(shown[:, 1][~np.isnan(shown[:, 1])])) == {0, 1, 2, 3, 4}
    assert np.isnan(shown).any(axis=0).all()


def test_a_category_that_only_a_tree_knows_is_shown() -> None:
    tree = tree_of([0.0]) | {"categories": [4, 6], "categories_nodes": [0]}
    splits = splits_of([tree | {"categories_segments": [0], "categories_sizes": [2]}], 1, [0])
    assert splits.codes == [7]


def test_a_category_of_any_number_costs_no_memory() -> None:
    tree = tree_of([0.0]) | {"categories": [2**31 - 1], "categories_nodes": [0]}
    splits = splits_of([tree | {"categories_segments": [0], "categories_sizes": [1]}], 1, [0])
    assert (splits.codes, splits.complete) == ([2**31], False)
    assert len(splits.values[0]) < 2 << 20


def test_the_number_that_stands_for_missing_is_shown() -> None:
    splits = splits_of([tree_of([0.5])], 2, [-1, 3])
    shown = np.concatenate(list(trial_rows(splits, -999.0)))
    assert (shown == np.float32(-999)).any(axis=0).all()
    assert np.isnan(shown).any(axis=0).all()


def test_five_thousand_features_are_tried_in_bounded_memory() -> None:
    splits = splits_of([tree_of(np.linspace(0, 1, 200).tolist())], 5000, [-1] * 5000)
    tracemalloc.start()
    cells = sum(rows.size for rows in trial_rows(splits))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert cells > 4096 * 5000
    assert peak < 100 << 20


def test_what_would_take_minutes_is_tried_in_part_and_says_so() -> None:
    trees = [tree_of([float(at)]) for at in range(3000)] * 30
    splits = splits_of(trees, 1, [-1])
    assert not splits.complete
    assert splits.rows * len(trees) <= 1 << 28


async def test_a_very_deep_tree_loads_within_its_time(tmp_path: Path) -> None:
    rows = np.sort(np.random.default_rng(1).random(3000)).reshape(-1, 1)
    target = np.arange(3000) % 2
    chosen = {"nthread": 1, "max_depth": 0, "grow_policy": "lossguide", "max_leaves": 2500, "min_child_weight": 0}
    booster = xgboost.train(chosen | {"lambda": 0}, xgboost.DMatrix(rows, target), 2)
    folder = write(tmp_path / "deep", Model(booster), "load_timeout_s = 60")
    assert max(len(json.loads(one)) for one in booster.get_dump(dump_format="json")) > 1
    backend = await load_backend(read_bundle(folder), tmp_path / "cache")
    try:
        (part,) = (await backend.score(Call("i", ModelRef("m", 1, ""), backend.bind(Matrix((), rows)), now()))).ranges
        assert part.scores[0].values.tobytes() == booster.predict(xgboost.DMatrix(rows)).tobytes()
    finally:
        await backend.close()
