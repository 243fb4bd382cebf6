"""The tables of events and fields in docs/own-log.md, made of the events in the code.

`python -m bridge.gateway.event_table docs/own-log.md` writes them into the page anew.
"""

import logging
import re
import sys
from pathlib import Path

from bridge import events, model_events
from bridge.own_log import FIELDS, Event

__all__ = ["all_events", "page_with_tables"]

_EVENTS, _FIELDS = "events", "fields"


def all_events() -> list[Event]:
    """Returns every event, in the order of the table: those of the gateway first, then those of its models."""
    return [found for module in (events, model_events) for found in vars(module).values() if isinstance(found, Event)]


def page_with_tables(page: str) -> str:
    """Returns a page with its tables between `<!-- events -->` and `<!-- fields -->` and their ends made anew."""
    rows = [
        f"| `{one.name}` | {logging.getLevelName(one.level).lower()} | {_names(one)} | {one.means} | {one.do} |"
        for one in all_events()
    ]
    table = ["| event | level | fields | what happened | what to do |", "|---|---|---|---|---|", *rows]
    used = {name for one in all_events() for name in one.fields}
    meanings = [
        f"| `{name}` | {found.kind}{f', at most {found.most} characters' if found.kind == 'text' else ''} "
        f"| {found.means} |"
        for name, found in sorted(FIELDS.items())
        if name in used
    ]
    fields = ["| field | type | what it holds |", "|---|---|---|", *meanings]
    return _between(_between(page, _EVENTS, table), _FIELDS, fields)


def _names(event: Event) -> str:
    names = [name for name in event.fields if name != "version"]
    listed = ["model", "version", *names] if "version" in event.fields else names
    return ", ".join(f"`{name}`" for name in listed)


def _between(page: str, name: str, lines: list[str]) -> str:
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    table = "".join(f"{line}\n" for line in lines)
    return marked.sub(lambda found: found.group(1) + table + found.group(2), page)


def _write_anew(path: Path) -> None:
    path.write_text(page_with_tables(path.read_text()))


if __name__ == "__main__":
    _write_anew(Path(sys.argv[1]))
