"""A line of `[features]`, as an author states it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scorebridge.authoring.conditions import BundleNotWritten

__all__ = ["DeclaredFeature", "stated_features"]

_TYPES = ("double", "int", "int64", "bool", "string", "factor")
_RULES = ("refuse", "missing", "default")
_KEYS = {"type", "levels", "ordered", "unknown_level"}


@dataclass(frozen=True)
class DeclaredFeature:
    """The declared type of a feature.

    Attributes:
        name: the name of the feature.
        type: "double", "int", "int64", "bool", "string" or "factor".
        levels: the levels of a factor, in their order; empty for other types.
        ordered: whether the levels of a factor have a rank.
        unknown_level: what a value gets that is none of the levels; empty for what the model's own key says.
    """

    name: str
    type: str
    levels: tuple[str, ...] = ()
    ordered: bool = False
    unknown_level: str = ""


def stated_features(said: Mapping[str, Any] | None) -> dict[str, DeclaredFeature]:
    """Returns the features that an author states, by name.

    Args:
        said: for each name a type, or a dict with "type" and, of a factor, "levels", "ordered" and "unknown_level".

    Raises:
        BundleNotWritten: a name or a line is not as model.toml takes it.
    """
    if said is None:
        return {}
    if not isinstance(said, Mapping) or not all(isinstance(name, str) and name for name in said):
        raise BundleNotWritten("features must be a dict with a type for each name, such as {'age': 'double'}")
    return {name: _stated(name, line) for name, line in said.items()}


def _stated(name: str, line: Any) -> DeclaredFeature:
    parts: Any = {"type": line} if isinstance(line, str) else line
    if not isinstance(parts, Mapping) or not _fits(parts):
        raise BundleNotWritten(
            f"features['{name}'] must be double, int, int64, bool, string, or "
            "{'type': 'factor', 'levels': [...]}, which may have 'ordered': True and an 'unknown_level'"
        )
    return DeclaredFeature(
        name,
        parts["type"],
        tuple(parts.get("levels", ())),
        ordered=parts.get("ordered", False),
        unknown_level=parts.get("unknown_level", ""),
    )


def _fits(parts: Mapping[str, Any]) -> bool:
    """Whether a line has the keys that its type may have, and each with a value that it can have."""
    if not set(parts) <= _KEYS or parts.get("type") not in _TYPES:
        return False
    if parts["type"] != "factor":
        return set(parts) == {"type"}
    levels = parts.get("levels")
    return (
        isinstance(levels, Sequence)
        and not isinstance(levels, str)
        and bool(levels)
        and all(isinstance(level, str) for level in levels)
        and len(set(levels)) == len(levels)
        and isinstance(parts.get("ordered", False), bool)
        and parts.get("unknown_level", "refuse") in _RULES
    )
