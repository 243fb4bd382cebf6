"""What classes of settings say of their own keys: meanings from docstrings, types and defaults in words."""

import inspect
import json
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

__all__ = ["Key", "NotDescribed", "default_words", "keys_of", "model_of", "spelled", "summary_of", "type_words"]

_SIMPLE = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
_COLLECTIONS = {list: "list", dict: "table"}
_SCALARS = {bool, int, float, str}
_ENTRY = re.compile(r"(\w+): (.*)")
_INDENT = "    "


class NotDescribed(LookupError):
    """The docstring of a class says nothing of one of its keys, or the class has no docstring."""


class Key(NamedTuple):
    """One key of a class of settings.

    Attributes:
        name: the key.
        kind: the type in words, with the bounds of its value.
        default: the default in words.
        meaning: what its class says of it.
        sections: the class of the sections that it holds, be it one or a table of them; None if it holds none.
    """

    name: str
    kind: str
    default: str
    meaning: str
    sections: type[BaseModel] | None


def keys_of(kind: type[BaseModel]) -> list[Key]:
    """Returns the keys of a class of settings, its own first; their meanings are those of its docstring.

    Args:
        kind: a class whose docstring has a section "Attributes:"; a class that it extends describes its own.

    Raises:
        NotDescribed: a key is not in the docstring.
    """
    texts: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        texts |= _section(inspect.cleandoc(owner.__dict__.get("__doc__") or ""))
    if absent := [name for name in kind.model_fields if name not in texts]:
        raise NotDescribed(f"the docstring of {kind.__name__} has no line for {absent[0]} under 'Attributes:'")
    own = inspect.get_annotations(kind)
    return [
        Key(name, type_words(field), default_words(field), texts[name], model_of(field.annotation))
        for name, field in sorted(kind.model_fields.items(), key=lambda item: item[0] not in own)
    ]


def summary_of(kind: type) -> str:
    """Returns the first paragraph of a class's own docstring, on one line.

    Raises:
        NotDescribed: it has none.
    """
    text = inspect.cleandoc(kind.__dict__.get("__doc__") or "").partition("\n\n")[0]
    if not text:
        raise NotDescribed(f"{kind.__name__} has no docstring")
    return " ".join(text.split())


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
    """Returns the class of the sections that a key of this type holds, one or a table of them; None for others."""
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
        others = [one for one in arguments if one is not NoneType]
        words = ["value"] if set(others) >= _SCALARS else []
        words += [_words(one, metadata) for one in others if not words or one not in _SCALARS]
        return " or ".join(dict.fromkeys(words))
    if origin is Literal:
        return " or ".join(spelled(one) for one in arguments)
    if origin in (list, dict):
        return f"{_COLLECTIONS[origin]} ({_words(arguments[-1])})"
    return _simple_words(annotation, metadata)


def _simple_words(kind: type, metadata: Any) -> str:
    if issubclass(kind, StrEnum):
        return "reason"
    if issubclass(kind, BaseModel):
        return "section"
    return f"{_SIMPLE[kind]}{_bounds(metadata)}"


def _bounds(metadata: Any) -> str:
    said: Mapping[str, Any] = {
        name: getattr(one, name) for one in metadata for name in ("gt", "ge", "lt", "le") if hasattr(one, name)
    }
    words = (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most"))
    return "".join(f", {word} {said[name]}" for name, word in words if name in said)


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
