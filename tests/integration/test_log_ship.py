"""log ship, into a real OpenSearch node: a document for each call or each row, once, whatever columns are called."""

import json
import signal
from pathlib import Path
from typing import Any

from prediction_logs import default_rows, fail_rows, header, of_messages, record, write_log
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb
from search_nodes import SearchNode
from ship_commands import ship_once, shipping
from typer.testing import CliRunner
from waiting import eventually_now

from bridge.cli.log import app
from bridge.prediction_log.frames import encode_frame, encode_preamble

CALLS, ROWS = "scorebridge-calls-*", "scorebridge-predictions-*"


def call_of(columns: dict[str, list[Any]], *, request_id: str = "c", model: str = "risk", reason: str = "") -> Any:
    """A call with these columns of doubles or texts, answered with scores of 0.5, or failed for a reason."""
    request = pb.ScoreRequest(request_id=request_id, model=model)
    rows = 0
    for name, values in columns.items():
        kind = "strings" if isinstance(values[0], str) else "doubles"
        getattr(request.table.columns.add(name=name), kind).values.extend(values)
        rows = len(values)
    if reason:
        made = of_messages(request, None, model=model)
        made.error_reason = reason
        return made
    response = pb.ScoreResponse(request_id=request_id, model=model, version=3, source=pb.SCORE_SOURCE_MODEL)
    response.scores.add(name="score").doubles.values.extend([0.5] * rows)
    return of_messages(request, response, model=model)


def sources(node: SearchNode, index: str) -> dict[str, Any]:
    """The documents by their ids."""
    return {hit["_id"]: hit["_source"] for hit in node.found(index)}


def mixed_calls() -> list[log_pb.LogRecord]:
    """Calls of two models that were answered, in part or not at all."""
    some = fail_rows(record("part", [40.0, 41.0, 42.0]), 1, 1, pb.DEFAULT_REASON_UNKNOWN_LEVEL)
    some = default_rows(some, 2, 1, pb.DEFAULT_REASON_DEADLINE)
    some.caller = "billing"
    return [record("a"), some, record("b", [1.0], model="churn"), call_of({"age": ["x"]}, reason="INVALID_REQUEST")]


def test_a_document_is_a_call(search_node: SearchNode, tmp_path: Path) -> None:
    write_log(tmp_path / "log", mixed_calls()[:2], mixed_calls()[2:])
    done = ship_once(tmp_path / "log", search_node.url, "--json")
    assert (done.exit_code, json.loads(done.stdout)["documents"]) == (0, 4), done.output
    found = sources(search_node, CALLS)
    one, two = "01" * 16, "02" * 16
    assert set(found) == {f"{one}-0", f"{one}-1", f"{two}-2", f"{two}-3"}
    part = found[f"{one}-1"]
    assert (part["row_count"], part["defaulted"], part["failed"]) == (3, {"DEADLINE": 1}, {"UNKNOWN_LEVEL": 1})
    assert (part["defaulted_rows"], part["failed_rows"], part["caller"], part["model"]) == (1, 1, "billing", "risk")
    assert (part["input"], part["score"]) == ({"age": [40, 41, 42]}, {"score": [0.4, None, 0.42]})
    assert (part["total_s"], part["received_at"]) == (0.002, "2026-11-23T12:00:00Z")
    refused = found[f"{two}-3"]
    assert (refused["input"], refused["unindexed"]) == ({}, {"input": {"age": ["x"]}})
    assert {hit["_index"] for hit in search_node.found(CALLS)} == {"scorebridge-calls-risk", "scorebridge-calls-churn"}


