"""The lookups of one version of a model, and which of them a call needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from bridge.features.stores.store import Store
from bridge.store_settings import StoreSettings

__all__ = ["Combination", "Lookup", "LookupPlan", "Need", "Needs"]


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """One lookup of a model, as its settings state it.

    Attributes:
        name: its name in the model's settings.
        group: the feature group.
        key: the column of the request that holds the keys.
        store: the store that holds the group.
        limits: the store's settings, which say what a lookup may cost.
        features: the features to take; None for all of the group that the model takes.
        steps: what a row gets whose key is not in the current batch: "previous", "missing", "default".
        fails: whether all rows fail if the lookup does; else they have missing values.
        max_age_s: the most seconds since a batch was published; None for any age.
        since: of a stream's group, the lookup whose batch says which days count; None for today alone.
    """

    name: str
    group: str
    key: str
    store: Store
    limits: StoreSettings
    features: tuple[str, ...] | None
    steps: tuple[str, ...]
    fails: bool
    max_age_s: float | None
    since: str | None


@dataclass(frozen=True, slots=True)
class Combination:
    """A feature that is combined from others.

    Attributes:
        feature: its name.
        function: "sum", "min", "max", "first_known" or "last".
        operands: the names of lookups, each with the name of a feature of its group.
    """

    feature: str
    function: str
    operands: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Need:
    """What a call needs of one lookup.

    Attributes:
        lookup: the lookup.
        features: the features that go to the model as they are; None for all of the group among `Needs.open`.
        operands: the features that are operands of combinations.
    """

    lookup: Lookup
    features: tuple[str, ...] | None
    operands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a call needs of all lookups.

    Attributes:
        lookups: the lookups that it needs, in the order of the model's settings.
        combinations: the combined features that it needs.
        open: the model's features that the caller did not send and that no lookup names.
        columns: the most columns that the lookups give, a stream's for one day.
    """

    lookups: tuple[Need, ...]
    combinations: tuple[Combination, ...]
    open: tuple[str, ...]
    columns: int


class LookupPlan:
    """The lookups of one version.

    Args:
        features: the names of the model's features.
        lookups: its lookups.
        combinations: its combined features.

    Attributes:
        keys: the columns that hold keys.
    """

    def __init__(self, features: Sequence[str], lookups: Sequence[Lookup], combinations: Sequence[Combination]) -> None:
        self._features = tuple(features)
        self._lookups = tuple(lookups)
        self._combinations = tuple(combinations)
        self.keys = frozenset(lookup.key for lookup in lookups)
        self._only_keys = self.keys.difference(features)
        # Callers send the same columns again and again.
        self.needs = lru_cache(maxsize=64)(self._needs)

    def only_keys(self, names: Sequence[str]) -> tuple[int, ...]:
        """Returns the places of those of a caller's columns that are keys and not features of the model."""
        return tuple(place for place, name in enumerate(names) if name in self._only_keys)

    def _needs(self, sent: frozenset[str]) -> Needs:
        """Returns what a call with columns of these names needs; a column that the caller sends is not looked up."""
        absent = [name for name in self._features if name not in sent]
        combinations = tuple(one for one in self._combinations if one.feature in absent)
        named = {feature for lookup in self._lookups for feature in lookup.features or ()}
        combined = {one.feature for one in self._combinations}
        left = tuple(name for name in absent if name not in named and name not in combined)
        needs = []
        for lookup in self._lookups:
            operands = tuple(
                dict.fromkeys(feature for one in combinations for name, feature in one.operands if name == lookup.name)
            )
            features: tuple[str, ...] | None
            if lookup.since is not None:
                features = ()  # the days of a stream are values only once they are combined
            elif lookup.features is None:
                features = None if left else ()
            else:
                features = tuple(name for name in lookup.features if name in absent)
            if operands or features is None or features:
                needs.append(Need(lookup, features, operands))
        named_columns = sum(len(need.features or ()) + len(need.operands) for need in needs)
        return Needs(tuple(needs), combinations, left, len(left) + named_columns + len(combinations))
