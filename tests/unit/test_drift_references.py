"""Where reference rows and the names of features come from."""

from pathlib import Path

import numpy as np
import pytest
import xgboost
from fixtures import make_r_bundle

from bridge.bundles.bundle import make_manifest, read_manifest
from bridge.drift.bins import Family
from bridge.drift.feature_names import feature_names
from bridge.drift.golden_columns import GoldenColumns
from bridge.drift.reference import Reference, ReferenceNotReadable
from bridge.drift.references import GoldenOfRepository, find_references
from bridge.drift.table_columns import TableColumns

FRAME = 'input = "frame"\n[features]\nage = "double"\ntown = "string"\n'
BY_NAME = "Pred.R <- function(age, town) age"


def booster_bundle(folder: Path, names: list[str] | None, settings: str = "", name: str = "model.ubj") -> Path:
    """A bundle of a booster of three features."""
    rows = np.random.default_rng(1).normal(size=(50, 3))
    data = xgboost.DMatrix(rows, rows[:, 0], feature_names=names)
    folder.mkdir()
    xgboost.train({"max_depth": 2}, data, 2).save_model(folder / name)
    (folder / "model.toml").write_text(settings)
    return folder


@pytest.mark.parametrize("name", ["model.ubj", "model.json"])
@pytest.mark.parametrize(
    ("names", "settings", "expected"),
    [
        (["b", "a", "c"], "", ("b", "a", "c")),
        (None, "", ("f0", "f1", "f2")),
        (None, '[xgboost]\nfeature_names = ["x", "y", "z"]\n', ("x", "y", "z")),
        (["b", "a", "c"], '[xgboost]\nbase_margin = "before"\n', ("b", "a", "c", "before")),
    ],
)
def test_a_booster_tells_its_names(
    tmp_path: Path, name: str, names: list[str] | None, settings: str, expected: tuple[str, ...]
) -> None:
    assert feature_names(booster_bundle(tmp_path / "b", names, settings, name)) == expected


def test_a_damaged_booster_tells_none(tmp_path: Path) -> None:
    bundle = booster_bundle(tmp_path / "b", None)
    (bundle / "model.ubj").write_bytes((bundle / "model.ubj").read_bytes()[:300])
    assert feature_names(bundle) is None


def test_an_r_model_tells_the_columns_of_its_frame(tmp_path: Path) -> None:
    assert feature_names(make_r_bundle(tmp_path / "frame", "Pred.R <- function(x) x$age", settings=FRAME)) == (
        "age",
        "town",
    )
    assert feature_names(make_r_bundle(tmp_path / "plain", BY_NAME, settings='[features]\nage = "double"\n')) is None


def deployed(repository: Path, golden: str) -> str:
    """Puts a version `risk/3` with golden rows into a repository; its digest."""
    bundle = make_r_bundle(repository / "risk" / "3", BY_NAME)
    (bundle / "golden.csv").write_text(golden)
    (bundle / "manifest.json").write_bytes(make_manifest(bundle, None))
    return read_manifest(bundle).digest


def test_golden_rows_are_those_of_the_very_bundle(tmp_path: Path) -> None:
    digest = deployed(tmp_path, "age,score.score\n1,2\n")
    references = GoldenOfRepository(tmp_path)
    found = references.of("risk", 3, digest)
    assert found.reference is not None
    assert (found.reference.name, found.reference.rows, found.why) == ("golden.csv", 1, "")
    assert "its digest is not the logged one" in references.of("risk", 3, "sha256:other").why
    for model in ("ghost", "..", "risk/3/..", "/"):
        assert references.of(model, 3, digest).why == "it is no longer in the repository"


def test_golden_rows_that_can_not_be_read_are_told(tmp_path: Path) -> None:
    digest = deployed(tmp_path, "age,age\n1,2\n")
    assert GoldenOfRepository(tmp_path).of("risk", 3, digest).why == "golden.csv: column 'age' is there twice"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "golden.csv is empty"),
        (b"a\n\xff\n", "golden.csv: not UTF-8"),
        (b"a,b\n1\n", "golden.csv: row 2 .* it has 1 cells, the header has 2"),
    ],
)
def test_a_golden_csv_that_makes_no_sense_is_refused(tmp_path: Path, raw: bytes, said: str) -> None:
    (tmp_path / "golden.csv").write_bytes(raw)
    with pytest.raises(ReferenceNotReadable, match=said):
        find_references(str(tmp_path), None)
    with pytest.raises(ReferenceNotReadable, match=said):
        find_references(str(tmp_path / "golden.csv"), None)


def test_a_golden_csv_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReferenceNotReadable, match=r"golden\.csv can't be read: No such file or directory"):
        find_references(str(tmp_path / "golden.csv"), None)
    (tmp_path / "golden.csv").mkdir()
    with pytest.raises(ReferenceNotReadable, match=r"golden\.csv can't be read: Is a directory"):
        GoldenColumns(tmp_path / "golden.csv")


def test_columns_are_found_by_the_names_of_an_export_and_by_their_own(tmp_path: Path) -> None:
    (tmp_path / "golden.csv").write_text("model,input.model,age,score.p,q,score\n1,2,3,4,5,6\n")
    reference = Reference(GoldenColumns(tmp_path / "golden.csv"))
    assert reference.column_of("model", "feature") == "input.model"
    assert reference.column_of("age", "feature") == "age"
    assert reference.column_of("p", "score") == "score.p"
    assert reference.column_of("q", "score", alone=True) == "q"
    assert reference.column_of("r", "score", alone=True) == "score"
    assert reference.column_of("r", "score") is None
    assert reference.column_of("town", "feature") is None
    assert reference.others(frozenset({"age"})) == [("model", "feature"), ("p", "score")]
    (tmp_path / "golden.csv").write_text("age,score.p,town\n1,2,3\n")
    others = Reference(GoldenColumns(tmp_path / "golden.csv")).others(frozenset({"age"}))
    assert others == [("p", "score"), ("town", "feature")]


def test_text_in_quotes_is_never_missing(tmp_path: Path) -> None:
    text = 'town\nNA\n"NA"\n""\nRom\n'
    (tmp_path / "t.csv").write_text(text)
    found = TableColumns(tmp_path / "t.csv").column("town", "feature")
    assert (sorted(found.values), found.missing) == (["", "NA", "Rom"], 1)
    assert Reference(TableColumns(tmp_path / "t.csv")).bins("town", "feature", Family.TEXTS).against.sum() == 4
    (tmp_path / "golden.csv").write_text(text)
    found = GoldenColumns(tmp_path / "golden.csv").column("town", "feature")
    assert dict(zip(found.values, found.weights.tolist(), strict=True)) == {"NA": 2, "": 1, "Rom": 1}
