"""The tables of events and fields in docs/own-log.md, made of the events in the code."""

import logging

from bridge import events, model_events
from bridge.own_log import FIELDS, Event

__all__ = ["all_events", "events_part", "fields_part"]


def all_events() -> list[Event]:
    """Returns every event, in the order of the table: those of the gateway first, then those of its models."""
    return [found for module in (events, model_events) for found in vars(module).values() if isinstance(found, Event)]


def events_part() -> str:
    """Returns the table of all events, for a page."""
    rows = [
        f"| `{one.name}` | {logging.getLevelName(one.level).lower()} | {_names(one)} | {one.means} | {one.do} |"
        for one in all_events()
    ]
    return "\n".join(["| event | level | fields | what happened | what to do |", "|---|---|---|---|---|", *rows])


def fields_part() -> str:
    """Returns the table of the fields that events have, for a page."""
    used = {name for one in all_events() for name in one.fields}
    rows = [
        f"| `{name}` | {found.kind}{f', at most {found.most} characters' if found.kind == 'text' else ''} "
        f"| {found.means} |"
        for name, found in sorted(FIELDS.items())
        if name in used
    ]
    return "\n".join(["| field | type | what it holds |", "|---|---|---|", *rows])


def _names(event: Event) -> str:
    names = [name for name in event.fields if name != "version"]
    listed = ["model", "version", *names] if "version" in event.fields else names
    return ", ".join(f"`{name}`" for name in listed)
