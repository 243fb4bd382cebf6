"""What was looked up for a call, on record: written, shown and exported."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lookup_records import ARRIVAL, call_of, column, look_up, recorded, result, texts
from prediction_logs import default_rows, header, record, write_log
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb
from typer.testing import CliRunner

from bridge.calls import Trace
from bridge.cli.log import app
from bridge.columns import Column, Type
from bridge.config import LogSettings
from bridge.errors import DefaultReason
from bridge.looked_up import LookedUp
from bridge.lookup_errors import StoreUnavailable
from bridge.prediction_log.lookups import columns_of
from bridge.prediction_log.reader import Entry, read_log
from bridge.prediction_log.recorder import LogRecorder
from bridge.prediction_log.rows import read_call, rows_of
from bridge.prediction_log.show import describe
from bridge.prediction_log.writer import PredictionLog

UNAVAILABLE = 14
TODAY: dict[str, Any] = {"group": "clicks", "batch": "2026-11-25", "age_s": None}
VALUES: dict[Type, Any] = {
    Type.DOUBLE: st.floats(),
    Type.FLOAT: st.floats(width=32),
    Type.INT: st.integers(-(2**31), 2**31 - 1),
    Type.INT64: st.integers(-(2**63), 2**63 - 1),
    Type.BOOL: st.booleans(),
    Type.STRING: st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
}


@st.composite
def columns(draw: st.DrawFn) -> tuple[int, list[Column]]:
    rows = draw(st.integers(0, 5))
    made = []
    for place, kind in enumerate(draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=4))):
        values = draw(st.lists(VALUES[kind], min_size=rows, max_size=rows))
        mask = None if kind.is_floating else draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
        array: Any = np.empty(rows, kind.dtype)
        array[:] = values
        made.append(Column(f"f{place}", kind, array, None if mask is None else np.array(mask, np.bool_)))
    return rows, made


def contents(one: Column) -> tuple[Any, ...]:
    """All that a column says: the bits of what is there, and what is missing."""
    there = one.values[~one.missing()]
    return one.name, one.type, there.tolist() if one.type is Type.STRING else there.tobytes(), one.missing().tolist()


@given(columns(), st.data())
def test_every_value_and_row_comes_back(made: tuple[int, list[Column]], data: st.DataObject) -> None:
    rows, some = made
    places = st.lists(st.sampled_from(range(rows)), unique=True).map(sorted) if rows else st.just([])
    previous, missing = data.draw(places), data.draw(places)
    age_s = data.draw(st.none() | st.floats(0, 1e9))
    one = result("a", previous, missing, age_s=age_s, operands=tuple(some))
    found = LookedUp((one, result("b", failure=DefaultReason.STORE_UNAVAILABLE)), tuple(some), (0, 3))
    written = recorded(call_of(found, rows))
    first, second = written.lookups
    assert [contents(one) for one in columns_of(written.looked_up)] == [contents(one) for one in some]
    assert [contents(one) for one in columns_of(first.operands)] == [contents(one) for one in some]
    assert (list(first.previous_rows), list(first.missing_rows)) == (previous, missing)
    assert (first.lookup.previous_rows, first.lookup.missing_rows) == (len(previous), len(missing))
    assert first.lookup.HasField("age") == (age_s is not None)
    assert first.lookup.age.ToNanoseconds() == round((age_s or 0) * 1e9)
    assert (second.lookup.failure, first.lookup.failure) == (pb.DEFAULT_REASON_STORE_UNAVAILABLE, 0)
    assert list(written.key_columns) == [0, 3]


def test_all_that_is_said_of_a_lookup_is_on_record() -> None:
    one = result(previous=[1], missing=[0, 2], detail="the store did not answer within 10 ms", operands=())
    (logged,) = recorded(call_of(LookedUp((one,), (), ()), 3)).lookups
    told = pb.Lookup(name="history", group="orders", batch="2026-11-24", previous_rows=1, missing_rows=2)
    told.age.FromNanoseconds(3_600_500_000_000)
    assert logged == log_pb.LoggedLookup(
        lookup=told,
        store="main",
        previous_batch="2026-11-23",
        previous_rows=[1],
        missing_rows=[0, 2],
        detail="the store did not answer within 10 ms",
    )


def test_a_call_without_lookups_has_nothing_of_them() -> None:
    written = recorded(call_of(None))
    assert [len(written.lookups), len(written.looked_up), len(written.key_columns)] == [0, 0, 0]


@asynccontextmanager
async def recorder(folder: Path) -> AsyncIterator[LogRecorder]:
    log = PredictionLog(folder, LogSettings(), "gateway", {})
    log.open()
    log.start()
    recording = LogRecorder(log)
    try:
        yield recording
    finally:
        await recording.close()
        await log.close()


async def test_a_refused_call_takes_no_room_for_what_was_looked_up_for_it(tmp_path: Path) -> None:
    history = result(previous=[0], missing=[1], operands=(column("spent", [1, 2]),))
    found = LookedUp((history,), (column("clicks", [1, 2]),), (0,))
    refused = call_of(found, 2)
    asked = replace(refused, trace=Trace(attempts=1))
    error = StoreUnavailable("lookup 'history': the store did not answer")
    async with recorder(tmp_path) as log:
        for one in (refused, asked):
            if (written := log.failed(ARRIVAL, one, error, UNAVAILABLE, "")) is not None:
                await written
            await log.cancelled(ARRIVAL, one, "")
    records = [entry.record for entry in read_log(tmp_path)]
    assert [len(one.looked_up) for one in records] == [0, 0, 1, 1]
    for made in records:
        (lookup,) = made.lookups
        kept = [1, 1, 1] if made.looked_up else [0, 0, 0]
        assert [len(lookup.previous_rows), len(lookup.missing_rows), len(lookup.operands)] == kept
        assert (lookup.lookup.previous_rows, lookup.lookup.missing_rows) == (1, 1)
        assert list(made.key_columns) == [0]


def bought(request_id: str = "call-1", *, day: str = "2026-11-25", before: str = "2026-11-24") -> log_pb.LogRecord:
    """A call of three rows: history with all kinds of rows, and clicks of two days."""
    made = record(request_id, [40.0, 41.0, 42.0])
    clicks = result(
        "today",
        missing=[2],
        **TODAY | {"batch": day},
        operands=(
            column(f"{before}/clicks", [1, np.nan, 3]),
            column(f"{day}/clicks", [5, 6, np.nan]),
        ),
    )
    history = result(
        previous=[1], missing=[2], operands=(column("spent", [7, 8, 0], Type.INT64, [False, False, True]),)
    )
    look_up(made, column("clicks", [6, 6, 3]), texts("town", ["Köln", None, ""]), results=[history, clicks])
    return made


def rows(made: log_pb.LogRecord) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in row.items() if name.startswith(("looked_up.", "operand.", "lookup."))}
        for row in rows_of(read_call(made))
    ]


def test_each_row_has_what_was_looked_up_and_from_where() -> None:
    shared = {
        "lookup.history.batch": "2026-11-24",
        "lookup.history.age_s": 3600.5,
        "lookup.history.failure": None,
        "lookup.today.batch": "2026-11-25",
        "lookup.today.age_s": None,
        "lookup.today.failure": None,
    }
    values = ("looked_up.clicks", "looked_up.town", "operand.history.spent", "operand.today.1d/clicks")
    names = (*values, "operand.today.0d/clicks", "lookup.history.from", "lookup.today.from")
    assert rows(bought()) == [
        shared | dict(zip(names, row, strict=True))
        for row in (
            (6.0, "Köln", 7, 1.0, 5.0, "current", "current"),
            (6.0, None, 8, None, 6.0, "previous", "current"),
            (3.0, "", None, 3.0, None, "missing", "missing"),
        )
    ]


def test_a_row_s_origin_is_not_made_up() -> None:
    failed = record(ages=[40.0, 41.0])
    look_up(failed, results=[result(batch="", age_s=None, failure=DefaultReason.STORE_UNAVAILABLE)])
    assert [row["lookup.history.from"] for row in rows(failed)] == ["missing", "missing"]
    assert [row["lookup.history.failure"] for row in rows(failed)] == ["STORE_UNAVAILABLE"] * 2
    refused = record(ages=[40.0, 41.0])
    written = recorded(call_of(LookedUp((result(previous=[1]),), (), ()), 2), whole=False)
    refused.lookups.extend(written.lookups)
    assert [row["lookup.history.from"] for row in rows(refused)] == [None, None]
    look_up(other := record(ages=[40.0]), column("f", [1, 2]))
    assert "looked_up.f" not in rows(other)[0]


def test_a_name_that_is_no_day_stays_as_it_is() -> None:
    made = record(ages=[40.0])
    of_batch = result("a", operands=(column("2026-11-23/x", [1]),))
    of_stream = result("b", **TODAY, operands=(column("x", [1]), column("y/z", [2]), column("2026-11-23/x", [3])))
    look_up(made, results=[of_batch, of_stream])
    found = {name: value for name, value in rows(made)[0].items() if name.startswith("operand.")}
    assert found == {
        "operand.a.2026-11-23/x": 1,
        "operand.b.x": 1,
        "operand.b.y/z": 2,
        "operand.b.2d/x": 3,
    }


def shown(made: log_pb.LogRecord) -> str:
    return describe(Entry(Path(f"{0:020d}.sblog"), 120, 7, made, header(1)))


def test_show_has_a_line_for_each_lookup_and_its_values_in_columns_of_their_own() -> None:
    head, table = shown(bought()).split("\n\n")
    history, today = [line for line in head.splitlines() if line.startswith("lookup")]
    assert history == (
        "lookup          history: group orders of store main; batch 2026-11-24, 3600.5 s old; "
        "1 row from batch 2026-11-23; 1 row missing"
    )
    assert today == "lookup          today: group clicks of store main; batch 2026-11-25; 1 row missing"
    _, names, first, *_ = [line.split() for line in table.splitlines()]
    assert names[:6] == ["row", "source", "input.age", "looked_up.clicks", "looked_up.town", "operand.history.spent"]
    assert names[6:8] == ["operand.today.1d/clicks", "operand.today.0d/clicks"]
    assert names[8:] == ["lookup.history.from", "lookup.today.from", "score.score"]
    assert first == ["0", "MODEL", "40", "6", "Köln", "7", "1", "5", "current", "current", "0.4"]


def test_show_says_why_nothing_was_looked_up_and_nobody_can_forge_a_line() -> None:
    failed = result(batch="", age_s=None, failure=DefaultReason.STORE_UNAVAILABLE, missing=[0, 1], detail="no\nanswer")
    look_up(made := record(), results=[failed])
    default_rows(made, 0, 2, pb.DEFAULT_REASON_STORE_UNAVAILABLE, "")
    assert "lookup          history: group orders of store main; 2 rows missing; STORE_UNAVAILABLE; no\\nanswer\n" in (
        shown(made)
    )


def test_show_tells_lookups_in_json(tmp_path: Path) -> None:
    write_log(tmp_path, [bought()])
    done = CliRunner().invoke(app, ["show", str(tmp_path), "--request-id", "call-1", "--json"])
    (told,) = json.loads(done.stdout)
    nothing = {"failure": None, "detail": None}
    assert told["lookups"] == [
        {"name": "history", "store": "main", "group": "orders", "batch": "2026-11-24", "age_s": 3600.5}
        | {"previous_batch": "2026-11-23", "previous_rows": 1, "missing_rows": 1}
        | nothing,
        {"name": "today", "store": "main", "group": "clicks", "batch": "2026-11-25", "age_s": None}
        | {"previous_batch": None, "previous_rows": 0, "missing_rows": 1}
        | nothing,
    ]
    assert told["rows"][0]["looked_up.clicks"] == 6


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A call without lookups, and calls of two days."""
    folder = tmp_path / "log"
    write_log(folder, [record("plain", [40.0]), bought("a"), bought("b", day="2026-11-26", before="2026-11-25")])
    return folder


