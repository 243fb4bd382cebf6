"""What classes of settings say of their own keys: meanings from docstrings, types and defaults in words."""

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from inspect import cleandoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

__all__ = ["attribute_texts", "default_words", "model_of", "spelled", "type_words"]

_SIMPLE = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
_ENTRY = re.compile(r"(\w+): (.*)")
_INDENT = "    "


def attribute_texts(kind: type) -> dict[str, str]:
    """Returns what the docstrings of a class and of those that it extends say of their attributes, by name.

    Args:
        kind: a class whose docstring has a section "Attributes:"; a class that it extends describes its own.
    """
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        found |= _section(cleandoc(owner.__dict__.get("__doc__") or ""))
    return found


def _section(text: str) -> dict[str, str]:
    """Returns the entries of the section "Attributes:", each on one line."""
    _, _, section = text.partition("\nAttributes:\n")
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if not line.startswith(_INDENT):
            break
        entry = _ENTRY.fullmatch(line.removeprefix(_INDENT))
        if entry is not None and not line.startswith(2 * _INDENT):
            name, found[entry[1]] = entry[1], entry[2]
        elif name:
            found[name] += f" {line.strip()}"
    return found


def model_of(annotation: Any) -> type[BaseModel] | None:
    """Returns the class of the sections that a key of this type holds, be it one or a table of them; None for others."""
    bare = _bare(annotation)
    if get_origin(bare) is dict:
        bare = _bare(get_args(bare)[1])
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None


def _bare(annotation: Any) -> Any:
    """Returns a type without what narrows it down, and without None."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        others = [one for one in get_args(annotation) if one is not NoneType]
        return _bare(others[0]) if len(others) == 1 else annotation
    return annotation


def type_words(field: FieldInfo) -> str:
    """Returns the type of a key in words, with the bounds of its value."""
    return _words(field.annotation, field.metadata)


def _words(annotation: Any, metadata: Any = ()) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(arguments[0], [one for part in arguments[1:] for one in getattr(part, "metadata", [part])])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_words(one, metadata) for one in arguments if one is not NoneType))
    if origin is Literal:
        return " or ".join(spelled(one) for one in arguments)
    if origin is list:
        return f"list of {_words(arguments[0])}"
    if origin is dict:
        return f"table of {_words(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return "reasons"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "sections"
    return f"{_SIMPLE[annotation]}{_bounds(metadata)}"


def _bounds(metadata: Any) -> str:
    said: Mapping[str, Any] = {
        name: getattr(one, name) for one in metadata for name in ("gt", "ge", "lt", "le") if hasattr(one, name)
    }
    low = next((f"{word} {said[name]}" for name, word in (("gt", "above"), ("ge", "from")) if name in said), "")
    high = next((f"{word} {said[name]}" for name, word in (("lt", "below"), ("le", "to")) if name in said), "")
    return f" {low} {high}".rstrip().replace("  ", " ") if low or high else ""


def default_words(field: FieldInfo) -> str:
    """Returns the default of a key in words: "required", "none", the value, or what the function says that makes it."""
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        first = (field.default_factory.__doc__ or "").partition(".\n")[0].partition("\n")[0]
        return first.removeprefix("Returns ").rstrip(".")
    return spelled(field.default)


def spelled(value: Any) -> str:
    """Returns a value as TOML writes it; "none" for None, and "empty" for an empty list, table or section.

    Args:
        value: of a setting: a text, number, truth value, path, list, table or section.
    """
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_defaults=True)
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, list | tuple | dict) and not value:
        return "empty"
    if isinstance(value, list | tuple):
        return f"[{', '.join(spelled(one) for one in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {spelled(one)}' for key, one in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)
