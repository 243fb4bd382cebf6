"""The tests run on the xgboost that `make test-xgboost` means, and so do the gateway's child processes."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import xgboost

ROOT = Path(__file__).parents[2]
MEANT = os.environ.get("SCOREBRIDGE_TEST_XGBOOST") or version("xgboost-cpu")


def release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def test_the_xgboost_that_is_meant_is_loaded() -> None:
    assert xgboost.__version__ == MEANT
    print_version = "import xgboost; print(xgboost.__version__)"
    child = subprocess.run([sys.executable, "-c", print_version], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == MEANT


def test_the_makefile_has_the_ends_of_what_the_metadata_allows() -> None:
    pins = dict(re.findall(r"^XGBOOST_(\w+) := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    oldest, newest = release(pins["OLDEST"]), release(pins["NEWEST"])
    ((least, above),) = re.findall(r'"xgboost-cpu>=([\d.]+),<([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert oldest[:2] == release(least)
    assert (newest[0], newest[1] + 1) == release(above)
    assert oldest <= release(MEANT) <= newest
