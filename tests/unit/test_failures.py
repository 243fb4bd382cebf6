"""Failures: one line for what a model said of rows that it failed, no more than a bounded number of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import pytest

from bridge.calls import Call, ModelRef, Outcome, Range, Scorer, now
from bridge.columns import Matrix, Type, constant
from bridge.errors import (
    BridgeError,
    CircuitOpen,
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    MalformedPrediction,
    MissingScore,
    OtherOutputs,
    Overloaded,
    PoisonCall,
    PredictionFailed,
    WorkerLost,
)
from bridge.layers.failures import Failures
from bridge.testing.clock import ManualClock

REF = ModelRef("risk", 3, "")
SCORES = (constant("score", Type.DOUBLE, 0.5, 1),)


def call(rows: int = 1, request_id: str = "call-1") -> Call:
    return Call(request_id, REF, Matrix((), np.full((rows, 1), 4711.0)), now())


def no_rate(message: str = "no rate") -> PredictionFailed:
    return PredictionFailed("risk/3: it raised", private=message, condition_class="no_rate")


def answers(*ranges: Range) -> Scorer:
    async def scorer(_: Call) -> Outcome:
        return Outcome(ranges)

    return scorer


def raising(error: BridgeError | None = None) -> Scorer:
    return answers(Range(0, 1, error=error or no_rate()))


def run(main: Callable[[], Awaitable[None]], caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was written meanwhile, on a clock that moves only when everybody waits."""

    async def whole() -> None:
        await main()

    ManualClock.run(whole)
    found = [record for record in caplog.records if record.name == "bridge.layers.failures"]
    assert {record.levelno for record in found} <= {logging.WARNING}
    return [record.getMessage() for record in found]


def told(caplog: pytest.LogCaptureFixture, ranges: Sequence[Range], rows: int = 1) -> list[str]:
    async def main() -> None:
        asked = call(rows)
        answer = Outcome(tuple(ranges))

        async def scorer(_: Call) -> Outcome:
            return answer

        assert await Failures()(asked, scorer) is answer

    return run(main, caplog)


def test_each_range_that_the_model_failed_is_a_line(caplog: pytest.LogCaptureFixture) -> None:
    ranges = [
        Range(0, 1, SCORES),
        Range(1, 1, error=no_rate("no rate for North")),
        Range(2, 3, SCORES, no_rate()),
        Range(
            5, 2, error=PredictionFailed("risk/3: xgboost failed", private="odd shape", condition_class="ValueError")
        ),
    ]
    assert told(caplog, ranges, 7) == [
        "risk/3: call call-1, row 1: no_rate: no rate for North",
        "risk/3: call call-1, rows 2 to 4: no_rate: no rate",
        "risk/3: call call-1, rows 5 to 6: ValueError: odd shape",
    ]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PredictionFailed("risk/3: left without a condition"), "MODEL_ERROR: left without a condition"),
        (PredictionFailed("risk/3: it raised", condition_class="mute"), "mute: it raised"),
        (
            MalformedPrediction("risk/3: Pred.R returned NULL", condition_class="bridge_malformed_prediction"),
            "bridge_malformed_prediction: Pred.R returned NULL",
        ),
        (
            MalformedPrediction("risk/3: Pred.R returned NULL", private="R warned: age 40", condition_class="x"),
            "x: Pred.R returned NULL (R warned: age 40)",
        ),
        (OtherOutputs("risk/3: the output 'p' is int"), "MALFORMED_PREDICTION: the output 'p' is int"),
    ],
)
def test_a_failure_that_says_less_is_told_in_our_words(
    caplog: pytest.LogCaptureFixture, error: BridgeError, line: str
) -> None:
    assert told(caplog, [Range(0, 1, error=error)]) == [f"risk/3: call call-1, row 0: {line}"]


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("x"),
        DeadlineExceeded("x"),
        WorkerLost("x"),
        PoisonCall("x"),
        MissingScore("x"),
        Overloaded("x"),
        CircuitOpen("x"),
        InternalError("x"),
    ],
)
def test_what_the_model_did_not_do_is_no_line(caplog: pytest.LogCaptureFixture, error: BridgeError) -> None:
    assert told(caplog, [Range(0, 1, SCORES, error), Range(1, 1, error=error), Range(2, 1, SCORES)], 3) == []


