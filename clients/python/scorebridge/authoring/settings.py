"""Checks an author's settings as a gateway will check them, while the author can still mend them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scorebridge.authoring.conditions import BundleNotWritten
from scorebridge.authoring.toml import Scalar
from scorebridge.runner.vectors import Vector

__all__ = ["Settings", "check_defaults", "check_settings"]

_LIMITS = {"int": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


@dataclass(frozen=True)
class Settings:
    """What an author says of a model, beside its features; None for what is left to the gateway.

    Attributes:
        input: "columns" if the function takes an array for each feature, "frame" if it takes one frame.
        row_wise: whether no row's score depends on the others.
        row_by_row: whether each row is scored by a call of the function of its own.
        default_score: a value for all outputs, or one for each output by name.
        timeout_s: the time for a call that has no deadline of its own, in seconds.
        python: the name of the interpreter in the gateway's settings.
        timezone: the time zone in which the function runs.
    """

    input: str = "columns"
    row_wise: bool | None = None
    row_by_row: bool = False
    default_score: Any = None
    timeout_s: float | None = None
    python: str | None = None
    timezone: str | None = None

    def lines(self) -> dict[str, Scalar | Mapping[str, Scalar]]:
        """Returns the keys of model.toml and their values; what a gateway takes without a key has none."""
        said = {
            "backend": "python",
            "python": self.python,
            "input": None if self.input == "columns" else self.input,
            "row_wise": self.row_wise,
            "row_by_row": self.row_by_row or None,
            "timeout_s": self.timeout_s,
            "default_score": self.default_score,
            "timezone": self.timezone,
        }
        return {name: value for name, value in said.items() if value is not None}


def check_settings(settings: Settings) -> None:
    """Refuses settings that no gateway takes, whatever the model's outputs are.

    Raises:
        BundleNotWritten: a setting has a value that it can't have.
    """
    if settings.input not in ("columns", "frame"):
        raise BundleNotWritten("input must be 'columns' or 'frame'")
    if settings.row_wise is not None and not isinstance(settings.row_wise, bool):
        raise BundleNotWritten("row_wise must be True or False")
    if not isinstance(settings.row_by_row, bool):
        raise BundleNotWritten("row_by_row must be True or False")
    if settings.row_by_row and settings.row_wise is False:
        raise BundleNotWritten("row_by_row makes every row independent of the others: leave row_wise out")
    timeout_s = settings.timeout_s
    if timeout_s is not None and not (_is_number(timeout_s) and math.isfinite(timeout_s) and timeout_s > 0):
        raise BundleNotWritten("timeout_s must be a number of seconds above 0")
    if settings.python is not None and not (isinstance(settings.python, str) and settings.python):
        raise BundleNotWritten("python must be the name of an interpreter in [pythons] of the gateway's settings")
    _check_default_form(settings.default_score)


def _check_default_form(default: Any) -> None:
    values = list(default.values()) if isinstance(default, Mapping) else [0 if default is None else default]
    named = not isinstance(default, Mapping) or all(isinstance(name, str) and name for name in default)
    if not values or not named or not all(_is_scalar(value) for value in values):
        raise BundleNotWritten(
            "default_score must be one finite number, truth value or text, or a dict with one for each output"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_scalar(value: Any) -> bool:
    if type(value) not in (bool, int, float, str):
        return False
    limits = _LIMITS["int64"]
    return limits[0] <= value <= limits[1] if type(value) is int else type(value) is not float or math.isfinite(value)


def check_defaults(default: Any, outputs: Sequence[Vector]) -> None:
    """Refuses default scores that do not fit the model's outputs in name or type.

    Args:
        default: as `write_bundle` is given it.
        outputs: the scores of the golden rows.

    Raises:
        BundleNotWritten: an output has no default, or one of another type, or a default has no output.
    """
    if default is None:
        return
    names = [output.name for output in outputs]
    defaults = dict(default) if isinstance(default, Mapping) else dict.fromkeys(names, default)
    if strangers := [name for name in defaults if name not in names]:
        raise BundleNotWritten(f"default_score names '{strangers[0]}', which is not an output of the model")
    if absent := [name for name in names if name not in defaults]:
        raise BundleNotWritten(f"default_score has no value for the output '{absent[0]}'")
    for output in outputs:
        if wanted := _wanted(defaults[output.name], output.type):
            raise BundleNotWritten(f"default_score for the output '{output.name}' must be {wanted}")


def _wanted(value: Any, kind: str) -> str:
    """Returns what the default score of an output of a type has to be, in words; empty if it fits."""
    if kind in _LIMITS:
        low, high = _LIMITS[kind]
        return "" if _is_number(value) and value == int(value) and low <= value <= high else "a whole number"
    if kind == "bool":
        return "" if isinstance(value, bool) else "True or False"
    if kind == "string":
        return "" if isinstance(value, str) else "text"
    return "" if _is_number(value) else "a number"
