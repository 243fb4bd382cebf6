"""R that does not come to serve a bundle: by the bundle's own limit, by what may pass, or by the bundle's files."""

import asyncio
import os
from pathlib import Path

import pytest
from fixtures import make_r_bundle
from shortages import LACKING, let_lack

from bridge.backends.rserve import process as rserve_process
from bridge.backends.rserve.spawner import RserveSpawner
from bridge.bundles.bundle import read_bundle
from bridge.bundles.settings import ModelSettings
from bridge.errors import BundleError, PassingFailure
from bridge.models.acceptance import accept
from bridge.private_folders import make_folder, remove_folder
from bridge.workers.pool import WorkerPool
from bridge.workload import Workload

PREDICT = "Pred.R <- function(x) x + length(k)"
BIG = "k <- numeric(25e6)"  # 200 MB, and nearly nothing in a file


async def failure(bundle: Path) -> BundleError:
    """Why it does not load."""
    with pytest.raises(BundleError) as raised:
        await accept(read_bundle(bundle))
    return raised.value


def limited(bundle: Path, limit_mb: int) -> Path:
    (bundle / "model.toml").write_text(f"memory_limit_mb = {limit_mb}\nworkers = 1\n")
    return bundle


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_r_bundle(tmp_path_factory.mktemp("big") / "big", PREDICT, BIG)


# What R does there: it is not linked, ends itself, crashes, listens without its code, forks workers that can't live, or
# says what it could not allocate.
@pytest.mark.parametrize("limit_mb", [5, 20, 60, 80, 100, 115, 130, 150, 180, 200, 300])
async def test_a_memory_limit_that_is_too_low_is_named(big: Path, limit_mb: int) -> None:
    error = await failure(limited(big, limit_mb))
    assert not isinstance(error, PassingFailure)
    assert str(error).endswith(f": memory_limit_mb = {limit_mb} was reached")
    assert error.limit == f"{limit_mb} MiB"


async def test_a_memory_limit_that_is_high_enough_is_none(big: Path) -> None:
    accepted = await accept(read_bundle(limited(big, 2_000)))
    await accepted.backend.close()


WHERE = {
    "as it is loaded": ("z <- numeric(25e6)\nPred.R <- function(x) x", ""),
    "in many small parts": ("z <- lapply(1:5e6, function(i) list(i))\nPred.R <- function(x) x", ""),
    "in a golden row": ("Pred.R <- function(x) length(numeric(25e6)) + x", "x,score.score\n1,25000001\n"),
}


@pytest.mark.parametrize("where", WHERE)
async def test_wherever_it_is_reached(tmp_path: Path, where: str) -> None:
    code, golden = WHERE[where]
    bundle = make_r_bundle(tmp_path / "b", code, settings='memory_limit_mb = 300\n[features]\nx = "double"\n')
    if golden:
        (bundle / "golden.csv").write_text(golden)
    error = await failure(bundle)
    assert not isinstance(error, PassingFailure)
    assert str(error).endswith("memory_limit_mb = 300 was reached")


@pytest.mark.parametrize("code", ["quit('no')", "stop('no such thing')", "this is no R"])
async def test_a_limit_that_was_not_reached_is_not_named(tmp_path: Path, code: str) -> None:
    error = await failure(limited(make_r_bundle(tmp_path / "b", f"{code}\n{PREDICT}"), 2_000))
    assert not isinstance(error, PassingFailure)
    assert "memory_limit_mb" not in str(error)


async def test_a_crash_far_below_the_limit_may_have_either_cause(tmp_path: Path) -> None:
    bundle = make_r_bundle(tmp_path / "b", f"tools::pskill(Sys.getpid(), 11)\nSys.sleep(100)\n{PREDICT}")
    error = await failure(limited(bundle, 2_000))
    assert not isinstance(error, PassingFailure)
    how = "R died while it loaded the bundle: it ended by SIGSEGV"
    assert str(error) == f"{how}: memory_limit_mb = 2000 was reached, or the bundle's own code ended it"


