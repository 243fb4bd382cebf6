"""Which installed distributions the modules of this process come from."""

from __future__ import annotations

import sys
from importlib.metadata import distributions

__all__ = ["imported_distributions"]

_MOST = 40


def imported_distributions(before: set[str]) -> list[str]:
    """Returns "name version" of each distribution of which a module was imported, sorted; numpy always.

    Args:
        before: the names of the modules that were imported before the bundle was loaded.
    """
    used = {name.partition(".")[0] for name in set(sys.modules) - before} | {"numpy"}
    found = {}
    for one in distributions():
        name = one.metadata["Name"]
        if name and name not in found and used & _top_level(one):
            found[name] = one.version
    return [f"{name} {version}" for name, version in sorted(found.items(), key=lambda item: item[0].lower())][:_MOST]


def _top_level(one: object) -> set[str]:
    """Returns the names of a distribution's own top-level modules and packages."""
    text = one.read_text("top_level.txt")  # type: ignore[attr-defined] # importlib.metadata has no public name for it
    if text:
        return set(text.split())
    files = one.files or []  # type: ignore[attr-defined] # likewise
    names = {file.parts[0] for file in files if len(file.parts) > 1 or file.suffix == ".py"}
    return {name.partition(".")[0] for name in names if not name.endswith((".dist-info", ".egg-info"))}
