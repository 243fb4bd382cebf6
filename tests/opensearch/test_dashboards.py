"""ops/opensearch/dashboards.ndjson: whole, of fields of the template, and its aggregations give the log's figures."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures import ROOT
from prediction_logs import default_rows, of_messages, record, write_log
from scorebridge.v1 import scoring_pb2 as pb
from search_nodes import SearchNode
from ship_commands import ship_once

from bridge.errors import DefaultReason
from bridge.prediction_log.search_template import SearchEngine, index_template

OBJECTS = [json.loads(line) for line in (ROOT / "ops" / "opensearch" / "dashboards.ndjson").read_text().splitlines()]
STATES = {one["id"]: json.loads(one["attributes"]["visState"]) for one in OBJECTS if one["type"] == "visualization"}
QUERIES = {
    one["id"]: json.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["query"]["query"]
    for one in OBJECTS
    if one["id"] in STATES
}
CALLS = "scorebridge-calls-*"
PASSED_ON = {"field", "percents", "size"}


def metrics(state: Any) -> Iterator[dict[str, Any]]:
    """The aggregations of a state as they are asked: those of a time series stand in its series."""
    for series in state["params"].get("series", ()):
        yield from (metric for metric in series["metrics"] if metric["type"] != "math")
    for one in state["aggs"]:
        yield {"id": one["id"], "type": one["type"], "schema": one["schema"], **one["params"]}


def asked(identity: str) -> dict[str, Any]:
    """The query of a visualization: its buckets within each other, its metrics in the innermost."""
    state = STATES[identity]
    found = {
        f"m{one['id']}": {one["type"]: {key: one[key] for key in PASSED_ON & one.keys()}}
        for one in metrics(state)
        if one.get("schema", "metric") == "metric" and one["type"] != "count"
    }
    buckets = [one for one in metrics(state) if one.get("schema", "metric") != "metric"]
    for one in reversed(buckets):
        about: dict[str, Any] = {key: one[key] for key in PASSED_ON & one.keys()}
        if one["type"] == "date_histogram":
            about["fixed_interval"] = "1h"
        if one["type"] == "histogram":
            about["interval"] = one["interval"]
        found = {f"b{one['id']}": {one["type"]: about, "aggs": found}}
    return {"size": 0, "aggs": found, "query": {"query_string": {"query": QUERIES[identity] or "*"}}}


@pytest.fixture
def shipped(search_node: SearchNode, tmp_path: Path) -> SearchNode:
    """Two calls of billing, one with a default score, and one that failed."""
    calls = [record("a", [10.0, 20.0]), default_rows(record("b", [10.0, 32.0]), 1, 1, pb.DEFAULT_REASON_DEADLINE)]
    for call in calls:
        call.caller = "billing"
    failed = of_messages(pb.ScoreRequest(request_id="c", model="risk"), None)
    write_log(tmp_path / "log", [*calls, failed])
    assert ship_once(tmp_path / "log", search_node.url).exit_code == 0
    search_node.ask("POST", f"/{CALLS}/_refresh")
    return search_node


def answer(node: SearchNode, identity: str) -> Any:
    found = node.ask("POST", f"/{CALLS}/_search", asked(identity))
    assert found["_shards"]["failed"] == 0, found
    return found["aggregations"]


def test_what_objects_refer_to_is_in_the_file() -> None:
    there = {(one["type"], one["id"]) for one in OBJECTS}
    assert len(there) == len(OBJECTS) == 7
    for one in OBJECTS:
        assert {(other["type"], other["id"]) for other in one["references"]} <= there
    (dashboard,) = (one for one in OBJECTS if one["type"] == "dashboard")
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    assert [panel["panelRefName"] for panel in panels] == [other["name"] for other in dashboard["references"]]
    assert {other["id"] for other in dashboard["references"]} == set(STATES)


@pytest.mark.parametrize("engine", list(SearchEngine))
def test_every_field_is_in_the_template(engine: SearchEngine) -> None:
    properties = index_template(engine, "scorebridge-calls")["template"]["mappings"]["properties"]
    known = set(properties) | {f"defaulted.{name}" for name in properties["defaulted"]["properties"]}
    (pattern,) = (one["attributes"] for one in OBJECTS if one["type"] == "index-pattern")
    used = {pattern["timeFieldName"]} | {
        one["field"] for state in STATES.values() for one in metrics(state) if "field" in one
    }
    assert used - known == {"score.score"}  # an output's name is the model's
    assert len(used) > 15
    series = STATES["scorebridge-default-rate"]["params"]
    assert (series["time_field"], series["index_pattern"]) == (pattern["timeFieldName"], pattern["title"])
    assert [one["label"] for one in series["series"]] == [str(reason) for reason in DefaultReason]


def test_the_default_rate_by_reason(shipped: SearchNode) -> None:
    found = answer(shipped, "scorebridge-default-rate")
    place = list(DefaultReason).index(DefaultReason.DEADLINE)
    assert (found[f"md{place}"]["value"], found[f"mn{place}"]["value"]) == (1, 4)
    assert sum(one["value"] for name, one in found.items() if name.startswith("md")) == 1


def test_the_99th_percentile_by_model(shipped: SearchNode) -> None:
    ((hour,),) = [one["buckets"] for one in answer(shipped, "scorebridge-p99").values()]
    (model,) = hour["b3"]["buckets"]
    assert (model["key"], model["m1"]["values"]["99.0"]) == ("risk", pytest.approx(0.002))


def test_the_distribution_of_scores(shipped: SearchNode) -> None:
    bars = answer(shipped, "scorebridge-scores")["b2"]["buckets"]
    counts = {round(bar["key"], 2): bar["doc_count"] for bar in bars if bar["doc_count"]}
    assert counts == {0.1: 2, 0.2: 1, 0.3: 1}


def test_the_callers(shipped: SearchNode) -> None:
    (caller,) = answer(shipped, "scorebridge-callers")["b5"]["buckets"]
    assert (caller["key"], caller["doc_count"], caller["m2"]["value"], caller["m3"]["value"]) == ("billing", 2, 4, 1)


def test_the_failed_calls(shipped: SearchNode) -> None:
    ((hour,),) = [one["buckets"] for one in answer(shipped, "scorebridge-failures").values()]
    assert [(one["key"], one["doc_count"]) for one in hour["b3"]["buckets"]] == [("INVALID_REQUEST", 1)]
