"""log show: all that is on record of one call, and nothing that could harm a terminal."""

import json
from pathlib import Path

import pytest
from prediction_logs import default_rows, fail_rows, header, of_messages, record, write_log
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb
from typer.testing import CliRunner

from bridge.cli.log import app
from bridge.prediction_log.reader import Entry
from bridge.prediction_log.show import describe


def shown(made: log_pb.LogRecord) -> str:
    return describe(Entry(Path(f"{0:020d}.sblog"), 120, 7, made, header(1)))


def test_every_field_of_the_record_is_there() -> None:
    request = pb.ScoreRequest(request_id="call-1", model="risk", batch_id="night", labels={"branch": "north"})
    request.default_score = 0.25
    request.default_policy = pb.DEFAULT_POLICY_NEVER
    request.row_keys.extend(["k0", "k1"])
    request.table.columns.add(name="age").doubles.values.extend([40, float("nan")])
    response = pb.ScoreResponse(request_id="call-1", model="risk", version=3)
    response.scores.add(name="score").doubles.values.extend([0.4, 0.25])
    made = default_rows(of_messages(request, response), 1, 1, pb.DEFAULT_REASON_MODEL_ERROR)
    made.queue_ns = 1_000_000
    made.backend_ns = 1_500_000
    made.caller = "billing"
    text = shown(made)
    fields = {line[:16].strip(): line[16:] for line in text.split("\n\n")[0].splitlines()}
    assert fields == {
        "request id": "call-1",
        "method": "/scorebridge.v1.ScoringService/Score",
        "model": "risk/3",
        "digest": made.digest,
        "engine": "xgboost 3.2.0",
        "status": "0 OK",
        "received": "2026-11-23T12:00:00Z",
        "total time": "2.000 ms",
        "queue time": "1.000 ms",
        "backend time": "1.500 ms",
        "attempts": "1",
        "caller": "billing",
        "peer": "ipv4:127.0.0.1:5000",
        "asked version": "the one that serves",
        "batch id": "night",
        "own default": "0.25",
        "default policy": "NEVER",
        "label": "branch = north",
        "source": "MIXED",
        "bytes": f"{len(made.request)} in the request, {len(made.response)} in the response",
        "segment": "00000000000000000000.sblog at 120",
        "sequence": "7",
        "gateway": "host-1-2026",
        "defaulted": "row 1: MODEL_ERROR; the model raised; Error in predict(): age 40",
        "environment": "xgboost 3.2.0",
    }
    assert [line.split() for line in text.split("\n\n")[1].splitlines()] == [
        ["2", "rows"],
        ["row", "row_key", "source", "reason", "input.age", "score.score"],
        ["0", "k0", "MODEL", "-", "40", "0.4"],
        ["1", "k1", "DEFAULT", "MODEL_ERROR", "-", "0.25"],
    ]


def test_failed_rows_are_told_with_what_the_caller_did_not_see() -> None:
    made = fail_rows(record("a", [40.0, 41.0, 42.0]), 0, 2, pb.DEFAULT_REASON_MODEL_ERROR)
    text = shown(default_rows(made, 2, 1, pb.DEFAULT_REASON_DEADLINE))
    assert "partial         yes\n" in text
    assert "failed          rows 0 to 1: MODEL_ERROR; the model raised; Error in predict(): age 40\n" in text
    assert "defaulted       row 2: DEADLINE; the model raised; Error in predict(): age 40\n" in text
    assert [line.split() for line in text.split("\n\n")[1].splitlines()][1:] == [
        ["row", "source", "reason", "input.age", "score.score"],
        ["0", "FAILED", "MODEL_ERROR", "40", "-"],
        ["1", "FAILED", "MODEL_ERROR", "41", "-"],
        ["2", "DEFAULT", "DEADLINE", "42", "0.42"],
    ]


def test_only_the_first_rows_are_shown_and_the_others_counted() -> None:
    lines = shown(record("a", [float(row) for row in range(25)])).splitlines()
    assert lines[-1] == "... and 5 more"
    assert lines[-2].split()[0] == "19"
    assert "more" not in shown(record("a", [1.0] * 20)).splitlines()[-1]