def test_no_message_breaks_the_line_or_is_longer_than_500_characters(caplog: pytest.LogCaptureFixture) -> None:
    forged = "\n2026-11-23 12:00:00 INFO bridge: all is well\x1b[2J\r\u202e"
    errors = [
        no_rate(forged),
        no_rate("x" * 10_000_000),
        PredictionFailed("x", private="y", condition_class="a\nb" * 99),
    ]
    lines = told(caplog, [Range(row, 1, error=error) for row, error in enumerate(errors)], 3)
    assert all(line.isprintable() for line in lines)
    assert lines[0].endswith(r"row 0: no_rate: \n2026-11-23 12:00:00 INFO bridge: all is well\x1b[2J\r\u202e")
    assert lines[1].endswith("no_rate: " + "x" * 500 + "... (10000000 characters)")
    assert max(map(len, lines)) < 600


def test_what_is_raised_goes_through(caplog: pytest.LogCaptureFixture) -> None:
    async def cancelled(_: Call) -> Outcome:
        raise asyncio.CancelledError

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            await Failures()(call(), cancelled)

    assert run(main, caplog) == []


def test_ten_lines_at_once_and_one_a_second(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        failures = Failures()
        for number in range(1000):
            await failures(call(request_id=f"storm-{number}"), raising())
        await asyncio.sleep(60)  # what was not written is told although nothing follows
        await failures(call(request_id="later"), raising())

    lines = run(main, caplog)
    assert [line.split(",")[0] for line in lines[:10]] == [f"risk/3: call storm-{number}" for number in range(10)]
    assert lines[10] == "risk/3: of the messages of failed calls, 990 more were not written"
    assert lines[11:] == ["risk/3: call later, row 0: no_rate: no rate"]


def test_a_storm_that_lasts_costs_two_lines_a_second(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        failures = Failures()
        for _ in range(100 * 60):
            await failures(call(), raising())
            await asyncio.sleep(0.01)
        await asyncio.sleep(2)

    lines = run(main, caplog)
    written = [line for line in lines if "no_rate" in line]
    unwritten = [int(line.split()[-5]) for line in lines if "not written" in line]
    assert 10 + 59 <= len(written) <= 10 + 61
    assert 59 <= len(unwritten) <= 61
    assert len(written) + sum(unwritten) == 100 * 60


def test_lines_that_were_not_used_up_are_no_more_than_ten_later(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        failures = Failures()
        await failures(call(), raising())
        await asyncio.sleep(3600)
        await failures(call(12), answers(*(Range(row, 1, error=no_rate()) for row in range(12))))
        failures.close()

    lines = run(main, caplog)
    assert len(lines) == 1 + 10 + 1
    assert lines[-1].endswith(" 2 more were not written")


def test_one_call_of_many_failed_rows_is_no_storm_of_lines(caplog: pytest.LogCaptureFixture) -> None:
    lines = told(caplog, [Range(row, 1, error=no_rate()) for row in range(10_000)], 10_000)
    assert len(lines) == 10


def test_what_is_not_written_yet_is_said_at_the_end_and_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        failures = Failures()
        for _ in range(11):
            await failures(call(), raising())
        failures.close()
        failures.close()
        await asyncio.sleep(5)

    assert run(main, caplog)[10:] == ["risk/3: of the messages of failed calls, 1 more was not written"]


def test_each_version_has_its_own_lines(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        one, other = Failures(), Failures()
        for _ in range(20):
            await one(call(), raising())
        await other(call(request_id="other"), raising())
        one.close()

    lines = run(main, caplog)
    assert lines[10].startswith("risk/3: call other")
    assert len(lines) == 12
