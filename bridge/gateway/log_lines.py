"""Lines of the gateway's own log: one for each event, as JSON or for people, without input values.

What libraries say is told too, as the event `library_message` with the first line of their message: the rest, and the
messages of unforeseen errors, may quote what a caller sent.
"""

import logging
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from copy import copy
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from structlog.dev import Column, ConsoleRenderer, KeyValueColumnFormatter
from structlog.processors import JSONRenderer
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor

from bridge.errors import BridgeError
from bridge.events import LIBRARY_MESSAGE
from bridge.own_log import EVENT_KEY, Event
from bridge.texts import brief

__all__ = ["Form", "formatter_of"]

Form = Literal["console", "json"]

_MOST_MESSAGE, _MOST_LOGGER, _MOST_BUG = 4000, 100, 4000  # characters
_MOST_ERRORS, _MOST_PLACES, _MOST_ERROR = 5, 10, 300
_PACKAGES = "/site-packages/"


def formatter_of(form: Form) -> logging.Formatter:
    """Returns what makes a line of a record of the standard library's logging.

    Args:
        form: "json" for an object a line, with the same fields for the same event; "console" for people, with the
            time in UTC, the level, the event's name, the sentence, and what the sentence leaves out.
    """
    last: list[Processor] = [_as_json, JSONRenderer(serializer=_json)] if form == "json" else [_as_text, _console()]
    # The chain for records that don't come from structlog itself, which are all of ours, sees the error of a record.
    return ProcessorFormatter(
        foreign_pre_chain=[_parts],
        processors=[ProcessorFormatter.remove_processors_meta, *last],
        pass_foreign_args=True,
    )


def _parts(_: Any, __: str, given: Any) -> Any:
    record, message = given["_record"], given["event"]
    arguments, error = given.pop("positional_args"), given.pop("exc_info", None)
    given.pop("stack_info", None)
    event = getattr(record, EVENT_KEY, LIBRARY_MESSAGE)
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    given |= {
        "timestamp": at.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "event": event.name,
        "message": brief(message.partition("\n")[0], _MOST_MESSAGE),
        "logger": brief(record.name, _MOST_LOGGER),
        "fields": arguments if event is not LIBRARY_MESSAGE and isinstance(arguments, Mapping) else {},
        "beside": _beside(event),
    }
    if error and error[1] is not None:
        given["bug"] = brief(", caused by ".join(_errors(error[1])), _MOST_BUG)
    return given


def _beside(event: Event) -> tuple[str, ...]:
    return ("logger",) if event is LIBRARY_MESSAGE else event.more


def _as_json(_: Any, __: str, given: Any) -> Any:
    fields = given.pop("fields")
    del given["beside"]
    for name, value in fields.items():
        if value == "":
            continue
        if name == "version":
            model, slash, number = value.rpartition("/")
            given |= {"model": model, "version": int(number)} if slash and number.isdecimal() else {"model": value}
        else:
            given[name] = value
    return given


def _as_text(_: Any, __: str, given: Any) -> Any:
    fields = {"logger": given.pop("logger")} | given.pop("fields")
    beside = {name: fields[name] for name in given.pop("beside") if fields.get(name, "") != ""}
    bug = {"bug": given.pop("bug")} if "bug" in given else {}
    return given | beside | bug


def _errors(error: BaseException | None) -> Iterator[str]:
    """The classes of an error and of its causes, each with its places in the code, the innermost first.

    Only messages that can't hold input values are shown: those of our own errors and the system's.
    """
    for _ in range(_MOST_ERRORS):
        if error is None:
            return
        said = ""
        if isinstance(error, BridgeError):
            said = brief(str(error), _MOST_ERROR)
        elif isinstance(error, OSError) and error.strerror:
            said = brief(error.strerror, _MOST_ERROR)
        # Not by traceback's own listing, which reads the lines of the code from the disk.
        passed = deque(traceback.walk_tb(error.__traceback__), _MOST_PLACES)
        places = [f"{_short(frame.f_code.co_filename)}:{line} {frame.f_code.co_name}" for frame, line in passed]
        where = ", ".join(reversed(places)) or "an unknown place"
        yield f"{type(error).__qualname__}{f' ({said})' if said else ''} at {where}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _short(file: str) -> str:
    """Returns a file's path from the package on: what is before it differs by machine."""
    for start, kept in ((_PACKAGES, ""), ("/bridge/", "bridge/")):
        if start in file:
            return kept + file.rpartition(start)[2]
    return file.rpartition("/")[2]


def _json(given: Mapping[str, Any], **_: Any) -> str:
    return orjson.dumps(given).decode()


def _console() -> ConsoleRenderer:
    plain = KeyValueColumnFormatter(key_style=None, value_style="", reset_style="", value_repr=str)
    named = KeyValueColumnFormatter(key_style="", value_style="", reset_style="", value_repr=_quoted)
    level, event = copy(plain), copy(plain)
    level.prefix, level.postfix, event.postfix = "[", "]", ":"
    # The event's name stands before the sentence, where no text of a stranger can have put another one.
    parts = {"timestamp": plain, "level": level, "event": event, "message": plain, "": named}
    return ConsoleRenderer(columns=[Column(*part) for part in parts.items()], sort_keys=False)


def _quoted(value: object) -> str:
    text = str(value)
    return '"' + text.replace('"', r"\"") + '"' if " " in text or '"' in text else text
