"""Which installed distributions the modules of this process come from."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["imported_distributions"]

_MOST = 500


def imported_distributions(before: set[str]) -> list[str]:
    """Returns "name version" of each distribution of which a module was imported, sorted; numpy always.

    Args:
        before: the names of the modules that were imported before the bundle was loaded.
    """
    used = {name.partition(".")[0] for name in set(sys.modules) - before} | {"numpy"}
    found: dict[str, str] = {}
    for one in distributions():
        with suppress(Exception):  # what a broken installation left behind has neither a name nor a version
            if used & set(_top_level(one)) and one.metadata["Name"]:
                found.setdefault(one.metadata["Name"], one.version)
    return [f"{name} {version}" for name, version in sorted(found.items(), key=lambda item: item[0].lower())][:_MOST]


def _top_level(one: Any) -> Iterator[str]:
    """Yields the names of a distribution's own top-level modules and packages."""
    text = one.read_text("top_level.txt")
    if text:
        yield from text.split()
        return
    for file in one.files or []:
        first, module = file.parts[0], len(file.parts) > 1 or file.suffix == ".py"
        if module and not first.endswith((".dist-info", ".egg-info")):
            yield first.partition(".")[0]
