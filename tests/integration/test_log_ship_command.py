"""What the options of log ship may be, and what its documents hold in rare cases; no engine is asked."""

import json
from pathlib import Path
from typing import Any

import pytest
from prediction_logs import header, of_messages, record, write_log
from scorebridge.v1 import scoring_pb2 as pb
from ship_commands import ship_once

from bridge.prediction_log import search_documents
from bridge.prediction_log.reader import Entry
from bridge.prediction_log.search_documents import call_document, unindexed
from bridge.shipping.target import SearchTarget, TargetSettings
from bridge.shipping.withheld import Withheld, WithholdingRefused

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    write_log(tmp_path / "log", [record("a")])
    return tmp_path / "log"


def entry_of(made: Any) -> Entry:
    return Entry(Path("x"), 0, 7, made, header(1))


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("http://ship:secret@127.0.0.1:9200", [], "holds a name or password"),
        ("ftp://127.0.0.1", [], "must be http://HOST:PORT"),
        ("127.0.0.1:9200", [], "must be http://HOST:PORT"),
        ("http://127.0.0.1:99999", [], "is not one"),
        ("http://[::1", [], "is not one"),
        ("http://127.0.0.1:9200/?pretty", [], "must be http://HOST:PORT"),
        (f"http://127.0.0.1/{'x' * 600}", [], "more than 500 characters"),
        (NOWHERE, ["--user", "ship"], "must both be named"),
        (NOWHERE, ["--password-file", "p"], "must both be named"),
        (NOWHERE, ["--user", "ship", "--password-file", "p", "--api-key-file", "k"], "choose one"),
        (NOWHERE, ["--tls-ca", "ca.pem"], "need a URL that begins with https://"),
        ("http://search.example:9200", ["--api-key-file", "k"], "is not sent in plain text"),
        (NOWHERE, ["--daily", "--data-stream"], "exclude each other"),
        (NOWHERE, ["--index", "Upper"], "--index takes"),
        (NOWHERE, ["--index", "../_all"], "--index takes"),
        (NOWHERE, ["--hash", "user_id"], "--hash takes a key"),
        (NOWHERE, ["--hash-key-file", "k"], "is for --hash"),
        (NOWHERE, ["--drop", "a", "--hash", "a", "--hash-key-file", "KEY"], "choose one"),
        (NOWHERE, ["--hash", "a", "--hash-key-file", "SHORT"], "must hold a key of 16 bytes"),
        (NOWHERE, ["--api-key-file", "none"], "must hold a password or key: No such file"),
    ],
)
def test_options_that_can_not_be_are_refused_at_once(
    log: Path, tmp_path: Path, url: str, options: list[str], said: str
) -> None:
    (tmp_path / "KEY").write_text("k" * 32)
    (tmp_path / "SHORT").write_text("k" * 15)
    options = [str(tmp_path / one) if one in {"KEY", "SHORT"} else one for one in options]
    done = ship_once(log, url, *options, "--patience", "0.01")
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr
    assert "secret" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_folder_without_a_log_is_refused(tmp_path: Path) -> None:
    done = ship_once(tmp_path, NOWHERE)
    assert (done.exit_code, "there is no prediction log" in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_nobody_listens(log: Path) -> None:
    done = ship_once(log, NOWHERE, "--patience", "0.01")
    assert done.exit_code == 3
    assert done.stderr.splitlines()[-1] == f"{NOWHERE}: no answer: Connection refused"


def test_a_damaged_position_and_another_log_are_refused(log: Path) -> None:
    ship_once(log, NOWHERE, "--patience", "0.01")
    (lock,) = log.glob("*.lock")
    position = lock.with_suffix(".position")
    position.write_text("{")
    done = ship_once(log, NOWHERE)
    assert (done.exit_code, "is damaged, or of a newer scorebridge" in done.stderr) == (2, True)
    position.write_text(json.dumps({"segment": f"{0:020d}.sblog", "segment_id": "ab" * 16, "offset": 1, "sequence": 1}))
    done = ship_once(log, NOWHERE)
    assert (done.exit_code, "remove the position file" in done.stderr) == (2, True)


def test_a_bug_is_not_taken_for_a_log_that_was_shipped(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SearchTarget, "ask", lambda *_: 1 // 0)
    done = ship_once(log, NOWHERE)
    assert (done.exit_code, "because of a bug in scorebridge (ZeroDivisionError)" in done.stderr) == (2, True)


def test_infinite_numbers_are_named_by_their_rows() -> None:
    _, found = call_document(entry_of(record("a", [1.0, float("inf"), float("-inf")])))
    assert found["input"]["age"] == [1.0, None, None]
    assert found["infinite"][:2] == ["input.age[1]=Infinity", "input.age[2]=-Infinity"]


def test_a_call_of_too_many_values_has_none_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_documents, "_MOST_VALUES", 3)
    _, found = call_document(entry_of(record("a", [1.0, 2.0])))
    assert (found["values_left_out"], found["input"], found["row_count"]) == (True, {}, 2)


def test_a_call_that_can_not_be_read_is_a_document() -> None:
    broken = of_messages(pb.ScoreRequest(request_id="x", model="m"), None)
    broken.request = b"\xff\xff"
    identity, found = call_document(entry_of(broken))
    assert (identity, found["row_count"], found["row_key"]) == ("01" * 16 + "-7", None, [])
    assert not unindexed(found)


def test_what_is_unindexed_keeps_what_was_so_before() -> None:
    found = {"input": {"a": 1}, "score": {}, "labels": {"x": "y"}, "unindexed": {"input": {".": 2}}, "version": 3}
    assert unindexed(found)
    assert found["unindexed"] == {"input": {"a": 1, ".": 2}, "labels": {"x": "y"}}
    assert not unindexed({"version": 3, "labels": {}})


def test_operands_and_outputs_are_columns_too() -> None:
    fields: dict[str, Any] = {"looked_up.user": 1, "operand.history.0d/user": 2, "operand.today.user": 3}
    fields |= {"score.user": "x", "input.user.name": 4, "lookup.user.batch": "b", "caller": None}
    withheld = Withheld(["user"])
    withheld(fields)
    assert fields == {"input.user.name": 4, "lookup.user.batch": "b", "caller": None}
    assert withheld.unseen == frozenset()


def test_there_are_not_too_many_names() -> None:
    with pytest.raises(WithholdingRefused, match="more than 1000 names"):
        Withheld(map(str, range(1001)))


def test_an_address_without_a_port_has_that_of_its_scheme() -> None:
    for url, port in (("http://[::1]", 80), ("https://search.example/path/", 443), ("http://h:1", 1)):
        assert SearchTarget(TargetSettings(url))._address[1] == port
