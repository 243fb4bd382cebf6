"""What a run says while it goes on, and at its end."""

import io
import json

from bridge.offline.progress import Progress
from bridge.offline.summary import Summary


class Terminal(io.StringIO):
    """A stream that takes itself for a terminal."""

    def isatty(self) -> bool:
        """True."""
        return True


def test_a_stream_that_is_no_terminal_gets_a_line_now_and_then() -> None:
    stream, seconds = io.StringIO(), [0.0]
    progress = Progress(stream, clock=lambda: seconds[0])
    progress.begin(1000, 0.1)
    for at in (1.0, 9.0, 10.0, 15.0, 20.0):
        seconds[0] = at
        progress.update(1000 + int(at) * 100, 3, 0.1 + at / 100)
    progress.end()
    assert stream.getvalue().splitlines() == [
        "2,000 rows, 3 without a score, 100 rows/s, 20% of the input, 1:20 left",
        "3,000 rows, 3 without a score, 100 rows/s, 30% of the input, 1:10 left",
    ]


def test_the_share_follows_from_the_total_where_it_is_known() -> None:
    stream, seconds = io.StringIO(), [0.0]
    progress = Progress(stream, 100_000, clock=lambda: seconds[0])
    seconds[0] = 4000.0
    progress.update(25_000, 0)
    assert stream.getvalue() == "25,000 rows, 6 rows/s, 25% of the input, 3:20:00 left\n"


def test_a_terminal_gets_a_bar() -> None:
    stream = Terminal()
    progress = Progress(stream)
    progress.update(12_345, 0, 0.5)
    progress.end()
    progress.end()
    assert "12,345 rows" in stream.getvalue()


def test_a_stream_that_nobody_reads_does_not_stop_the_run() -> None:
    stream, seconds = io.StringIO(), [0.0]
    progress = Progress(stream, clock=lambda: seconds[0])
    stream.close()
    seconds[0] = 100.0
    progress.update(1, 0, 0.5)
    progress.end()


def summary(**more: object) -> Summary:
    fields: dict[str, object] = {
        "model": "m",
        "version": 3,
        "digest": "d",
        "engine": "xgboost",
        "run_id": "r",
        "inputs": ("a.csv",),
        "rows": 1000,
        "scored": 990,
        "defaults": 4,
        "rejects": 6,
        "output": "o.csv",
        "rejects_file": "o.csv.rejects.csv",
        "seconds": 2.0,
        "resumed_chunks": 2,
        "over_limit": "",
        "told": {"scored_by": "this process"},
    }
    return Summary(**{**fields, **more})  # type: ignore[arg-type] # the types are those above


def test_the_summary_has_all_counts_and_only_this_starts_rate() -> None:
    listed = summary(resumed_rows=200).listing()
    assert json.loads(json.dumps(listed)) == listed
    assert (listed["rows"], listed["rows_per_s"], listed["exit_code"], listed["inputs"]) == (1000, 400.0, 0, ["a.csv"])
    assert listed["told"] == {"scored_by": "this process"}
    assert summary(over_limit="too many", output="").listing()["exit_code"] == 1


def test_the_sentence_says_what_became_of_the_rows() -> None:
    assert summary().sentence() == (
        "1000 rows by m/3 in 2.0 s (2 chunks were finished before), 4 of them with the default score, 6 without a score"
        " (o.csv.rejects.csv): o.csv"
    )
    assert summary(output="", over_limit="x").sentence().endswith("; nothing is published")
