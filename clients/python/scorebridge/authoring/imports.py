"""The import by which a name comes to stand for a module, or for something that a module defines."""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from scorebridge.authoring.names import ModuleNames

__all__ = ["import_of"]


def import_of(name: str, value: Any, names: ModuleNames | None) -> set[str] | None:
    """Returns the lines that import a value under a name; None if it can't be imported.

    Args:
        name: the name.
        value: a module, or what may be an attribute of one.
        names: the names and attributes that the user of the name takes; a module's own modules that are among them are
            imported too.
    """
    if isinstance(value, ModuleType):
        return _of_module(name, value, names)
    for module, attribute in _places(name, value):
        # Not by getattr: a module may import, warn or raise when it is asked for what it does not have yet.
        if isinstance(found := sys.modules.get(module), ModuleType) and vars(found).get(attribute) is value:
            return {f"from {module} import {attribute}" + ("" if attribute == name else f" as {name}")}
    return None


def _of_module(name: str, module: ModuleType, names: ModuleNames | None) -> set[str] | None:
    full = module.__name__
    if full == "__main__" or sys.modules.get(full) is not module:
        return None
    if full != name:
        return {f"import {full} as {name}"}
    lines = {f"import {full}"}
    for chain in names.chains if names else ():
        inner = full
        if chain[0] != name:
            continue
        for part in chain[1:]:
            # Else another module of the session has imported it, and nothing of Pred.py does.
            if f"{inner}.{part}" not in sys.modules or sys.modules[f"{inner}.{part}"].__name__ != f"{inner}.{part}":
                break
            inner = f"{inner}.{part}"
            lines.add(f"import {inner}")
    return lines


def _places(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yields modules and attributes that may be the value, public packages before their own modules."""
    own, attribute = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if attribute is None:
        own, attribute = own or type(value).__module__, getattr(value, "__name__", name)
    if not isinstance(own, str) or not isinstance(attribute, str) or not attribute.isidentifier():
        own, attribute = type(value).__module__, name
    parts = own.split(".")
    for count in range(1, len(parts) + 1):
        if parts[0] not in ("__main__", "builtins"):
            yield ".".join(parts[:count]), attribute
    if parts[0].startswith("_") and parts[0] != "__main__":
        yield parts[0].strip("_"), attribute
    # What has no name of its own, such as a ufunc of numpy, is looked for where its class is defined.
    yield type(value).__module__.partition(".")[0], attribute
