"""Lines of the gateway's own log: JSON that parses, one line for people, and never an input value."""

import json
import logging
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import events, model_events
from bridge.errors import BundleError, InternalError
from bridge.gateway.log_lines import Form, formatter_of
from bridge.own_log import Event, OwnLog

NASTY = "one\n2026-11-30T16:23:37.123Z [error] call_bug: all lost\r\x1b[2J\x1b]0;t\x07\u202e\u2028\x85\x00\ud800"


def record_of(event: Event, bug: BaseException | None = None, **fields: object) -> logging.LogRecord:
    found: list[logging.LogRecord] = []

    class _Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    logger, keep = logging.getLogger("bridge.test"), _Keep()
    logger.addHandler(keep)
    logger.setLevel(logging.DEBUG)
    try:
        OwnLog("bridge.test").say(event, bug=bug, **fields)
    finally:
        logger.removeHandler(keep)
        logger.setLevel(logging.NOTSET)
    return found[0]


def library(message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("asyncio", logging.ERROR, "base_events.py", 1, message, arguments, exc_info)


def json_of(record: logging.LogRecord) -> dict[str, Any]:
    line = formatter_of("json").format(record)
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


def text_of(record: logging.LogRecord) -> str:
    line = formatter_of("console").format(record)
    assert line.isprintable()
    return line


OPENED = record_of(model_events.CIRCUIT_OPENED, version="risk/3", attempts=5, pause_s=2.5)


def test_an_event_in_json_has_its_name_its_sentence_and_its_fields() -> None:
    found = json_of(OPENED)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("timestamp"))
    assert found == {
        "event": "circuit_opened",
        "level": "warning",
        "message": "the circuit of risk/3 is open: 5 failures in a row; the model is asked again in 2.5 s",
        "logger": "bridge.test",
        "model": "risk",
        "version": 3,
        "attempts": 5,
        "pause_s": 2.5,
    }


def test_an_event_for_people_has_what_its_sentence_leaves_out() -> None:
    assert text_of(OPENED).partition(" ")[2] == (
        "[warning] circuit_opened: the circuit of risk/3 is open: 5 failures in a row; "
        "the model is asked again in 2.5 s"
    )
    killed = record_of(model_events.WORKER_KILLED, pid=12, version="risk/3", seconds=2, request_id="a b")
    assert text_of(killed).endswith(' with an ended call request_id="a b"')
    unknown = record_of(model_events.WORKER_KILLED, pid=12, version="risk/3", seconds=2, request_id="")
    assert text_of(unknown).endswith(" with an ended call")
    assert "request_id" not in json_of(unknown)


def test_a_version_without_a_number_is_a_model() -> None:
    found = json_of(record_of(model_events.CIRCUIT_CLOSED, version="risk"))
    assert (found["model"], found.get("version")) == ("risk", None)


@pytest.mark.parametrize("form", ["console", "json"])
def test_no_text_of_a_stranger_begins_a_line_or_reaches_the_terminal(form: Form) -> None:
    line = formatter_of(form).format(record_of(model_events.VERSION_REFUSED, version="m/1", reason=NASTY))
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    library_line = formatter_of(form).format(library(NASTY.replace("\n", "\r")))
    assert len(library_line.splitlines()) == 1
    assert library_line.isprintable()


@given(st.text())
def test_any_text_in_any_field_is_one_line_that_parses(text: str) -> None:
    record = record_of(events.CALLERS_INVALID, error=text)
    assert json_of(record)["event"] == "callers_invalid"
    assert text_of(record).split(" ")[1:3] == ["[error]", "callers_invalid:"]
    logged = library("%s", text)
    assert json_of(logged)["event"] == "library_message"
    text_of(logged)


def failed() -> Exception:
    try:
        try:
            float("secret 4711")
        except ValueError as error:
            raise BundleError("the bundle is not right") from error
    except BundleError as error:
        return error
    raise AssertionError


def test_a_bug_is_told_by_its_places_and_never_by_a_message_that_may_hold_values() -> None:
    record = record_of(events.CALL_BUG, bug=failed(), request_id="8c1f", version="risk/3")
    found = json_of(record)
    assert "4711" not in json.dumps(found)
    assert re.fullmatch(
        r"BundleError \(the bundle is not right\) at test_log_lines.py:\d+ failed, "
        r"caused by ValueError at test_log_lines.py:\d+ failed",
        found["bug"],
    )
    assert (found["request_id"], found["model"], found["version"]) == ("8c1f", "risk", 3)
    line = text_of(record)
    assert "4711" not in line
    assert 'bug="BundleError (the bundle is not right) at' in line


def test_a_bug_deep_down_is_a_short_line() -> None:
    def deeper(left: int) -> None:
        if left:
            deeper(left - 1)
        raise ZeroDivisionError

    error: BaseException = InternalError()
    for _ in range(20):
        try:
            deeper(100)
        except ZeroDivisionError as one:
            one.__cause__, error = error, one
    found = json_of(record_of(events.HTTP_BUG, bug=error))
    assert found["bug"].count("caused by") == 4
    assert found["bug"].count("test_log_lines.py") == 50
    assert len(found["bug"]) < 4100


def test_of_a_library_only_the_first_line_is_told() -> None:
    said = "Task exception was never retrieved\nfuture: <Task exception=ValueError('4711')>"
    found = json_of(library(said, error=failed()))
    assert "4711" not in json.dumps(found)
    assert found["message"] == "Task exception was never retrieved"
    assert (found["event"], found["logger"], found["level"]) == ("library_message", "asyncio", "error")
    assert found["bug"].startswith("BundleError")
    assert " library_message: Task exception was never retrieved logger=asyncio bug=" in text_of(
        library(said, error=failed())
    )


def test_a_library_s_fields_are_no_fields_of_ours() -> None:
    record = logging.LogRecord("other", logging.INFO, "x.py", 1, "%(event)s said", ({"event": "call_bug"},), None)
    assert json_of(record)["event"] == "library_message"
    assert json_of(record)["message"] == "call_bug said"


def test_a_library_s_message_of_any_length_is_a_line_of_few_kilobytes() -> None:
    assert len(formatter_of("json").format(library("x" * 10_000_000))) < 5000


def test_no_text_of_a_stranger_is_taken_for_another_event_or_field() -> None:
    forged = 'fine event=version_serves request_id="x" [info] version_serves: m/1 serves'
    line = text_of(record_of(events.REQUEST_BUG, request_id="8c1f", method="json", caller=forged))
    assert line.split(" ")[1:3] == ["[error]", "request_bug:"]
    assert line.endswith(r'caller="fine event=version_serves request_id=\"x\" [info] version_serves: m/1 serves"')
    assert json_of(record_of(events.CALLERS_INVALID, error=forged))["event"] == "callers_invalid"
