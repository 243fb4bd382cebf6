"""Chunks whose rows hang R, make it raise or end it, and scorers that can't score for a while."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from fixtures import make_r_bundle, put
from offline_chunks import chunk_of, table_of
from scorebridge.v1 import scoring_pb2 as pb
from waiting import eventually

from bridge.columns import Column, Type
from bridge.offline.call_slots import CallSlots
from bridge.offline.chunk_scoring import ChunkScoring
from bridge.offline.in_process import InProcess
from bridge.offline.scorer import Answer, CallFailed, Ending, Question, RunScorer

Open = Callable[..., Awaitable[InProcess]]

# What a row tells R to do: 91 hangs it, 92 ends it, 93 raises, 94 gives a missing score.
CODE = """
Pred.R <- function(x) {
  if (any(x == 91)) Sys.sleep(100)
  if (any(x == 92)) quit(save = "no")
  if (any(x == 93)) stop("no good")
  ifelse(x == 94, NA, x * k)
}
"""
SETTINGS = """
row_wise = true
timeout_s = 20
kill_after_s = 0.2
workers = 2
[features]
x = "double"
[outputs]
score = "double"
"""
FAST: dict[str, Any] = {"run_id": "run", "row_wise": True, "default": False, "workers": 2}


@pytest_asyncio.fixture
async def open_sick(tmp_path: Path, repository: Path) -> AsyncIterator[Open]:
    """Opens the model in this process, under settings of one's own."""
    opened: list[InProcess] = []

    async def one(settings: str = "", code: str = CODE, tables: str = SETTINGS, **more: Any) -> InProcess:
        put(make_r_bundle(tmp_path / "bundle", code, settings=settings + tables), repository, "sick")
        opened.append(await InProcess.open(repository, "sick", **more))
        return opened[-1]

    yield one
    for scorer in opened:
        await scorer.close()


class Told(RunScorer):
    """Doubles x, unless it is told to fail; remembers how many rows each call had."""

    def __init__(self, fail: Callable[[Question], Answer | CallFailed | None]) -> None:
        self.detail = pb.ModelDetail(
            version=pb.ModelVersion(model="told", version=1),
            outputs=[pb.OutputColumn(name="score", type=pb.COLUMN_TYPE_DOUBLE)],
            row_wise_reason="its author says so",
        )
        self.max_batch_rows = 1_000_000
        self.fail = fail
        self.asked: list[Question] = []

    async def score(self, question: Question) -> Answer:
        """Doubles x, or fails."""
        self.asked.append(question)
        failed = self.fail(question)
        if isinstance(failed, CallFailed):
            raise failed
        return failed or Answer((Column("score", Type.DOUBLE, question.batch.columns[0].values * 2),))

    async def close(self) -> None:
        """Has nothing to free."""

    def told(self) -> Mapping[str, str]:
        """Has nothing to tell."""
        return {}

    @property
    def sizes(self) -> list[int]:
        """How many rows each call had."""
        return [question.batch.rows for question in self.asked]


def xs(*given: float, rows: int = 0) -> list[float]:
    return [*given, *(float(number) for number in range(rows))]


async def test_a_row_that_hangs_r_is_rejected_and_all_others_have_rs_scores(open_sick: Open) -> None:
    scorer = await open_sick(timeout_s=0.6)
    x = xs(rows=40)
    x[17] = 91.0
    scored = await ChunkScoring(scorer, **FAST).score(chunk_of(table_of({"x": x}), first=100))
    assert [(one.row, one.key, one.reason) for one in scored.rejects] == [(118, "k117", "DEADLINE")]
    assert scored.kept.tolist() == [row for row in range(40) if row != 17]
    assert scored.columns[0].values.tolist() == [x[row] * 2 for row in range(40) if row != 17]
    assert scored.reasons == (None,) * 39


async def test_rows_that_end_r_or_make_it_raise_are_rejected_each_with_its_reason(open_sick: Open) -> None:
    scorer = await open_sick(settings="", timeout_s=10.0)
    x = xs(rows=24)
    x[3], x[9], x[20] = 92.0, 93.0, 94.0
    scored = await ChunkScoring(scorer, **FAST).score(chunk_of(table_of({"x": x})))
    told = [(one.row, one.reason) for one in scored.rejects]
    assert [row for row, _ in told] == [4, 10]
    assert told[0][1] in ("WORKER_LOST", "POISON_CALL")
    assert told[1][1] == "MODEL_ERROR"
    assert "no good" not in scored.rejects[1].detail  # it might hold values
    assert np.isnan(scored.columns[0].values[list(scored.kept).index(20)])


