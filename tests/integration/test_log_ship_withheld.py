"""What log ship must not send: columns left out or hashed, and a slip of the pen that would let them leave."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prediction_logs import of_messages, record, write_log
from scorebridge.v1 import scoring_pb2 as pb
from search_nodes import SearchNode
from ship_commands import ship_once

KEY = "0123456789abcdef0123456789abcdef"


def call(model: str = "risk", column: str = "user_id", users: Any = ("u-17", "u-18"), *, refused: bool = False) -> Any:
    """A call of known users, by a known caller, answered or refused."""
    request = pb.ScoreRequest(request_id="req-1", model=model, batch_id="night", labels={"shop": "u-17"})
    request.row_keys.extend(["k-1", "k-2"])
    request.table.columns.add(name="age").doubles.values.extend([40, 41])
    kind = "strings" if isinstance(users[0], str) else "doubles"
    getattr(request.table.columns.add(name=column), kind).values.extend(users)
    response = pb.ScoreResponse(request_id="req-1", model=model, version=3, source=pb.SCORE_SOURCE_MODEL)
    response.scores.add(name="score").doubles.values.extend([0.25, 0.5])
    made = of_messages(request, None if refused else response, model=model)
    made.caller = "billing"
    return made


def everything(node: SearchNode) -> str:
    return json.dumps(node.found("scorebridge-*"))


@pytest.mark.parametrize("form", ["--rows", "--json"], ids=["rows", "calls"])
def test_what_is_dropped_is_nowhere(search_node: SearchNode, tmp_path: Path, form: str) -> None:
    write_log(tmp_path / "log", [call()])
    named = ("user_id", "row_key", "caller", "labels", "request_id", "batch_id")
    options = [part for name in named for part in ("--drop", name)]
    assert ship_once(tmp_path / "log", search_node.url, form, *options).exit_code == 0
    said = everything(search_node)
    for secret in ("user_id", "u-17", "k-1", "billing", "req-1", "night", *(f'"{name}"' for name in named)):
        assert secret not in said
    assert '"age"' in said


@pytest.mark.parametrize("form", ["--rows", "--json"], ids=["rows", "calls"])
def test_what_is_hashed_can_be_found_by_those_who_have_the_key(
    search_node: SearchNode, tmp_path: Path, form: str
) -> None:
    write_log(tmp_path / "log", [call()])
    (tmp_path / "key").write_text(f"{KEY}\n")
    hashing = ["--hash", "user_id", "--hash", "caller", "--hash", "labels", "--hash-key-file", str(tmp_path / "key")]
    assert ship_once(tmp_path / "log", search_node.url, form, *hashing).exit_code == 0
    said = everything(search_node)
    assert "u-17" not in said
    assert "billing" not in said
    # As docs/prediction-log.md says it.
    code = 'import hmac; print(hmac.digest(open("key", "rb").read().strip(), b"u-17", "sha256").hex())'
    paged = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    command = ["openssl", "dgst", "-sha256", "-hmac", KEY, "-r"]
    hashed = subprocess.run(command, input=b"u-17", check=True, capture_output=True).stdout.split()[0].decode()
    hits = search_node.found("scorebridge-*", query={"term": {"input.user_id": hashed}})
    assert len(hits) == 1
    assert paged.stdout.strip() == hashed
    assert hits[0]["_source"]["labels"] == {"shop": hashed}


def test_numbers_are_hashed_as_json_spells_them(search_node: SearchNode, tmp_path: Path) -> None:
    write_log(tmp_path / "log", [call(users=(17.0, float("nan")))])
    (tmp_path / "key").write_text(KEY)
    hashing = ["--hash", "user_id", "--hash-key-file", str(tmp_path / "key")]
    assert ship_once(tmp_path / "log", search_node.url, *hashing).exit_code == 0
    command = ["openssl", "dgst", "-sha256", "-hmac", KEY, "-r"]
    hashed = subprocess.run(command, input=b"17.0", check=True, capture_output=True).stdout.split()[0].decode()
    (hit,) = search_node.found("scorebridge-*")
    assert hit["_source"]["input"]["user_id"] == [hashed, None]


def test_a_name_that_no_call_has_stops_it_before_anything_is_sent(search_node: SearchNode, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ignoring = call(column="userid")
    ignoring.ignored_columns.append(1)
    write_log(log, [call(refused=True, column="userid"), call(), ignoring])
    done = ship_once(log, search_node.url, "--drop", "userid")
    assert done.exit_code == 2
    assert (
        "no call has a column 'userid': is it misspelt? Nothing was sent. The columns are age, user_id" in done.stderr
    )
    assert search_node.found("scorebridge-*") == []
    assert ship_once(log, search_node.url, "--drop", "userid", "--allow-absent").exit_code == 0


def test_what_refused_calls_named_is_left_out_whatever_it_is_called(search_node: SearchNode, tmp_path: Path) -> None:
    ignoring = call(column="userid")
    ignoring.ignored_columns.append(1)
    write_log(tmp_path / "log", [call(), call(column="usr_id", refused=True), ignoring])
    assert ship_once(tmp_path / "log", search_node.url, "--drop", "user_id", "--drop", "labels").exit_code == 0
    assert len(search_node.found("scorebridge-*")) == 3
    assert "u-17" not in everything(search_node)


def test_a_column_may_be_one_model_s_and_models_without_it_are_told(search_node: SearchNode, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_log(log, [record("a", model="churn"), record("b", model="churn"), call()])
    done = ship_once(log, search_node.url, "--drop", "user_id")
    assert done.exit_code == 0
    assert done.stderr.splitlines()[0] == "churn/3 has no column user_id, which would be withheld"
    assert done.stderr.count("has no column") == 1


def test_a_column_that_has_occurred_may_be_absent_later(search_node: SearchNode, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_log(log, [call()])
    assert ship_once(log, search_node.url, "--drop", "user_id").exit_code == 0
    write_log(log, [call()], [record("a")])
    assert ship_once(log, search_node.url, "--drop", "user_id").exit_code == 0
    assert len(search_node.found("scorebridge-*")) == 2


def test_calls_that_nobody_can_read_yet_do_not_hold_it_up(search_node: SearchNode, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_log(log, [call(refused=True)])
    assert ship_once(log, search_node.url, "--drop", "user_id").exit_code == 0
    assert len(search_node.found("scorebridge-*")) == 1
    write_log(log, [call(refused=True)], [record("a")])
    assert ship_once(log, search_node.url, "--drop", "user_id").exit_code == 2
    assert len(search_node.found("scorebridge-*")) == 1
