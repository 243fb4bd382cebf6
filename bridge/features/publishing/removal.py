"""Removes a group, or a batch of it, from a store, in steps between which the store answers others."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bridge.features.publishing.connection import Client, store_errors
from bridge.features.publishing.keys import everything, lock_key, parts_key, rows_pattern, run_key
from bridge.features.publishing.lock import EXPIRY_S, PublishingLock
from bridge.features.publishing.options import check_group_name
from bridge.features.publishing.publication import DROPPED
from bridge.features.publishing.publishing_errors import PublicationLost, PublicationRefused
from bridge.features.publishing.rows import remove, scan
from bridge.features.stores.group import GROUPS_KEY, NAME, meta_key, read_meta, write_meta

__all__ = ["drop_batch", "drop_group"]

_REPLACE = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] or redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[3])
return 1
"""


def drop_group(
    client: Client, group: str, say: Callable[[str], Any] = lambda _: None, *, lock_expiry_s: float = EXPIRY_S
) -> int:
    """Removes all that the store holds of a group, its description first; returns how many keys that were.

    Args:
        client: the store.
        group: the group's name.
        say: takes sentences for the operator.
        lock_expiry_s: the seconds after which the lock of a dead publisher is free.

    Raises:
        PublicationRefused: no group may have this name.
        GroupBusy: a publisher works on the group.
        StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
    """
    check_group_name(group)
    with PublishingLock(client, group, say, expiry_s=lock_expiry_s):
        with store_errors():
            removed = int(client.unlink(meta_key(group)))
        lock = lock_key(group)
        removed += remove(client, ([key for key in keys if key != lock] for keys in scan(client, everything(group))))
        with store_errors():
            client.srem(GROUPS_KEY, group)
    return removed


def drop_batch(
    client: Client,
    group: str,
    batch: str,
    say: Callable[[str], Any] = lambda _: None,
    *,
    lock_expiry_s: float = EXPIRY_S,
) -> int:
    """Removes a batch that is not current, and what is known of its publication; returns how many keys that were.

    Args:
        client: the store.
        group: the group's name.
        batch: the batch's name; if it is the previous one, readers first lose sight of it.
        say: takes sentences for the operator.
        lock_expiry_s: the seconds after which the lock of a dead publisher is free.

    Raises:
        PublicationRefused: the batch is the current one, or no group or batch may have these names.
        PublicationLost: the group was changed meanwhile.
        GroupBusy: a publisher works on the group.
        GroupNotReadable: what the store holds of the group is not as docs/features.md says.
        StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
    """
    check_group_name(group)
    if NAME.fullmatch(batch) is None:
        raise PublicationRefused("no batch is named so")
    with PublishingLock(client, group, say, expiry_s=lock_expiry_s) as lock:
        _forget(client, group, batch, lock.token)
        run, parts = run_key(group, batch), parts_key(group, batch)
        with store_errors():
            client.set(run, DROPPED, xx=True, keepttl=True)  # a publisher that was taken for dead writes no more
        removed = remove(client, scan(client, rows_pattern(group, batch)))
        with store_errors():
            return removed + int(client.unlink(run)) + int(client.unlink(parts))


def _forget(client: Client, name: str, batch: str, token: str) -> None:
    key = meta_key(name)
    with store_errors():
        raw = client.get(key)
    group = read_meta(name, raw) if raw else None
    if group is None:
        return
    if group.current is not None and group.current.name == batch:
        raise PublicationRefused(
            f"group '{name}': batch '{batch}' is the current one, and stays: publish another first"
        )
    if group.previous is None or group.previous.name != batch:
        return
    with store_errors():
        done = client.eval(_REPLACE, 2, key, lock_key(name), token, raw, write_meta(replace(group, previous=None)))
    if not done:
        raise PublicationLost(f"group '{name}' was changed by somebody else meanwhile: look, and try again")
