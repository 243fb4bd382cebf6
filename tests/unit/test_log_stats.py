"""log stats: counts are exact, percentiles within a hundredth, memory does not grow with the calls."""

import json
import math
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prediction_logs import NOON, default_rows, fail_rows, of_messages, record, write_log
from rich.console import Console
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb
from typer.testing import CliRunner

from bridge.cli.log import app
from bridge.prediction_log.reasons import reason_name
from bridge.prediction_log.selection import Selection, SelectionNotUnderstood
from bridge.prediction_log.stats import By, Histogram, Stats, print_stats

HOUR = 3600


def refused(name: str = "ghost", version: int = 0) -> log_pb.LogRecord:
    return of_messages(pb.ScoreRequest(request_id="refused", model=name), None, model=name, version=version)


@given(st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=200), st.floats(0.1, 100))
def test_a_percentile_is_within_a_hundredth(times: list[float], percent: float) -> None:
    histogram = Histogram()
    for time in times:
        histogram.add(time)
    exact = sorted(times)[max(1, math.ceil(len(times) * percent / 100)) - 1]
    found = histogram.percentile(percent)
    assert found is not None
    assert abs(found / exact - 1) < 0.0101


def test_a_histogram_stays_small_and_takes_any_time() -> None:
    histogram = Histogram()
    for time in (0.0, -1.0, *np.geomspace(1e-7, 1e5, 20_000).tolist()):
        histogram.add(time)
    assert len(histogram.counts) < 1_300
    assert Histogram().percentile(50) is None


def test_calls_rows_and_defaults_are_counted_by_version_and_hour() -> None:
    stats = Stats()
    stats.add(record("a", [1.0, 2.0, 3.0]))
    stats.add(default_rows(record("b", [1.0] * 5), 1, 2, pb.DEFAULT_REASON_MODEL_ERROR))
    stats.add(default_rows(record("c", [1.0], version=10, seconds=NOON + HOUR), 0, 1, pb.DEFAULT_REASON_DEADLINE))
    stats.add(record("empty", []))
    stats.add(refused("one"))
    stats.add(refused("two"))
    stats.add(refused("risk", version=3))
    total = stats.total()
    assert (total.calls, total.rows, total.default_rate) == (7, 9, 3 / 9)
    assert total.defaulted == {"MODEL_ERROR": 2, "DEADLINE": 1}
    assert total.errors == {"INVALID_REQUEST": 3}
    versions = stats.by_group()
    assert list(versions) == ["(no version)", "risk/3", "risk/10"]
    assert [(one.calls, one.rows) for one in versions.values()] == [(2, 0), (4, 8), (1, 1)]
    hours = stats.by_hour()
    first, second = "2026-11-23T12:00Z", "2026-11-23T13:00Z"
    assert list(hours) == [("(no version)", first), ("risk/3", first), ("risk/10", second)]
    assert [one.calls for one in hours.values()] == [2, 4, 1]
    assert hours["risk/3", first].default_rates == {"MODEL_ERROR": 2 / 8}


def test_rows_without_a_score_are_counted_apart_from_defaults() -> None:
    stats = Stats()
    stats.add(fail_rows(record("a", [1.0] * 4), 1, 2, pb.DEFAULT_REASON_MODEL_ERROR))
    both = default_rows(record("b", [1.0] * 4, seconds=NOON + HOUR), 0, 1, pb.DEFAULT_REASON_DEADLINE)
    stats.add(fail_rows(both, 3, 1, pb.DEFAULT_REASON_INVALID_VALUE))
    total = stats.total()
    assert (total.calls, total.rows, total.errors) == (2, 8, {})
    assert total.defaulted == {"DEADLINE": 1}
    assert total.without_score == {"MODEL_ERROR": 2, "INVALID_VALUE": 1}
    screen = StringIO()
    print_stats(stats, Console(file=screen, width=200))
    lines = [line.split() for line in screen.getvalue().splitlines()]
    assert lines[0][-3:] == ["defaulted", "without", "score"]
    expected = "12.50%: DEADLINE 12.50% 37.50%: MODEL_ERROR 25.00%, INVALID_VALUE 12.50%"
    assert ["all", "2", "0", "8", "1.99", "1.99", "1.99", *expected.split()] in lines
    assert ["MODEL_ERROR", "2", "25.00%"] in lines
    assert ["INVALID_VALUE", "1", "12.50%"] in lines


