"""Writes what is known about versions as messages of scorebridge.v1."""

from collections.abc import Sequence
from datetime import datetime

from scorebridge.v1 import scoring_pb2 as pb

from bridge.backends import BoosterFacts
from bridge.bundles.settings import ModelSettings
from bridge.callers.caller import Caller
from bridge.calls import DefaultScore
from bridge.columns import Type
from bridge.errors import ModelNotFound
from bridge.features.feature import Feature
from bridge.models.registry import Registry
from bridge.models.version import Version

__all__ = ["describe_model", "format_instant", "list_models", "write_detail", "write_version"]


def format_instant(at: datetime) -> str:
    """Returns an instant, which must be in UTC, as text to the second, such as 2026-03-01T12:03:05Z."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def list_models(registry: Registry, by: Caller) -> pb.ListModelsResponse:
    """Returns every version of every model that a caller may ask for, in short."""
    found = [version for version in registry.versions() if by.may_ask(version.stored.model)]
    return pb.ListModelsResponse(
        versions=[write_version(version, serving=_serves(registry, version)) for version in found]
    )


def describe_model(registry: Registry, by: Caller, model: str, number: int = 0) -> pb.GetModelResponse:
    """Returns all facts of a model's versions, or of one version.

    Args:
        registry: the gateway's versions.
        by: who asks.
        model: the model's name.
        number: the number of the version; 0 for all versions.

    Raises:
        PermissionDenied: the caller may not ask for this model.
        ModelNotFound: there is no such model or version.
    """
    by.require(model)
    found = [version for version in registry.versions(model) if number in (0, version.stored.version)]
    if not found:
        which = f"version {number} of '{model}'" if number else f"model '{model}'"
        raise ModelNotFound(f"this gateway has no {which}")
    return pb.GetModelResponse(
        versions=[write_detail(version, serving=_serves(registry, version)) for version in found]
    )


def write_version(version: Version, *, serving: bool) -> pb.ModelVersion:
    """Returns the short message about a version, which ListModels answers; `serving`: whether the version serves."""
    message = pb.ModelVersion(
        model=version.stored.model,
        version=version.stored.version,
        state=f"VERSION_STATE_{version.state}",
        state_reason=version.reason,
        backend=version.bundle.backend if version.bundle else "",
        digest=version.ref.digest,
        serving=serving,
        never_scored=version.never_scored,
    )
    if version.retry_at is not None:
        message.retry_at.FromDatetime(version.retry_at)
    return message


def write_detail(version: Version, *, serving: bool) -> pb.ModelDetail:
    """Returns the full message about a version, which GetModel answers; `serving`: whether the version serves."""
    detail = pb.ModelDetail(
        version=write_version(version, serving=serving),
        default_scores=[_default(default) for default in version.defaults if default.value is not None],
        lookups=[] if version.lookups is None else _lookups(version.settings),
    )
    detail.timeout.FromMicroseconds(round(version.settings.timeout_s * 1e6))
    if version.accepted is not None:
        description = version.accepted.description
        detail.engine = description.engine
        detail.engine_reason = description.engine_reason
        features, lookups = description.features, version.lookups
        given = frozenset[str]() if lookups is None else _looked_up(version.settings, features)
        detail.features.extend(_feature(feature, given) for feature in features)
        detail.outputs.extend(
            pb.OutputColumn(name=output.name, type=_type(output.type), additional=output.additional)
            for output in description.outputs or ()
        )
        detail.row_wise = description.row_wise
        detail.row_wise_reason = description.row_wise_reason
        if description.booster is not None:
            detail.booster.CopyFrom(_booster(description.booster))
        detail.workers = version.accepted.backend.workload.workers
        detail.circuit = version.stack.circuit.state if version.stack else ""
    return detail


def _serves(registry: Registry, version: Version) -> bool:
    return registry.serving(version.stored.model) is version


def _lookups(settings: ModelSettings) -> list[pb.ModelLookup]:
    return [
        pb.ModelLookup(name=name, group=one.group, key=one.key, features=one.features or (), store=one.store or "")
        for name, one in settings.lookup.items()
    ]


def _looked_up(settings: ModelSettings, features: Sequence[Feature]) -> frozenset[str]:
    """Returns the features that may be looked up or combined, so that callers may send a key instead.

    Where a lookup names none, it gives whatever its group has, which only the store knows: that may be any of them.
    """
    if any(one.features is None and one.since is None for one in settings.lookup.values()):
        return frozenset(feature.name for feature in features)
    named = (one.features or () for one in settings.lookup.values())
    return frozenset(settings.combine).union(*named)


def _feature(feature: Feature, given: frozenset[str]) -> pb.Feature:
    return pb.Feature(
        name=feature.name,
        type=_type(feature.type),
        levels=feature.levels,
        required=feature.required and feature.name not in given,
        ordered=feature.ordered,
        unknown_level=feature.unknown_level if feature.levels else "",
    )


def _booster(facts: BoosterFacts) -> pb.BoosterDetail:
    return pb.BoosterDetail(
        booster=facts.booster,
        objective=facts.objective,
        rounds=facts.rounds,
        best_iteration=facts.best_iteration,
        saved_by=facts.saved_by,
        rounds_used=facts.rounds_used,
        base_margin=facts.base_margin,
    )


def _type(column_type: Type | None) -> str:
    return f"COLUMN_TYPE_{'UNSPECIFIED' if column_type is None else column_type.name}"


def _default(default: DefaultScore) -> pb.DefaultScore:
    message = pb.DefaultScore(output=default.output.name)
    if isinstance(default.value, bool):
        message.truth = default.value
    elif isinstance(default.value, str):
        message.text = default.value
    elif default.value is not None:
        message.number = default.value
    return message
