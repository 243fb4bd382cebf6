"""What releases left behind: a repository, a log, their clients and their gateway, and how to run each of them."""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["RELEASES", "TODAY", "Release", "ask", "scorebridge", "served"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TODAY = (ROOT, ROOT / "clients" / "python")
_MOST_S = 110  # a busy machine needs its time, but a test ends


@dataclass(frozen=True)
class Release:
    """The fixtures of one release.

    Attributes:
        folder: named after it.
    """

    folder: Path

    @property
    def repository(self) -> Path:
        """Two models that it deployed: `price` (xgboost) and `risk` (R)."""
        return self.folder / "repository"

    @property
    def log(self) -> Path:
        """What its gateway recorded of `calls`."""
        return self.folder / "log"

    @property
    def client(self) -> tuple[Path, ...]:
        """Its Python client, as a path to import from."""
        return (self.folder / "python-client.zip",)

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls that were made, and the `answer` that each had."""
        calls: list[dict[str, Any]] = json.loads((self.folder / "calls.json").read_text())
        return calls

    def gateway(self, target: Path) -> tuple[Path, ...]:
        """Its gateway, unpacked into a folder, as a path to import from."""
        with tarfile.open(self.folder / "gateway.tar.xz") as packed:
            packed.extractall(target, filter="data")
        return (target, *self.client)


RELEASES = [Release(path.parent) for path in sorted(HERE.glob("*/calls.json"))]


def environment(path: Sequence[Path]) -> dict[str, str]:
    """Of a process that imports from these first."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}


def scorebridge(path: Sequence[Path], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a command of the gateway that is on this path."""
    command = [sys.executable, "-P", "-m", "bridge", *map(str, arguments)]
    return subprocess.run(command, env=environment(path), capture_output=True, text=True, timeout=_MOST_S, check=False)


@contextmanager
def served(path: Sequence[Path], repository: Path, log: Path) -> Iterator[str]:
    """The address of a gateway of the code on this path, once it is ready; drained at the end."""
    command = [sys.executable, "-P", "-m", "bridge", "serve", "--repository", repository, "--log-dir", log]
    command += ["--grpc-port", "0", "--http-port", "0"]
    with subprocess.Popen(
        [str(part) for part in command], env=environment(path), stdout=subprocess.PIPE, text=True
    ) as process:
        printed = process.stdout or io.StringIO()
        try:
            ready = next((line for line in printed if line.startswith("ready ")), None)
            assert ready is not None, "the gateway did not start: see its standard error"
            yield ready.split()[1].removeprefix("grpc=")
        finally:
            process.terminate()
            process.wait(_MOST_S)
    assert process.returncode == 0


def ask(client: Sequence[Path], url: str, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a client on this path, in a process of its own, got for these calls."""
    done = subprocess.run(
        [sys.executable, "-P", str(HERE / "ask.py"), url],
        env=environment(client),
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        timeout=_MOST_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["client"].startswith(str(client[-1])), "another client answered"
    answers: list[dict[str, Any]] = printed["answers"]
    return answers
