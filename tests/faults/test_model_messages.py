"""What a model says when it raises: on record with its class, shown, counted, and in the gateway's log if asked for."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures import Cancer, StartGateway, make_r_bundle, put
from scorebridge import AsyncScoringClient, PredictionFailed
from typer.testing import CliRunner

from bridge.backends.xgboost.backend import XgboostBackend
from bridge.cli.log import app
from bridge.columns import Matrix
from bridge.gateway.server import Gateway
from bridge.prediction_log.reader import read_log

CODE = r"""
odd <- function(class, ...) structure(class = c(class, "condition"), list(message = paste0(...), call = NULL))
Pred.R <- function(do, x) {
  switch(do[1L],
    no_rate = stop(odd(c("no_rate", "error"), "no rate for ", x[1L])),
    simple = stop("no good: ", x[1L]),
    passed = tryCatch(as.numeric("forty"), warning = function(w) stop(w)),
    bare = stop(odd("no_rate", "no rate at all")),
    lines = stop("one\n2026-11-23 12:00:00 INFO bridge: all is well\r\033[2J", "\u202e"),
    huge = stop(simpleError(strrep("x", 1e7))),
    mute = stop(),
    classy = stop(odd(c("a\nb\033[1m", "error"), "odd")),
    file = readRDS("no such file.rds"),
    null = { warning("age ", x[1L]); NULL },
    rows = { if (any(x < 0)) stop(odd(c("below", "error"), "below zero: ", min(x))); x * 2 },
    x * 2
  )
}
"""
SETTINGS = """
timeout_s = 20
workers = 1
row_wise = true
[features]
do = "string"
x = "double"
[outputs]
score = "double"
"""
FILE = "R warned: cannot open compressed file 'no such file.rds', probable reason 'No such file or directory'"
NO_SCORES = "Pred.R returned NULL: return the scores, as the last expression of the function"
# What each raises: its class, its message, and the line that a person sees of it.
RAISED = {
    "no_rate": ("no_rate", "no rate for 4711", "no_rate: no rate for 4711"),
    "simple": ("simpleError", "no good: 4711", "simpleError: no good: 4711"),
    "passed": ("simpleWarning", "NAs introduced by coercion", "simpleWarning: NAs introduced by coercion"),
    "bare": ("no_rate", "no rate at all", "no_rate: no rate at all"),
    "lines": (
        "simpleError",
        "one\n2026-11-23 12:00:00 INFO bridge: all is well\r\x1b[2J\u202e",
        r"simpleError: one\n2026-11-23 12:00:00 INFO bridge: all is well\r\x1b[2J\u202e",
    ),
    "huge": (
        "simpleError",
        "x" * 2000 + "... (10000000 characters)",
        "simpleError: " + "x" * 500 + "... (2025 characters)",
    ),
    "mute": ("simpleError", "", "simpleError: the predict function raised a condition of class 'simpleError'"),
    "classy": ("a\nb\x1b[1m", "odd", r"a\nb\x1b[1m: odd"),
    "file": (
        "simpleError",
        f"cannot open the connection ({FILE})",
        f"simpleError: cannot open the connection ({FILE})",
    ),
    "null": (
        "bridge_malformed_prediction",
        "R warned: age 4711",
        f"bridge_malformed_prediction: {NO_SCORES} (R warned: age 4711)",
    ),
}
Connect = Callable[[Gateway], AsyncScoringClient]
Start = Callable[..., Awaitable[tuple[AsyncScoringClient, Gateway]]]


@pytest.fixture
def start(tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect) -> Start:
    """A gateway that serves the model, with a default score or without, and a client of it."""

    async def started(*, default: bool = False, **settings: Any) -> tuple[AsyncScoringClient, Gateway]:
        own = "default_score = -1.0\n" if default else ""
        put(make_r_bundle(tmp_path / "bundle", CODE, settings=own + SETTINGS), repository, "odd")
        gateway = await start_gateway(repository, **settings)
        return connect(gateway), gateway

    return started


def rows(do: str, *x: float) -> dict[str, Any]:
    return {"do": [do] * len(x), "x": np.array(x)}


def written(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "bridge.layers.failures"]


def log(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


async def test_a_failed_call_has_the_model_s_words_on_record_and_no_caller_sees_them(
    tmp_path: Path, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "log"
    client, _ = await start(log_dir=folder, log_model_messages=True)
    for do in RAISED:
        with pytest.raises(PredictionFailed) as raised:
            await client.score("odd", rows(do, 4711.0), request_id=f"call-{do}")
        assert "4711" not in str(raised.value)
        assert "no rate" not in str(raised.value)
    entries = {entry.record.request_id: entry.record for entry in read_log(folder)}
    found = {do: (one.condition_class, one.private_detail) for do in RAISED if (one := entries[f"call-{do}"])}
    assert found == {do: (name, message) for do, (name, message, _) in RAISED.items()}
    for do, (name, message, _) in RAISED.items():
        shown = log("show", folder, "--request-id", f"call-{do}")
        assert all(line.isprintable() for line in shown.splitlines())
        spelled = [text.encode("unicode_escape").decode() for text in (name, message)]
        assert f"\ncondition class {spelled[0]}\n" in shown
        assert (f"\nprivate detail  {spelled[1]}\n" in shown) == bool(message)
    lines = {line.split(",")[0]: line for line in written(caplog)}
    for do, (_, _, line) in RAISED.items():
        assert lines[f"odd/1: call call-{do}"] == f"odd/1: call call-{do}, row 0: {line}"
    assert len(lines) == len(RAISED) == 10
    assert all(line.isprintable() and len(line) < 600 for line in lines.values())


async def test_conditions_are_counted_by_class_whether_the_call_failed_or_got_defaults(
    tmp_path: Path, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "log"
    client, _ = await start(default=True, log_dir=folder, log_model_messages=True)
    answer = await client.score("odd", rows("rows", 1.0, -2.0, 3.0, 4.0, -5.0, -5.0, 7.0), request_id="mixed")
    assert answer.scores.tolist() == [2.0, -1.0, 6.0, 8.0, -1.0, -1.0, 14.0]
    await client.score("odd", rows("no_rate", 1.0))
    with pytest.raises(PredictionFailed):
        await client.score("odd", rows("no_rate", 8.0), allow_default=False)
    await client.score("odd", rows("null", 9.0))
    await client.score("odd", rows("good", 9.0))
    mixed = next(entry.record for entry in read_log(folder) if entry.record.request_id == "mixed")
    assert [(part.first, part.count, part.condition_class, part.private_detail) for part in mixed.defaulted] == [
        (1, 1, "below", "below zero: -2"),
        (4, 1, "below", "below zero: -5"),
        (5, 1, "below", "below zero: -5"),
    ]
    shown = [line for line in log("show", folder, "--request-id", "mixed").splitlines() if "defaulted" in line]
    sentence = "odd/1: the predict function raised a condition of class 'below'"
    assert shown == [
        f"defaulted       row 1: MODEL_ERROR; {sentence}; below: below zero: -2",
        f"defaulted       row 4: MODEL_ERROR; {sentence}; below: below zero: -5",
        f"defaulted       row 5: MODEL_ERROR; {sentence}; below: below zero: -5",
    ]
    lines = [line.strip().split(None, 4) for line in log("stats", folder).splitlines()]
    start_of_table = lines.index(["model/version", "condition", "calls", "rows", "latest message"])
    assert lines[start_of_table + 1 :] == [
        ["odd/1", "no_rate", "2", "1", "no rate for 8"],
        ["odd/1", "below", "1", "3", "below zero: -5"],
        ["odd/1", "bridge_malformed_prediction", "1", "1", "R warned: age 9"],
    ]
    assert [line for line in written(caplog) if "call mixed," in line] == [
        f"odd/1: call mixed, row {row}: below: below zero: {value}" for row, value in [(1, -2), (4, -5), (5, -5)]
    ]


async def test_nothing_of_it_is_in_the_gateway_s_log_unless_it_is_asked_for(
    tmp_path: Path, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    client, _ = await start(default=True, log_dir=tmp_path / "log")
    for do in RAISED:
        await client.score("odd", rows(do, 4711.0))
    assert written(caplog) == []
    assert not any("no rate" in text or "4711" in text for text in (record.getMessage() for record in caplog.records))


async def test_a_gateway_without_a_prediction_log_writes_them_too_and_no_more_than_its_share(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    client, gateway = await start(default=True, log_model_messages=True)
    for number in range(100):
        await client.score("odd", rows("rows", -1.0, -2.0, float(number)), request_id=f"call-{number}")
    await gateway.close()
    lines = written(caplog)
    first = [f"odd/1: call call-{n}, row {row}: below: below zero: -{row + 1}" for n in range(5) for row in (0, 1)]
    assert lines[:10] == first
    unwritten = [int(line.split()[-5]) for line in lines if "not written" in line]
    assert len(lines) - len(unwritten) + sum(unwritten) == 200
    assert len(lines) < 200


async def test_what_xgboost_says_is_told_alike(
    cancer: Cancer,
    tmp_path: Path,
    repository: Path,
    start_gateway: StartGateway,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log", log_model_messages=True)
    # What binding lets through is always scored, so what it makes is taken away from a real booster.
    narrow = Matrix((), np.zeros((1, 2), np.float32))
    monkeypatch.setattr(XgboostBackend, "bind", lambda *_, **__: narrow)
    with pytest.raises(PredictionFailed, match=r"xgboost failed$"):
        await connect(gateway).score("cancer", cancer.rows[:1], request_id="narrow", allow_default=False)
    (logged,) = (entry.record for entry in read_log(tmp_path / "log"))
    assert logged.condition_class in ("ValueError", "XGBoostError")
    assert "feature" in logged.private_detail
    assert f"\ncondition class {logged.condition_class}\n" in log("show", tmp_path / "log", "--request-id", "narrow")
    assert f" cancer/1 {logged.condition_class} 1 0 " in " ".join(log("stats", tmp_path / "log").split())
    assert [line.split(": ")[:3] for line in written(caplog)] == [
        ["cancer/1", "call narrow, row 0", logged.condition_class]
    ]
