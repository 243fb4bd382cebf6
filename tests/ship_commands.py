"""`scorebridge log ship` in this process, or as one that can be killed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from typer.testing import CliRunner, Result

from bridge.cli.log import app

__all__ = ["ship_once", "shipping"]


def ship_once(log: Path, url: str, *options: str) -> Result:
    """Ships what a log has now; at the niceness of the tests, which is theirs to the end."""
    return CliRunner().invoke(app, ["ship", str(log), "--to", url, "--once", "--nice", "0", *options])


@contextmanager
def shipping(log: Path, url: str, *options: str, nice: int | None = 0) -> Iterator["subprocess.Popen[str]"]:
    """A process that follows a log; it is killed at the end, if it is still there.

    Its niceness is that of the tests, on whose machine much else may run; None leaves it to the command.
    """
    options += () if nice is None else ("--nice", str(nice))
    command = [sys.executable, "-m", "bridge", "log", "ship", str(log), "--to", url, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
