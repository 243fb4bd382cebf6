"""Setup on a machine that lacks things and can't install them: it says exactly what to install, and stops."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSIONS = ["no-tools", "no-oldest", "no-newest"]
TOOLS = ["bash", "dirname", "id", "sed", "cat", "sha256sum", "mktemp", "env"]
PACKAGES = {
    "Rscript": "r-base-core r-cran-rserve r-cran-mass r-cran-randomforest",
    "mvn": "default-jdk-headless maven",
    "openssl": "openssl",
    "curl": "curl",
    "chromium": "chromium",
    "psql": "postgresql",
    "redis-server": "redis-server",
    "promtool": "prometheus",
    "systemd-analyze": "systemd",
    "ip": "iproute2",
    "ps": "procps",
}


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of commands that is all a machine has, without any means to install more."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in [*TOOLS, *PACKAGES, "javac"]:
        found = shutil.which(name)
        assert found is not None, name
        (commands / name).symlink_to(found)
    return commands


def setup(machine: Path) -> "subprocess.CompletedProcess[str]":
    """Runs it for a virtual environment that is there, so that only what the system lacks is left to say."""
    command = [str(part) for part in (ROOT / ".ci" / "setup", sys.executable, sys.prefix, *VERSIONS)]
    environment = os.environ | {"PATH": str(machine), "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("lacking", [*([name] for name in PACKAGES), list(PACKAGES)])
def test_it_names_every_package_and_stops(machine: Path, lacking: list[str]) -> None:
    for name in lacking:
        (machine / name).unlink()
    done = setup(machine)
    packages = " ".join(PACKAGES[name] for name in lacking)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == f"setup:     apt-get install -y --no-install-recommends {packages}"


def test_a_python_that_is_too_old_is_named(machine: Path) -> None:
    old = machine / "old-python"
    old.write_text("#!/bin/bash\nexit 1\n")
    old.chmod(0o755)
    command = [str(part) for part in (ROOT / ".ci" / "setup", old, sys.prefix, *VERSIONS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"'{old}' is not Python 3.11 or newer" in done.stderr
