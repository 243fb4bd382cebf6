"""model.toml and requirements.txt as `write_bundle` writes them, and the environment of its processes."""

import math
import os
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scorebridge import BundleNotWritten
from scorebridge.authoring.declared import DeclaredFeature
from scorebridge.authoring.folder import new_folder
from scorebridge.authoring.requirements import requirements_text
from scorebridge.authoring.saved_files import save_files
from scorebridge.authoring.session_timezone import session_timezone
from scorebridge.authoring.settings import Settings, check_defaults, check_settings
from scorebridge.authoring.toml import toml_text
from scorebridge.runner.vectors import Vector

from bridge.bundles.settings import ModelSettings, read_model_settings


def test_a_gateway_reads_what_was_written(tmp_path: Path) -> None:
    settings = Settings("frame", True, True, {"a b": 0.1, "é": 'q"\\\n\x7f'}, 1e-05, "models", "Asia/Shanghai")
    features = [
        DeclaredFeature("age", "double"),
        DeclaredFeature("größe", "factor", ("s\t", "l\x7f"), ordered=True, unknown_level="missing"),
    ]
    (tmp_path / "model.toml").write_text(toml_text(settings.lines(), features), encoding="utf-8")
    read = read_model_settings(tmp_path)
    assert read.backend == "python"
    assert (read.python, read.input, read.row_wise, read.row_by_row) == ("models", "frame", True, True)
    assert (read.timeout_s, read.timezone) == (1e-05, "Asia/Shanghai")
    assert read.default_score == {"a b": 0.1, "é": 'q"\\\n\x7f'}
    assert [(one.name, one.type, one.levels, one.ordered, one.unknown_level) for one in read.declared_features()] == [
        ("age", "double", (), False, "refuse"),
        ("größe", "factor", ("s\t", "l\x7f"), True, "missing"),
    ]


def test_what_a_gateway_takes_without_a_key_has_none() -> None:
    assert tomllib.loads(toml_text(Settings().lines(), [])) == {"backend": "python"}
    assert ModelSettings.model_validate(Settings(timeout_s=1, default_score=True).lines()).default_score is True


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"input": "rows"}, "input must be"),
        ({"row_wise": 1}, "row_wise must be"),
        ({"row_by_row": None}, "row_by_row must be"),
        ({"row_by_row": True, "row_wise": False}, "leave row_wise out"),
        ({"timeout_s": 0}, "timeout_s must be"),
        ({"timeout_s": math.inf}, "timeout_s must be"),
        ({"timeout_s": True}, "timeout_s must be"),
        ({"python": ""}, "python must be"),
        ({"default_score": math.nan}, "default_score must be"),
        ({"default_score": {}}, "default_score must be"),
        ({"default_score": {"": 1}}, "default_score must be"),
        ({"default_score": [1]}, "default_score must be"),
        ({"default_score": 2**63}, "default_score must be"),
        ({"default_score": np.float64(1)}, "default_score must be"),
    ],
)
def test_a_setting_that_no_gateway_takes_is_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleNotWritten, match=message):
        check_settings(Settings(**said))


OUTPUTS = [Vector("p", "double", np.zeros(1)), Vector("class", "string", np.array(["a"], object))]


def test_defaults_fit_the_outputs() -> None:
    check_defaults({"p": 1, "class": "none"}, OUTPUTS)
    check_defaults(0.5, OUTPUTS[:1])
    for kind, good, bad, wanted in (
        ("int", 3, 0.5, "a whole number"),
        ("int", 3.0, 2**31, "a whole number"),
        ("int64", 2**62, True, "a whole number"),
        ("bool", True, 1, "True or False"),
        ("string", "a", 1, "text"),
        ("float", 1, "a", "a number"),
    ):
        output = [Vector("x", kind, np.zeros(1))]
        check_defaults(good, output)
        with pytest.raises(BundleNotWritten, match=f"default_score for the output 'x' must be {wanted}"):
            check_defaults(bad, output)
    with pytest.raises(BundleNotWritten, match="has no value for the output 'class'"):
        check_defaults({"p": 1}, OUTPUTS)
    with pytest.raises(BundleNotWritten, match="names 'q', which is not an output"):
        check_defaults({"p": 1, "class": "a", "q": 1}, OUTPUTS)