async def test_an_unknown_level_is_rejected_with_its_column(tmp_path: Path, repository: Path) -> None:
    settings = 'row_wise = true\n[features]\nc = {type = "factor", levels = ["a", "b"]}\n[outputs]\nscore = "double"\n'
    put(make_r_bundle(tmp_path / "b", "Pred.R <- function(c) as.double(c)", settings=settings), repository, "levels")
    scorer = await InProcess.open(repository, "levels")
    try:
        scored = await ChunkScoring(scorer, **FAST).score(chunk_of(table_of({"c": ["a", "zz", None, "b"]})))
        none = await ChunkScoring(scorer, **FAST).score(chunk_of(table_of({"c": ["x", "y"]})))
    finally:
        await scorer.close()
    reject = scored.rejects[0]
    assert (reject.file, reject.row, reject.key, reject.column, reject.reason) == (
        "rows.csv",
        2,
        "k1",
        "c",
        "UNKNOWN_LEVEL",
    )
    assert reject.detail == "levels/1: column 'c': not one of its 2 levels"
    assert scored.kept.tolist() == [0, 2, 3]
    assert [one.reason for one in none.rejects] == ["UNKNOWN_LEVEL"] * 2
    assert [(one.name, len(one)) for one in none.columns] == [("score", 0)]


async def test_rows_get_default_scores_only_where_they_are_asked_for(open_sick: Open) -> None:
    scorer = await open_sick(settings="default_score = -1.0\n", timeout_s=10.0)
    chunk = chunk_of(table_of({"x": [1.0, 93.0, 2.0, 93.0]}))
    none = await ChunkScoring(scorer, **FAST).score(chunk)
    assert [one.row for one in none.rejects] == [2, 4]
    own = await ChunkScoring(scorer, **(FAST | {"default": True})).score(chunk)
    assert own.columns[0].values.tolist() == [2.0, -1.0, 4.0, -1.0]
    assert own.reasons == (None, "MODEL_ERROR", None, "MODEL_ERROR")
    assert not own.rejects
    zero = await ChunkScoring(scorer, **(FAST | {"default": 0.0})).score(chunk)
    assert zero.columns[0].values.tolist() == [2.0, 0.0, 4.0, 0.0]


async def test_rows_that_depend_on_each_other_are_scored_in_one_call_or_not_at_all(open_sick: Open) -> None:
    scorer = await open_sick(tables=SETTINGS.replace("row_wise = true", "row_wise = false"))
    whole = FAST | {"row_wise": False}
    scored = await ChunkScoring(scorer, **whole).score(chunk_of(table_of({"x": [1.0, 2.0]})))
    assert scored.columns[0].values.tolist() == [2.0, 4.0]
    with pytest.raises(CallFailed, match=r"depend on each other .* none of the 2 rows has a score: ") as failed:
        await ChunkScoring(scorer, **whole).score(chunk_of(table_of({"x": [1.0, 93.0]})))
    assert failed.value.event == "MODEL_ERROR"


async def test_a_schema_that_does_not_fit_ends_the_run_at_its_first_call(open_sick: Open) -> None:
    scorer = await open_sick()
    with pytest.raises(CallFailed, match="column 'x' is string, the model takes double") as failed:
        await ChunkScoring(scorer, **FAST).score(chunk_of(table_of({"x": ["1", "2"]})))
    assert failed.value.event == "INVALID_REQUEST"


@pytest.mark.parametrize(
    "event", ["MODEL_NOT_FOUND", "VERSION_REFUSED", "UNAUTHENTICATED", "PERMISSION_DENIED", "VERSION_REPLACED"]
)
async def test_what_stays_wrong_ends_the_run(event: str) -> None:
    scorer = Told(lambda _: CallFailed(event, "so it is"))
    with pytest.raises(CallFailed, match="so it is"):
        await ChunkScoring(scorer, **FAST).score(chunk_of(table_of({"x": xs(rows=8)})))
    assert scorer.sizes == [8]


@pytest.mark.parametrize(
    "event", ["OVERLOADED", "RATE_LIMITED", "CIRCUIT_OPEN", "MODEL_NOT_READY", "DRAINING", "UNAVAILABLE"]
)
async def test_the_same_rows_are_asked_for_again_after_a_pause(event: str) -> None:
    scorer = Told(lambda _: CallFailed(event, "not now") if len(scorer.asked) < 3 else None)
    scored = await ChunkScoring(scorer, **FAST).score(chunk_of(table_of({"x": xs(rows=8)})))
    assert scorer.sizes == [8, 8, 8]
    assert not scored.rejects
    assert scored.columns[0].values.tolist() == [2.0 * x for x in range(8)]


async def test_some_rows_that_found_no_room_are_asked_for_again() -> None:
    def fail(question: Question) -> Answer | None:
        if len(scorer.asked) > 1:
            return None
        scores = Column("score", Type.DOUBLE, question.batch.columns[0].values * 2)
        return Answer((scores,), failed=(Ending(2, 3, "CIRCUIT_OPEN", "not now"),))

    scorer = Told(fail)
    scored = await ChunkScoring(scorer, **FAST).score(chunk_of(table_of({"x": xs(rows=8)})))
    assert scorer.sizes == [8, 3]
    assert scorer.asked[1].request_id == "run/0/2"
    assert scorer.asked[1].keys == ("k2", "k3", "k4")
    assert scored.columns[0].values.tolist() == [2.0 * x for x in range(8)]


