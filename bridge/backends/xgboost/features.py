"""Finds out the features of a booster: from its file, completed by model.toml, which must not contradict the file."""

from bridge.backends.xgboost.categories import as_cut
from bridge.backends.xgboost.facts import CATEGORICAL, ModelFacts
from bridge.bundles.settings import ModelSettings
from bridge.columns import Type
from bridge.errors import BundleError
from bridge.features.feature import Feature

__all__ = ["features_of", "lacks_levels", "proposed_lines"]

_NUMBERS = (Type.DOUBLE, Type.INT, Type.INT64, Type.BOOL)
_MOST_PROPOSED = 50
_MOST_LEVELS_PROPOSED = 1_000  # nobody would type more


def features_of(facts: ModelFacts, settings: ModelSettings) -> tuple[Feature, ...]:
    """Returns the model's features in the booster's order; the column of base margins comes last.

    They are numbers, whole numbers with levels, or factors. A category whose levels neither the file nor model.toml
    states has no type: callers send its codes in a matrix.

    Raises:
        BundleError: model.toml contradicts the booster, or the categories in the file can't be trusted.
    """
    names = _names(facts, settings)
    declared = {feature.name: feature for feature in settings.declared_features()}
    margin = settings.xgboost.base_margin
    if margin in names:
        raise BundleError(f"model.toml: xgboost.base_margin names '{margin}', which is a feature of the booster")
    if unknown := next((name for name in declared if name not in names and name != margin), None):
        raise BundleError(f"model.toml: [features] names '{unknown}', which is no feature of the booster")
    features = tuple(
        _feature(facts, position, name, declared.get(name), settings) for position, name in enumerate(names)
    )
    if margin is None:
        return features
    if declared.get(margin, Feature(margin)).type not in (None, Type.DOUBLE):
        raise BundleError(f"model.toml: [features] must declare the base margin '{margin}' as double, or not at all")
    return (*features, Feature(margin, Type.DOUBLE))


def lacks_levels(facts: ModelFacts, features: tuple[Feature, ...]) -> frozenset[int]:
    """Returns the 0-based positions of categories without stated levels, whose codes callers send in a matrix."""
    return frozenset(
        position
        for position, kind in enumerate(facts.types)
        if kind == CATEGORICAL and not (features[position].levels or features[position].by_codes)
    )


def proposed_lines(facts: ModelFacts, features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """Returns lines that model.toml could hold for categories without stated levels, 50 at most.

    Their levels are the codes, which the author replaces by the values that they stand for.
    """
    return tuple(
        _proposed(features[position].name, facts.codes.get(str(position), 0))
        for position in sorted(lacks_levels(facts, features))[:_MOST_PROPOSED]
    )


def _proposed(name: str, count: int) -> Feature:
    if not 0 < count <= _MOST_LEVELS_PROPOSED:
        return Feature(name, Type.INT, by_codes=True)
    return Feature(name, Type.INT, tuple(map(str, range(count))))


def _names(facts: ModelFacts, settings: ModelSettings) -> list[str]:
    given = settings.xgboost.feature_names
    if given and facts.names and given != facts.names:
        raise BundleError("model.toml: xgboost.feature_names are not the names that the model file has")
    if given and len(given) != facts.features:
        raise BundleError(
            f"model.toml: xgboost.feature_names has {len(given)} names, the model takes {facts.features} features"
        )
    return facts.names or given or [f"f{position}" for position in range(facts.features)]


def _feature(facts: ModelFacts, position: int, name: str, line: Feature | None, settings: ModelSettings) -> Feature:
    if not facts.types or facts.types[position] != CATEGORICAL:
        if line is not None and (line.type not in _NUMBERS or line.levels or line.by_codes):
            raise _contradicts(name)
        return Feature(name, Type.DOUBLE)
    rule = settings.unknown_level if line is None else line.unknown_level
    if stored := facts.categories.get(str(position)):
        kind = Type.FACTOR if isinstance(stored[0], str) else Type.INT64
        feature = Feature(name, kind, tuple(map(str, stored)), unknown_level=rule)
        _check_repeats(feature, line)
        return feature
    cut = facts.cut_categories.get(str(position))
    if cut is not None and (line is None or line.type is not Type.FACTOR or as_cut(line.levels) != cut):
        raise _untrusted(facts, name, line)
    if line is None or not (line.levels or line.by_codes):
        if line is not None and line.type is Type.FACTOR:
            raise _contradicts(name)
        return Feature(name)
    _check_count(facts, position, line)
    return line


def _check_repeats(feature: Feature, line: Feature | None) -> None:
    """Refuses a line of `[features]` that contradicts the categories in the file; it may repeat them, or say less."""
    if line is None or line.type is None:
        return
    same_kind = (line.type is Type.FACTOR) == (feature.type is Type.FACTOR) and line.type in (*_NUMBERS, Type.FACTOR)
    if not same_kind or line.ordered or line.by_codes or (line.levels and line.levels != feature.levels):
        raise _contradicts(feature.name)


def _check_count(facts: ModelFacts, position: int, line: Feature) -> None:
    known = facts.codes.get(str(position), 0)
    if line.levels and len(line.levels) < known:
        raise BundleError(
            f"model.toml: [features] says {len(line.levels)} levels of '{line.name}', the model's trees know {known}: "
            "state all that it was trained with, in their order"
        )
    if line.ordered:
        raise _contradicts(line.name)


def _contradicts(name: str) -> BundleError:
    return BundleError(f"model.toml: [features] contradicts the model file in '{name}': correct the line or remove it")


def _untrusted(facts: ModelFacts, name: str, line: Feature | None) -> BundleError:
    what = f"xgboost {facts.saved_by} stored the categories of '{name}' cut, because they hold letters beyond ASCII"
    if line is not None and line.levels:
        return BundleError(f"{what}, and the levels in model.toml are not those: state all in their order")
    return BundleError(
        f"{what}: state the levels that it was trained with, in their order, in model.toml's [features] "
        f'(type = "factor", levels = [...]), or train it with xgboost 3.4 or newer'
    )
