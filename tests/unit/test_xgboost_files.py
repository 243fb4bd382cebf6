"""Model files that can't be served: each is refused with its reason, and harms no other process."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from boosters import BINARY, Model, train, write

from bridge.backends.choice import load_backend
from bridge.bundles.bundle import read_bundle
from bridge.errors import BundleError


@pytest.fixture(scope="module")
def binary() -> Model:
    return Model(train(BINARY))


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
    with pytest.raises(BundleError, match=r"^model\.ubj was not loaded within 0\.001 s \(load_timeout_s\)$"):
        await load_backend(read_bundle(folder))


@pytest.mark.parametrize("said", ["abc", "-1", "1.5", "30", str(2**31)])
async def test_a_best_iteration_that_is_no_round_is_named(tmp_path: Path, said: str) -> None:
    model = Model(train(BINARY))
    model.booster.set_attr(best_iteration=said)
    folder = write(tmp_path / "m", model, '[xgboost]\ntrees = "best"')
    sentence = r"^model\.ubj has an attribute best_iteration that names none of its rounds$"
    with pytest.raises(BundleError, match=sentence):
        await load_backend(read_bundle(folder))