PASSING = {
    "no memory": ("z <- numeric(1e15)", "Pred.R failed while it was loaded: cannot allocate vector of size"),
    "no room": ("stop('write failed: No space left on device')", "Pred.R failed while it was loaded: write failed: No"),
    "killed": (
        "tools::pskill(Sys.getpid(), 9); Sys.sleep(100)",
        "R died while it loaded the bundle: it ended by SIGKILL",
    ),
    "terminated": (
        "tools::pskill(Sys.getpid(), 15); Sys.sleep(100)",
        "R died while it loaded the bundle: it ended by SIG",
    ),
}


@pytest.mark.parametrize("what", PASSING)
async def test_what_passes_without_a_limit_of_the_bundle_s_own(tmp_path: Path, what: str) -> None:
    code, sentence = PASSING[what]
    error = await failure(make_r_bundle(tmp_path / "b", f"{code}\n{PREDICT}"))
    assert isinstance(error, PassingFailure)
    assert str(error).startswith(sentence)


@pytest.mark.parametrize(("signal", "passes"), [(9, True), (15, True), (11, False)])
async def test_a_worker_that_is_killed_in_the_trial_passes_and_one_that_crashes_does_not(
    tmp_path: Path, signal: int, passes: bool
) -> None:
    code = f"Pred.R <- function(x) {{ tools::pskill(Sys.getpid(), {signal}); Sys.sleep(100); x }}"
    error = await failure(make_r_bundle(tmp_path / "b", code))
    assert str(error).startswith("trial rows can't be scored: the model: the R worker was lost after ")
    assert isinstance(error, PassingFailure) == passes


async def test_r_that_can_not_be_started_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = make_r_bundle(tmp_path / "b", PREDICT)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "R").write_text("#!/bin/sh\necho fork: retry >&2\nexit 2\n")
    (folder / "R").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    error = await failure(bundle)
    assert isinstance(error, PassingFailure)
    assert str(error) == "R could not be started: it ended with exit code 2"


async def test_an_rserve_that_ends_every_connection_passes_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_r_bundle(tmp_path / "b", PREDICT)
    (tmp_path / "serve.R").touch()
    monkeypatch.setattr(rserve_process, "rscripts", lambda: tmp_path)
    error = await failure(bundle)
    assert isinstance(error, PassingFailure)
    assert str(error) == "no R worker could be started: R accepted 10 connections in a row and ended each"


@pytest.mark.parametrize("what", LACKING)
async def test_a_start_for_which_something_is_lacking_leaves_nothing(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = read_bundle(make_r_bundle(tmp_path / "b", PREDICT))
    rserve_process._rserve_binary(None)
    let_lack(what, monkeypatch)
    with pytest.raises(OSError, match="Too many open files"):
        await accept(bundle)


async def test_a_start_that_is_cancelled_while_it_clears_up_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_r_bundle(tmp_path / "b", f"quit('no')\n{PREDICT}")
    settings = ModelSettings(workers=1)
    pool = WorkerPool(RserveSpawner(bundle, "", settings, "b"), "b", settings, Workload(1))
    starting = asyncio.create_task(pool.start())
    close = pool.spawner.close

    async def cancel() -> None:
        starting.cancel()
        await close()

    monkeypatch.setattr(pool.spawner, "close", cancel)
    with pytest.raises(asyncio.CancelledError):
        await starting


def test_a_folder_for_whose_removal_there_is_no_descriptor_is_removed_before_the_next_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = make_folder("test")

    def lacking(*_: object, **__: object) -> None:
        """As remove_tree, if it can't open the folder."""

    with monkeypatch.context() as patch:
        patch.setattr("bridge.private_folders.remove_tree", lacking)
        remove_folder(folder)
    assert folder.exists()
    other = make_folder("test")
    assert not folder.exists()
    remove_folder(other)
    assert not other.exists()