def test_what_was_shipped_is_not_sent_again_and_would_make_no_double(search_node: SearchNode, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_log(log, mixed_calls())
    assert ship_once(log, search_node.url).exit_code == 0
    again = ship_once(log, search_node.url)
    assert (again.exit_code, again.stderr.startswith("0 documents sent")) == (0, True)
    (position,) = log.glob("*.position")
    position.unlink()
    assert ship_once(log, search_node.url).stderr.startswith("4 documents sent")
    assert search_node.count(CALLS) == 4


def test_a_document_is_a_row_as_an_export_makes_it(search_node: SearchNode, tmp_path: Path) -> None:
    log, bulk = tmp_path / "log", tmp_path / "bulk.ndjson"
    write_log(log, mixed_calls())
    assert ship_once(log, search_node.url, "--rows").exit_code == 0
    exported = CliRunner().invoke(app, ["export", str(log), "--format", "elasticsearch", "--output", str(bulk)])
    assert exported.exit_code == 0
    lines = [json.loads(line) for line in bulk.read_text().splitlines()]
    expected = {action["index"]["_id"]: document for action, document in zip(lines[::2], lines[1::2], strict=True)}
    assert sources(search_node, ROWS) == expected
    assert len(expected) == 7


def test_an_export_s_template_is_taken_and_its_numbers_can_be_summed(search_node: SearchNode, tmp_path: Path) -> None:
    write_log(tmp_path / "log", mixed_calls())
    arguments = ["export", str(tmp_path / "log"), "--format", "elasticsearch", "--output", str(tmp_path / "a")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    template = json.loads((tmp_path / "a.opensearch-template.json").read_text())
    assert search_node.ask("PUT", "/_index_template/scorebridge", template) == {"acknowledged": True}
    for action, document in zip(*[iter((tmp_path / "a").read_text().splitlines())] * 2, strict=True):
        target = json.loads(action)["index"]
        search_node.ask("PUT", f"/{target['_index']}/_doc/{target['_id']}", json.loads(document))
    search_node.ask("POST", f"/{ROWS}/_refresh")
    asked = {"size": 0, "aggs": {"sum": {"sum": {"field": "input.age"}}, "why": {"terms": {"field": "reason"}}}}
    found = search_node.ask("POST", f"/{ROWS}/_search", asked)["aggregations"]
    assert found["sum"]["value"] == 40 + 41 + 40 + 41 + 42 + 1
    assert {one["key"] for one in found["why"]["buckets"]} == {"DEADLINE", "UNKNOWN_LEVEL"}


def test_names_that_can_be_no_fields_are_kept_beside_the_others(search_node: SearchNode, tmp_path: Path) -> None:
    columns = {"a": [1.0], "a.b": [2.0], ".x": [3.0], "y..z": [4.0], " ": [5.0], "a b": [6.0], "Sepal.Length": [7.0]}
    write_log(tmp_path / "log", [call_of(columns)])
    assert ship_once(tmp_path / "log", search_node.url, "--rows").exit_code == 0
    (found,) = sources(search_node, ROWS).values()
    assert found["input"] == {"a": 1, "a b": 6, "Sepal.Length": 7}
    assert found["unindexed"] == {"input": {"a.b": 2, ".x": 3, "y..z": 4, " ": 5}}
    hits = search_node.found(ROWS, query={"range": {"input.Sepal.Length": {"gt": 6}}})
    assert len(hits) == 1


def test_columns_that_do_not_fit_the_index_cost_no_document(search_node: SearchNode, tmp_path: Path) -> None:
    many = {f"x{number}": [1.0] for number in range(6000)}
    write_log(tmp_path / "log", [call_of({"a": [1.0]}), call_of({"a.b": [2.0]}), call_of(many), call_of({"a": [3.0]})])
    done = ship_once(tmp_path / "log", search_node.url)
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines()[-1].startswith("4 documents sent, 2 of them with values that can't be searched")
    found = sources(search_node, CALLS)
    assert found["01" * 16 + "-1"]["unindexed"] == {"input": {"a.b": [2]}, "score": {"score": [0.5]}}
    assert len(found["01" * 16 + "-2"]["unindexed"]["input"]) == 6000
    assert found["01" * 16 + "-3"]["input"] == {"a": [3]}


def test_what_callers_invent_takes_no_field_of_the_index(search_node: SearchNode, tmp_path: Path) -> None:
    ignoring = call_of({"age": [1.0], "invented": [2.0]})
    ignoring.ignored_columns.append(1)
    refused = call_of({"made_up": [1.0]}, reason="INVALID_REQUEST")
    write_log(tmp_path / "log", [ignoring, refused])
    assert ship_once(tmp_path / "log", search_node.url).exit_code == 0
    (mapping,) = search_node.ask("GET", f"/{CALLS}/_mapping").values()
    assert set(mapping["mappings"]["properties"]["input"]["properties"]) == {"age"}


def test_an_index_a_day(search_node: SearchNode, tmp_path: Path) -> None:
    write_log(tmp_path / "log", [record("a"), record("b", seconds=1_795_435_200 + 86_400)])
    assert ship_once(tmp_path / "log", search_node.url, "--daily", "--index", "mine").exit_code == 0
    assert {hit["_index"] for hit in search_node.found("mine-*")} == {"mine-risk-2026.11.23", "mine-risk-2026.11.24"}


def test_data_streams_take_a_record_once(search_node: SearchNode, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_log(log, mixed_calls())
    assert ship_once(log, search_node.url, "--data-stream").exit_code == 0
    (position,) = log.glob("*.position")
    position.unlink()
    assert ship_once(log, search_node.url, "--data-stream").exit_code == 0
    assert search_node.count(CALLS) == 4
    streams = search_node.ask("GET", "/_data_stream")["data_streams"]
    assert {one["name"] for one in streams} == {"scorebridge-calls-risk", "scorebridge-calls-churn"}


def test_a_template_of_somebody_s_own_is_left(search_node: SearchNode, tmp_path: Path) -> None:
    write_log(tmp_path / "log", [record("a")])
    own = {"index_patterns": ["scorebridge-calls-*"], "template": {"settings": {"index.refresh_interval": "7s"}}}
    search_node.ask("PUT", "/_index_template/scorebridge-calls", own)
    done = ship_once(tmp_path / "log", search_node.url)
    assert (done.exit_code, "is not ours, and is left as it is" in done.stderr) == (0, True)
    settings = search_node.ask("GET", "/scorebridge-calls-risk/_settings")
    assert settings["scorebridge-calls-risk"]["settings"]["index"]["refresh_interval"] == "7s"


def test_a_log_that_grows_is_followed_over_segments_until_sigterm(search_node: SearchNode, tmp_path: Path) -> None:
    log = tmp_path / "log"
    (first,) = write_log(log, [record("a")])
    with shipping(log, search_node.url) as process:
        eventually_now(lambda: search_node.count(CALLS) == 1)
        frame = encode_frame(header(1).segment_id, 1, record("b").SerializeToString())
        with first.open("ab") as file:
            file.write(frame[:-5])  # a gateway is writing it
            file.flush()
            file.write(frame[-5:])
        eventually_now(lambda: search_node.count(CALLS) == 2)
        second = header(2, 2)
        (log / f"{2:020d}.sblog").write_bytes(
            encode_preamble(second) + encode_frame(second.segment_id, 2, record("c").SerializeToString())
        )
        eventually_now(lambda: search_node.count(CALLS) == 3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read().splitlines()[-1].startswith("3 documents sent, 0 of them")
    assert ship_once(log, search_node.url).stderr.startswith("0 documents sent")


def test_a_template_is_installed_anew_when_the_kind_of_index_changes(search_node: SearchNode, tmp_path: Path) -> None:
    write_log(tmp_path / "log", [record("a")])
    assert ship_once(tmp_path / "log", search_node.url).exit_code == 0
    assert ship_once(tmp_path / "log", search_node.url, "--data-stream").exit_code == 0
    (found,) = search_node.ask("GET", "/_index_template")["index_templates"]
    assert (found["name"], "data_stream" in found["index_template"]) == ("scorebridge-calls", True)


def test_without_a_template_of_ours_if_so_wanted(search_node: SearchNode, tmp_path: Path) -> None:
    write_log(tmp_path / "log", [record("a")])
    assert ship_once(tmp_path / "log", search_node.url, "--no-template").exit_code == 0
    assert search_node.ask("GET", "/_index_template") == {"index_templates": []}
    assert search_node.count(CALLS) == 1
