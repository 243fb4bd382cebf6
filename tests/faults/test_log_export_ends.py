"""An export or a reconciliation that is ended, by a person, the system or a full disk, leaves nothing behind."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prediction_logs import record, write_log
from typer.testing import CliRunner, Result

from bridge.cli.log import app
from bridge.prediction_log import export, parquet, search_documents

FORMATS = list(export.Format)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """More than 4 KB in any form, and less than Python keeps back until a file is closed."""
    write_log(tmp_path / "log", [record("call-1", [40.0] * 14)])
    return tmp_path / "log"


def run(log: Path, form: str, output: Path) -> Result:
    return CliRunner().invoke(app, ["export", str(log), "--format", form, "--output", str(output)])


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk(log: Path, full_disk: Path, form: str) -> None:
    command = [sys.executable, "-m", "bridge", "log", "export", str(log), "--format", form]
    done = subprocess.run([*command, "--output", full_disk / "out"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "No space left on device" in done.stderr
    assert list(full_disk.iterdir()) == []


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, number: signal.Signals, code: int
) -> None:
    seen: list[list[str]] = []

    def end(*_: Any) -> Any:
        seen.append([path.name for path in tmp_path.iterdir() if path != log])
        os.kill(os.getpid(), number)
        return iter(())

    for module in (export, parquet, search_documents):
        monkeypatch.setattr(module, "rows_of", end)
    # A missing handler would end the tests, and a shell in the background has processes ignore SIGINT.
    before = {one: signal.signal(one, signal.default_int_handler) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        done = run(log, form, tmp_path / "out")
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert done.exit_code == code
    assert seen == [[f".out.{os.getpid()}.partial"]]
    assert [path for path in tmp_path.iterdir() if path != log] == []


def test_sigterm_really_ends_the_command(log: Path, tmp_path: Path) -> None:
    code = (
        "import os, signal; from bridge.cli import log; from bridge.prediction_log import export\n"
        "export.rows_of = lambda _: os.kill(os.getpid(), signal.SIGTERM) or iter(())\n"
        f"log.app(['export', {str(log)!r}, '--format', 'jsonl', '--output', {str(tmp_path / 'out')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "")
    assert [path for path in tmp_path.iterdir() if path != log] == []


def test_sigterm_ends_a_reconciliation_that_has_copied_the_calls(log: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    code = (
        "import os, signal; from bridge.cli.app import main; from bridge.reconcile import run\n"
        "real = run._log_notes\n"
        "def end(spool):\n"
        f"    assert list(__import__('pathlib').Path({str(copies)!r}).glob('scorebridge-reconcile-*/*.calls'))\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return real(spool)\n"
        "run._log_notes = end\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "reconcile", str(log), "--repository", str(tmp_path)],
        env=os.environ | {"TMPDIR": str(copies)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "")
    assert list(copies.iterdir()) == []


@pytest.mark.parametrize("form", FORMATS)
def test_a_folder_that_is_not_there_is_named(log: Path, tmp_path: Path, form: str) -> None:
    done = run(log, form, tmp_path / "none" / "out")
    assert (done.exit_code, done.stderr) == (1, f"there is no folder {tmp_path / 'none'}: make it first\n")


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_is_its_owners_only(log: Path, tmp_path: Path, form: str) -> None:
    assert run(log, form, tmp_path / "out").exit_code == 0
    made = [path for path in tmp_path.rglob("*") if log not in (path, *path.parents)]
    assert {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in made} <= {(False, 0o600), (True, 0o700)}
