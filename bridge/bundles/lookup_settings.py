"""Sections `[lookup.NAME]` and `[combine]` of a `model.toml`: features that are looked up by keys that callers send."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from bridge.bundles.feature_settings import Section
from bridge.features.stores.group import NAME

__all__ = ["CombineFunction", "CombineSettings", "LookupSettings", "Operand", "check_lookups"]

CombineFunction = Literal["sum", "min", "max", "first_known", "last"]
Operand = tuple[str, str]  # the name of a lookup, and a feature of its group
_MOST_LOOKUPS = 16
_MOST_OPERANDS = 16
_SHORT_FORMS = {"previous": ("previous", "missing"), "missing": ("missing",), "default": ("previous", "default")}
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class LookupSettings(Section):
    """Section `[lookup.NAME]`: features of one group, by one key.

    Attributes:
        group: the feature group.
        key: the column of the request that holds the keys.
        store: the name of the gateway's store; None for the only one that it has.
        features: the features to take; None for all of the group that the model takes. A feature that two groups have
            must be named in one lookup.
        on_missing: what a row gets whose key is not in the current batch, step by step: "previous" looks into the batch
            before it, "missing" gives missing values, "default" fails the row, which then gets its default score. As
            one word, "previous" stands for ["previous", "missing"], and "default" for ["previous", "default"].
        on_failure: what all rows get if the store does not answer, the group has no batch, or the batch is older than
            `max_age_s`: "default" fails them, so that they get their default scores; "missing" gives missing values,
            and thereby scores of the model for these.
        max_age_s: the most seconds since a batch was published, by the store's clock; None for any age.
        since: of a stream's group, the name of a lookup whose batch says which days count: all days behind the day that
            the batch is named after; None for today alone.
    """

    group: str
    key: str
    store: str | None = None
    features: Annotated[list[str], Field(min_length=1)] | None = None
    on_missing: Literal["previous", "missing", "default"] | list[Literal["previous", "missing", "default"]] = "previous"
    on_failure: Literal["default", "missing"] = "default"
    max_age_s: _Seconds | None = None
    since: str | None = None

    @field_validator("group")
    @classmethod
    def _group_has_a_name(cls, group: str) -> str:
        if NAME.fullmatch(group) is None:
            raise ValueError("a group is named by up to 64 letters, digits, points, hyphens and underscores")
        return group

    @model_validator(mode="after")
    def _steps_end(self) -> Self:
        if not self.key:
            raise ValueError("key names no column")
        if self.features is not None and len(set(self.features)) != len(self.features):
            raise ValueError("features has a name twice")
        steps = self.steps
        if not steps or steps[-1] == "previous" or len(steps) > len(set(steps)) or len(steps) > 2:  # noqa: PLR2004
            raise ValueError("on_missing must end with 'missing' or 'default', and only 'previous' may stand before it")
        if len(steps) == 2 and steps[0] != "previous":  # noqa: PLR2004
            raise ValueError("on_missing must end with 'missing' or 'default', and only 'previous' may stand before it")
        return self

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of `on_missing`, in full."""
        return _SHORT_FORMS[self.on_missing] if isinstance(self.on_missing, str) else tuple(self.on_missing)


class CombineSettings(Section):
    """One line of `[combine]`: `orders_30d = {sum = ["history.orders", "today.orders"]}`.

    An operand is the name of a lookup and a feature of its group. Exactly one of the functions is given; each leaves
    out operands that are missing.

    Attributes:
        sum: the operands to add up.
        min: the operands of which the smallest counts.
        max: the operands of which the largest counts.
        first_known: the operands of which the first that is not missing counts.
        last: the operands of which the last that is not missing counts.
    """

    sum: list[str] | None = None
    min: list[str] | None = None
    max: list[str] | None = None
    first_known: list[str] | None = None
    last: list[str] | None = None

    @model_validator(mode="after")
    def _is_one_function(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of sum, min, max, first_known and last")
        if not 0 < len(self.operands) <= _MOST_OPERANDS or len(set(self.operands)) != len(self.operands):
            raise ValueError(f"give 1 to {_MOST_OPERANDS} operands, none of them twice")
        if not all(lookup and feature for lookup, feature in self.operands):
            raise ValueError("an operand is LOOKUP.FEATURE, such as 'history.orders'")
        return self

    @property
    def function(self) -> CombineFunction:
        """The function that combines the operands."""
        names: tuple[CombineFunction, ...] = ("sum", "min", "max", "first_known", "last")
        return next(name for name in names if getattr(self, name) is not None)

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The operands, in their order."""
        found = (text.partition(".") for text in getattr(self, self.function))
        return tuple((lookup, feature) for lookup, _, feature in found)


def check_lookups(lookups: Mapping[str, LookupSettings], combined: Mapping[str, CombineSettings]) -> None:
    """Checks what one section says of another.

    Raises:
        ValueError: a name is used that no section has, or a feature comes from two places.
    """
    if len(lookups) > _MOST_LOOKUPS:
        raise ValueError(f"{len(lookups)} lookups; a model may have {_MOST_LOOKUPS}")
    given: dict[str, str] = {}
    for name, lookup in lookups.items():
        _check_lookup(name, lookup, lookups)
        for feature in lookup.features or ():
            if feature in combined:
                raise ValueError(f"feature '{feature}' is in lookup.{name} and in [combine]")
            if feature in given:
                raise ValueError(f"feature '{feature}' is in lookup.{given[feature]} and in lookup.{name}")
            given[feature] = name
    for feature, line in combined.items():
        names = {lookup_name for lookup_name, _ in line.operands}
        for lookup_name in sorted(names):
            if lookup_name not in lookups:
                raise ValueError(f"combine.{feature} names '{lookup_name}', which is no lookup")
            if (since := lookups[lookup_name].since) is not None and since not in names:
                raise ValueError(f"combine.{feature} adds days of '{lookup_name}' since '{since}', but not '{since}'")


def _check_lookup(name: str, lookup: LookupSettings, lookups: Mapping[str, LookupSettings]) -> None:
    if NAME.fullmatch(name) is None or "." in name:
        raise ValueError(f"lookup '{name}' must be named by letters, digits, hyphens and underscores")
    if lookup.since is None:
        return
    other = lookups.get(lookup.since)
    if other is None:
        raise ValueError(f"lookup.{name}: since names '{lookup.since}', which is no lookup")
    if lookup.since == name or other.since is not None:
        raise ValueError(f"lookup.{name}: since must name a lookup of a group that is published in batches")
    if lookup.features is not None:
        raise ValueError(f"lookup.{name}: with since its features are operands of [combine] alone: remove features")
    if other.key != lookup.key:
        raise ValueError(f"lookup.{name}: since names '{lookup.since}', which has another key")
