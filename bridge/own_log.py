"""The gateway's own log: what modules say to the operator, as events with a name and fields.

An event goes to the standard library's logger of the module that says it, so that a test, or a program that scores
with these modules, hears it like any other line. `scorebridge serve` writes it as one line.
"""

import logging
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.texts import brief

__all__ = ["EVENT_KEY", "FIELDS", "Event", "Field", "OwnLog"]

EVENT_KEY = "own_event"  # under which a record of the standard library has its event

_NAMED = re.compile(r"%\((\w+)\)")
_MOST_VERSION = 300  # characters: a name may be as long as a name of a folder


class Field(NamedTuple):
    """A field of events; it means the same in each of them.

    Attributes:
        kind: "text" or "number".
        means: what it holds.
        most: the most characters of a text; a longer one is cut, and says how long it was.
    """

    kind: str
    means: str
    most: int = 200


FIELDS = {
    "attempts": Field("number", "failures in a row"),
    "bytes": Field("number", "bytes of the prediction log"),
    "caller": Field("text", "who calls, by the name in callers.toml, certificate or address"),
    "calls": Field("number", "calls that it concerns"),
    "condition_class": Field("text", "the class of the R condition or xgboost exception, else the reason"),
    "error": Field("text", "what went wrong; no input values", 1000),
    "event_name": Field("text", "the event, or the logger of a library, whose lines were left out"),
    "first_kept": Field("number", "the number of the first record that is still there"),
    "folder": Field("text", "a folder", 1000),
    "kind": Field("text", "what was to be done, such as load or unload"),
    "lines": Field("number", "lines that were not written"),
    "logger": Field("text", "the module or library that says it"),
    "method": Field("text", "the wire of the request, or the name of its method in the code"),
    "model": Field("text", "the model", _MOST_VERSION),
    "most_bytes": Field("number", "how many bytes it may have"),
    "note": Field("text", "words of the sentence", 1000),
    "path": Field("text", "a file", 1000),
    "pause_s": Field("number", "seconds until it is tried again"),
    "pid": Field("number", "the process"),
    "reason": Field("text", "why, in words", 2000),
    "records": Field("number", "records of the prediction log"),
    "request_id": Field("text", "the id of the call"),
    "rows": Field("text", "the rows of the call"),
    "said": Field("text", "what the model said; only with log_model_messages", 600),
    "seconds": Field("number", "a time limit in seconds"),
    "segment": Field("text", "the file name of a segment of the prediction log"),
    "store": Field("text", "a store of features, or one of its servers"),
    "subject": Field("text", "what the lines that were left out were about"),
    "version": Field("text", "the version; in JSON its name is the field model, its number the field version", 320),
}


@dataclass(frozen=True)
class Event:
    """Something that happens in a gateway and that its operator can act on.

    Attributes:
        name: the stable snake_case name.
        level: the level of its lines, of the standard library's.
        sentence: the line's words, with fields as `%(name)s`.
        means: what happened, for the table of events.
        do: what the operator does about it; empty for nothing.
        more: fields that are not in the sentence.
        unlimited: whether who says it limits how often it is said.
        fields: the names of all fields.
    """

    name: str
    level: int
    sentence: str
    means: str
    do: str = ""
    more: tuple[str, ...] = ()
    unlimited: bool = False
    fields: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        fields = dict.fromkeys([*_NAMED.findall(self.sentence), *self.more])
        if unknown := fields.keys() - FIELDS.keys():
            raise ValueError(f"event {self.name}: there are no such fields: {', '.join(sorted(unknown))}")
        object.__setattr__(self, "fields", tuple(fields))


class OwnLog:
    """Says events in the name of one module.

    Args:
        name: the module's name, which is that of its logger.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def say(self, event: Event, *, bug: BaseException | None = None, **given: object) -> None:
        """Says that an event happened.

        Texts are cut at the bound of their field, and are escaped: no text of a stranger begins a line of its own or
        reaches a terminal's controls.

        Args:
            event: what happened.
            bug: the unforeseen error that it was; its places in the code are shown, and not its message, which may
                hold input values.
            given: the values of the event's fields, by name.
        """
        if not self._logger.isEnabledFor(event.level):
            return
        fields = {name: _bounded(name, value) for name, value in given.items()}
        arguments = (fields,) if fields else ()
        exc_info = None if bug is None else (type(bug), bug, bug.__traceback__)
        self._logger.log(
            event.level, event.sentence, *arguments, exc_info=exc_info, extra={EVENT_KEY: event}, stacklevel=2
        )


def _bounded(name: str, value: object) -> int | float | str:
    if isinstance(value, int | float):
        return value
    return brief(str(value), FIELDS[name].most)
