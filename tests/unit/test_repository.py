"""The repository: names, numbers, and that a version appears whole, once, and for good."""

import json
import os
from pathlib import Path

import pytest

from bridge.bundles.bundle import make_manifest, read_bundle, verify
from bridge.bundles.repository import Repository, StoredVersion, check_model_name
from bridge.errors import BundleError


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    (folder / "lib").mkdir(parents=True)
    (folder / "model.ubj").write_bytes(b"booster")
    (folder / "lib" / "x.txt").write_bytes(b"x")
    (folder / "manifest.json").write_bytes(b"of an earlier deploy")
    return folder


def publish(repository: Repository, bundle: Path, model: str, version: int | None = None) -> StoredVersion:
    with repository.staged(bundle) as staged:
        return repository.publish(staged, make_manifest(staged, None), model, version)


def content(folder: Path) -> set[str]:
    return {entry.relative_to(folder).as_posix() for entry in folder.rglob("*")}


@pytest.mark.parametrize("name", ["a", "0", "a" * 63, "diabetes_2.v-1", "9-."])
def test_names_of_models(name: str) -> None:
    assert check_model_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "a" * 64, ".staging-x", "-a", "_a", "a/b", "..", "a b", "é", "a\n", "٣"])
def test_what_is_no_name_of_a_model(name: str, tmp_path: Path, bundle: Path) -> None:
    with pytest.raises(BundleError, match="is not a model's name: 1 to 63 of a-z"):
        check_model_name(name)
    repository = Repository(tmp_path / "repository")
    with pytest.raises(BundleError, match="is not a model's name"):
        publish(repository, bundle, name)
    assert content(tmp_path / "repository") == set()


def test_a_published_version_is_the_bundle_and_its_manifest(tmp_path: Path, bundle: Path) -> None:
    repository = Repository(tmp_path / "not" / "yet" / "there")
    stored = publish(repository, bundle, "m")
    assert (stored.model, stored.version, stored.path) == ("m", 1, repository.path / "m" / "1")
    assert stored.deployed
    assert content(repository.path) == {"m", "m/1", "m/1/lib", "m/1/lib/x.txt", "m/1/model.ubj", "m/1/manifest.json"}
    assert set(json.loads((stored.path / "manifest.json").read_bytes())["files"]) == {"model.ubj", "lib/x.txt"}
    verify(read_bundle(stored.path))
    assert (bundle / "manifest.json").read_bytes() == b"of an earlier deploy"


def test_the_next_version_is_one_above_the_highest_of_the_same_model(tmp_path: Path, bundle: Path) -> None:
    repository = Repository(tmp_path)
    numbers = [publish(repository, bundle, "m", version).version for version in (None, None, 10, None)]
    assert numbers == [1, 2, 10, 11]
    assert publish(repository, bundle, "other").version == 1


def test_a_version_that_is_there_is_never_replaced_not_even_if_empty(tmp_path: Path, bundle: Path) -> None:
    repository = Repository(tmp_path / "repository")
    first = publish(repository, bundle, "m", 3)
    (repository.path / "m" / "4").mkdir()
    (bundle / "model.ubj").write_bytes(b"another")
    for version in (3, 4):
        with pytest.raises(
            BundleError,
            match=f"^m/{version} exists already, and a version is never replaced: deploy under another number$",
        ):
            publish(repository, bundle, "m", version)
    assert (first.path / "model.ubj").read_bytes() == b"booster"
    assert content(repository.path / "m" / "4") == set()
    assert [entry.name for entry in repository.path.iterdir()] == ["m"]
    assert publish(repository, bundle, "m").version == 5


@pytest.mark.parametrize("version", [0, -1, 10**9])
def test_what_is_no_version_is_refused(tmp_path: Path, bundle: Path, version: int) -> None:
    repository = Repository(tmp_path / "repository")
    with pytest.raises(BundleError, match=f"^{version} is not a version: a positive whole number"):
        publish(repository, bundle, "m", version)
    assert content(repository.path) == set()


