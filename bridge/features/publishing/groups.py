"""The groups of a store: listed, read, declared, and the values that they hold of one entity."""

from typing import Any, NamedTuple

from bridge.columns import Type
from bridge.features.publishing.connection import Client, now_ms, store_errors
from bridge.features.publishing.options import check_features, check_group_name, check_timezone
from bridge.features.publishing.publishing_errors import PublicationRefused
from bridge.features.stores.group import (
    GROUPS_KEY,
    MOST_DAYS,
    NAME,
    FeatureBatch,
    Group,
    GroupKind,
    GroupNotReadable,
    meta_key,
    read_meta,
    row_prefix,
    write_meta,
)
from bridge.features.stores.packed_rows import row_format

__all__ = ["EntityValues", "GroupState", "declare", "find_group", "find_groups", "values_of"]

_DECLARE = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""


class GroupState(NamedTuple):
    """A group at one instant.

    Attributes:
        name: its name.
        group: what the store says of it; None if it can't be read, or nothing was published yet.
        problem: why it can't be read; empty if it can.
        now_ms: the store's time, in milliseconds since 1970.
    """

    name: str
    group: Group | None
    problem: str
    now_ms: int

    @property
    def age_s(self) -> float | None:
        """Seconds since the current batch was published; None if there is none."""
        batch = self.group.current if self.group is not None else None
        return None if batch is None else (self.now_ms - batch.published_ms) / 1000


def find_groups(client: Client) -> list[GroupState]:
    """Returns the groups that the store names, sorted by name.

    Raises:
        StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
    """
    with store_errors():
        names = sorted(name.decode(errors="replace") for name in client.smembers(GROUPS_KEY))
    return [_state(client, name) for name in names if NAME.fullmatch(name)]


def _state(client: Client, name: str) -> GroupState:
    key = meta_key(name)
    now = now_ms(client, key)
    with store_errors():
        raw = client.get(key)
    try:
        return GroupState(name, None if raw is None else read_meta(name, raw), "", now)
    except GroupNotReadable as error:
        return GroupState(name, None, str(error), now)


def find_group(client: Client, name: str) -> GroupState:
    """Returns a group of this name.

    Raises:
        PublicationRefused: the store has none.
        GroupNotReadable: what it holds of the group is not as docs/features.md says.
        StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
    """
    check_group_name(name)
    found = _state(client, name)
    if found.problem:
        raise GroupNotReadable(found.problem)
    if found.group is None:
        raise PublicationRefused(f"the store has no group '{name}': 'scorebridge features list' names its groups")
    return found


def declare(client: Client, group: Group, *, accept_schema: bool = False) -> None:
    """Describes a group that a stream writes; nothing changes if it is described so already.

    Args:
        client: the store.
        group: the group, whose features are all numbers.
        accept_schema: whether the features, the time zone or the days may differ from those that the group has.

    Raises:
        PublicationRefused: the group can't be described so, is published in batches or has other features or another
            time zone, or somebody else has changed it meanwhile.
        GroupNotReadable: what the store holds of the group is not as docs/features.md says.
        StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
    """
    _check_stream(group)
    name = group.name
    with store_errors():
        raw = client.get(meta_key(name)) or b""
    before = read_meta(name, raw) if raw else group
    if before.kind is GroupKind.BATCH:
        raise PublicationRefused(f"group '{name}' is published in batches: declare another group for the stream")
    if before != group and not accept_schema:
        raise PublicationRefused(
            f"group '{name}' has other features, days or another time zone; --accept-schema changes them"
        )
    with store_errors():
        client.sadd(GROUPS_KEY, name)
        if not client.eval(_DECLARE, 1, meta_key(name), raw, write_meta(group)):
            raise PublicationRefused(f"group '{name}' was changed by somebody else meanwhile: look, and try again")


def _check_stream(group: Group) -> None:
    check_group_name(group.name)
    check_timezone(group.timezone)
    check_features(group.streamed)
    if text := next((one.name for one in group.streamed if one.type is Type.STRING), None):
        raise PublicationRefused(f"feature '{text}' is a text: a stream counts up numbers")
    if not 1 <= group.keep_days <= MOST_DAYS:
        raise PublicationRefused(f"a stream's hashes are kept for 1 to {MOST_DAYS} days", limit=f"{MOST_DAYS} days")


class EntityValues(NamedTuple):
    """What a group holds of one entity.

    Attributes:
        place: the name of the batch, or of a stream's day.
        values: the value of each feature, None where it is missing; None if there is no row, or it can't be read.
        problem: why it can't be read; empty if it can, or there is none.
    """

    place: str
    values: dict[str, Any] | None
    problem: str = ""


def values_of(client: Client, state: GroupState, entity: str) -> list[EntityValues]:
    """Returns what a group holds of an entity: in its current and previous batch, or of a stream's group today.

    Args:
        client: the store.
        state: the group, which can be read.
        entity: the entity's key.

    Raises:
        StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
    """
    group = state.group
    assert group is not None  # noqa: S101 - for mypy: it can be read
    if group.kind is GroupKind.STREAM:
        return [_today(client, group, group.day(state.now_ms), entity)]
    batches = [batch for batch in (group.current, group.previous) if batch is not None]
    return [_in_batch(client, group.name, batch, entity) for batch in batches]


def _in_batch(client: Client, group: str, batch: FeatureBatch, entity: str) -> EntityValues:
    with store_errors():
        raw = client.get(row_prefix(group, batch.name) + entity.encode(errors="surrogateescape"))
    rows = row_format(batch.schema, batch.features).unpack([raw], batch.features)
    if not rows.found[0]:
        return EntityValues(batch.name, None, "not a row of the batch's schema" if rows.malformed[0] else "")
    values = {one.name: None if one.any_missing() else one.values.tolist()[0] for one in rows.columns}
    return EntityValues(batch.name, values)


def _today(client: Client, group: Group, day: str, entity: str) -> EntityValues:
    key = row_prefix(group.name, day, group.kind) + entity.encode(errors="surrogateescape")
    with store_errors():
        found = client.hmget(key, [one.name for one in group.streamed])
    if not any(one is not None for one in found):
        return EntityValues(day, None)
    texts = [None if one is None else one.decode(errors="replace") for one in found]
    return EntityValues(day, dict(zip([one.name for one in group.streamed], texts, strict=True)))
