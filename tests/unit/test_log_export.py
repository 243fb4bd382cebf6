"""log export: one row for each scored row, in three forms, all of it or nothing."""

import itertools
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prediction_logs import DIGEST, NOON, default_rows, fail_rows, of_messages, record, write_log
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb
from typer.testing import CliRunner

from bridge.cli.log import app
from bridge.prediction_log import export, parquet, search_documents
from bridge.prediction_log.rows import read_call, rows_of
from bridge.prediction_log.selection import Selection


def rich_record() -> log_pb.LogRecord:
    """A call with a column of each type, each with a missing row but the last."""
    request = pb.ScoreRequest(request_id="rich", model="risk", batch_id="night", labels={"b": "2", "a": "1"})
    request.row_keys.extend(["k0", "k1"])
    add = request.table.columns.add
    add(name="Sepal.Length").doubles.values.extend([float("nan"), 0.1])
    add(name="single").floats.values.extend([float("inf"), 0.1])
    add(name="count", missing_rows=[0]).int32s.values.extend([0, 7])
    add(name="big", missing_rows=[0]).int64s.values.extend([0, 2**60 + 1])
    add(name="status", missing_rows=[0]).strings.values.extend(["", "né\u2028e"])
    add(name="flag").bools.values.extend([False, True])
    response = pb.ScoreResponse(request_id="rich", model="risk", version=3)
    response.scores.add(name="p.yes").doubles.values.extend([0.5, 0.25])
    response.scores.add(name="class").strings.values.extend(["no", ""])
    made = of_messages(request, response)
    made.caller = "billing"
    return default_rows(made, 1, 1, pb.DEFAULT_REASON_WORKER_LOST)


def rows(made: log_pb.LogRecord) -> list[dict[str, Any]]:
    return list(rows_of(read_call(made)))


def failed(name: str = "age", model: str = "risk", version: int = 3, reason: str = "INVALID_REQUEST") -> Any:
    request = pb.ScoreRequest(request_id="failed", model=model)
    request.table.columns.add(name=name).strings.values.extend(["forty", "50"])
    made = of_messages(request, None, model=model, version=version)
    made.error_reason = reason
    return made


def run(folder: Path, form: str, output: Path, *options: str) -> Any:
    return CliRunner().invoke(app, ["export", str(folder), "--format", form, "--output", str(output), *options])


def test_a_row_has_the_call_its_inputs_and_its_scores() -> None:
    call = {
        "request_id": "rich",
        "batch_id": "night",
        "labels": {"a": "1", "b": "2"},
        "caller": "billing",
        "model": "risk",
        "version": 3,
        "digest": DIGEST,
        "received_at": "2026-11-23T12:00:00Z",
        "total_s": 0.002,
        "status": 0,
        "error_reason": None,
        "cut": False,
        "suppressed": 0,
    }
    first: dict[str, Any] = {
        "input.Sepal.Length": None,
        "input.single": float("inf"),
        "input.count": None,
        "input.big": None,
    }
    first |= {"input.status": None, "input.flag": False, "score.p.yes": 0.5, "score.class": "no"}
    second: dict[str, Any] = {"input.Sepal.Length": 0.1, "input.single": pytest.approx(0.1, rel=1e-7), "input.count": 7}
    second |= {"input.big": 2**60 + 1, "input.status": "né\u2028e", "input.flag": True}
    second |= {"score.p.yes": 0.25, "score.class": ""}
    assert rows(rich_record()) == [
        {**call, "row": 0, "row_key": "k0", "source": "MODEL", "reason": None, **first},
        {**call, "row": 1, "row_key": "k1", "source": "DEFAULT", "reason": "WORKER_LOST", **second},
    ]


def test_a_row_that_failed_is_none_of_the_model_s(tmp_path: Path) -> None:
    made = fail_rows(record("a", [40.0, 41.0, 42.0]), 1, 1, pb.DEFAULT_REASON_UNKNOWN_LEVEL)
    write_log(tmp_path / "log", [default_rows(made, 2, 1, pb.DEFAULT_REASON_DEADLINE)])
    expected = [("MODEL", None, 0.4), ("FAILED", "UNKNOWN_LEVEL", None), ("DEFAULT", "DEADLINE", 0.42)]
    for form, output in (("jsonl", "a.jsonl"), ("elasticsearch", "a.ndjson"), ("parquet", "a")):
        done = run(tmp_path / "log", form, tmp_path / output)
        assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [(line["source"], line["reason"], line["score.score"]) for line in lines] == expected
    bulk = [json.loads(line) for line in (tmp_path / "a.ndjson").read_text().splitlines()][1::2]
    assert [(line["source"], line["reason"], line["score"]["score"]) for line in bulk] == expected
    table = pq.read_table(tmp_path / "a" / "risk" / "3.parquet").to_pylist()
    assert [(line["source"], line["reason"], line["score.score"]) for line in table] == expected


