"""Publishes a batch from files: what `scorebridge features publish` does."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import redis

from bridge.errors import InvalidRequest
from bridge.features.publishing.batch_writer import BatchWriter
from bridge.features.publishing.connection import Client, node_of, store_errors
from bridge.features.publishing.lock import EXPIRY_S, PublishingLock
from bridge.features.publishing.options import PublicationOptions
from bridge.features.publishing.publication import Publication, begin
from bridge.features.publishing.publishing_errors import PublicationRefused, StoreRefused
from bridge.features.publishing.table_input import InputPart, TableInput
from bridge.features.stores.group import FeatureBatch, meta_key, row_prefix
from bridge.row_files.source_errors import SourceError

__all__ = ["Published", "eviction_warning", "publish_files"]

_SAMPLED = 32


class Published(NamedTuple):
    """What a publication did.

    Attributes:
        group: the group's name.
        batch: the batch that is current now.
        previous: the name of the batch before it; empty if there is none.
        seconds: how long it took.
        bytes_an_entity: what a row takes in the store with its key, as the store says of some; None if it does not say.
        already: whether the batch was current before, by an earlier attempt with the same input.
    """

    group: str
    batch: FeatureBatch
    previous: str
    seconds: float
    bytes_an_entity: float | None
    already: bool = False


def publish_files(
    client: Client,
    source: TableInput,
    options: PublicationOptions,
    say: Callable[[str], Any] = lambda _: None,
    *,
    lock_expiry_s: float = EXPIRY_S,
) -> Published:
    """Publishes the rows of files as a group's next batch; killed and called again, it goes on behind finished parts.

    Args:
        client: the store.
        source: the input.
        options: what is to be published.
        say: takes sentences for the operator.
        lock_expiry_s: the seconds after which the lock of a dead publisher is free.

    Raises:
        PublicationRefused: the input, or what the group is, forbids it; what was written of the batch is removed where
            the input is at fault.
        SourceError: a file can't be read.
        GroupBusy, PublicationLost: another publisher works on the group.
        GroupNotReadable: what the store holds of the group is not as docs/features.md says.
        StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
    """
    began = time.monotonic()
    with PublishingLock(client, options.group, say, expiry_s=lock_expiry_s) as lock:
        done = _published(client, lock, source, options)
    return done._replace(seconds=time.monotonic() - began)


def _published(client: Client, lock: PublishingLock, source: TableInput, options: PublicationOptions) -> Published:
    publication = begin(client, lock.token, options, source.features, source.fingerprint)
    current = publication.previous
    if publication.published and current is not None:
        return Published(options.group, current, "", 0.0, None, already=True)
    entities, sample = _write(client, lock, source, publication)
    publication.verify(entities)
    lock.check()
    batch = publication.flip(entities)
    weight = _bytes_an_entity(client, row_prefix(options.group, batch.name), sample)
    return Published(options.group, batch, "" if current is None else current.name, 0.0, weight)


def _write(
    client: Client, lock: PublishingLock, source: TableInput, publication: Publication
) -> tuple[int, list[bytes]]:
    """Writes the parts that are not finished; returns the number of all entities, and some of their keys."""
    entities, sample = 0, list[bytes]()
    try:
        if source.rows is not None:
            publication.check_entities(source.rows)
        for part in source.parts(publication.writer.batch.features):
            entities += len(part.keys)
            sample = sample or part.keys[:_SAMPLED]
            if publication.finished.get(str(part.number)) != len(part.keys):
                lock.check()
                _write_part(client, publication.writer, part)
        publication.check_entities(entities)
    except (PublicationRefused, SourceError):
        publication.abort()  # what is mended is another input, and nothing of this one may stay
        raise
    return entities, sample


def _write_part(client: Client, writer: BatchWriter, part: InputPart) -> None:
    try:
        writer.write(client, part.keys, part.columns)
    except InvalidRequest as error:
        raise part.refused(error) from error
    writer.finish(client, str(part.number), len(part.keys))


def _bytes_an_entity(client: Client, prefix: bytes, keys: list[bytes]) -> float | None:
    try:
        found = [client.memory_usage(prefix + key) for key in keys]
    except redis.RedisError:  # a user that may not ask, or a server without the command
        return None
    known = [one for one in found if one is not None]
    return sum(known) / len(known) if known else None


def eviction_warning(client: Client, group: str) -> str:
    """Returns a sentence if the store may evict rows when it is full; empty if it does not, or does not say.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    key = meta_key(group)
    try:
        with store_errors():
            found = client.info("memory", **node_of(client, key))
    except StoreRefused:
        return ""
    policy, most = found.get("maxmemory_policy", "noeviction"), found.get("maxmemory", 0)
    if policy == "noeviction" or not most:
        return ""
    return f"the store may evict rows when it is full (maxmemory-policy {policy}): set that to noeviction"
