"""What the commands of `scorebridge features` print with --json, and how they spell times; docs/features.md has it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.features.publishing.file_publishing import Published
    from bridge.features.publishing.groups import EntityValues, GroupState
    from bridge.features.publishing.verification import BatchCheck
    from bridge.features.stores.group import FeatureBatch, GroupFeature

__all__ = ["age_text", "check_listing", "group_listing", "published_listing", "values_listing"]

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))


def age_text(seconds: float) -> str:
    """Returns a length of time for people, such as "7 h"."""
    for length, unit in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def published_listing(done: "Published") -> dict[str, Any]:
    """Returns what a publication did."""
    return {
        "group": done.group,
        "batch": done.batch.name,
        "schema": done.batch.schema,
        "entities": done.batch.entities,
        "previous": done.previous or None,
        "seconds": done.seconds,
        "bytes_an_entity": done.bytes_an_entity,
        "already": done.already,
    }


def group_listing(state: "GroupState") -> dict[str, Any]:
    """Returns what a store says of a group."""
    group = state.group
    if group is None:
        return {"group": state.name, "problem": state.problem or "nothing was published yet"}
    return {
        "group": state.name,
        "kind": str(group.kind),
        "timezone": group.timezone,
        "age_s": state.age_s,
        "current": _batch(group.current),
        "previous": _batch(group.previous),
        "features": _features(group.features),
    }


def _batch(batch: "FeatureBatch | None") -> dict[str, Any] | None:
    if batch is None:
        return None
    return {
        "batch": batch.name,
        "schema": batch.schema,
        "entities": batch.entities,
        "published_ms": batch.published_ms,
        "ttl_s": batch.ttl_s,
        "features": _features(batch.features),
    }


def _features(features: "tuple[GroupFeature, ...]") -> dict[str, str]:
    return {one.name: str(one.type) for one in features}


def values_listing(found: "list[EntityValues]") -> list[dict[str, Any]]:
    """Returns what a group holds of an entity."""
    return [{"batch": one.place, "values": one.values, "problem": one.problem or None} for one in found]


def check_listing(checks: "list[BatchCheck]") -> dict[str, Any]:
    """Returns what was found wrong with a group's rows."""
    batches = []
    for one in checks:
        found = one._asdict()
        batches.append({"batch": found.pop("place") or None, "ok": one.ok} | found)
    return {"ok": all(one.ok for one in checks), "batches": batches}
