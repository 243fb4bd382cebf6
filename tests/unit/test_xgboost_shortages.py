"""What ends the process that reads a model file: a shortage, which may pass, or the file."""

import os
from pathlib import Path

import pytest
from boosters import BINARY, Model, train, write

import bridge.backends.xgboost.model as model_module
from bridge.backends.xgboost.child import Ended
from bridge.backends.xgboost.facts import Asked
from bridge.backends.xgboost.reading import main
from bridge.bundles.bundle import read_bundle
from bridge.errors import BundleError, PassingFailure
from bridge.models.acceptance import accept

BEGUN = b"\n"


@pytest.fixture(scope="module")
def binary() -> Model:
    return Model(train(BINARY))


async def failure(folder: Path) -> BundleError:
    with pytest.raises(BundleError) as raised:
        await accept(read_bundle(folder))
    return raised.value


PASSING = {
    "killed": (Ended(-9, BEGUN, ""), "the process that loads model.ubj ended by SIGKILL, from outside, "),
    "terminated": (Ended(-15, b"", ""), "the process that loads model.ubj ended by SIGTERM, from outside, "),
    "not begun": (
        Ended(1, b"", "your python interpreter from there."),
        "the process that loads model.ubj could not be started: it ended with exit code 1, your python interpreter",
    ),
    "crashed before": (
        Ended(-6, b"", ""),
        "the process that loads model.ubj could not be started: it ended by SIGABRT",
    ),
    "bad_alloc": (
        Ended(-6, BEGUN, "  what():  std::bad_alloc"),
        "model.ubj could not be loaded now: what():  std::bad",
    ),
    "MemoryError": (Ended(1, BEGUN, "MemoryError"), "model.ubj could not be loaded now: MemoryError"),
    "said by xgboost": (
        Ended(0, b'\n{"failed": "[12:00:00] x.cc:1: std::bad_alloc\\nStack trace"}', ""),
        "model.ubj could not be loaded now: [12:00:00] x.cc:1: std::bad_alloc",
    ),
    "a descriptor": (
        Ended(1, BEGUN, "OSError: [Errno 24] Too many open files: 'model.ubj'"),
        "model.ubj could not be loaded now: OSError: [Errno 24] Too many open files",
    ),
    "a disk": (
        Ended(1, BEGUN, "OSError: [Errno 5] Input/output error"),
        "model.ubj could not be loaded now: OSError: [Errno 5] Input/output error",
    ),
}
STAYING = {
    "crash": (Ended(-11, BEGUN, ""), "model.ubj crashes xgboost's loader: it is damaged"),
    "abort": (Ended(-6, BEGUN, "terminate called"), "model.ubj crashes xgboost's loader: it is damaged"),
    "raised": (Ended(1, BEGUN, "KeyError: 'learner'"), "model.ubj can't be loaded: it is damaged, or no model"),
    "refused": (Ended(0, b'\n{"refused": "no, for std::bad_alloc is a feature of it"}', ""), "no, for std::bad_alloc"),
}


@pytest.mark.parametrize("how", [*PASSING, *STAYING])
async def test_what_the_end_of_the_process_means(
    tmp_path: Path, binary: Model, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, sentence = (PASSING | STAYING)[how]

    async def run_child(*_: object) -> Ended:
        return ended

    monkeypatch.setattr(model_module, "run_child", run_child)
    error = await failure(write(tmp_path / "m", binary))
    assert str(error).startswith(sentence)
    assert isinstance(error, PassingFailure) == (how in PASSING)


def before_the_loader(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a line of shell run before the process that loads the file."""
    folder.mkdir()
    (folder / "nice").write_text(f'#!/bin/sh\n{program}\nshift\nexec "$@"\n')
    (folder / "nice").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize("program", ["ulimit -v 20000", "ulimit -v 60000", "kill -9 $$", "exit 3"])
async def test_a_machine_that_is_short_of_memory_says_nothing_of_the_file(
    tmp_path: Path, binary: Model, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_loader(program, tmp_path / "bin", monkeypatch)
    bundle = write(tmp_path / "m", binary)
    assert isinstance(await failure(bundle), PassingFailure)
    monkeypatch.undo()
    accepted = await accept(read_bundle(bundle))
    await accepted.backend.close()


async def test_a_file_that_is_not_loaded_in_its_time_passes(
    tmp_path: Path, binary: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_loader("exec sleep 600", tmp_path / "bin", monkeypatch)
    error = await failure(write(tmp_path / "m", binary, "load_timeout_s = 3"))
    assert isinstance(error, PassingFailure)
    assert (str(error), error.limit) == ("model.ubj was not loaded within 3 s (load_timeout_s)", "3 s")


def test_a_damaged_length_is_the_file_s_own_doing(tmp_path: Path, binary: Model) -> None:
    path = write(tmp_path / "m", binary) / "model.ubj"
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"left_children") + len("left_children") + 6] ^= 1 << 6
    path.write_bytes(damaged)
    assert main(path, Asked()) == {"failed": "model.ubj can't be read as a document"}
