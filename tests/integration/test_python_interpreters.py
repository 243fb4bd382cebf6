"""Interpreters of Python bundles that can't load them: one sentence that names the interpreter and the remedy."""

import re
import shutil
import stat
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.bundles.repository import Repository
from bridge.cli.app import app

ADDS = "def predict(a):\n    return a + 1\n"


def program(path: Path, text: str, mode: int = 0o755) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def bare(path: Path) -> Path:
    """A Python without any package."""
    venv.create(path, with_pip=False, symlinks=True)
    return path / "bin" / "python"


INTERPRETERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "gone": (lambda folder: folder / "gone", "the interpreter {} is not there, or may not be run: No such file"),
    "not executable": (
        lambda folder: program(folder / "python", "#!/bin/sh\n", stat.S_IRUSR),
        "the interpreter {} is not there, or may not be run: Permission denied",
    ),
    "a folder": (lambda folder: folder, "the interpreter {} is not there, or may not be run: "),
    "another program": (
        lambda _: Path(str(shutil.which("true"))),
        "{} does not tell what it is, so it is no Python of 3.9",
    ),
    "a program that fails": (
        lambda _: Path(str(shutil.which("false"))),
        "the interpreter {} could not be started: it ended with exit code 1",
    ),
    # No Python so old can be had here: the program answers as one would.
    "too old": (
        lambda folder: program(
            folder / "python", '#!/bin/sh\necho \'{"version": [3, 8, 1], "installed": {}, "markers": {}}\'\n'
        ),
        "{} is Python 3.8.1; a Python model needs 3.9 or newer",
    ),
    "without numpy": (
        lambda folder: bare(folder / "bare"),
        "numpy is not installed in {}, which every Python model needs",
    ),
}


@pytest.mark.parametrize("what", INTERPRETERS)
def test_an_interpreter_that_can_t_load_bundles_is_named(tmp_path: Path, what: str) -> None:
    make, sentence = INTERPRETERS[what]
    folder, bundle, config = tmp_path / "pythons", tmp_path / "b", tmp_path / "gateway.toml"
    folder.mkdir()
    bundle.mkdir()
    path = make(folder)
    config.write_text(f"[pythons]\nold = '{path}'\n")
    (bundle / "Pred.py").write_text(ADDS)
    (bundle / "model.toml").write_text("python = 'old'\n")
    repository = tmp_path / "repository"
    for command in (("check", bundle), ("deploy", bundle, "--repository", repository, "--model", "m")):
        done = CliRunner().invoke(app, [*map(str, command), "--config", str(config)])
        assert done.exit_code == 1
        assert re.match(re.escape(sentence.format(path)), done.stderr)
        assert len(done.stderr.strip().splitlines()) == 1
    assert Repository(repository).versions() == []


def test_a_name_that_the_settings_lack_is_told_with_those_that_they_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCOREBRIDGE_PYTHONS", f'{{"b": "{sys.executable}", "a": "{sys.executable}"}}')
    (tmp_path / "Pred.py").write_text(ADDS)
    (tmp_path / "model.toml").write_text("python = 'c'\n")
    done = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stderr.strip().endswith("has no such name; it has a, b")


def test_a_frame_needs_pandas_in_its_interpreter(tmp_path: Path) -> None:
    python = bare(tmp_path / "bare")
    site = next((tmp_path / "bare").glob("lib/python*/site-packages"))
    import numpy as np  # noqa: PLC0415 - where it is installed

    installed = Path(np.__file__).parents[1]
    for entry in installed.glob("numpy*"):
        (site / entry.name).symlink_to(entry)
    config, bundle = tmp_path / "gateway.toml", tmp_path / "b"
    config.write_text(f"[pythons]\nlean = '{python}'\n")
    bundle.mkdir()
    (bundle / "Pred.py").write_text("def predict(frame):\n    return frame['a'] + 1\n")
    (bundle / "model.toml").write_text("python = 'lean'\ninput = 'frame'\n[features]\na = 'double'\n")
    done = CliRunner().invoke(app, ["check", str(bundle), "--config", str(config)])
    assert done.exit_code == 1
    assert done.stderr == f"input is 'frame', and pandas is not installed in {python}: install it there\n"
    (bundle / "Pred.py").write_text("def predict(a):\n    return a + 1\n")
    (bundle / "model.toml").write_text("python = 'lean'\n")
    assert CliRunner().invoke(app, ["check", str(bundle), "--config", str(config)]).exit_code == 0
