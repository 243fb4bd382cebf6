"""Python that does not come to serve a bundle: by the bundle's own limit, by what may pass, or by its files."""

import sys
from pathlib import Path

import pytest
from shortages import LACKING, let_lack
from sick import make_python_bundle

from bridge.backends.python.interpreters import Interpreter
from bridge.bundles.bundle import read_bundle
from bridge.errors import BundleError, PassingFailure
from bridge.models.acceptance import accept

PREDICT = "def predict(x): return x"
BIG = f"import numpy as np\n_KEPT = np.ones(50_000_000)\n{PREDICT}\n"  # 400 MB


async def failure(bundle: Path) -> BundleError:
    """Why it does not load."""
    with pytest.raises(BundleError) as raised:
        await accept(read_bundle(bundle))
    return raised.value


def limited(folder: Path, code: str, limit_mb: int) -> Path:
    return make_python_bundle(folder, code, f"memory_limit_mb = {limit_mb}\nworkers = 1\n[features]\nx = 'double'\n")


# What Python does there: it is not linked, lacks memory for numpy, or for the bundle.
@pytest.mark.parametrize("limit_mb", [5, 20, 60, 120, 200, 400])
async def test_a_memory_limit_that_is_too_low_is_named(tmp_path: Path, limit_mb: int) -> None:
    error = await failure(limited(tmp_path / "b", BIG, limit_mb))
    assert not isinstance(error, PassingFailure)
    assert f": memory_limit_mb = {limit_mb} was reached" in str(error)
    assert error.limit == f"{limit_mb} MiB"


async def test_a_memory_limit_that_is_high_enough_is_none(tmp_path: Path) -> None:
    accepted = await accept(read_bundle(limited(tmp_path / "b", BIG, 3_000)))
    await accepted.backend.close()


ENDS = {
    "os._exit(0)": "Python died while it loaded the bundle: it ended with exit code 0",
    "os._exit(3)": "Python died while it loaded the bundle: it ended with exit code 3",
    "os.abort()": "Python died while it loaded the bundle: it ended by SIGABRT",
    "sys.exit(1)": "Pred.py raised SystemExit while it was loaded (Pred.py, line 2): 1",
    "raise ValueError('no')": "Pred.py raised ValueError while it was loaded (Pred.py, line 2): no",
    "import nowhere": f"Pred.py needs the module 'nowhere', which is not installed in {sys.executable}",
}


@pytest.mark.parametrize("code", ENDS)
async def test_a_bundle_whose_code_ends_it_is_refused_with_how(tmp_path: Path, code: str) -> None:
    error = await failure(make_python_bundle(tmp_path / "b", f"import os, sys\n{code}\n{PREDICT}\n"))
    assert not isinstance(error, PassingFailure)
    assert str(error).startswith(ENDS[code])


PASSING = {
    "os.kill(os.getpid(), 9)": "Python died while it loaded the bundle: it ended by SIGKILL, from outside",
    "os.kill(os.getpid(), 15)": "Python died while it loaded the bundle: it ended by SIGTERM, from outside",
    "raise OSError(28, os.strerror(28))": "Pred.py raised OSError while it was loaded (Pred.py, line 2): [Errno 28] No",
    "bytearray(10**15)": "Pred.py raised MemoryError while it was loaded (Pred.py, line 2)",
}


@pytest.mark.parametrize("code", PASSING)
async def test_what_passes_without_a_limit_of_the_bundle_s_own(tmp_path: Path, code: str) -> None:
    error = await failure(make_python_bundle(tmp_path / "b", f"import os\n{code}\n{PREDICT}\n"))
    assert isinstance(error, PassingFailure)
    assert str(error).startswith(PASSING[code])


@pytest.mark.parametrize("what", LACKING)
async def test_a_start_for_which_something_is_lacking_leaves_nothing(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = read_bundle(make_python_bundle(tmp_path / "b", PREDICT))

    async def known(*_: object) -> Interpreter:
        return Interpreter(Path("/usr/bin/python3"), "3.11.2", {"numpy": "1.24"}, {})

    monkeypatch.setattr("bridge.backends.python.backend.interpreter_of", known)
    let_lack(what, monkeypatch)
    with pytest.raises(OSError, match="Too many open files"):
        await accept(bundle)


async def test_a_parent_that_ends_every_connection_passes_soon(tmp_path: Path) -> None:
    code = f"import os\nos.fork = lambda: (_ for _ in ()).throw(OSError(11, 'no process is free'))\n{PREDICT}\n"
    error = await failure(make_python_bundle(tmp_path / "b", code))
    assert isinstance(error, PassingFailure)
    assert str(error) == "no Python worker could be started: Python accepted 10 connections in a row and ended each"
