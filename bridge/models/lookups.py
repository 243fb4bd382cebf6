"""Makes the plan of a version's lookups from its model.toml, when the version is loaded."""

from collections.abc import Sequence
from typing import Protocol

from bridge.bundles.lookup_settings import LookupSettings
from bridge.bundles.settings import ModelSettings
from bridge.columns import Type
from bridge.errors import BundleError
from bridge.features.feature import Feature
from bridge.features.lookups.plan import Combination, Lookup, LookupPlan
from bridge.features.stores.store import Store
from bridge.models.acceptance import Accepted
from bridge.store_settings import StoreSettings

__all__ = ["StoreSource", "plan_lookups", "plan_of"]

_NUMBERS = (Type.DOUBLE, Type.FLOAT, Type.INT, Type.INT64, None)


class StoreSource(Protocol):
    """The stores of a gateway."""

    def find(self, name: str | None) -> tuple[Store, StoreSettings]:
        """Returns a store and its settings by its name; None stands for the only one.

        Raises:
            BundleError: there is no such store, or not only one.
        """


async def plan_of(accepted: Accepted, stores: StoreSource | None) -> LookupPlan | None:
    """Returns the plan of an accepted version's lookups, see `plan_lookups`; frees the model if there can be none.

    Raises:
        BundleError: a lookup names a store that the gateway lacks, or a feature that the model lacks.
    """
    try:
        return plan_lookups(accepted.bundle.settings, accepted.description.features, stores)
    except BundleError:
        await accepted.backend.close()
        raise


def plan_lookups(settings: ModelSettings, features: Sequence[Feature], stores: StoreSource | None) -> LookupPlan | None:
    """Returns the plan of a version's lookups; None if it has none, or where there are no stores at all.

    Args:
        settings: the settings of the version.
        features: the model's features.
        stores: the gateway's stores; None outside of gateways, where all features are in the rows.

    Raises:
        BundleError: a lookup names a store that the gateway lacks, or a feature that the model lacks.
    """
    if not settings.lookup or stores is None:
        return None
    known = {feature.name: feature for feature in features}
    for name, line in settings.lookup.items():
        for feature in line.features or ():
            if feature not in known:
                raise BundleError(f"model.toml: [lookup.{name}] gives '{feature}', which is no feature of the model")
    for feature, combined in settings.combine.items():
        if feature not in known:
            raise BundleError(f"model.toml: [combine] gives '{feature}', which is no feature of the model")
        if combined.function in ("sum", "min", "max") and known[feature].type not in _NUMBERS:
            raise BundleError(
                f"model.toml: [combine] {feature} is a {combined.function}, but the model takes no number"
            )
    lookups = [_lookup(name, line, stores) for name, line in settings.lookup.items()]
    combinations = [Combination(name, line.function, line.operands) for name, line in settings.combine.items()]
    return LookupPlan([feature.name for feature in features], lookups, combinations)


def _lookup(name: str, line: LookupSettings, stores: StoreSource) -> Lookup:
    try:
        store, limits = stores.find(line.store)
    except BundleError as error:
        raise BundleError(f"model.toml: [lookup.{name}]: {error}") from error
    return Lookup(
        name=name,
        group=line.group,
        key=line.key,
        store=store,
        limits=limits,
        features=None if line.features is None else tuple(line.features),
        steps=line.steps,
        fails=line.on_failure == "default",
        max_age_s=line.max_age_s,
        since=line.since,
    )
