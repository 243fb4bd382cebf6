"""Asks stores for what a call needs: which batch is read, whether it is fresh, what the entities have there."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from bridge.calls import now
from bridge.columns import Type
from bridge.errors import InvalidRequest
from bridge.features.lookups.fetching import Fetched, Question, Reading, fetch_batch, fetch_days
from bridge.features.lookups.freshness import days_since, fresh_age_s, is_fresh
from bridge.features.lookups.keys import EntityKeys
from bridge.features.lookups.plan import Lookup, Need, Needs
from bridge.features.stores.group import FeatureBatch, Group, GroupFeature, GroupKind, GroupNotReadable
from bridge.features.stores.store import Snapshot
from bridge.lookup_errors import FeaturesMissing, LookupFailed, StoreUnavailable
from bridge.values import value

__all__ = ["Answer", "ask"]

_TRIP = 1000  # entities of a round trip
_SHARE, _MOST_SHARE = 0.2, 0.5  # of the call's time: without a setting, and with one
_MOST_CELLS = 1 << 22  # of all rows of a call, by one lookup: 32 MiB of numbers
_MOST_CHARACTERS = 1 << 24  # of all texts of a call, by one lookup
_COUNTED = (Type.DOUBLE, Type.INT, Type.INT64, Type.BOOL)


@value
class Answer:
    """What a store answered for one lookup.

    Attributes:
        need: what was asked for.
        keys: the entities that were asked for.
        batch: the batch that was read, or the day; empty if none was.
        age_s: seconds since the batch was published; None of a stream.
        previous: the batch before it, if it may be used; else None.
        direct: the features that go to the model as they are.
        fetched: the features by the day of a stream, or under the name of the batch; empty if the lookup failed.
        current: the batch that was read; None of a stream.
        failure: why no row was looked up; None if rows were.
    """

    need: Need
    keys: EntityKeys
    batch: str = ""
    age_s: float | None = None
    previous: FeatureBatch | None = None
    direct: tuple[str, ...] = ()
    fetched: Mapping[str, Fetched] | None = None
    current: FeatureBatch | None = None
    failure: LookupFailed | None = None


async def ask(needs: Needs, keys: Mapping[str, EntityKeys], left_s: float) -> list[Answer]:
    """Asks the stores for all that a call needs, side by side, and returns an answer for each lookup in order.

    Args:
        needs: what the call needs.
        keys: the entity keys by the name of their column.
        left_s: the seconds that the call has left; a lookup may take a part of it.

    Raises:
        InvalidRequest: the call has more different keys than may be looked up at once.
    """
    begun, untils = now(), []
    for need in needs.lookups:
        entities = len(keys[need.lookup.key].entities)
        _check_size(need, entities)
        untils.append(begun + _limit_s(need, entities, left_s))
    snapshots = await _snapshots(needs, untils)
    asked = [
        _fetch(need, keys[need.lookup.key], snapshots, needs.open, until)
        for need, until in zip(needs.lookups, untils, strict=True)
    ]
    return [await asked[0]] if len(asked) == 1 else list(await asyncio.gather(*asked))


def _check_size(need: Need, entities: int) -> None:
    limits = need.lookup.limits
    if entities > limits.max_entities:
        raise InvalidRequest(
            f"column '{need.lookup.key}' has {entities} different keys; store '{need.lookup.store.name}' takes at most "
            f"{limits.max_entities} a call: send fewer rows a call, or raise max_entities",
            limit=f"{limits.max_entities} keys",
        )


def _limit_s(need: Need, entities: int, left_s: float) -> float:
    """Returns how long a lookup may take, in seconds."""
    trips = max(1, -(-entities // _TRIP)) + ("previous" in need.lookup.steps)
    limits = need.lookup.limits
    share = _SHARE if limits.timeout_s is None else _MOST_SHARE
    return max(0.0, min(limits.trip_s * trips, share * left_s))


async def _snapshots(needs: Needs, untils: Sequence[float]) -> dict[str, Snapshot | LookupFailed]:
    """Returns the group of each lookup as its store describes it, or why that is not known."""
    found: dict[str, Snapshot | LookupFailed] = {}
    lacking: list[tuple[Lookup, float]] = []
    for need, until in zip(needs.lookups, untils, strict=True):
        lookup = need.lookup
        if (known := lookup.store.snapshot(lookup.group)) is None:
            lacking.append((lookup, until))
        else:
            found[lookup.name] = known
    if lacking:
        seen = await asyncio.gather(*(_look(lookup, until) for lookup, until in lacking))
        found |= {lookup.name: one for (lookup, _), one in zip(lacking, seen, strict=True)}
    return found


async def _look(lookup: Lookup, until: float) -> Snapshot | LookupFailed:
    try:
        return await lookup.store.look(lookup.group, until)
    except StoreUnavailable as error:
        return error
    except GroupNotReadable as error:
        return FeaturesMissing(str(error))


async def _fetch(
    need: Need,
    keys: EntityKeys,
    snapshots: Mapping[str, Snapshot | LookupFailed],
    absent: tuple[str, ...],
    until: float,
) -> Answer:
    """Returns the answer for one lookup; a failure is in it."""
    try:
        group, now_ms = _group_of(need.lookup, snapshots[need.lookup.name])
        question = Question(need.lookup.store, group, keys.entities, until)
        if group.kind is GroupKind.STREAM:
            today, since = group.day(now_ms), need.lookup.since
            batches = None if since is None else _group_of(need.lookup, snapshots[since])[0]
            days = [today] if batches is None else days_since(batches, group, today)
            return await _ask_stream(need, keys, question, days, absent)
        return await _ask_batch(need, keys, question, now_ms, absent)
    except LookupFailed as error:
        return Answer(need, keys, failure=error)


def _group_of(lookup: Lookup, snapshot: Snapshot | LookupFailed) -> tuple[Group, int]:
    if isinstance(snapshot, LookupFailed):
        raise snapshot
    if snapshot.group is None:
        raise FeaturesMissing(f"store '{lookup.store.name}' has no group '{lookup.group}': publish it")
    return snapshot.group, snapshot.now_ms


async def _ask_batch(need: Need, keys: EntityKeys, question: Question, now_ms: int, absent: tuple[str, ...]) -> Answer:
    group, lookup = question.group, need.lookup
    current = group.current
    if current is None:
        raise FeaturesMissing(f"group '{group.name}' has no batch yet: publish one")
    age_s = fresh_age_s(group, current, now_ms, lookup.max_age_s)
    previous = group.previous if "previous" in lookup.steps else None
    if previous is not None and not is_fresh(previous, now_ms, lookup.max_age_s):
        previous = None
    reading = _reading(need, current, absent)
    _check_cells(need, keys.rows, len(reading.names))
    fetched = await fetch_batch(question, reading, previous)
    if reading.has_texts:
        _check_texts(need, keys, fetched)
    return Answer(need, keys, current.name, age_s, previous, reading.direct, {current.name: fetched}, current)


@lru_cache(maxsize=256)
def _reading(need: Need, current: FeatureBatch, absent: tuple[str, ...]) -> Reading:
    direct = _direct(need, current.by_name, absent)
    where = f"batch {current.name} of group '{need.lookup.group}'"
    return Reading(current, direct, _wanted((*direct, *need.operands), current.by_name, where))


def _wanted(names: Sequence[str], known: Mapping[str, GroupFeature], where: str) -> list[GroupFeature]:
    if unknown := [name for name in names if name not in known]:
        raise FeaturesMissing(f"{where} has no feature '{unknown[0]}'")
    return [known[name] for name in dict.fromkeys(names)]


def _check_cells(need: Need, rows: int, features: int) -> None:
    if rows * features > _MOST_CELLS:
        raise InvalidRequest(
            f"lookup '{need.lookup.name}' of {rows} rows x {features} features; at most {_MOST_CELLS} values are "
            "looked up for a call: send fewer rows a call",
            limit=f"{_MOST_CELLS} values",
        )


def _check_texts(need: Need, keys: EntityKeys, fetched: Fetched) -> None:
    """Checks how long texts are once each row has its own: one key may be in a million rows."""
    characters = 0
    for column in fetched.columns:
        if column.type is Type.STRING:
            lengths = np.fromiter(map(len, column.values), np.int64, len(column))
            characters += int((lengths if keys.places is None else lengths[keys.places[keys.places >= 0]]).sum())
    if characters > _MOST_CHARACTERS:
        raise InvalidRequest(
            f"lookup '{need.lookup.name}' gives texts of {characters} characters for the rows of the call; at most "
            f"{_MOST_CHARACTERS} are looked up for a call: send fewer rows a call",
            limit=f"{_MOST_CHARACTERS} characters",
        )


async def _ask_stream(
    need: Need, keys: EntityKeys, question: Question, days: Sequence[str], absent: tuple[str, ...]
) -> Answer:
    group = question.group
    known = {one.name: one for one in group.streamed}
    direct = _direct(need, known, absent)
    wanted = _wanted((*direct, *need.operands), known, f"the stream's group '{group.name}'")
    if other := [one.name for one in wanted if one.type not in _COUNTED]:
        raise FeaturesMissing(f"feature '{other[0]}' of the stream's group '{group.name}' is not a number")
    _check_cells(need, keys.rows * len(days), len(wanted))
    fetched = await fetch_days(question, days, wanted)
    return Answer(need, keys, days[-1] if days else "", direct=direct, fetched=fetched)


def _direct(need: Need, known: Mapping[str, GroupFeature], absent: Sequence[str]) -> tuple[str, ...]:
    """Returns the features that go to the model as they are: those that are named, or all that the group has."""
    return tuple(name for name in absent if name in known) if need.features is None else need.features