def export(log: Path, form: str, output: Path) -> None:
    done = CliRunner().invoke(app, ["export", str(log), "--format", form, "--output", str(output)])
    assert done.exit_code == 0, done.output


def test_parquet_has_the_same_columns_on_every_day(log: Path, tmp_path: Path) -> None:
    export(log, "parquet", tmp_path / "out")
    table = pq.ParquetFile(tmp_path / "out" / "risk" / "3.parquet").read()
    kinds = {field.name: field.type for field in table.schema}
    expected = {"looked_up.clicks": pa.float64(), "looked_up.town": pa.string(), "operand.history.spent": pa.int64()}
    expected |= {"operand.today.1d/clicks": pa.float64(), "operand.today.0d/clicks": pa.float64()}
    for name in ("history", "today"):
        expected |= {f"lookup.{name}.{part}": pa.string() for part in ("batch", "failure", "from")}
        expected[f"lookup.{name}.age_s"] = pa.float64()
    assert {name: kind for name, kind in kinds.items() if name.startswith(("looked", "operand", "lookup"))} == expected
    found = table.to_pylist()
    assert {found[0][name] for name in expected} == {None}
    for made, first in ((bought("a"), 1), (bought("b", day="2026-11-26", before="2026-11-25"), 4)):
        for row, one in zip(rows(made), found[first : first + 3], strict=True):
            assert {name: one[name] for name in expected} == row


