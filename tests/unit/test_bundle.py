"""Bundles: what is complete, what the manifest says, and that no byte changes unseen."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from bridge.bundles.bundle import Bundle, bundle_files, make_manifest, read_bundle, read_manifest, verify
from bridge.calls import Output
from bridge.columns import Type
from bridge.errors import BundleError


def folder(path: Path, *names: str, settings: str = "") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(f"content of {name}")
    if settings:
        (path / "model.toml").write_text(settings)
    return path


@pytest.mark.parametrize(
    ("names", "settings", "backend"),
    [
        (["model.ubj"], "", "xgboost"),
        (["model.json", "notes.txt"], "", "xgboost"),
        (["Pred.R", "m.RData"], "", "rserve"),
        (["Pred.R", "m.rda", "other.rds"], "", "rserve"),
        (["Pred.R", "m.RDATA"], "", "rserve"),
        (["Pred.R", "m.rds", "model.ubj"], "backend = 'xgboost'", "xgboost"),
        (["Pred.R", "m.rds", "model.ubj"], "backend = 'rserve'", "rserve"),
        (["Pred.py"], "", "python"),
        (["Pred.py", "model.pkl", "model.txt", "deep/a.py"], "", "python"),
        (["Pred.py", "Pred.R", "m.rds"], "python = 'risk'", "python"),
        (["Pred.py", "model.json"], "backend = 'python'", "python"),
        (["Pred.py", "model.json"], "backend = 'xgboost'", "xgboost"),
    ],
)
def test_a_complete_folder_is_read_with_its_backend(
    tmp_path: Path, names: list[str], settings: str, backend: str
) -> None:
    bundle = read_bundle(folder(tmp_path, *names, settings=settings))
    assert (bundle.backend, bundle.manifest, bundle.digest) == (backend, None, "")
    if backend == "xgboost":
        assert bundle.model_file == tmp_path / next(name for name in names if name.startswith("model."))


NO_MODEL = "there is no model in the folder: an R bundle is Pred.R and its objects"


@pytest.mark.parametrize(
    ("names", "settings", "sentence"),
    [
        ([], "", NO_MODEL),
        (["notes.txt", "pred.r"], "", NO_MODEL),
        (["deep/model.ubj"], "", NO_MODEL),
        (["Pred.R"], "", "there is no model beside Pred.R: no file *.RData, *.rda or *.rds"),
        (["Pred.R", "deep/m.rds"], "", "there is no model beside Pred.R: no file *.RData, *.rda or *.rds"),
        (["b.rds", "a.rda"], "", "there is no Pred.R beside a.rda: "),
        (["model.ubj", "model.json"], "", "an xgboost bundle holds exactly one of model.ubj and model.json"),
        (
            ["model.ubj"],
            "input = 'frame'\n[features]\nx = 'double'",
            "model.toml: input is for R and Python models, and this is an xgboost model: remove the key",
        ),
        (
            ["model.ubj", "Pred.R"],
            "",
            "the bundle holds Pred.R and model.ubj: say which of them is the model, by `backend`",
        ),
        (
            ["model.json", "m.rds"],
            "",
            "the bundle holds m.rds and model.json: say which of them is the model, by `backend`",
        ),
        (["Pred.R", "m.rds"], "backend = 'xgboost'", "an xgboost bundle holds exactly one of"),
        (["Pred.R", "m.rds", "Pred.py"], "", "the bundle holds Pred.R and Pred.py: say which of them is the model, by"),
        (["Pred.py", "model.ubj"], "", "the bundle holds Pred.py and model.ubj: say which of them is the model, by"),
        (["model.pkl"], "", "the folder holds model.pkl, but no model.ubj or model.json: convert the file with"),
        (
            ["model.pkl"],
            "backend = 'python'",
            "there is no Pred.py in the folder: an R bundle is Pred.R and its objects",
        ),
        (["deep/Pred.py"], "python = 'risk'", "there is no Pred.py in the folder: "),
        (["Pred.R", "m.rds"], "python = 'risk'", "model.toml: python is for Python models, and this is an R model: "),
        (["model.ubj"], "process_limit = 3", "model.toml: process_limit is for Python models, and this is an xgboost"),
        (["Pred.py"], "locale = 'C'", "model.toml: locale is for R models, and this is a Python model: remove the key"),
        (["model.ubj"], "backend = 'rserve'", NO_MODEL),
        (["model.ubj"], "timeout = 1", "model.toml: timeout: unknown key"),
    ],
)
def test_an_incomplete_folder_is_refused_in_a_sentence(
    tmp_path: Path, names: list[str], settings: str, sentence: str
) -> None:
    with pytest.raises(BundleError, match="^" + re.escape(sentence)):
        read_bundle(folder(tmp_path, *names, settings=settings))


@pytest.mark.parametrize("name", ["absent", "file"])
def test_what_is_no_folder_is_no_bundle(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match=f"^{name} is not a folder$"):
        read_bundle(tmp_path / name)


OUTPUTS = (Output("ü", Type.STRING), Output("score", Type.DOUBLE))


def test_the_manifest_is_sorted_bare_json_of_every_file_but_itself(tmp_path: Path) -> None:
    folder(tmp_path, "model.ubj", "é.txt", "lib/b.R", "lib/manifest.json", "manifest.json", "A")
    names = ["A", "lib/b.R", "lib/manifest.json", "model.ubj", "é.txt"]
    assert bundle_files(tmp_path) == names
    expected = {
        "files": {name: hashlib.sha256(f"content of {name}".encode()).hexdigest() for name in names},
        "outputs": [{"name": "ü", "type": "string"}, {"name": "score", "type": "double"}],
    }
    raw = make_manifest(tmp_path, OUTPUTS)
    assert json.loads(raw) == expected
    assert list(json.loads(raw)["files"]) == names
    assert raw.decode() == json.dumps(expected, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def deployed(path: Path, *names: str) -> Bundle:
    (folder(path, *names) / "manifest.json").write_bytes(make_manifest(path, OUTPUTS))
    return read_bundle(path)


def test_equal_bundles_have_equal_digests_and_others_have_others(tmp_path: Path) -> None:
    one = deployed(tmp_path / "one", "model.ubj", "a/x", "b")
    other = deployed(tmp_path / "other", "b", "a/x", "model.ubj")
    assert one.digest == other.digest
    raw = (one.path / "manifest.json").read_bytes()
    assert one.digest == "sha256:" + hashlib.sha256(raw).hexdigest()
    assert one.manifest is not None
    assert one.manifest.outputs == OUTPUTS
    assert make_manifest(one.path, None) != make_manifest(one.path, ())
    (other.path / "b").write_text("another content")
    assert make_manifest(other.path, OUTPUTS) != raw


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b'{"files":{}}',
        b'{"files":1,"outputs":null}',
        b'{"files":{},"outputs":[{"name":"a"}]}',
        b'{"files":{},"outputs":[{"name":"a","type":"complex"}]}',
    ],
)
def test_a_manifest_that_can_not_be_read_is_refused(tmp_path: Path, raw: bytes) -> None:
    (folder(tmp_path, "model.ubj") / "manifest.json").write_bytes(raw)
    with pytest.raises(BundleError, match=r"^manifest\.json is not as deploy writes it "):
        read_bundle(tmp_path)
    with pytest.raises(BundleError, match=r"^manifest\.json is not as deploy writes it "):
        read_manifest(tmp_path)


def test_an_untouched_bundle_and_one_never_deployed_pass(tmp_path: Path) -> None:
    verify(deployed(tmp_path / "deployed", "model.ubj", "lib/x"))
    verify(read_bundle(folder(tmp_path / "never", "model.ubj")))


@pytest.mark.parametrize("name", ["model.ubj", "lib/x", "model.toml"])
def test_an_altered_removed_or_added_file_is_named(tmp_path: Path, name: str) -> None:
    altered, removed, added = (
        deployed(tmp_path / case, "model.ubj", "lib/x", "model.toml2") for case in ("altered", "removed", "added")
    )
    target = altered.path / (name if (altered.path / name).exists() else "model.toml2")
    content = bytearray(target.read_bytes())
    content[-1] ^= 1
    target.write_bytes(content)
    relative = target.relative_to(altered.path)
    with pytest.raises(BundleError, match=f"^{relative} was altered after the bundle was deployed"):
        verify(altered)
    (removed.path / relative).unlink()
    with pytest.raises(BundleError, match=f"^{relative} was removed after the bundle was deployed$"):
        verify(removed)
    folder(added.path, "lib/.hidden")
    with pytest.raises(BundleError, match=r"^lib/\.hidden was added after the bundle was deployed$"):
        verify(added)
