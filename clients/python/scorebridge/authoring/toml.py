"""The text of a model.toml."""

import json
import re
from collections.abc import Mapping, Sequence

from scorebridge.authoring.declared import DeclaredFeature

__all__ = ["Scalar", "toml_text"]

Scalar = bool | int | float | str
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(settings: Mapping[str, Scalar | Mapping[str, Scalar]], features: Sequence[DeclaredFeature]) -> str:
    """Returns a model.toml with these settings, in their order, and the features under `[features]`.

    Args:
        settings: the keys and their values, of which numbers are finite.
        features: the lines of `[features]`; without one there is no such table.
    """
    lines = [f"{_key(name)} = {_value(value)}" for name, value in settings.items()]
    if features:
        lines += [*([""] if lines else []), "[features]", *(_line(feature) for feature in features)]
    return "".join(line + "\n" for line in lines)


def _line(feature: DeclaredFeature) -> str:
    if feature.type != "factor":
        return f"{_key(feature.name)} = {_text(feature.type)}"
    parts = ['type = "factor"', f"levels = [{', '.join(map(_text, feature.levels))}]"]
    parts += ["ordered = true"] if feature.ordered else []
    parts += [f"unknown_level = {_text(feature.unknown_level)}"] if feature.unknown_level else []
    return f"{_key(feature.name)} = {{{', '.join(parts)}}}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: Scalar | Mapping[str, Scalar]) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(name)} = {_value(one)}" for name, one in value.items()) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    # JSON's escapes are all of TOML's, but for the character that TOML alone refuses.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