def test_requirements_are_exact_versions_of_what_is_imported_now_or_later(tmp_path: Path) -> None:
    (tmp_path / "Pred.py").write_text("import os\ndef predict(a):\n    import numpy.linalg\n    return a\n")
    assert requirements_text(None, ["zeta 1.0"], tmp_path) == f"numpy=={np.__version__}\nzeta==1.0\n"
    assert requirements_text(False, ["zeta 1.0"], tmp_path) is None
    assert requirements_text(["a>=1", "b"], [], tmp_path) == "a>=1\nb\n"
    for wrong in (True, "numpy", ["a\nb"], [1]):
        with pytest.raises(BundleNotWritten, match="requirements must be"):
            requirements_text(wrong, [], tmp_path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "files must be a dict"),
        ({"": b""}, "texts of 1 to 200 characters"),
        ({"a/b": b""}, "can't be the name of a file"),
        ({"..": b""}, "can't be the name of a file"),
        ({"a\nb": b""}, "can't be the name of a file"),
        ({"Pred.py": b""}, "a name that the bundle itself uses"),
        ({"a.csv": "/absent"}, "the file that files names for a.csv can't be read: No such file"),
        ({"a.csv": "/"}, "can't be read: Is a directory"),
        ({"a.bin": [1]}, "a.bin in files is list, and objects are only saved in files that end"),
        ({"a.pkl": threading.Lock()}, "a.pkl can't be saved: TypeError: cannot pickle '_thread.lock'"),
    ],
)
def test_a_file_that_cannot_be_saved_is_refused(tmp_path: Path, files: Any, said: str) -> None:
    with pytest.raises(BundleNotWritten, match=said):
        save_files(tmp_path, files)


def test_files_are_copied_or_written_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_bytes(b"text")
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    assert save_files(bundle, {"a.txt": tmp_path / "own.txt", "b.txt": str(tmp_path / "own.txt"), "c": b"\0"}) == []
    assert [(path.name, path.read_bytes()) for path in sorted(bundle.iterdir())] == [
        ("a.txt", b"text"),
        ("b.txt", b"text"),
        ("c", b"\0"),
    ]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with new_folder(tmp_path / "a" / "b" / "c") as (writing, path):
        (writing / "x").touch()
        assert not path.exists()
    assert [entry.name for entry in path.iterdir()] == ["x"]
    with pytest.raises(FileExistsError), new_folder(tmp_path / "d" / "e") as (writing, _):
        writing.mkdir()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_folder_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, said in ((tmp_path, "is not empty"), (tmp_path / "file", "is not a folder"), (3, "must be the path")):
        with pytest.raises(BundleNotWritten, match=said), new_folder(path):  # type: ignore[arg-type] # a mistake
            pass
    (tmp_path / "bundle").mkdir()
    with pytest.raises(BundleNotWritten, match="was made by others"), new_folder(tmp_path / "bundle"):
        (tmp_path / "bundle" / "theirs").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bundle", "file", "theirs"]
    with pytest.raises(BundleNotWritten, match="can't be made: Not a directory"), new_folder(tmp_path / "file" / "a"):
        pass


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Changes the session's time zone for a test."""
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("said", "name"),
    [("Asia/Shanghai", "Asia/Shanghai"), (":Europe/Berlin", "Europe/Berlin"), ("UTC+8", None), ("EST5EDT4", None)],
)
def test_a_time_zone_is_named_where_it_is_certain(zone: pytest.MonkeyPatch, said: str, name: str | None) -> None:
    zone.setenv("TZ", said)
    time.tzset()
    found = session_timezone()
    assert found.name == name
    assert bool(found.remark) == (name is None)
    assert os.environ["TZ"] == said