def test_a_failed_call_shows_its_error_and_inputs() -> None:
    request = pb.ScoreRequest(request_id="x", model="risk")
    request.matrix.rows = 1
    request.matrix.doubles.values.extend([1, 2])
    made = of_messages(request, None)
    made.private_detail = "Error in predict()"
    text = shown(made)
    assert "status          3 INVALID_REQUEST\nerror           column 'age' is missing\n" in text
    assert "private detail  Error in predict()\n" in text
    assert text.splitlines()[-2].split() == ["row", "input.f0", "input.f1"]


def test_what_a_model_raised_is_shown_with_its_class() -> None:
    made = of_messages(pb.ScoreRequest(request_id="x", model="risk"), None)
    made.status, made.error_reason, made.error_message = 13, "MODEL_ERROR", "risk/3: it raised"
    made.condition_class, made.private_detail = "no_rate", "no rate for age 40"
    text = shown(made)
    assert "error           risk/3: it raised\n" in text
    assert "condition class no_rate\nprivate detail  no rate for age 40\n" in text
    answered = record("a", [40.0, 41.0, 42.0, 43.0])
    default_rows(answered, 0, 1, pb.DEFAULT_REASON_MODEL_ERROR, "no rate for age 40", "no_rate")
    default_rows(answered, 1, 2, pb.DEFAULT_REASON_MALFORMED_PREDICTION, "", "bridge_malformed_prediction")
    default_rows(answered, 3, 1, pb.DEFAULT_REASON_DEADLINE, "")
    assert [line for line in shown(answered).splitlines() if line.startswith("defaulted")] == [
        "defaulted       row 0: MODEL_ERROR; the model raised; no_rate: no rate for age 40",
        "defaulted       rows 1 to 2: MALFORMED_PREDICTION; the model raised; bridge_malformed_prediction",
        "defaulted       row 3: DEADLINE; the model raised",
    ]


FORGED = "odd\nstatus          0 OK\r\x1b[2J\x1b]0;title\x07\u202eback\u2028"


def test_what_models_say_can_neither_forge_a_line_nor_fill_the_screen() -> None:
    made = of_messages(pb.ScoreRequest(request_id="x", model="risk"), None)
    made.condition_class, made.private_detail = "a\nb\x1b[1m", FORGED
    answered = default_rows(record("a", [1.0]), 0, 1, pb.DEFAULT_REASON_MODEL_ERROR, FORGED, "c\nd")
    for one in (made, answered):
        lines = shown(one).splitlines()
        assert all(line.isprintable() for line in lines)
        assert sum(line.startswith("status ") for line in lines) == 1
        assert any(
            "odd\\nstatus          0 OK\\r\\x1b[2J\\x1b]0;title\\x07\\u202eback\\u2028" in line for line in lines
        )
    assert "condition class a\\nb\\x1b[1m\n" in shown(made)
    assert "; c\\nd: odd" in shown(answered)
    made.private_detail = answered.defaulted[0].private_detail = "x" * 10_000_000
    for one in (made, answered):
        text = shown(one)
        assert len(text) < 15_000
        assert "xxx... (100000" in text


def test_what_is_no_request_is_said() -> None:
    made = of_messages(pb.ScoreRequest(), None, model="", version=0)
    made.request = b"\xff\xff"
    text = shown(made)
    assert "request id      (none)\n" in text
    assert text.endswith("the rows of the request can't be read\n")


def test_a_call_of_zero_rows_has_none() -> None:
    assert shown(record("a", [])).endswith("\n0 rows\n")


def test_what_callers_send_can_not_move_the_cursor() -> None:
    request = pb.ScoreRequest(request_id="x", model="\x1b[2J", labels={"a\nstatus": "\x9b\u202e"})
    request.table.columns.add(name="\x1b]0;x\x07").strings.values.append("\r\x1b[1A" + "y" * 100)
    made = of_messages(request, None, model="\x1b[2J", version=0)
    made.error_message = "\x1b[31mred"
    text = shown(made)
    assert all(line.isprintable() for line in text.splitlines())
    assert "\\x1b[31mred" in text
    assert max(map(len, text.splitlines())) < 120


