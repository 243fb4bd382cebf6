"""Fetches the features of a call's entities from a store: from one feature batch, or from the days of a stream."""

from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np

from bridge.beside import at_once_or_beside, is_much
from bridge.columns import Array, Column, Type
from bridge.features.stores.group import FeatureBatch, Group, GroupFeature, GroupKind, row_prefix
from bridge.features.stores.packed_rows import RowFormat, row_format
from bridge.features.stores.store import NotARow, Store
from bridge.features.stores.stream_numbers import read_number
from bridge.values import value

__all__ = ["CURRENT", "MALFORMED", "MISSING", "PREVIOUS", "Fetched", "Question", "Reading", "fetch_batch", "fetch_days"]

# Where the features of an entity come from; CURRENT is 0, so that one look at all of them tells of any other.
CURRENT, PREVIOUS, MISSING, MALFORMED = 0, 1, 2, 3

_ONE = np.zeros(1, np.int8)  # the origins of a single entity of the current batch


@value
class Fetched:
    """The features of a call's entities.

    Attributes:
        names: the features that were asked for.
        columns: their columns, each with an entry for every entity.
        origins: shape (entities,), CURRENT, PREVIOUS, MISSING or MALFORMED for each.
        every: whether all entities have their features from the current batch.
    """

    names: Sequence[str]
    columns: Sequence[Column]
    origins: Array
    every: bool = False

    def column(self, name: str) -> Column:
        """Returns the column of a feature."""
        return self.columns[self.names.index(name)]


class Reading:
    """Which features are read of a batch, and how: the same for call after call.

    Args:
        batch: the batch.
        direct: the names of those that go to the model as they are.
        wanted: all that are read, each once.

    Attributes:
        batch, direct, wanted: as given.
        names: the names of all that are read.
        has_texts: whether one of them is text.
        reader: unpacks them.
    """

    def __init__(self, batch: FeatureBatch, direct: tuple[str, ...], wanted: Sequence[GroupFeature]) -> None:
        self.batch, self.direct, self.wanted = batch, direct, tuple(wanted)
        self.names = [one.name for one in wanted]
        self.has_texts = any(one.type is Type.STRING for one in wanted)
        self.reader = _format(batch).reader(wanted)


@value
class Question:
    """What is asked of a store for one group.

    Attributes:
        store: the store.
        group: the group, as the store described it.
        entities: the entities' keys, each once.
        until: the instant on the loop's clock until which it may take.
    """

    store: Store
    group: Group
    entities: Sequence[bytes]
    until: float


async def fetch_batch(question: Question, reading: Reading, previous: FeatureBatch | None) -> Fetched:
    """Fetches features from a batch, and those of entities that it does not have from the batch before it.

    Args:
        question: what is asked.
        reading: the batch, and the features.
        previous: the batch before it; None if it may not be used.

    Raises:
        StoreUnavailable: the store did not answer in time, or at all.
    """
    entities, wanted = question.entities, reading.wanted
    rows = await _rows(question, reading.batch, entities)
    read = reading.reader.read
    unpacked = await at_once_or_beside(partial(read, rows), much=is_much(len(rows), 0))
    if unpacked.found.all():
        return Fetched(reading.names, unpacked.columns, _ONE if len(rows) == 1 else np.zeros(len(rows), np.int8), True)
    origins = np.where(unpacked.found, CURRENT, np.where(unpacked.malformed, MALFORMED, MISSING)).astype(np.int8)
    absent = np.flatnonzero(origins == MISSING)
    columns = list(unpacked.columns)
    if previous is not None and len(absent):
        older = await _rows(question, previous, [entities[place] for place in absent.tolist()])
        # A feature that had another type in that batch is not the same feature.
        same = [one if one in previous.features else GroupFeature("", one.type) for one in wanted]
        unpack = partial(_format(previous).unpack, older, same)
        filling = await at_once_or_beside(unpack, much=is_much(len(older), 0))
        columns = [_filled(column, absent, old) for column, old in zip(columns, filling.columns, strict=True)]
        origins[absent[filling.found]] = PREVIOUS
        origins[absent[filling.malformed]] = MALFORMED
    return Fetched(reading.names, columns, origins)


@lru_cache(maxsize=256)
def _format(batch: FeatureBatch) -> RowFormat:
    return row_format(batch.schema, batch.features)


async def _rows(question: Question, batch: FeatureBatch, entities: Sequence[bytes]) -> list[bytes | None]:
    prefix = row_prefix(question.group.name, batch.name)
    return await question.store.rows([prefix + entity for entity in entities], question.until)


def _filled(column: Column, places: Array, older: Column) -> Column:
    values = column.values.copy()
    values[places] = older.values
    if column.type.is_floating:
        return Column(column.name, column.type, values)
    mask = column.missing().copy()
    mask[places] = older.missing()
    return Column(column.name, column.type, values, mask if mask.any() else None)


async def fetch_days(question: Question, days: Sequence[str], wanted: Sequence[GroupFeature]) -> dict[str, Fetched]:
    """Fetches what a stream has counted of entities on some days; returns it by the day.

    Args:
        question: what is asked.
        days: the days, such as "2026-11-25".
        wanted: the features.

    Raises:
        StoreUnavailable: the store did not answer in time, or at all.
    """
    entities, group = question.entities, question.group
    fields = [one.name.encode() for one in wanted]
    keys = [row_prefix(group.name, day, GroupKind.STREAM) + entity for day in days for entity in entities]
    found = await question.store.hashes(keys, fields, question.until) if keys else []
    count = len(entities)
    fetched = {}
    for number, day in enumerate(days):
        of_day = found[number * count : (number + 1) * count]
        fetched[day] = await at_once_or_beside(
            partial(_read_hashes, of_day, wanted), much=is_much(len(of_day) * len(wanted), 0)
        )
    return fetched


def _read_hashes(hashes: Sequence[list[bytes | None] | NotARow], wanted: Sequence[GroupFeature]) -> Fetched:
    origins = np.full(len(hashes), MISSING, np.int8)
    numbers = np.full((len(wanted), len(hashes)), np.nan)
    for place, values in enumerate(hashes):
        if isinstance(values, NotARow):
            origins[place] = MALFORMED
            continue
        for at, raw in enumerate(values):
            if raw is None:
                continue
            origins[place] = CURRENT if origins[place] == MISSING else origins[place]
            number = read_number(raw, wanted[at].type)
            if number is None:
                origins[place] = MALFORMED
            else:
                numbers[at, place] = number
    numbers[:, origins == MALFORMED] = np.nan
    names = [one.name for one in wanted]
    return Fetched(names, [_typed(one, numbers[at]) for at, one in enumerate(wanted)], origins)


def _typed(feature: GroupFeature, numbers: Array) -> Column:
    if feature.type is Type.DOUBLE:
        return Column(feature.name, Type.DOUBLE, numbers)
    absent = np.isnan(numbers)
    kind = Type.BOOL if feature.type is Type.BOOL else Type.INT64
    values = np.where(absent, 0, numbers).astype(kind.dtype)
    return Column(feature.name, kind, values, absent if absent.any() else None)
