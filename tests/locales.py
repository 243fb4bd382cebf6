"""Locales for R, made for the tests: the machine need not have any but C.UTF-8."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["LOCALES", "locales"]

LOCALES = ("zh_CN", "en_US")


@pytest.fixture(scope="session")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`LOCPATH`, in this process and in all that it starts: zh_CN.UTF-8 and en_US.UTF-8 are there."""
    folder = tmp_path_factory.mktemp("locales")
    for name in LOCALES:
        command = ["localedef", "--no-archive", "-i", name, "-f", "UTF-8", f"./{name}.UTF-8"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    path = f"{folder}:{Path('/usr/lib/locale')}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCPATH", path)
        yield path
