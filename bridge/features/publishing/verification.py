"""Checks what a store holds of a group: how many rows of each batch are there, and whether each can be read."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import redis

from bridge.features.publishing.connection import Client, store_errors
from bridge.features.publishing.groups import GroupState
from bridge.features.publishing.rows import KeyCounter, scan
from bridge.features.stores.group import FeatureBatch, Group, GroupFeature, GroupKind, row_prefix
from bridge.features.stores.packed_rows import row_format
from bridge.features.stores.stream_numbers import read_number

__all__ = ["BatchCheck", "verify"]


class BatchCheck(NamedTuple):
    """What was found of a batch, or of all days of a stream.

    Attributes:
        place: the name of the batch; empty of a stream's days.
        entities: how many rows there should be; None of a stream's days.
        rows: how many there are.
        malformed: how many of them can't be read.
        lasting: how many of them the store never lets expire.
        expired: of the previous batch, whether the time of its rows is over, so that missing ones are as it should be.
    """

    place: str
    entities: int | None
    rows: int
    malformed: int
    lasting: int
    expired: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong or missing."""
        counted = self.entities in {None, self.rows} or (self.expired and self.rows < (self.entities or 0))
        return counted and not self.malformed and not self.lasting

    def sentence(self) -> str:
        """Returns what was found, in words."""
        words = [f"{self.rows} rows" if self.entities is None else f"{self.rows} of {self.entities} rows"]
        words += [f"{self.malformed} can't be read"] if self.malformed else []
        words += [f"{self.lasting} never expire"] if self.lasting else []
        words += ["their time is over"] if self.expired else []
        return ", ".join(words)


def verify(client: Client, state: GroupState) -> list[BatchCheck]:
    """Returns what is found of a group's current and previous batch, or of a stream's days; reads every row.

    Args:
        client: the store.
        state: the group, which can be read.

    Raises:
        StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
    """
    group = state.group
    assert group is not None  # noqa: S101 - for mypy: it can be read
    if group.kind is GroupKind.STREAM:
        return [_check_days(client, group)]
    found = [] if group.current is None else [_check_batch(client, group.name, group.current)]
    if (batch := group.previous) is not None:
        expired = state.now_ms >= batch.published_ms + batch.ttl_s * 1000
        found.append(_check_batch(client, group.name, batch)._replace(expired=expired))
    return found


def _check_batch(client: Client, group: str, batch: FeatureBatch) -> BatchCheck:
    counter, wrong = KeyCounter(), Counter[str]()
    form = row_format(batch.schema, batch.features)
    for keys in scan(client, row_prefix(group, batch.name) + b"*"):
        rows, there = _read(client, keys, wrong)
        unpacked = form.unpack(rows, batch.features)
        wrong["malformed"] += int(np.count_nonzero(unpacked.malformed))
        counter.add(there)
    return BatchCheck(batch.name, batch.entities, counter.different(), wrong["malformed"], wrong["lasting"])


def _read(client: Client, keys: Sequence[bytes], wrong: Counter[str]) -> tuple[list[bytes | None], list[bytes]]:
    """Returns the rows under keys, and the keys that are still there; counts what is no row."""
    with store_errors():
        steps = client.pipeline(transaction=False)
        for key in keys:
            steps.get(key)
            steps.pttl(key)
        found = steps.execute(raise_on_error=False)
    rows: list[bytes | None] = []
    there = []
    for key, row, left_ms in zip(keys, found[::2], found[1::2], strict=True):
        wrong["malformed"] += isinstance(row, redis.ResponseError)
        wrong["lasting"] += left_ms == -1
        rows.append(row if isinstance(row, bytes) else None)
        if row is not None:
            there.append(key)
    return rows, there


def _check_days(client: Client, group: Group) -> BatchCheck:
    counter, wrong = KeyCounter(), Counter[str]()
    names = [one.name for one in group.streamed]
    for keys in scan(client, row_prefix(group.name, "*", GroupKind.STREAM) + b"*"):
        with store_errors():
            steps = client.pipeline(transaction=False)
            for key in keys:
                steps.hmget(key, names)
                steps.pttl(key)
            found = steps.execute(raise_on_error=False)
        for values, left_ms in zip(found[::2], found[1::2], strict=True):
            wrong["lasting"] += left_ms == -1
            wrong["malformed"] += isinstance(values, redis.ResponseError) or not all(map(_fits, values, group.streamed))
        counter.add(keys)
    return BatchCheck("", None, counter.different(), wrong["malformed"], wrong["lasting"])


def _fits(value: bytes | None, feature: GroupFeature) -> bool:
    return value is None or read_number(value, feature.type) is not None