def test_json_lines_and_elasticsearch_have_them_too(log: Path, tmp_path: Path) -> None:
    export(log, "jsonl", tmp_path / "a.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert not any(name.startswith(("looked_up.", "operand.", "lookup.")) for name in lines[0])
    assert lines[1]["looked_up.town"] == "Köln"
    export(log, "elasticsearch", tmp_path / "a.ndjson")
    documents = [json.loads(line) for line in (tmp_path / "a.ndjson").read_text().splitlines()][1::2]
    assert not documents[0].keys() & {"looked_up", "operand", "lookup"}
    assert documents[1]["looked_up"] == {"clicks": 6, "town": "Köln"}
    assert documents[1]["operand"] == {"history.spent": 7, "today.1d/clicks": 1, "today.0d/clicks": 5}
    assert documents[2]["lookup"]["history.from"] == "previous"
    mappings = json.loads((tmp_path / "a.ndjson.template.json").read_text())["template"]["mappings"]
    assert documents[1].keys() <= mappings["properties"].keys()
    patterns = {one.get("path_match") for each in mappings["dynamic_templates"] for one in each.values()}
    assert patterns >= {"looked_up.*", "operand.*", "lookup.*"}


def test_stats_count_what_lookups_gave(tmp_path: Path) -> None:
    down = record("down")
    failed = result(batch="", age_s=None, failure=DefaultReason.STORE_UNAVAILABLE, missing=[0, 1])
    look_up(down, results=[failed])
    older = record("older", version=4)
    look_up(older, results=[result(age_s=90_000.0)])
    write_log(tmp_path, [record("plain"), bought("a"), bought("b"), down, older])
    done = CliRunner().invoke(app, ["stats", str(tmp_path)])
    last = [line.split() for line in done.stdout.rstrip().splitlines()[-4:]]
    assert last == [
        ["model/version", "lookup", "calls", "previous", "rows", "missing", "rows", "oldest", "s", "failed", "calls"],
        ["risk/3", "history", "3", "2", "4", "3600", "STORE_UNAVAILABLE", "1"],
        ["risk/3", "today", "2", "0", "2"],
        ["risk/4", "history", "1", "0", "0", "90000"],
    ]
    done = CliRunner().invoke(app, ["stats", str(tmp_path), "--json"])
    told = json.loads(done.stdout)["lookups"]
    history = {"version": "risk/3", "lookup": "history", "calls": 3, "previous_rows": 2, "missing_rows": 4}
    assert told[0] == history | {"oldest_s": 3600.5, "failures": {"STORE_UNAVAILABLE": 1}}
    assert [one["oldest_s"] for one in told] == [3600.5, None, 90_000.0]


def test_stats_of_calls_without_lookups_say_nothing_of_them(tmp_path: Path) -> None:
    write_log(tmp_path, [record("plain")])
    assert "lookup" not in CliRunner().invoke(app, ["stats", str(tmp_path)]).stdout
