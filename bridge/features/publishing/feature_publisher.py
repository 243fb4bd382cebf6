"""Publishes a batch from many processes, such as the executors of a Spark job."""

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, Self

from bridge.columns import Type
from bridge.errors import BridgeError, InvalidRequest
from bridge.features.publishing.batch_writer import BatchWriter
from bridge.features.publishing.connection import Client, connect, store_errors
from bridge.features.publishing.keys import parts_key
from bridge.features.publishing.lock import EXPIRY_S, PublishingLock
from bridge.features.publishing.options import PublicationOptions, check_features
from bridge.features.publishing.publication import Publication, begin
from bridge.features.publishing.publishing_errors import PublicationRefused
from bridge.features.publishing.row_columns import column_of, key_of
from bridge.features.stores.group import FEATURE_TYPES, FeatureBatch, GroupFeature
from bridge.store_settings import StoreSettings

__all__ = ["FeaturePublisher"]

_ROWS_AT_ONCE = 5000
_DIGEST_BITS = 128


class FeaturePublisher:
    """Publishes the next batch of a group: begun and made current by one process, written by many.

    In a Spark job:

        publisher = FeaturePublisher("redis://redis:6379/0", "users", {"orders": "int", "spent": "double"}, "user_id")
        with publisher:
            frame.select("user_id", "orders", "spent").foreachPartition(publisher.write_partition)
            publisher.publish()

    What is written is not seen by readers before `publish`, and removed if the block ends without it. A partition that
    Spark tries again, or runs twice at once, does no harm. Executors need this package with its extra `features`, and
    see the store and the files that its settings name.

    Args:
        store: the store's URL, or its settings if it needs a password or certificates.
        group: the group's name.
        features: the type of each feature by its name: double, int, int64, bool or string.
        key: the column of the entities' keys, which are texts or whole numbers.
        options: further fields of `PublicationOptions`: `batch`, `ttl_s`, `min_share`, `timezone`, `accept_schema`.

    Raises:
        PublicationRefused: a name, type or option can't be taken.
        TypeError: there is no such option.
        ValueError: the URL can't be read.
    """

    def __init__(
        self, store: str | StoreSettings, group: str, features: Mapping[str, str], key: str, **options: Any
    ) -> None:
        self._settings = StoreSettings(url=store) if isinstance(store, str) else store
        self._options = PublicationOptions(group=group, **options)
        if wrong := next((name for name, kind in features.items() if kind not in FEATURE_TYPES), None):
            raise PublicationRefused(f"feature '{wrong}' must have one of the types {', '.join(FEATURE_TYPES)}")
        self._features = tuple(GroupFeature(name, Type(kind)) for name, kind in features.items())
        check_features(self._features)
        if key in features:
            raise PublicationRefused(f"column '{key}' is the key: as a feature, copy it under another name")
        self._key = key
        self._writer: BatchWriter | None = None
        self._driver: _Driver | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Returns what goes to other processes: all but the lock and its connection."""
        return self.__dict__ | {"_driver": None}

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def begin(self) -> None:
        """Begins the publication; what an earlier attempt has left of the batch is removed.

        Raises:
            PublicationRefused: the batch is current or previous already, the schema or time zone has changed, or the
                group is a stream's.
            GroupBusy: another publisher works on the group.
            GroupNotReadable: what the store holds of the group is not as docs/features.md says.
            StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
        """
        if self._driver is not None:
            raise PublicationRefused("the publication has begun already: publish or abort it first")
        client = connect(self._settings)
        lock = PublishingLock(client, self._options.group, expiry_s=EXPIRY_S)
        try:
            lock.take()
            mark = secrets.token_hex(16)  # no other attempt has the same rows
            publication = begin(client, lock.token, self._options, self._features, mark, replace_rest=True)
        except BaseException:
            lock.release()
            client.close()
            raise
        self._driver = _Driver(client, lock, publication)
        self._writer = publication.writer

    def write_partition(self, rows: Iterable[Any]) -> None:
        """Writes some of the rows, in any process, to which this object may be pickled once it has begun.

        Args:
            rows: dicts, rows of Spark or others in which a column is found by its name; None is missing, and of numbers
                NaN is too. An entity may be in one of the partitions only, and there once.

        Raises:
            PublicationRefused: nothing has begun, a row has no key, or a value is none of the feature's type.
            PublicationLost: another publisher has taken the batch over.
            StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
        """
        writer = self._writer
        if writer is None:
            raise PublicationRefused("call begin() before rows are written")
        client = connect(self._settings)
        try:
            total, count = 0, 0
            for keys, packed in self._written(client, writer, iter(rows)):
                count += len(keys)
                total += sum(map(_digest, keys, packed))
            if count:
                writer.finish(client, f"{total % (1 << _DIGEST_BITS):032x}", count)
        finally:
            client.close()

    def _written(
        self, client: Client, writer: BatchWriter, rows: Iterator[Any]
    ) -> Iterator[tuple[list[bytes], list[bytes]]]:
        seen: dict[bytes, int] = {}
        while taken := list(islice(rows, _ROWS_AT_ONCE)):
            first = len(seen)
            keys = [key_of(row, self._key, first + at) for at, row in enumerate(taken)]
            for number, key in enumerate(keys, first):
                if (before := seen.setdefault(key, number)) != number:
                    raise PublicationRefused(f"rows {before} and {number} of a partition have the same key")
            columns = [column_of(taken, feature, first) for feature in writer.batch.features]
            try:
                yield keys, writer.write(client, keys, columns)
            except InvalidRequest as error:
                raise PublicationRefused(f"{error}, in the rows from {first} on of a partition") from error

    def publish(self) -> FeatureBatch:
        """Counts what is in the store, and makes the batch current in one step; returns the batch.

        Raises:
            PublicationRefused: nothing has begun; there are far fewer entities than in the current batch; or the store
                has more or fewer rows than were written, such as where an entity is in two partitions.
            PublicationLost: another publisher has taken the group over.
            StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
        """
        driver = self._driver
        if driver is None:
            raise PublicationRefused("call begin() in this process before publish()")
        publication, batch = driver.publication, driver.publication.writer.batch
        with store_errors():
            parts = driver.client.hvals(parts_key(self._options.group, batch.name))
        entities = sum(map(int, parts))
        publication.check_entities(entities)
        publication.verify(entities)
        driver.lock.check()
        done = publication.flip(entities)
        driver.close()
        self._driver = self._writer = None
        return done

    def abort(self) -> None:
        """Removes what was written, and gives the group's lock back; nothing happens behind `publish`."""
        if self._driver is None:
            return
        driver, self._driver, self._writer = self._driver, None, None
        try:
            with suppress(BridgeError):  # what can't be removed now expires
                driver.publication.abort()
        finally:
            driver.close()


class _Driver:
    """What only the process has that began."""

    def __init__(self, client: Client, lock: PublishingLock, publication: Publication) -> None:
        self.client, self.lock, self.publication = client, lock, publication

    def close(self) -> None:
        self.lock.release()
        self.client.close()


def _digest(key: bytes, row: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(key + b"\0" + row, digest_size=_DIGEST_BITS // 8).digest())
