"""One publication of a batch: begun or resumed, written in parts, counted, and made current in one step."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import date, timedelta
from typing import Any

from bridge.features.publishing.batch_writer import BatchWriter
from bridge.features.publishing.connection import Client, now_ms, store_errors
from bridge.features.publishing.keys import lock_key, parts_key, rows_pattern, run_key
from bridge.features.publishing.options import PublicationOptions
from bridge.features.publishing.publishing_errors import PublicationLost, PublicationRefused
from bridge.features.publishing.rows import KeyCounter, remove, scan
from bridge.features.stores.group import (
    GROUPS_KEY,
    MOST_META_BYTES,
    FeatureBatch,
    Group,
    GroupFeature,
    GroupKind,
    meta_key,
    read_meta,
    write_meta,
)

__all__ = ["DROPPED", "Publication", "begin"]

_RESUMED_SHARE = 0.1  # of the rows' life: later on, finished parts would expire too early
DROPPED = '{"dropped":true}'  # a run in which nobody may write any more
_DISOWN = """
local said = redis.call('GET', KEYS[1])
if not said or string.find(said, ARGV[1], 1, true) == nil then return 0 end
if string.find(said, 'published_ms', 1, true) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
"""
_FLIP = """
local meta = redis.call('GET', KEYS[1]) or ''
if meta == ARGV[3] then return 'done' end
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 'lost' end
if meta ~= ARGV[2] then return 'changed' end
redis.call('SET', KEYS[1], ARGV[3])
redis.call('SET', KEYS[3], ARGV[4], 'EX', ARGV[5])
redis.call('DEL', KEYS[4])
return 'done'
"""


class Publication:
    """A publication that has begun; `begin` makes it.

    Attributes:
        writer: writes its rows.
        previous: the batch that is current until the flip; None if there is none.
        finished: the parts that an earlier attempt has written, each with the number of its rows.
        published: whether the batch is current already, by an earlier attempt with the same input.
    """

    def __init__(self, client: Client, options: PublicationOptions, seen: "_Seen", writer: BatchWriter) -> None:
        self.writer = writer
        self.previous = seen.group.current
        self.finished: dict[str, int] = {}
        self.published = False
        self._client, self._options, self._seen = client, options, seen

    def check_entities(self, entities: int) -> None:
        """Checks that a batch of so many entities may follow the current one.

        Raises:
            PublicationRefused: it has none, or far fewer than the current one.
        """
        if not entities:
            raise PublicationRefused(f"group '{self._options.group}': the input has no rows: nothing is published")
        if self.previous is None or entities >= self.previous.entities * self._options.min_share:
            return
        raise PublicationRefused(
            f"group '{self._options.group}': the input has {entities} entities, and batch '{self.previous.name}' has"
            f" {self.previous.entities}: fewer than {self._options.min_share:g} of them; if that is right, lower"
            " --min-share"
        )

    def verify(self, entities: int) -> None:
        """Counts the rows that are in the store.

        Raises:
            PublicationRefused: they are more or fewer than the entities; if fewer, the next attempt writes all again.
            StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
        """
        group, batch = self._options.group, self.writer.batch.name
        counter = KeyCounter()
        for keys in scan(self._client, rows_pattern(group, batch)):
            counter.add(keys)
        there = counter.different()
        if there == entities:
            return
        with store_errors():
            self._client.unlink(parts_key(group, batch))
        why = "the store has evicted some, or an entity is in two parts" if there < entities else "others wrote some"
        raise PublicationRefused(
            f"batch '{batch}' of group '{group}' has {there} rows in the store instead of {entities}: {why}; see"
            " maxmemory-policy, and publish again"
        )

    def flip(self, entities: int) -> FeatureBatch:
        """Makes the batch current, and the current one the previous one, in one step; returns the batch.

        Raises:
            PublicationLost: the lock is another publisher's, or the group was changed meanwhile.
            StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
        """
        seen, name = self._seen, self._options.group
        key, batch = meta_key(name), self.writer.batch
        batch = replace(batch, entities=entities, published_ms=now_ms(self._client, key))
        meta = write_meta(replace(seen.group, current=batch, previous=self.previous))
        run = _run_text(seen, self.writer.token, published_ms=batch.published_ms)
        keys = (key, lock_key(name), run_key(name, batch.name), parts_key(name, batch.name))
        with store_errors():
            self._client.sadd(GROUPS_KEY, name)
            said = self._client.eval(_FLIP, len(keys), *keys, self.writer.token, seen.raw, meta, run, batch.ttl_s)
        if said != b"done":
            what = "its lock is another publisher's" if said == b"lost" else "somebody has changed it meanwhile"
            raise PublicationLost(f"group '{name}': {what}: nothing was flipped; start again")
        return batch

    def abort(self) -> None:
        """Removes what was written of the batch, unless it is published or another publisher's by now.

        Raises:
            StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
        """
        group, batch = self._options.group, self.writer.batch.name
        with store_errors():
            if not self._client.eval(_DISOWN, 1, run_key(group, batch), self.writer.token, DROPPED):
                return
        remove(self._client, scan(self._client, rows_pattern(group, batch)))
        with store_errors():
            self._client.unlink(parts_key(group, batch), run_key(group, batch))


@dataclass(slots=True)
class _Seen:
    """What the store held when the publication began: the group, its description's bytes, and the batch's run."""

    group: Group
    raw: bytes
    run: dict[str, Any]


def begin(
    client: Client,
    token: str,
    options: PublicationOptions,
    features: Sequence[GroupFeature],
    fingerprint: str,
    *,
    replace_rest: bool = False,
) -> Publication:
    """Begins a publication, or resumes one that was killed; the group's lock must be held.

    Args:
        client: the store.
        token: the token of the lock.
        options: what is to be published.
        features: the features of the input.
        fingerprint: by which the same input is recognised.
        replace_rest: whether what another input has left of the batch is removed, instead of being refused.

    Raises:
        PublicationRefused: the batch is current or previous already, or was begun with another input; the schema or the
            time zone has changed; or the group is a stream's.
        GroupNotReadable: what the store holds of the group is not as docs/features.md says.
        StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
    """
    now = now_ms(client, meta_key(options.group))
    with store_errors():
        raw = client.get(meta_key(options.group)) or b""
    group = _checked(read_meta(options.group, raw) if raw else Group(options.group, GroupKind.BATCH), options)
    batch = _next_batch(group, options, tuple(features), now)
    mark = json.dumps([fingerprint, batch.schema, [list(astuple(one)) for one in batch.features], batch.ttl_s])
    seen = _Seen(group, raw, {"fingerprint": hashlib.sha256(mark.encode()).hexdigest(), "begun_ms": now})
    publication = Publication(client, options, seen, BatchWriter(options.group, batch, token))
    _settle_rest(client, publication, seen, now, replace_rest=replace_rest)
    return publication


def _checked(group: Group, options: PublicationOptions) -> Group:
    if group.kind is GroupKind.STREAM:
        raise PublicationRefused(f"group '{group.name}' is written by a stream: publish into another group")
    timezone = options.timezone or group.timezone
    if group.current is not None and timezone != group.timezone and not options.accept_schema:
        raise PublicationRefused(
            f"group '{group.name}' has the time zone {group.timezone}: leave out --timezone, or change it with"
            " --accept-schema"
        )
    return replace(group, timezone=timezone)


def _next_batch(
    group: Group, options: PublicationOptions, features: tuple[GroupFeature, ...], now: int
) -> FeatureBatch:
    name = options.batch or (date.fromisoformat(group.day(now)) - timedelta(days=1)).isoformat()
    current = group.current
    highest = max((one.schema for one in (current, group.previous) if one is not None), default=0)
    if current is None:
        schema = highest + 1
    elif set(features) == set(current.features):
        features, schema = current.features, current.schema
    elif options.accept_schema:
        schema = highest + 1
    else:
        raise PublicationRefused(f"group '{group.name}': {_difference(current, features)}; --accept-schema takes it so")
    batch = FeatureBatch(name, schema, features, 0, now, options.ttl_s)
    if len(write_meta(replace(group, current=batch, previous=current))) > MOST_META_BYTES:
        raise PublicationRefused(f"group '{group.name}' has too many features: their names need more than 1 MiB")
    read_meta(group.name, write_meta(replace(group, current=batch, previous=current)))
    return batch


def _difference(current: FeatureBatch, features: Sequence[GroupFeature]) -> str:
    before, now = ({one.name: str(one.type) for one in some} for some in (current.features, features))
    for name in [*before, *now]:
        if before.get(name) != now.get(name):
            had, has = before.get(name, "not there"), now.get(name, "not there")
            return f"feature '{name}' is {had} in batch '{current.name}' and {has} in the input"
    return "the features are other ones"


def _settle_rest(client: Client, publication: Publication, seen: _Seen, now: int, *, replace_rest: bool) -> None:
    """Decides what becomes of what an earlier attempt has left of the batch, and notes the new attempt's token."""
    group, batch, token = seen.group, publication.writer.batch, publication.writer.token
    run, parts = run_key(group.name, batch.name), parts_key(group.name, batch.name)
    with store_errors():
        raw = client.get(run)
    left = _left(raw)
    same = left.get("fingerprint") == seen.run["fingerprint"]
    if group.current is not None and batch.name == group.current.name and same and left.get("published_ms"):
        publication.published = True
        return
    if named := next((one for one in (group.current, group.previous) if one and one.name == batch.name), None):
        which = "current" if named is group.current else "previous"
        raise PublicationRefused(f"group '{group.name}': batch '{batch.name}' is the {which} one: name another --batch")
    keep = bool(left) and same and not left.get("published_ms")
    if left and not keep and not replace_rest:
        raise PublicationRefused(
            f"batch '{batch.name}' of group '{group.name}' was begun or published before with another input, schema or"
            f" option: 'scorebridge features drop {group.name} --batch {batch.name}' removes its rows"
        )
    young = keep and now - left["begun_ms"] < batch.ttl_s * 1000 * _RESUMED_SHARE
    if young:
        seen.run["begun_ms"] = left["begun_ms"]
    with store_errors():
        client.set(run, _run_text(seen, token), ex=batch.ttl_s)
    if left and not keep:
        remove(client, scan(client, rows_pattern(group.name, batch.name)))
    with store_errors():
        if young:
            publication.finished = {part.decode(): int(rows) for part, rows in client.hgetall(parts).items()}
        else:
            client.unlink(parts)


def _run_text(seen: _Seen, token: str, **more: int) -> str:
    # As it is in the token: the store's scripts look for its bytes.
    return json.dumps(seen.run | {"token": token} | more, ensure_ascii=False)


def _left(raw: bytes | None) -> dict[str, Any]:
    try:
        left = json.loads(raw) if raw else {}
    except ValueError:
        return {"unreadable": True}
    return left if isinstance(left, dict) else {"unreadable": True}
