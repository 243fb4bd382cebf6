"""The questions of docs/prediction-log.md are asked as they stand there, and find what is in the log."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from fixtures import ROOT
from prediction_logs import default_rows, record, write_log
from scorebridge.v1 import scoring_pb2 as pb
from search_nodes import SearchNode
from ship_commands import ship_once

DAY_S = 86_400
PAGE = (ROOT / "docs" / "prediction-log.md").read_text()
QUERIES = {
    title: (index, json.loads(query))
    for title, index, query in re.findall(
        r"^(.+):\n\n +curl \"\$URL/(\S+?)/_search\".*-d '([^']+)'", PAGE, re.MULTILINE
    )
}


@pytest.fixture
def shipped(search_node: SearchNode, tmp_path: Path) -> SearchNode:
    """A call of billing yesterday and one today, of four rows, one of them with a default score."""
    today = int(time.time())
    calls = [
        record("yesterday", seconds=today // DAY_S * DAY_S - DAY_S // 2),
        default_rows(record("today", seconds=today), 1, 1, pb.DEFAULT_REASON_DEADLINE),
    ]
    for call in calls:
        call.caller = "billing"
    write_log(tmp_path / "log", calls)
    for options in ((), ("--rows",)):
        assert ship_once(tmp_path / "log", search_node.url, *options).exit_code == 0
    search_node.ask("POST", "/_refresh")
    return search_node


def answer(node: SearchNode, beginning: str) -> Any:
    ((index, query),) = [found for title, found in QUERIES.items() if title.startswith(beginning)]
    found = node.ask("POST", f"/{index}/_search", query)
    assert found["_shards"]["failed"] == 0, found
    return found


def test_all_calls_of_a_caller_yesterday(shipped: SearchNode) -> None:
    hits = answer(shipped, "All calls")["hits"]["hits"]
    assert [hit["_source"]["request_id"] for hit in hits] == ["yesterday"]


def test_the_default_rate_by_reason(shipped: SearchNode) -> None:
    (model,) = answer(shipped, "The rows with default")["aggregations"]["models"]["buckets"]
    assert (model["key"], model["DEADLINE"]["value"], model["WORKER_LOST"]["value"]) == ("risk", 1, 0)
    assert model["rows"]["value"] in {2, 4}  # yesterday's call may be more than a day old
    (model,) = answer(shipped, "The same of documents of rows")["aggregations"]["models"]["buckets"]
    assert model["doc_count"] == 4
    assert [(one["key"], one["doc_count"]) for one in model["reasons"]["buckets"]] == [("DEADLINE", 1)]


def test_the_99th_percentile(shipped: SearchNode) -> None:
    (model,) = answer(shipped, "The 99th")["aggregations"]["models"]["buckets"]
    filled = [hour["p99"]["values"]["99.0"] for hour in model["hours"]["buckets"] if hour["doc_count"]]
    assert filled == [pytest.approx(0.002)] * 2


def test_each_question_of_the_page_was_asked() -> None:
    assert len(QUERIES) == 4