@pytest.fixture
def log(tmp_path: Path) -> Path:
    write_log(tmp_path / "log", [record("a"), record("b")], [record("a", [1.0])])
    return tmp_path / "log"


def test_the_command_shows_each_call_of_that_id(log: Path) -> None:
    done = CliRunner().invoke(app, ["show", str(log), "--request-id", "a"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.count("request id      a\n") == 2
    assert "2 rows" in done.stdout
    assert "1 row\n" in done.stdout


def test_a_call_that_is_not_there_is_one_sentence(log: Path) -> None:
    done = CliRunner().invoke(app, ["show", str(log), "--request-id", "z"])
    assert (done.exit_code, done.stderr) == (1, f"no call in {log} has the request id z\n")


def test_a_cut_request_is_said_to_be_cut_and_its_rows_are_not_made_up() -> None:
    request = pb.ScoreRequest(request_id="call-1", model="risk")
    request.table.columns.add(name="age").doubles.values.extend([40.0])
    made = of_messages(request, None)  # what is left is a message by chance
    made.request_bytes, made.request_sha256 = 4_000_000, b"\x0a" * 32
    text = shown(made)
    assert "bytes           4000000 in the request, 0 in the response\n" in text
    assert f"cut             the first {len(made.request)} bytes of the request are on record\n" in text
    assert f"request sha256  {'0a' * 32}\n" in text
    assert text.endswith("\nthe rows can't be shown: only the beginning of the request is on record\n")


def test_a_call_can_be_shown_in_json(tmp_path: Path) -> None:
    made = fail_rows(record("call-1", [40.0, float("inf")]), 0, 1, pb.DEFAULT_REASON_MODEL_ERROR)
    made.caller = "billing"
    write_log(tmp_path, [record("other"), made, record("call-1", range(30))])
    done = CliRunner().invoke(app, ["show", str(tmp_path), "--request-id", "call-1", "--json"])
    assert done.exit_code == 0
    first, second = json.loads(done.stdout)
    rows = first.pop("rows")
    assert [(row["row"], row["source"], row["input.age"], row["score.score"]) for row in rows] == [
        (0, "FAILED", 40.0, None),
        (1, "MODEL", "Infinity", "Infinity"),
    ]
    offset = first["place"].pop("offset")
    assert offset > 0
    assert first == {
        "request_id": "call-1",
        "model": "risk",
        "version": 3,
        "digest": made.digest,
        "status": 0,
        "error_reason": None,
        "received_at": "2026-11-23T12:00:00Z",
        "total_s": 0.002,
        "queue_s": 0.0,
        "backend_s": 0.0,
        "attempts": 1,
        "method": "/scorebridge.v1.ScoringService/Score",
        "caller": "billing",
        "peer": "ipv4:127.0.0.1:5000",
        "engine": "xgboost 3.2.0",
        "error_message": None,
        "condition_class": None,
        "private_detail": None,
        "request_bytes": len(made.request),
        "response_bytes": len(made.response),
        "cut": False,
        "place": {"segment": "00000000000000000000.sblog", "sequence": 1},
        "gateway": "host-1-2026",
        "environment": {"R": "4.2.2", "xgboost": "3.2.0"},
        "lookups": [],
        "row_count": 2,
    }
    assert (second["caller"], second["row_count"], len(second["rows"])) == (None, 30, 20)


def test_no_call_is_an_empty_list_in_json_and_an_error(tmp_path: Path) -> None:
    write_log(tmp_path, [record("other")])
    done = CliRunner().invoke(app, ["show", str(tmp_path), "--request-id", "call-1", "--json"])
    assert (done.exit_code, json.loads(done.stdout)) == (1, [])
    assert done.stderr == f"no call in {tmp_path} has the request id call-1\n"