async def test_a_scorer_that_never_succeeds_ends_the_run_when_its_patience_is_over() -> None:
    scorer = Told(lambda _: CallFailed("UNAVAILABLE", "nobody there"))
    scoring = ChunkScoring(scorer, **FAST, patience_s=0.2)
    with pytest.raises(CallFailed, match=r"no call has succeeded for 0.2 s \(--patience\): nobody there"):
        await scoring.score(chunk_of(table_of({"x": xs(rows=8)})))
    assert len(scorer.asked) > 1


async def test_a_call_that_finds_no_room_again_and_again_is_divided() -> None:
    scorer = Told(lambda question: CallFailed("OVERLOADED", "full") if question.batch.rows > 3 else None)
    scored = await ChunkScoring(scorer, **FAST).score(chunk_of(table_of({"x": xs(rows=6)})))
    assert scorer.sizes == [6, 6, 6, 6, 3, 3]
    assert scored.kept.tolist() == [*range(6)]


async def test_later_calls_begin_with_as_many_rows_as_succeeded_and_grow_again() -> None:
    scorer = Told(lambda question: CallFailed("DEADLINE", "slow") if question.batch.rows > 8 else None)
    scoring = ChunkScoring(scorer, **FAST)
    await scoring.score(chunk_of(table_of({"x": xs(rows=32)})))
    scorer.asked.clear()
    await scoring.score(chunk_of(table_of({"x": xs(rows=32)})))
    assert scorer.sizes[0] == 8
    scorer.fail = lambda _: None
    await scoring.score(chunk_of(table_of({"x": xs(rows=32)})))
    scorer.asked.clear()
    await scoring.score(chunk_of(table_of({"x": xs(rows=32)})))
    assert max(scorer.sizes) > 8


async def test_one_bad_row_does_not_make_later_calls_small() -> None:
    scorer = Told(lambda asked: CallFailed("DEADLINE", "slow") if 5.0 in asked.batch.columns[0].values else None)
    scoring = ChunkScoring(scorer, **FAST)
    scored = await scoring.score(chunk_of(table_of({"x": xs(rows=32)})))
    assert [one.row for one in scored.rejects] == [6]
    scorer.asked.clear()
    await scoring.score(chunk_of(table_of({"x": [7.0] * 32})))
    assert scorer.sizes == [32]


@pytest.mark.parametrize(("event", "calls"), [("DEADLINE", 2), ("WORKER_LOST", 4), ("MODEL_ERROR", 1)])
async def test_a_single_row_is_asked_for_again_until_it_must_be_the_cause(event: str, calls: int) -> None:
    scorer = Told(lambda asked: CallFailed(event, "gone") if asked.batch.rows else None)
    scored = await ChunkScoring(scorer, **FAST).score(chunk_of(table_of({"x": [1.0]})))
    assert scorer.sizes == [1] * calls
    assert [one.reason for one in scored.rejects] == [event]


async def test_a_call_alone_waits_for_the_others_and_holds_up_later_ones() -> None:
    slots, order = CallSlots(2), list[str]()
    release = asyncio.Event()

    async def usual(name: str) -> None:
        async with slots.one():
            order.append(name)
            await release.wait()

    async def alone(name: str) -> None:
        async with slots.alone():
            order.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(usual("first"))
        await eventually(lambda: order == ["first"])
        group.create_task(alone("second"))
        group.create_task(alone("third"))
        release.set()
    assert order == ["first", "second", "third"]


async def test_cancelling_ends_the_call_and_leaves_nothing(tmp_path: Path, open_sick: Open) -> None:
    running = tmp_path / "running"
    running.mkdir()
    code = f'Pred.R <- function(x) {{ if (any(x == 91)) {{ file.create("{running}/x"); Sys.sleep(100) }}; x }}'
    scorer = await open_sick(code=code, timeout_s=20.0)
    scoring = ChunkScoring(scorer, **FAST)
    task = asyncio.create_task(scoring.score(chunk_of(table_of({"x": [1.0, 91.0]}))))
    await eventually(lambda: list(running.iterdir()))  # R has the rows
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelling_ends_a_pause() -> None:
    scorer = Told(lambda _: CallFailed("UNAVAILABLE", "nobody there"))
    task = asyncio.create_task(ChunkScoring(scorer, **FAST).score(chunk_of(table_of({"x": [1.0]}))))
    await eventually(lambda: len(scorer.asked) > 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_other_outputs_than_before_end_the_run() -> None:
    def fail(question: Question) -> Answer | None:
        if len(scorer.asked) == 1:
            raise CallFailed("DEADLINE", "slow")
        name = f"score{len(scorer.asked)}"
        return Answer((Column(name, Type.DOUBLE, question.batch.columns[0].values),))

    scorer = Told(fail)
    with pytest.raises(CallFailed, match="told/1 gave other outputs than before"):
        await ChunkScoring(scorer, **FAST).score(chunk_of(table_of({"x": [1.0, 2.0]})))


async def test_the_id_of_a_run_must_be_one_that_ids_of_calls_can_begin_with() -> None:
    for run_id in ("", "x" * 120, "ü"):
        with pytest.raises(ValueError, match="run_id must be"):
            ChunkScoring(Told(lambda _: None), **(FAST | {"run_id": run_id}))
