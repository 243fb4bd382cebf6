"""Events of the gateway's own log: one registry, of which the page and every line are made."""

import ast
import logging
import re
import string
from collections.abc import Iterator

import pytest
from fixtures import ROOT

from bridge import events, model_events
from bridge.gateway.event_table import all_events
from bridge.own_log import EVENT_KEY, FIELDS, Event, OwnLog

BRIDGE = ROOT / "bridge"
ALWAYS = {"timestamp", "level", "event", "message", "logger", "bug", "fields", "beside"}


def said_events() -> Iterator[tuple[str, str, set[str]]]:
    """Each `_log.say(…)` in the code: where it is, the constant of its event, and the names of its fields."""
    for path in sorted(BRIDGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "say":
                name = node.args[0]
                constant = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "?")
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                yield where, constant, {str(one.arg) for one in node.keywords} - {"bug"}


CONSTANTS = {
    name: event for module in (events, model_events) for name, event in vars(module).items() if isinstance(event, Event)
}
SAID = list(said_events())
# Said by the writer of the lines itself, which must not wait for itself.
BY_THE_WRITER = {"LINES_LEFT_OUT", "LINES_LOST", "LIBRARY_MESSAGE"}


@pytest.mark.parametrize(("where", "constant", "fields"), SAID, ids=[where for where, _, _ in SAID])
def test_every_event_that_is_said_is_registered_and_has_all_its_fields(
    where: str, constant: str, fields: set[str]
) -> None:
    assert constant in CONSTANTS, where
    assert fields == set(CONSTANTS[constant].fields)


def test_every_registered_event_is_said() -> None:
    assert {constant for _, constant, _ in SAID} | BY_THE_WRITER == set(CONSTANTS)


def test_no_module_logs_anything_else() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in BRIDGE.rglob("*.py")
        if re.search(r"^import logging|^from logging", path.read_text(), re.MULTILINE)
    }
    assert found == {
        "bridge/events.py",
        "bridge/model_events.py",
        "bridge/own_log.py",
        *(f"bridge/gateway/{name}.py" for name in ("event_table", "log_lines", "log_output")),
    }


def test_names_are_stable_words_and_each_is_one_event() -> None:
    names = [event.name for event in all_events()]
    assert len(names) == len(set(names)) == len(CONSTANTS) > 40
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    assert [constant for constant, event in CONSTANTS.items() if event.name.upper() != constant] == []
    assert not ALWAYS & FIELDS.keys() - {"logger"}


@pytest.mark.parametrize("event", all_events(), ids=lambda event: event.name)
def test_a_sentence_takes_its_fields_of_their_types(event: Event) -> None:
    values = {name: 7 if FIELDS[name].kind == "number" else "a text" for name in event.fields}
    said = event.sentence % values
    assert "%(" not in said
    assert event.sentence[0] not in string.whitespace
    assert event.means.endswith(".")
    assert not event.do or event.do.endswith(".")


def test_an_event_with_a_field_that_nobody_described_is_none() -> None:
    with pytest.raises(ValueError, match="there are no such fields: colour"):
        Event("odd", logging.INFO, "%(colour)s", "", "")


def test_texts_are_cut_and_spelled_out_before_anybody_sees_them(caplog: pytest.LogCaptureFixture) -> None:
    log = OwnLog("bridge.test")
    log.say(model_events.VERSION_REFUSED, version="m/1", reason="one\ntwo\x1b[2J\u202e" + "x" * 1_000_000)
    (record,) = caplog.records
    assert record.getMessage().startswith(r"refused m/1: one\ntwo\x1b[2J\u202exxx")
    assert record.getMessage().endswith("... (1000012 characters)")
    assert len(record.getMessage()) < 2100
    assert getattr(record, EVENT_KEY) is model_events.VERSION_REFUSED


def test_numbers_stay_numbers(caplog: pytest.LogCaptureFixture) -> None:
    OwnLog("bridge.test").say(model_events.WORKER_NOT_STARTED, version="m/1", error=OSError(12, "no memory"))
    OwnLog("bridge.test").say(events.RECORDS_NOT_WRITTEN, records=3, error="full")
    first, second = caplog.records
    assert first.getMessage() == "a new worker of m/1 could not be started: [Errno 12] no memory"
    assert second.args == {"records": 3, "error": "full"}


def test_what_nobody_listens_to_costs_no_record(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "bridge.test"):
        OwnLog("bridge.test").say(model_events.VERSION_SERVES, version="m/1")
    assert not caplog.records


def test_an_event_can_have_no_fields_and_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    bug = ZeroDivisionError("4711")
    OwnLog("bridge.test").say(model_events.REPOSITORY_BUG, bug=bug)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is bug
    assert "4711" not in record.getMessage()