def test_a_cancelled_call_and_a_reason_of_a_newer_gateway_are_counted() -> None:
    stats = Stats()
    cancelled = of_messages(pb.ScoreRequest(request_id="x", model="risk"), None)
    cancelled.status, cancelled.error_reason = 1, "CANCELLED"
    newer = record("y", [1.0, 2.0])
    newer.defaulted.add(first=0, count=1, reason=77)  # a newer gateway's
    for one in (cancelled, newer):
        stats.add(one)
    assert stats.total().errors == {"CANCELLED": 1}
    assert stats.total().defaulted == {"77": 1}


def raised(name: str, message: str = "no rate", version: int = 3) -> log_pb.LogRecord:
    """A call that failed because of a condition of this class."""
    made = of_messages(pb.ScoreRequest(request_id="x", model="risk"), None, version=version)
    made.status, made.error_reason, made.error_message = 13, "MODEL_ERROR", "risk/3: it raised"
    made.condition_class, made.private_detail = name, message
    return made


def test_conditions_are_counted_by_version_and_class_with_the_latest_message() -> None:
    stats = Stats()
    stats.add(raised("no_rate", "no rate for 1"))
    mixed = record("b", [1.0] * 9)
    for row, (name, count, detail) in enumerate([("no_rate", 1, "no rate for 2"), ("simpleError", 1, "no good")] * 2):
        default_rows(mixed, 2 * row, count, pb.DEFAULT_REASON_MODEL_ERROR, detail, name)
    mixed.failed.add(first=8, count=1, private_detail="no rate for 3", condition_class="no_rate")
    stats.add(mixed)
    stats.add(raised("simpleError", "", version=10))
    stats.add(raised("", "of an older gateway", version=10))
    stats.add(refused("risk", version=3))
    shapeless = default_rows(
        record("c", [1.0] * 2), 0, 2, pb.DEFAULT_REASON_MALFORMED_PREDICTION, "", "bridge_malformed_prediction"
    )
    stats.add(shapeless)
    found = {key: (one.calls, one.rows, one.message) for key, one in stats.conditions().items()}
    assert list(found.items()) == [
        (("risk/3", "no_rate"), (2, 3, "no rate for 3")),
        (("risk/3", "bridge_malformed_prediction"), (1, 2, "the model raised")),
        (("risk/3", "simpleError"), (1, 2, "no good")),
        (("risk/10", "(not recorded)"), (1, 0, "of an older gateway")),
        (("risk/10", "simpleError"), (1, 0, "risk/3: it raised")),
    ]


def test_classes_that_a_model_makes_up_neither_fill_the_memory_nor_hide_the_others() -> None:
    stats = Stats()
    for number in range(5000):
        stats.add(raised(f"class_{number}"))
    stats.add(raised("x" * 1_000_000, "y" * 1_000_000))
    for _ in range(3):
        stats.add(raised("class_7", "again"))
    stats.add(raised("class_4999", "too late to be counted apart"))
    conditions = stats.conditions()
    names = [name for _, name in conditions]
    assert (len(names), names[0], names[-1]) == (21, "class_7", "(others)")
    assert (conditions["risk/3", "class_7"].calls, conditions["risk/3", "class_7"].message) == (4, "again")
    assert sum(one.calls for one in conditions.values()) == 5005
    assert len(stats._conditions["risk", 3]._raised) == 1000


def test_a_long_class_and_a_long_message_are_cut() -> None:
    stats = Stats()
    stats.add(raised("x" * 1_000_000, "y\n" * 1_000_000))
    (((_, name), one),) = stats.conditions().items()
    assert name == "x" * 100 + "... (1000000 characters)"
    assert one.message.startswith("y\\ny\\n")
    assert len(one.message) < 250


def test_what_models_say_is_printed_as_it_is_and_on_one_line(tmp_path: Path) -> None:
    said = "[red]:smile: 12:x: https://a\nall  4711  0\r\x1b[2J\u202e"
    write_log(tmp_path / "log", [raised("odd\x1b[1m[bold]", said)])
    screen = StringIO()
    stats = Stats()
    stats.add(raised("odd\x1b[1m[bold]", said))
    print_stats(stats, Console(file=screen, width=400, force_terminal=True, color_system=None))
    for printed in (CliRunner().invoke(app, ["stats", str(tmp_path / "log")]).stdout, screen.getvalue()):
        assert all(line.isprintable() for line in printed.splitlines())
        (line,) = (line.strip() for line in printed.splitlines() if "smile" in line)
        spelled = "[red]:smile: 12:x: https://a\\nall  4711  0\\r\\x1b[2J\\u202e"
        assert line == f"risk/3         odd\\x1b[1m[bold]      1     0  {spelled}"


