"""The R side's own tests, each in an R process of its own."""

import subprocess

import pytest
from fixtures import ROOT

SCRIPTS = sorted(path.name for path in (ROOT / "tests" / "r").glob("test-*.R"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_r_script(script: str) -> None:
    done = subprocess.run(
        ["Rscript", "--vanilla", f"tests/r/{script}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith("ok")