def test_whether_a_version_is_free_is_known_before_anything_is_staged(tmp_path: Path, bundle: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.check_free("m", None)
    repository.check_free("m", 3)
    with pytest.raises(BundleError, match=r"^0 is not a version"):
        repository.check_free("m", 0)
    assert not repository.path.exists()
    publish(repository, bundle, "m", 3)
    with pytest.raises(
        BundleError, match=r"^m/3 exists already, and a version is never replaced: deploy under another number$"
    ):
        repository.check_free("m", 3)


def test_there_is_no_version_above_the_highest_number(tmp_path: Path, bundle: Path) -> None:
    repository = Repository(tmp_path / "repository")
    publish(repository, bundle, "m", 10**9 - 1)
    with pytest.raises(BundleError, match=f"^{10**9} is not a version"):
        publish(repository, bundle, "m")


def test_staging_is_private_hidden_and_removed_whatever_happens(tmp_path: Path, bundle: Path) -> None:
    repository = Repository(tmp_path / "repository")
    with pytest.raises(ZeroDivisionError), repository.staged(bundle) as staged:  # noqa: PT012
        assert content(staged) == {"lib", "lib/x.txt", "model.ubj"}
        assert staged.parent.stat().st_mode & 0o777 == 0o700
        assert repository.versions() == []
        raise ZeroDivisionError
    assert content(repository.path) == set()
    with repository.staged(bundle):
        assert len(list(repository.path.iterdir())) == 1
    assert content(repository.path) == set()


def test_only_version_folders_are_listed_sorted_by_model_and_number(tmp_path: Path, bundle: Path) -> None:
    repository = Repository(tmp_path / "repository")
    assert repository.versions() == []
    for version in (10, 9):
        publish(repository, bundle, "b", version)
    publish(repository, bundle, "a")
    for name in ("b/01", "b/0", "b/x", "b/9.retired", "b/1234567890", "B/1", ".staging-x/1", "a/2"):
        (repository.path / name).mkdir(parents=True)
    (repository.path / "a" / "7").write_text("a file")
    (repository.path / "file").write_text("")
    listed = [(stored.model, stored.version, stored.deployed) for stored in repository.versions()]
    assert listed == [("a", 1, True), ("a", 2, False), ("b", 9, True), ("b", 10, True)]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3", 3),
        ("12\n", 12),
        (" 7 \n", 7),
        *((text, None) for text in ("", "0", "03", "x", "-1", "3 4", "1.0", "٣", str(10**9))),
    ],
)
def test_the_promoted_version_is_what_the_file_says_and_if_it_says_none_that_is_logged(
    tmp_path: Path, text: str, version: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "m").mkdir()
    assert Repository(tmp_path).promoted("m") is None
    assert Repository(tmp_path).promoted("other") is None
    assert caplog.messages == []
    serving = tmp_path / "m" / "serving"
    serving.write_text(text, encoding="utf-8")
    assert Repository(tmp_path).promoted("m") == version
    assert [record.levelname for record in caplog.records] == ([] if version else ["ERROR"])
    assert version or f"{serving} does not hold a version number" in caplog.text


def test_a_choice_that_can_not_be_read_is_logged_and_nothing_is_retired_meanwhile(
    tmp_path: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    repository = Repository(tmp_path / "repository")
    serving = publish(repository, bundle, "m").path.with_name("serving")
    serving.mkdir()
    assert repository.promoted("m") is None
    assert f"Is a directory: '{serving}'" in caplog.text
    with pytest.raises(IsADirectoryError):
        repository.retire("m", 1)


def test_what_is_promoted_can_be_read_by_whoever_can_read_the_versions(tmp_path: Path, bundle: Path) -> None:
    repository = Repository(tmp_path / "repository")
    publish(repository, bundle, "m")
    umask = os.umask(0o027)
    try:
        repository.promote("m", 1)
    finally:
        os.umask(umask)
    assert (repository.path / "m" / "serving").stat().st_mode & 0o777 == 0o640
    assert content(repository.path / "m") >= {"serving", "1"}
    assert not list((repository.path / "m").glob(".serving-*"))


def test_publishing_takes_the_next_number_if_somebody_else_was_faster(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository(tmp_path / "repository")
    publish(repository, bundle, "m")
    seen = iter([1, 1, 2])
    monkeypatch.setattr(Repository, "_next_version", lambda _self, _model: next(seen))
    assert publish(repository, bundle, "m").version == 2
    assert next(seen, None) is None
