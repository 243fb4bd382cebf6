"""The file of a booster, as reconcile opens it: who saved it, and what happens where it can't be loaded."""

import json
from pathlib import Path

import pytest
import xgboost
from boosters import BINARY, Model, train, write
from saved_bundles import SAVED, saved

from bridge.bundles.bundle import read_bundle
from bridge.errors import BundleError
from bridge.reconcile.xgboost_file import open_booster_file, saved_by


@pytest.fixture(scope="module")
def binary() -> xgboost.Booster:
    return train(BINARY)


@pytest.mark.parametrize("version", ["1.7.6", "2.1.4", "3.0.5", "3.1.3", "3.2.0", "3.4.1"])
def test_who_saved_a_file_is_read_from_its_end(version: str) -> None:
    numbers = tuple(int(part) for part in version.split("."))
    assert saved_by(SAVED / version / "numeric.ubj") == numbers
    assert saved_by(SAVED / version / "gblinear.ubj") == numbers


def test_who_saved_a_json_file_is_read_as_json(binary: xgboost.Booster, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    binary.save_model(path)
    numbers = tuple(int(part) for part in xgboost.__version__.split("."))
    assert saved_by(path) == numbers
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps({"version": [9, 8, 7]} | {"learner": document["learner"]}, indent=1))
    assert saved_by(path) == (9, 8, 7)


KEY = b"L\0\0\0\0\0\0\0\x07version["


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"binf",
        b"{L",
        b"{L" + KEY,
        b"{L" + KEY + b"#L\0\0",
        b"{L" + KEY + b"#L\0\0\0\0\0\0\0\x03i\x01i",
        b"{L" + KEY + b"#L\0\0\0\0\0\0\0\x03S\x01i\x01i\x01}",
        b'{"learner": ',
        b'{"version": "3.2.0"}',
        b'{"version": [3, "2"]}',
    ],
)
def test_a_file_that_does_not_say_who_saved_it_says_nothing(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "model"
    path.write_bytes(raw)
    assert saved_by(path) == ()


def test_larger_numbers_of_a_version_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "model.ubj"
    path.write_bytes(b"{L" + KEY + b"#L\0\0\0\0\0\0\0\x03I\x01\x00U\xffl\0\0\0\x07}")
    assert saved_by(path) == (256, 255, 7)


def broken(folder: Path, booster: xgboost.Booster) -> Path:
    """A bundle whose file ends the process that predicts with it."""
    path = write(folder, Model(booster), name="model.json") / "model.json"
    document = json.loads(path.read_text())
    tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
    for children in ("left_children", "right_children"):
        tree[children][0] = 2**30
    path.write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ("", "ends the process that loads it"),
        ("load_timeout_s = 0.001", r"was not loaded within 0\.001 s \(load_timeout_s\)$"),
    ],
)
def test_a_file_that_kills_a_process_or_keeps_it_busy_does_so_elsewhere(
    binary: xgboost.Booster, tmp_path: Path, settings: str, why: str
) -> None:
    folder = broken(tmp_path / "m", binary)
    (folder / "model.toml").write_text(settings)
    with pytest.raises(BundleError, match=rf"^model\.json {why}"):
        open_booster_file(read_bundle(folder))


def test_a_file_that_is_none_is_refused_in_the_library_s_words(binary: xgboost.Booster, tmp_path: Path) -> None:
    folder = write(tmp_path / "m", Model(binary))
    (folder / "model.ubj").write_bytes(b"PK\x03\x04 not a model")
    with pytest.raises(BundleError, match=rf"^xgboost {xgboost.__version__} can't load model\.ubj: "):
        open_booster_file(read_bundle(folder))


def test_a_file_is_opened_with_the_versions_of_who_saved_it_and_who_reads_it(tmp_path: Path) -> None:
    file = open_booster_file(read_bundle(saved(tmp_path / "m", "2.1.4", "numeric")))
    assert file.saved_by == (2, 1)
    assert file.installed == tuple(int(part) for part in xgboost.__version__.split(".")[:2])
    assert file.booster.feature_names == ["x", "y", "z"]


def test_a_file_of_a_version_that_nobody_has_is_refused(binary: xgboost.Booster, tmp_path: Path) -> None:
    folder = write(tmp_path / "m", Model(binary), name="model.json")
    document = json.loads((folder / "model.json").read_bytes())
    (folder / "model.json").write_text(json.dumps(document | {"version": [99, 1, 0]}))
    with pytest.raises(
        BundleError, match=r"^model\.json was saved by xgboost 99\.1\.0; the installed .* is older and may"
    ):
        open_booster_file(read_bundle(folder))