def test_every_form_names_the_caller_where_there_is_one(tmp_path: Path) -> None:
    write_log(tmp_path / "log", [rich_record(), record("of an older gateway", [40.0])])
    for form, output in (("jsonl", "a.jsonl"), ("elasticsearch", "a.ndjson"), ("parquet", "a")):
        assert run(tmp_path / "log", form, tmp_path / output).exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    bulk = [json.loads(line) for line in (tmp_path / "a.ndjson").read_text().splitlines()][1::2]
    table = pq.read_table(tmp_path / "a" / "risk" / "3.parquet").to_pylist()
    for found in (lines, bulk, table):
        assert [line["caller"] for line in found] == ["billing", "billing", None]
    template = json.loads((tmp_path / "a.ndjson.template.json").read_text())
    assert template["template"]["mappings"]["properties"]["caller"] == {"type": "keyword"}


def test_what_was_written_can_be_told_in_json(tmp_path: Path) -> None:
    first, *_ = write_log(tmp_path / "log", [rich_record(), failed()])
    first.write_bytes(first.read_bytes()[:-5])
    done = run(tmp_path / "log", "jsonl", tmp_path / "a.jsonl", "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    (skipped,) = told.pop("skipped")
    assert told == {"paths": [str(tmp_path / "a.jsonl")], "calls": 1, "rows": 2, "left_out": 0}
    assert (skipped["segment"], set(skipped)) == (first.name, {"segment", "offset", "bytes", "reason"})
    empty = run(tmp_path / "log", "parquet", tmp_path / "b", "--until", "2000-01-01", "--json")
    assert json.loads(empty.stdout)["paths"] == []


def test_a_matrix_without_names_counts_its_columns() -> None:
    request = pb.ScoreRequest(request_id="m", model="risk")
    request.matrix.rows = 2
    request.matrix.floats.values.extend([1, 2, 3, 4])
    found = rows(of_messages(request, None))
    assert [(one["input.f0"], one["input.f1"], one["source"]) for one in found] == [(1, 2, None), (3, 4, None)]


def test_a_call_that_can_not_be_read_or_claims_rows_out_of_nothing_is_one_row() -> None:
    nothing = of_messages(pb.ScoreRequest(request_id="x", model="m"), None)
    claims = pb.ScoreRequest(request_id="x", model="m")
    claims.matrix.rows = 2**32 - 1
    broken = of_messages(pb.ScoreRequest(request_id="x", model="m"), None)
    broken.request = b"\xff\xff"
    other = of_messages(pb.ScoreRequest(request_id="x", model="m"), None)
    other.method = "/scorebridge.v1.ScoringService/ListModels"
    for made in (nothing, of_messages(claims, None), broken, other):
        found = rows(made)
        assert [(one["row"], one["error_reason"]) for one in found] == [(None, "INVALID_REQUEST")]
        assert not any(name.startswith(("input.", "score.")) for name in found[0])


def test_a_call_of_zero_rows_has_none() -> None:
    assert rows(record("a", [])) == []


def test_json_lines(tmp_path: Path) -> None:
    write_log(tmp_path / "log", [rich_record()], [record("b"), failed()])
    done = run(tmp_path / "log", "jsonl", tmp_path / "out.jsonl")
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{tmp_path}/out.jsonl\n", "6 rows of 3 calls\n")
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert found[0]["input.single"] == "Infinity"
    assert found[1] == rows(rich_record())[1]
    assert found[2:4] == rows(record("b"))
    assert [one["input.age"] for one in found[4:]] == ["forty", "50"]
    assert stat.S_IMODE((tmp_path / "out.jsonl").stat().st_mode) == 0o600


def test_elasticsearch_bulk_and_its_template(tmp_path: Path) -> None:
    write_log(tmp_path / "log", [record("a")], [rich_record(), failed(model="A b", version=1), failed(version=0)])
    output = tmp_path / "bulk.ndjson"
    assert run(tmp_path / "log", "elasticsearch", output).exit_code == 0
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert output.read_text().endswith("\n")
    actions, documents = [line["index"] for line in lines[::2]], lines[1::2]
    one, two = "01" * 16, "02" * 16
    assert [action["_id"] for action in actions] == [f"{one}-0-0", f"{one}-0-1"] + [
        f"{two}-{sequence}-{row}" for sequence, row in itertools.product((1, 2, 3), (0, 1))
    ]
    indices = [action["_index"].removeprefix("scorebridge-predictions-") for action in actions[2::2]]
    assert indices == ["risk", "a%20b", "no-version"]
    assert documents[0]["input"] == {"age": 40}
    assert documents[0]["score"] == {"score": 0.4}
    assert documents[2]["input"]["Sepal.Length"] is None
    assert (documents[2]["input"]["single"], documents[2]["infinite"]) == (None, ["input.single=Infinity"])
    assert (documents[3]["status"], documents[3]["input"]["status"]) == (0, "né\u2028e")
    template = json.loads((tmp_path / "bulk.ndjson.template.json").read_text())
    assert template["index_patterns"] == ["scorebridge-predictions-*"]
    properties = template["template"]["mappings"]["properties"]
    assert set(documents[0]) < set(properties)
    assert {"looked_up", "operand", "lookup", "labels"} < set(properties)
    assert (documents[4]["input"], documents[4]["unindexed"]) == ({}, {"input": {"age": "forty"}})
    other = json.loads((tmp_path / "bulk.ndjson.opensearch-template.json").read_text())
    labels = [one["template"]["mappings"]["properties"]["labels"]["type"] for one in (template, other)]
    assert labels == ["flattened", "flat_object"]


def read(path: Path) -> Any:
    return pq.ParquetFile(path).read()


def test_parquet_has_a_file_for_each_version_with_types_of_its_own(tmp_path: Path) -> None:
    calls = [record("a"), rich_record(), record("b", version=4), failed(), failed("other"), failed("x", "ghost", 0)]
    calls.append(failed(model="../../up", version=1, reason="DEADLINE"))
    write_log(tmp_path / "log", calls[:2], calls[2:])
    done = run(tmp_path / "log", "parquet", tmp_path / "out")
    assert done.exit_code == 0
    files = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.parquet"))
    assert files == ["%2E.%2F..%2Fup/1.parquet", "no-version.parquet", "risk/3.parquet", "risk/4.parquet"]
    assert done.stderr.splitlines() == [
        "14 rows of 7 calls",
        "4 values of refused calls were left out, because they fit no column",
    ]
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    table = read(tmp_path / "out" / "risk" / "3.parquet")
    assert table.schema.field("input.age").type == pa.float64()
    assert table.schema.field("input.single").type == pa.float32()
    assert table.schema.field("input.big").type == pa.int64()
    assert table.schema.field("received_at").type == pa.timestamp("ns", "UTC")
    assert table["received_at"][0].value == NOON * 10**9
    found = table.to_pylist()
    for expected, one in zip([*rows(calls[0]), *rows(calls[1])], found, strict=False):
        for name in expected.keys() - {"received_at", "labels"}:
            assert one[name] == expected[name]
    assert dict(found[2]["labels"]) == {"a": "1", "b": "2"}
    assert [(one["input.age"], one["error_reason"]) for one in found[4:]] == [(None, "INVALID_REQUEST")] * 4
    assert "input.x" not in read(tmp_path / "out" / "no-version.parquet").column_names


def numbers(kind: str, values: list[Any], reason: str = "") -> log_pb.LogRecord:
    request = pb.ScoreRequest(request_id=kind, model="risk")
    getattr(request.table.columns.add(name="v"), kind).values.extend(values)
    made = of_messages(request, None)
    made.error_reason = reason or "DEADLINE"
    return made


@pytest.mark.parametrize(
    ("calls", "expected_type", "expected"),
    [
        ([("int32s", [1]), ("int64s", [2**60 + 1])], pa.int64(), [1, 2**60 + 1]),
        ([("int32s", [1]), ("doubles", [0.5])], pa.float64(), [1.0, 0.5]),
        ([("floats", [0.5]), ("doubles", [0.1])], pa.float64(), [0.5, 0.1]),
        ([("int64s", [2**60 + 1]), ("doubles", [0.5])], pa.float64(), [None, 0.5]),
        ([("bools", [True]), ("int32s", [1])], pa.string(), ["true", "1"]),
        ([("strings", ["x"]), ("doubles", [0.5])], pa.string(), ["x", "0.5"]),
        ([("doubles", [float("nan")]), ("strings", ["x"])], pa.string(), [None, "x"]),
        ([("doubles", [float("nan")])], pa.float64(), [None]),
    ],
)
def test_a_column_of_several_types_gets_one_that_holds_them(
    tmp_path: Path, calls: list[Any], expected_type: pa.DataType, expected: list[Any]
) -> None:
    write_log(tmp_path / "log", [numbers(*call) for call in calls])
    parquet.export_parquet(tmp_path / "log", tmp_path / "out", Selection())
    table = read(tmp_path / "out" / "risk" / "3.parquet")
    assert table.schema.field("input.v").type == expected_type
    assert table["input.v"].to_pylist() == expected


@pytest.mark.parametrize(
    ("known", "kind", "value"),
    [
        (("int32s", [1]), "int64s", 2**40),
        (("int32s", [1]), "doubles", 0.5),
        (("int32s", [1]), "doubles", float("inf")),
        (("int32s", [1]), "bools", True),
        (("floats", [1]), "doubles", 1e300),
        (("floats", [1]), "doubles", 0.1),
        (("doubles", [1]), "strings", "x"),
        (("bools", [True]), "int32s", 1),
    ],
)
def test_what_a_refused_call_sent_does_not_change_a_column(tmp_path: Path, known: Any, kind: str, value: Any) -> None:
    write_log(tmp_path / "log", [numbers(kind, [value], "INVALID_REQUEST"), numbers(*known)])
    done = parquet.export_parquet(tmp_path / "log", tmp_path / "out", Selection())
    assert read(tmp_path / "out" / "risk" / "3.parquet")["input.v"].to_pylist() == [None, *known[1]]
    assert done.left_out == 1


def test_row_groups_are_written_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_GROUP_ROWS": 50, "_ALL_ROWS": 60, "_SLICE_ROWS": 10}.items():
        monkeypatch.setattr(parquet, name, value)
    calls = [record(f"c{number}", [float(number)] * 7, version=1 + number % 3) for number in range(60)]
    write_log(tmp_path / "log", calls)
    done = parquet.export_parquet(tmp_path / "log", tmp_path / "out", Selection())
    assert (done.calls, done.rows) == (60, 420)
    for version in (1, 2, 3):
        file = pq.ParquetFile(tmp_path / "out" / "risk" / f"{version}.parquet")
        assert file.metadata.num_row_groups > 2
        mine = [call for call in calls if call.version == version]
        assert file.read()["request_id"].to_pylist() == [call.request_id for call in mine for _ in range(7)]


def test_what_came_while_it_was_exported_is_left_for_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_log(tmp_path / "log", [record("a")])
    learn = parquet._learn

    def learn_slowly(*args: Any) -> Any:
        learned = learn(*args)
        write_log(tmp_path / "log", [record("a"), rich_record(), record("c", version=9)])
        return learned

    monkeypatch.setattr(parquet, "_learn", learn_slowly)
    assert parquet.export_parquet(tmp_path / "log", tmp_path / "out", Selection()).calls == 1


@pytest.mark.parametrize("form", list(export.Format))
def test_an_export_is_whole_or_not_there(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_log(tmp_path / "log", [record("a")])
    output = tmp_path / "out"
    output.write_text("mine")
    done = run(tmp_path / "log", form, output)
    assert (done.exit_code, done.stderr) == (1, f"{output} exists already: remove it, or choose another output\n")
    assert output.read_text() == "mine"
    output.unlink()
    for module in (export, parquet, search_documents):
        monkeypatch.setattr(module, "rows_of", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    done = run(tmp_path / "log", form, output)
    assert (done.exit_code, done.stderr) == (1, "[Errno 28] No space left on device\n")
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


@pytest.mark.parametrize("form", list(export.Format))
def test_damage_is_skipped_and_said(tmp_path: Path, form: str) -> None:
    path = write_log(tmp_path / "log", [record("a"), record("b")])[0]
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"call", b"calk")[:-1] + bytes([raw[-1] ^ 1]))
    done = run(tmp_path / "log", form, tmp_path / "out")
    assert done.exit_code == 0
    assert done.stderr.splitlines()[0] == "2 rows of 1 calls"
    assert done.stderr.splitlines()[1].endswith("no record passes its checksum here")


def test_only_what_was_asked_for_is_exported(tmp_path: Path) -> None:
    write_log(tmp_path / "log", [record("a"), record("b", version=4), record("c", seconds=NOON + 60)])
    run(tmp_path / "log", "jsonl", tmp_path / "out", "--model", "risk/3", "--until", "2026-11-23T12:01")
    assert [json.loads(line)["request_id"] for line in (tmp_path / "out").read_text().splitlines()] == ["a", "a"]
    run(tmp_path / "log", "parquet", tmp_path / "none", "--model", "nobody")
    assert list((tmp_path / "none").iterdir()) == []


def test_parquet_without_pyarrow_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_log(tmp_path / "log", [record("a")])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    done = run(tmp_path / "log", "parquet", tmp_path / "out")
    assert done.exit_code == 1
    assert done.stderr == "Parquet needs pyarrow, which is not installed: install scorebridge-gateway[log]\n"