def test_no_calls_are_no_error() -> None:
    assert (Stats().total().calls, Stats().total().default_rate) == (0, 0.0)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    calls = [
        record("a", [1.0] * 4, total_ms=2.0),
        default_rows(record("b", [1.0] * 4, total_ms=40.0), 0, 1, pb.DEFAULT_REASON_DEADLINE),
        record("c", model="[red]x[/red]", seconds=NOON + HOUR),
        refused(),
    ]
    write_log(tmp_path / "log", calls[:2], calls[2:])
    return tmp_path / "log"


def test_the_command_prints_tables(log: Path) -> None:
    done = CliRunner().invoke(app, ["stats", str(log)])
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    risk = ["2", "0", "8", "1.99", "40.3", "40.3", "12.50%:", "DEADLINE", "12.50%"]
    other = ["1", "0", "2", "1.99", "1.99", "1.99", "0.00%"]
    assert ["risk/3", *risk] in lines
    assert ["all", "4", "1", "10", "1.99", "40.3", "40.3", "10.00%:", "DEADLINE", "10.00%"] in lines
    assert ["[red]x[/red]/3", *other] in lines
    assert ["risk/3", "2026-11-23T12:00Z", *risk] in lines
    assert ["[red]x[/red]/3", "2026-11-23T13:00Z", *other] in lines
    assert ["DEADLINE", "1", "10.00%"] in lines
    assert ["INVALID_REQUEST", "1", "25.00%"] in lines


def test_nothing_is_cut_in_a_pipe_or_on_a_terminal_of_100_columns(tmp_path: Path) -> None:
    call = record("a", [1.0] * 10_000, model="m" * 40, version=12)
    reasons = [pb.DEFAULT_REASON_MALFORMED_PREDICTION, pb.DEFAULT_REASON_DEADLINE, pb.DEFAULT_REASON_MODEL_NOT_READY]
    reasons += [pb.DEFAULT_REASON_OVERLOADED, pb.DEFAULT_REASON_WORKER_LOST]
    for row, reason in enumerate(reasons):
        default_rows(call, row, 1, reason)
    write_log(tmp_path / "log", [call])
    piped = CliRunner().invoke(app, ["stats", str(tmp_path / "log")]).stdout
    all_reasons = ", ".join(f"{reason_name(reason)} 0.01%" for reason in reasons)
    assert [line.rstrip().endswith(f"0.05%: {all_reasons}") for line in piped.splitlines()].count(True) == 3
    stats, screen = Stats(), StringIO()
    stats.add(call)
    print_stats(stats, Console(file=screen, width=100, force_terminal=True, color_system=None))
    shown = "".join(screen.getvalue().split())
    assert max(map(len, screen.getvalue().splitlines())) <= 100
    assert "…" not in shown
    assert all(reason_name(reason) in shown for reason in reasons)


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        (["--since", "2026-11-23"], 4),
        (["--until", "2026-11-23"], 0),
        (["--since", "2026-11-23T13:00:00"], 1),
        (["--until", "2026-11-23T14:00:00+01:00"], 3),
        (["--until", "2026-11-23T12:00:00.000001Z"], 3),
        (["--model", "risk"], 2),
        (["--model", "risk/3"], 2),
        (["--model", "risk/4"], 0),
        (["--model", "ghost"], 1),
    ],
)
def test_only_what_was_asked_for_is_counted(log: Path, options: list[str], calls: int) -> None:
    done = CliRunner().invoke(app, ["stats", str(log), *options])
    assert [line.split()[1] for line in done.stdout.splitlines() if line.split()[:1] == ["all"]] == [str(calls)]


