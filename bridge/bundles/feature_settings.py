"""The lines of `[features]` in a `model.toml`."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from bridge.columns import INT_MAX, Type
from bridge.features.feature import Feature, UnknownLevelRule

__all__ = ["FeatureSettings", "Section"]

_MOST_LEVEL = {"int": INT_MAX, "int64": 2**63 - 1}


class Section(BaseModel):
    """A section of a model.toml: unknown keys are errors, and no value is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FeatureSettings(Section):
    """One line of `[features]`: `age = "double"` or `size = {type = "factor", levels = ["s", "l"], ordered = true}`.

    Numbers with levels are categories of an xgboost model; `levels = "codes"` says that callers send their codes. Where
    the model's file stores the levels, a line may give the rule for unknown ones alone.

    Attributes:
        type: the type; None only where the line gives no more than `unknown_level`. "int64" is for xgboost models.
        levels: the levels in the order of the training: texts of a factor, whole numbers of an int or int64 (of xgboost
            models), or "codes".
        ordered: whether the levels of a factor have a rank, which R uses in comparisons and contrasts.
        unknown_level: what happens to a value that is none of the levels; None for what the model's own key says.
    """

    type: Literal["double", "int", "int64", "bool", "string", "factor"] | None = None
    levels: list[str] | list[int] | Literal["codes"] = []
    ordered: bool = False
    unknown_level: UnknownLevelRule | None = None

    @model_validator(mode="before")
    @classmethod
    def _codes_are_whole_numbers(cls, line: Any) -> Any:
        return {"type": "int"} | line if isinstance(line, dict) and line.get("levels") == "codes" else line

    @model_validator(mode="after")
    def _type_and_levels_fit(self) -> Self:
        if self.type is None and (self.levels or self.unknown_level is None):
            raise ValueError("type is missing")
        if self.type == "factor" and not self.levels and self.unknown_level is None:
            raise ValueError("a factor needs levels")
        has_none = self.type in ("double", "bool", "string")
        if has_none and (self.levels or self.unknown_level):
            raise ValueError("only features of type factor, int or int64 can have levels or unknown_level")
        if self.ordered and self.type != "factor":
            raise ValueError("only a factor can be ordered")
        if self.levels == "codes":
            self._check_codes()
        else:
            self._check_levels(self.levels)
        return self

    def _check_codes(self) -> None:
        if self.type == "factor":
            raise ValueError("codes are whole numbers, so the type must be 'int'")
        if self.unknown_level is not None:
            raise ValueError(
                "with levels = 'codes' the levels are not known, so no level is unknown: drop unknown_level"
            )

    def _check_levels(self, levels: Sequence[str | int]) -> None:
        if not all(isinstance(level, str) == (self.type == "factor") for level in levels):
            raise ValueError("the levels of a factor must be texts, the levels of int and int64 whole numbers")
        most = _MOST_LEVEL.get(self.type or "")
        if most is not None and any(abs(int(level)) > most for level in levels):
            raise ValueError(f"a level is outside the range of {self.type}")
        if len(set(levels)) != len(levels):
            raise ValueError("a level is listed twice")

    def feature(self, name: str, rule: UnknownLevelRule) -> Feature:
        """Returns the feature that the line describes; `rule` is for unknown levels, where the line states none."""
        codes = self.levels == "codes"
        return Feature(
            name,
            self.type and Type(self.type),
            () if codes else tuple(str(level) for level in self.levels),
            ordered=self.ordered,
            by_codes=codes,
            unknown_level=self.unknown_level or rule,
        )
