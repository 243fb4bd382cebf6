"""A version of a repository that scores in this process."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import pytest
import pytest_asyncio
from fixtures import Cancer, Pima, deploy, make_r_bundle, put
from offline_chunks import chunk_of, question_of, table_of
from waiting import eventually

from bridge.bundles.bundle import read_bundle
from bridge.bundles.repository import Repository
from bridge.errors import ModelNotFound, VersionRefused
from bridge.offline.chunk_scoring import ChunkScoring
from bridge.offline.in_process import InProcess
from bridge.offline.scorer import CallFailed
from bridge.workers.programs import Programs

Open = Callable[..., Awaitable[InProcess]]

SCORE = 'row_wise = true\ntimeout_s = 20\n[features]\nx = "double"\n[outputs]\nscore = "double"\n'


@pytest_asyncio.fixture
async def open_model(repository: Path) -> AsyncIterator[Open]:
    """Opens models of the repository, which are closed at the end of the test."""
    opened: list[InProcess] = []

    async def one(model: str, version: int = 0, **more: Any) -> InProcess:
        opened.append(await InProcess.open(repository, model, version, **more))
        return opened[-1]

    yield one
    for scorer in opened:
        await scorer.close()


def doubling(folder: Path, factor: int) -> Path:
    return make_r_bundle(folder, "Pred.R <- function(x) x * k", f"k <- {factor}", SCORE)


async def test_an_xgboost_model_gives_the_boosters_bits(cancer: Cancer, repository: Path, open_model: Open) -> None:
    await deploy(cancer.folder, repository, "cancer")
    scorer = await open_model("cancer")
    rows = cancer.rows.copy()
    rows[::3, 1] = np.nan
    batch = table_of({name: rows[:, place] for place, name in enumerate(cancer.names)})
    answer = await scorer.score(question_of(batch))
    assert answer.columns[0].values.tobytes() == cancer.booster.inplace_predict(rows).tobytes()
    assert not answer.failed
    assert not answer.defaulted
    assert scorer.detail.version.version == 1
    assert scorer.told()["scored_by"] == "this process"


async def test_embedded_r_gives_the_bits_that_rserve_gives(pima: Pima, repository: Path, open_model: Open) -> None:
    await deploy(pima.folder / "glm", repository, "glm")
    batch = table_of(pima.table())
    kinds: tuple[Literal["rserve", "embedded"], ...] = ("rserve", "embedded")
    answers = [await (await open_model("glm", programs=Programs(r))).score(question_of(batch)) for r in kinds]
    first, second = (answer.columns[0].values for answer in answers)
    assert len(first) == len(pima.rows)
    assert first.tobytes() == second.tobytes()


async def test_an_r_model_gives_rs_bits(pima: Pima, repository: Path, open_model: Open) -> None:
    await deploy(pima.folder / "glm", repository, "glm")
    scorer = await open_model("glm")
    batch = table_of({name: pima.rows[:, place] for place, name in enumerate(pima.names)})
    answer = await scorer.score(question_of(batch))
    assert answer.columns[0].values.tobytes() == pima.direct["glm"].tobytes()


async def test_the_promoted_version_is_loaded_else_the_highest_and_any_other_by_its_number(
    tmp_path: Path, repository: Path, open_model: Open
) -> None:
    for version in (1, 2, 3, 4):
        put(doubling(tmp_path / str(version), version), repository, "times", version)
    assert (await open_model("times")).detail.version.version == 4
    Repository(repository).promote("times", 2)
    assert (await open_model("times")).detail.version.version == 2
    first = await open_model("times", 1)
    answer = await first.score(question_of(table_of({"x": [3.0]})))
    assert answer.columns[0].values.tolist() == [3.0]


async def test_a_promoted_version_that_is_refused_is_passed_over_and_the_summary_says_so(
    tmp_path: Path, repository: Path, open_model: Open
) -> None:
    put(doubling(tmp_path / "1", 1), repository, "times", 1)
    put(make_r_bundle(tmp_path / "2", "Pred.R <- function(x", settings=SCORE), repository, "times", 2)
    Repository(repository).promote("times", 2)
    scorer = await open_model("times")
    assert scorer.detail.version.version == 1
    assert scorer.told()["passed_over"].startswith("times/2 was refused: ")
    with pytest.raises(VersionRefused, match="times/2 was refused: "):
        await open_model("times", 2)


async def test_what_is_not_there_is_named(repository: Path, tmp_path: Path, open_model: Open) -> None:
    with pytest.raises(ModelNotFound, match="has no deployed version of 'none'"):
        await open_model("none")
    put(doubling(tmp_path / "1", 1), repository, "times", 1)
    with pytest.raises(ModelNotFound, match="no deployed version 7 of 'times': it has 1"):
        await open_model("times", 7)
    with pytest.raises(ModelNotFound, match="is not a folder"):
        await InProcess.open(tmp_path / "elsewhere", "times")


async def test_the_version_stays_when_the_repository_changes(
    tmp_path: Path, repository: Path, open_model: Open
) -> None:
    stored = put(doubling(tmp_path / "1", 2), repository, "times", 1)
    scorer = await open_model("times")
    assert scorer.detail.version.digest == read_bundle(stored.path).digest
    shutil.rmtree(stored.path)
    answer = await scorer.score(question_of(table_of({"x": [3.0]})))
    assert answer.columns[0].values.tolist() == [6.0]
    before = _all_of_r()
    for process in before:
        process.kill()
    await eventually(lambda: len(set(_all_of_r()) - set(before)) >= len(before))
    scoring = ChunkScoring(scorer, run_id="run", row_wise=True, default=False, workers=1, patience_s=60.0)
    scored = await scoring.score(chunk_of(table_of({"x": [4.0, 5.0]})))
    assert scored.columns[0].values.tolist() == [8.0, 10.0]


def _all_of_r() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if one.name() == "Rserve"]


async def test_rows_that_fail_have_an_end_each_also_where_no_row_has_a_score(
    tmp_path: Path, repository: Path, open_model: Open
) -> None:
    code = "Pred.R <- function(x) { if (any(x < 0)) stop('bad'); x }"
    put(make_r_bundle(tmp_path / "1", code, settings=SCORE), repository, "picky", 1)
    scorer = await open_model("picky")
    some = await scorer.score(question_of(table_of({"x": [1.0, -1.0, 2.0]})))
    assert [(one.first, one.count, one.reason) for one in some.failed] == [(1, 1, "MODEL_ERROR")]
    none = await scorer.score(question_of(table_of({"x": [-1.0, -2.0]})))
    assert {(one.reason) for one in none.failed} == {"MODEL_ERROR"}
    assert sum(one.count for one in none.failed) == 2
    with pytest.raises(CallFailed, match="x") as failed:
        await scorer.score(question_of(table_of({"x": ["text"]})))
    assert failed.value.event == "INVALID_REQUEST"


async def test_several_calls_go_on_at_once(tmp_path: Path, repository: Path, open_model: Open) -> None:
    meet = tmp_path / "meet"
    meet.mkdir()
    code = (
        f'Pred.R <- function(x) {{ if (x[1L] > 0) {{ file.create(file.path("{meet}", x[1L]));'
        f' while (length(list.files("{meet}")) < 2L) Sys.sleep(0.01) }}; x }}'
    )
    put(make_r_bundle(tmp_path / "1", code, settings="workers = 2\ncoalesce = false\n" + SCORE), repository, "two", 1)
    # Each of the two calls ends only if the other is under way.
    (meet / "a").touch()
    (meet / "b").touch()
    scorer = await open_model("two")
    (meet / "a").unlink()
    (meet / "b").unlink()
    for made in meet.iterdir():
        made.unlink()
    answers = await asyncio.gather(*(scorer.score(question_of(table_of({"x": [x]}))) for x in (1.0, 2.0)))
    assert [answer.columns[0].values.tolist() for answer in answers] == [[1.0], [2.0]]


async def test_a_call_has_no_more_time_than_it_is_given(tmp_path: Path, repository: Path, open_model: Open) -> None:
    code = "Pred.R <- function(x) { if (any(x == 99)) Sys.sleep(100); x }"
    settings = "kill_after_s = 0.2\nworkers = 1\n" + SCORE
    put(make_r_bundle(tmp_path / "1", code, settings=settings), repository, "slow", 1)
    scorer = await open_model("slow", timeout_s=0.5)
    answer = await scorer.score(question_of(table_of({"x": [99.0]})))
    assert [one.reason for one in answer.failed] == ["DEADLINE"]
