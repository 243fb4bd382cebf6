"""Environments of what a person gets: our wheels, and the lowest or the newest releases that they may have."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fixtures import ROOT

__all__ = ["CLIENT", "ENDS", "Environment", "build", "make_environment"]

CLIENT = ROOT / "clients" / "python"
ENDS = ["lowest", "newest"]
_NEEDED = ROOT / ".ends"  # made by .ci/setup


@dataclass(frozen=True)
class Environment:
    """A virtual environment of its own."""

    folder: Path

    def command(self, *words: object) -> list[str]:
        """One of its programs with arguments."""
        program, *arguments = map(str, words)
        return [str(self.folder / "bin" / program), *arguments]

    def run(self, *words: object, told: str = "") -> str:
        """What a program of it prints; it must succeed, and say no more than `told` on standard error."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False, env=_environment())
        assert (done.returncode, done.stderr) == (0, told), f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def serving(self, repository: Path, *options: object) -> Iterator[str]:
        """The address of a gateway on a repository, which must end well."""
        command = self.command("scorebridge", "serve", "--repository", repository, "--grpc-port", 0, "--http-port", 0)
        command += map(str, options)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment()) as gateway:
            assert gateway.stdout is not None
            try:
                ready, grpc, *_ = gateway.stdout.readline().split()
                assert ready == "ready"
                yield grpc.removeprefix("grpc=")
                gateway.terminate()
                assert gateway.wait(30) == 0
            finally:
                gateway.kill()


def build(kind: str, project: Path, target: Path) -> Path:
    """The wheel or sdist of a project, which is put into a folder of its own."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(target)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    [built] = target.iterdir()
    return built


def make_environment(folder: Path, needed: str, wheels: list[Path]) -> Environment:
    """Installs without a network.

    Args:
        folder: made here.
        needed: which of the environments that .ci/setup has made has what the wheels need.
        wheels: our own.
    """
    uv, python = str(Path(sys.executable).with_name("uv")), folder / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    install = [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(python)]
    subprocess.run([*install, *map(str, wheels)], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "needed.pth").write_text(f"{_NEEDED / needed / packages.relative_to(folder)}\n")
    return Environment(folder)


def _environment() -> dict[str, str]:
    """As on a terminal of that width, without what the tests are run with."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"COLUMNS": "120"}