def test_a_time_that_is_none_is_one_sentence(log: Path) -> None:
    done = CliRunner().invoke(app, ["stats", str(log), "--since", "yesterday"])
    assert (done.exit_code, done.stderr) == (
        1,
        "--since yesterday: not an ISO 8601 date or time, such as 2026-11-24 or 2026-11-24T09:30\n",
    )
    with pytest.raises(SelectionNotUnderstood, match="no call can be since 2026-11-24 and until 2026-11-23"):
        Selection.parse("2026-11-24", "2026-11-23")


def test_what_was_skipped_is_said(log: Path) -> None:
    first = min(log.iterdir())
    first.write_bytes(first.read_bytes()[:-5])
    done = CliRunner().invoke(app, ["stats", str(log)])
    assert done.exit_code == 0
    assert done.stderr.startswith("skipped ")
    assert done.stderr.endswith("the last record was never finished\n")


def by(name: str, made: log_pb.LogRecord) -> log_pb.LogRecord:
    """The same call by a caller of this name."""
    made.caller = name
    return made


@pytest.fixture
def log_of_callers(tmp_path: Path) -> Path:
    """Calls of two callers, and one of an older gateway."""
    late = default_rows(record("b", [1.0] * 3, version=4), 0, 1, pb.DEFAULT_REASON_DEADLINE)
    calls = [by("billing", record("a", [1.0])), by("billing", late), by("risk.desk", refused()), record("old")]
    write_log(tmp_path / "log", calls)
    return tmp_path / "log"


def test_calls_are_counted_by_caller(log_of_callers: Path) -> None:
    done = CliRunner().invoke(app, ["stats", str(log_of_callers), "--by", "caller"])
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert lines[0][:2] == ["caller", "calls"]
    assert ["billing", "2", "0", "4"] in [line[:4] for line in lines]
    assert ["risk.desk", "1", "1", "0"] in [line[:4] for line in lines]
    assert ["(none)", "1", "0", "2"] in [line[:4] for line in lines]
    assert ["billing", "2026-11-23T12:00Z", "2", "0", "4"] in [line[:5] for line in lines]
    assert ["all", "4", "1", "6"] in [line[:4] for line in lines]


def test_callers_beyond_a_thousand_are_counted_together() -> None:
    stats = Stats(By.CALLER)
    for number in range(1200):
        stats.add(by(f"10.0.{number // 256}.{number % 256}", record(f"call-{number}")))
    stats.add(by("10.0.0.1", record("again")))
    groups = stats.by_group()
    assert len(groups) == 1001
    assert (groups["(others)"].calls, groups["10.0.0.1"].calls, stats.total().calls) == (200, 2, 1201)


def test_counts_can_be_told_in_json(log_of_callers: Path) -> None:
    done = CliRunner().invoke(app, ["stats", str(log_of_callers), "--json", "--by", "caller"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["by"], told["skipped"], told["conditions"][0]["version"]) == (
        0,
        "caller",
        [],
        "risk/4",
    )
    billing = next(group for group in told["groups"] if group["caller"] == "billing")
    assert {name: value for name, value in billing.items() if not name.startswith("p")} == {
        "caller": "billing",
        "calls": 2,
        "failed": 0,
        "rows": 4,
        "defaulted": {"DEADLINE": 1},
        "without_score": {},
        "errors": {},
    }
    assert billing["p50_s"] == pytest.approx(0.002, rel=0.01)
    assert next((hour["caller"], hour["hour"]) for hour in told["hours"]) == ("(none)", "2026-11-23T12:00Z")
    versions = json.loads(CliRunner().invoke(app, ["stats", str(log_of_callers), "--json"]).stdout)
    assert versions["total"] == told["total"]
    assert [(group["version"], group["errors"]) for group in versions["groups"]] == [
        ("(no version)", {"INVALID_REQUEST": 1}),
        ("risk/3", {}),
        ("risk/4", {}),
    ]


def test_a_log_without_calls_has_counts_of_nothing_in_json(tmp_path: Path) -> None:
    write_log(tmp_path / "log", [])
    done = CliRunner().invoke(app, ["stats", str(tmp_path / "log"), "--json"])
    told = json.loads(done.stdout)
    nothing = {"calls": 0, "failed": 0, "rows": 0, "p50_s": None, "p95_s": None, "p99_s": None}
    assert told == {
        "by": "version",
        "total": {**nothing, "defaulted": {}, "without_score": {}, "errors": {}},
        "groups": [],
        "hours": [],
        "conditions": [],
        "lookups": [],
        "skipped": [],
    }
