"""Partial calls of which a worker, or the time, is lost: the chunks that were scored come back."""

import numpy as np
import pytest
from scorebridge import DeadlineExceeded, PredictionFailed, Scores, Source
from sick import Sick, StartSick

CHUNK, ROWS = 64, 150
SETTINGS = f"row_wise = true\nchunk_rows = {CHUNK}"


async def call(sick: Sick, do: str, *, timeout_s: float = 10, partial: bool = True) -> Scores:
    """A call whose second chunk does something else than scoring."""
    doing = ["score"] * CHUNK + [do] * CHUNK + ["score"] * (ROWS - 2 * CHUNK)
    rows = {"do": doing, "x": np.arange(1.0, ROWS + 1)}
    return await sick.client.score("sick", rows, timeout_s=timeout_s, partial=partial)


def check(answer: Scores, reason: str) -> None:
    assert answer.source is Source.MIXED
    lost = slice(CHUNK, 2 * CHUNK)
    assert np.isnan(answer.scores[lost]).all()
    assert answer.failed[lost].all()
    assert set(answer.reasons[lost]) == {reason}
    assert answer.scores[~answer.failed].tolist() == [2.0 * row for row in range(1, ROWS + 1) if not CHUNK < row <= 128]
    assert answer.failed.sum() == CHUNK


async def test_a_chunk_that_loses_its_workers_costs_no_other(start_sick: StartSick) -> None:
    sick = await start_sick(SETTINGS, default=False)
    with pytest.raises(PredictionFailed) as raised:
        await call(sick, "quit", partial=False)
    assert raised.value.reason == "POISON_CALL"
    before = sick.workers()
    check(await call(sick, "quit"), "WORKER_LOST")
    await sick.recovers(before)


async def test_at_the_deadline_what_is_scored_comes_back(start_sick: StartSick) -> None:
    sick = await start_sick(SETTINGS, default=False)
    check(await call(sick, "sleep", timeout_s=2), "DEADLINE")
    with pytest.raises(DeadlineExceeded):
        await call(sick, "sleep", timeout_s=1, partial=False)


async def test_a_model_that_gives_no_score_for_any_row_fails_the_call(start_sick: StartSick) -> None:
    sick = await start_sick("row_wise = true", default=False)
    for do, reason in (("few", "MALFORMED_PREDICTION"), ("raise", "MODEL_ERROR"), ("null", "MALFORMED_PREDICTION")):
        with pytest.raises(PredictionFailed) as raised:
            await sick.call(do, [1.0, 2.0, 3.0], partial=True)
        assert raised.value.reason == reason
    await sick.recovers(set())
