"""Joins what stores answered to the rows of a call: fills, combines, and says which rows have no features."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np

from bridge.columns import Array, Column, Mask, Table, Type, Unfit, all_missing
from bridge.features.lookups.asking import Answer
from bridge.features.lookups.combining import combine
from bridge.features.lookups.fetching import MALFORMED, MISSING, PREVIOUS
from bridge.features.lookups.plan import Combination, Needs
from bridge.looked_up import LookedUp, LookupResult
from bridge.lookup_errors import FeaturesMissing, FeaturesStale
from bridge.values import value

__all__ = ["Joined", "join"]

_NO_ROWS: Array = np.zeros(0, np.int64)


@value
class Joined:
    """The rows of a call with their looked-up features.

    Attributes:
        table: the caller's columns, without those that are only keys, and behind them the looked-up and combined ones.
        looked_up: what was looked up, for the answer and the record.
        unfit: the rows that may not be scored, because their features could not be had, by number.
    """

    table: Table
    looked_up: LookedUp
    unfit: Mapping[int, Unfit]


class _Rows:
    """What one lookup gave, row by row."""

    def __init__(self, answer: Answer, rows: int, batch_of: "_Rows | None") -> None:
        self.answer = answer
        self._rows = rows
        self._of = batch_of  # of a stream's lookup with `since`
        self._known: Array | None = None
        fetched = None if answer.current is None or answer.fetched is None else answer.fetched[answer.batch]
        every = fetched is not None and fetched.every and answer.keys.places is None
        self._plain = every or not self.origins.any()  # all rows have their features, from the current batch

    @property
    def origins(self) -> Array:
        """Where the features of each row come from."""
        if self._known is None:
            self._known = self._origins()
        return self._known

    def _origins(self) -> Array:
        answer = self.answer
        if answer.failure is not None or answer.fetched is None:
            return np.full(self._rows, MISSING, np.int8)
        if answer.current is not None:
            fetched = answer.fetched[answer.batch]
            return answer.keys.spread_flags(fetched.origins, MISSING)
        origins = np.full(self._rows, MISSING, np.int8)
        for day, fetched in answer.fetched.items():
            of_day = answer.keys.spread_flags(fetched.origins, MISSING)
            of_day = np.where(self._counts(day), of_day, np.int8(MISSING))
            origins = np.where(origins == MALFORMED, origins, np.where(of_day == MISSING, origins, of_day))
        origins[self._too_old()] = MISSING
        return origins

    def _too_old(self) -> Array:
        """Returns the rows whose history comes from a batch so old that the stream has let go of days behind it."""
        days = list(self.answer.fetched or {})
        if self._of is None or self._of.answer.previous is None or not days:
            return _NO_ROWS
        kept_from = date.fromisoformat(days[0]) - timedelta(1)
        if date.fromisoformat(self._of.answer.previous.day) >= kept_from:
            return _NO_ROWS
        return np.flatnonzero(self._of.origins == PREVIOUS)

    def _counts(self, day: str) -> Mask | bool:
        """Returns for which rows a day of a stream is behind the batch that their history comes from."""
        if self._of is None:
            return True
        history = self._of.answer
        current = "" if history.current is None else history.current.day
        previous = current if history.previous is None else history.previous.day
        counts: Mask = np.where(self._of.origins == PREVIOUS, day > previous, day > current)
        return counts

    def column(self, feature: str) -> list[Column]:
        """Returns a feature as columns, one for each day of a stream, named after the day and the feature."""
        answer = self.answer
        spread = answer.keys.spread
        if answer.current is not None:
            return [spread(fetched.column(feature)) for fetched in (answer.fetched or {}).values()]
        found = ((day, spread(fetched.column(feature))) for day, fetched in (answer.fetched or {}).items())
        return [_where(self._counts(day), column, f"{day}/{feature}") for day, column in found]

    def direct(self, open_features: Sequence[str]) -> list[Column]:
        """Returns the columns that go to the model as they are."""
        if self.answer.failure is not None:
            need = self.answer.need
            names = open_features if need.features is None else need.features
            return [all_missing(name, Type.DOUBLE, self._rows) for name in names]
        if self.answer.current is None:
            return [_named(self.column(name)[0], name) for name in self.answer.direct]
        keys, fetched = self.answer.keys, (self.answer.fetched or {})[self.answer.batch]
        columns = fetched.columns[: len(self.answer.direct)]  # these are read first
        return list(columns) if keys.places is None else [keys.spread(column) for column in columns]

    def unfit(self) -> dict[int, Unfit]:
        """Returns the rows that fail because of this lookup."""
        answer, lookup = self.answer, self.answer.need.lookup
        if self._plain:
            return {}
        where = f"lookup '{lookup.name}'"
        if answer.failure is not None:
            if not lookup.fails:
                return {}
            failed = Unfit(lookup.key, f"{where}: {answer.failure}", type(answer.failure), answer.failure.limit)
            return dict.fromkeys(range(self._rows), failed)
        held = f"group '{lookup.group}'" if not answer.batch else f"batch {answer.batch} of group '{lookup.group}'"
        broken = Unfit(lookup.key, f"{where}: what {held} has for the key can't be read", FeaturesMissing)
        unfit = dict.fromkeys(np.flatnonzero(self.origins == MALFORMED).tolist(), broken)
        if len(too_old := self._too_old()):
            said = f"{where}: the key's history ends before the days that group '{lookup.group}' keeps"
            unfit |= dict.fromkeys(too_old.tolist(), Unfit(lookup.key, said, FeaturesStale))
        if lookup.steps[-1] == "default":
            absent = Unfit(lookup.key, f"{where}: {held} has no features for the key", FeaturesMissing)
            unfit |= dict.fromkeys(np.flatnonzero(self.origins == MISSING).tolist(), absent)
        return unfit

    def result(self) -> LookupResult:
        """Returns what the answer and the record say of this lookup."""
        answer, lookup = self.answer, self.answer.need.lookup
        failure, missing, filled = answer.failure, _NO_ROWS, _NO_ROWS
        if not self._plain:
            missing = np.flatnonzero((self.origins == MISSING) | (self.origins == MALFORMED))
            filled = np.flatnonzero(self.origins == PREVIOUS)
        only_operands = [name for name in answer.need.operands if name not in answer.direct]
        operands = [column for name in only_operands for column in self.column(name)] if failure is None else []
        return LookupResult(
            name=lookup.name,
            store=lookup.store.name,
            group=lookup.group,
            batch=answer.batch,
            age_s=answer.age_s,
            previous_batch=answer.previous.name if answer.previous is not None and len(missing) + len(filled) else "",
            previous_rows=filled,
            missing_rows=missing,
            operands=tuple(operands),
            failure=None if failure is None else failure.default_reason,
            detail="" if failure is None else str(failure),
        )


def join(table: Table, keys: Sequence[int], needs: Needs, answers: Sequence[Answer], places: Sequence[int]) -> Joined:
    """Joins answers to the rows of a call.

    Args:
        table: the caller's columns.
        keys: the places of those of its columns that are only keys.
        needs: what the call needed.
        answers: what the stores answered, one for each lookup in `needs`.
        places: the places in the request of the table's columns.
    """
    by_name: dict[str, _Rows] = {}
    for answer in sorted(answers, key=lambda one: one.need.lookup.since is not None):
        since = answer.need.lookup.since
        by_name[answer.need.lookup.name] = _Rows(answer, table.rows, None if since is None else by_name[since])
    found = [by_name[answer.need.lookup.name] for answer in answers]
    columns, ambiguous = _direct(found, needs.open, table.rows)
    faults = [*(rows.unfit() for rows in found), ambiguous]
    for combination in needs.combinations:
        column, wrong = _combined(combination, by_name, table.rows)
        columns.append(column)
        faults.append(wrong)
    # Of several faults of a row the first is told: without history, today is not the cause.
    unfit = {row: fault for rows in reversed(faults) for row, fault in rows.items()} if any(faults) else {}
    kept = [column for place, column in enumerate(table.columns) if place not in keys]
    results = tuple(rows.result() for rows in found)
    looked_up = LookedUp(results, tuple(columns), tuple(places[place] for place in keys))
    return Joined(Table((*kept, *columns), table.rows), looked_up, unfit)


def _direct(found: Sequence[_Rows], open_features: Sequence[str], rows: int) -> tuple[list[Column], dict[int, Unfit]]:
    """Returns the columns that go to the model as they are; a feature that two groups have fails every row."""
    if len(found) == 1:
        return found[0].direct(open_features), {}
    columns: dict[str, Column] = {}
    unfit: dict[int, Unfit] = {}
    # A lookup that failed stands for whatever the others don't have.
    for one in sorted(found, key=lambda one: one.answer.failure is not None):
        for column in one.direct([name for name in open_features if name not in columns]):
            if column.name in columns:
                lookup = one.answer.need.lookup
                said = (
                    f"lookup '{lookup.name}': feature '{column.name}' is in two groups: state `features` of one lookup"
                )
                unfit |= dict.fromkeys(range(rows), Unfit(lookup.key, said, FeaturesMissing))
            columns.setdefault(column.name, column)
    return list(columns.values()), unfit


def _combined(combination: Combination, by_name: Mapping[str, _Rows], rows: int) -> tuple[Column, dict[int, Unfit]]:
    name = combination.feature
    operands: list[Column] = []
    for lookup, feature in combination.operands:
        if by_name[lookup].answer.failure is not None:
            return all_missing(name, Type.DOUBLE, rows), {}  # a part of the sum would be passed off as the sum
        operands += by_name[lookup].column(feature)
    try:
        combined = combine(name, combination.function, operands, rows)
    except ValueError as error:
        key = by_name[combination.operands[0][0]].answer.need.lookup.key
        wrong = Unfit(key, f"[combine] {name}: {error}", FeaturesMissing)
        return all_missing(name, Type.DOUBLE, rows), dict.fromkeys(range(rows), wrong)
    if combined.inexact is None:
        return combined.column, {}
    key = by_name[combination.operands[0][0]].answer.need.lookup.key
    wrong = Unfit(key, f"[combine] {name}: the result is no number that a double holds exactly", FeaturesMissing)
    return combined.column, dict.fromkeys(np.flatnonzero(combined.inexact).tolist(), wrong)


def _named(column: Column, name: str) -> Column:
    return column if column.name == name else Column(name, column.type, column.values, column.mask, column.levels)


def _where(rows: Mask | bool, column: Column, name: str) -> Column:
    """Returns a column of numbers under another name, missing in rows where `rows` is false."""
    if rows is True or np.all(rows):
        return _named(column, name)
    if column.type.is_floating:
        return Column(name, column.type, np.where(rows, column.values, np.nan))
    mask: Mask = column.missing() | np.logical_not(rows)
    return Column(name, column.type, np.where(mask, 0, column.values).astype(column.values.dtype), mask)
