"""`scorebridge batch` with a scorer that needs no model: it doubles x."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from doubled import Doubled
from typer.testing import CliRunner

from bridge.cli.app import app

__all__ = ["batch_doubled", "limited", "reference", "rows_with"]

_BATCH_ROWS = 200


async def _doubled(_: object) -> Doubled:
    return Doubled()


def rows_with(path: Path, bad: int, good: int = 3000) -> Path:
    """Writes a CSV file of rows whose last ones can't be read."""
    rows = [f"key-{row:06},{row}.5\n" for row in range(good)] + [f"key-{row:06},bad\n" for row in range(bad)]
    path.write_text("id,x\n" + "".join(rows))
    return path


def batch_doubled(rows: Path, output: Path, rejects: int = 0) -> tuple[int, Any]:
    """Runs the command in this process; returns its exit code and its summary, or what it said where it has none.

    Args:
        rows: the input.
        output: the output.
        rejects: `--max-rejects`.
    """
    options = ["--input", rows, "--output", output, "--repository", "none", "--key", "id", "--json"]
    options += ["--batch-size", _BATCH_ROWS, "--max-rejects", rejects, "--workers", 1]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(importlib.import_module("bridge.cli.batch"), "_in_process", _doubled)
        done = CliRunner().invoke(app, ["batch", "doubled", *map(str, options)])
    return done.exit_code, json.loads(done.stdout) if done.stdout else done.stderr.splitlines()


def limited(file_bytes: int, rows: Path, output: Path, rejects: int) -> tuple[int, list[str]]:
    """Runs the command in a process whose files may become no larger than this; returns what `batch_doubled` does."""
    program = "import sys, json; from pathlib import Path; from batch_commands import batch_doubled"
    limit = ["prlimit", f"--fsize={file_bytes}"]
    call = "batch_doubled(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))"
    done = subprocess.run(
        [*limit, sys.executable, "-c", f"{program}; print(json.dumps({call}))", str(rows), str(output), str(rejects)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    code, said = json.loads(done.stdout)
    return code, said


def reference(rows: Path, folder: Path, rejects: int) -> tuple[bytes, bytes]:
    """Returns the output and the list of rejects of a run that nothing disturbs."""
    folder.mkdir()
    code, _ = batch_doubled(rows, folder / "o.csv", rejects)
    assert code == 0
    return (folder / "o.csv").read_bytes(), (folder / "o.csv.rejects.csv").read_bytes()
