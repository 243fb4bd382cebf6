"""Looks up what a call needs, before its rows are bound to the model's features."""

from collections.abc import Callable

from bridge.beside import at_once_or_beside, is_much
from bridge.columns import Batch, Matrix, Table
from bridge.eager import in_task
from bridge.errors import InvalidRequest
from bridge.features.lookups.asking import Answer, ask
from bridge.features.lookups.joining import Joined, join
from bridge.features.lookups.keys import EntityKeys, entity_keys
from bridge.features.lookups.plan import LookupPlan, Needs

__all__ = ["Hold", "look_up"]

_NUMBER_BYTES = 8

Hold = Callable[[int], None]


def _is_free(_: int) -> None:
    """Lets everything be looked up."""


async def look_up(
    plan: LookupPlan, batch: Batch, places: tuple[int, ...], *, left_s: float, caller: str = "", hold: Hold = _is_free
) -> Joined | None:
    """Looks up the features that a call's rows lack.

    Args:
        plan: the lookups of the call's version.
        batch: the caller's rows, not yet bound to the model's features.
        places: the places in the request of the batch's columns.
        left_s: the seconds that the call has left.
        caller: whose call it is.
        hold: called with the most bytes of numbers that are looked up, before they are; may raise Overloaded.

    Returns:
        The rows with their features; None if the call needs nothing and has no column that is only a key.

    Raises:
        InvalidRequest: the column of keys is not there, holds no keys, or holds more than may be looked up at once.
    """
    names = batch.names if isinstance(batch, Matrix) else tuple(column.name for column in batch.columns)
    if not names or not batch.rows:
        return None  # a matrix without names has all columns of the model
    keys = plan.only_keys(names)
    needs = plan.needs(frozenset(names))
    if not needs.lookups and not keys:
        return None
    table = batch.table(names) if isinstance(batch, Matrix) else batch
    answers = await _answers(table, needs, left_s, caller, hold) if needs.lookups else []
    return await at_once_or_beside(
        lambda: join(table, keys, needs, answers, places), caller, much=is_much(table.rows, 0)
    )


async def _answers(table: Table, needs: Needs, left_s: float, caller: str, hold: Hold) -> list[Answer]:
    await in_task()
    hold(table.rows * needs.columns * _NUMBER_BYTES)
    entities = await at_once_or_beside(lambda: _entities(table, needs), caller, much=is_much(table.rows, 0))
    return await ask(needs, entities, left_s)


def _entities(table: Table, needs: Needs) -> dict[str, EntityKeys]:
    columns = {column.name: column for column in table.columns}
    found: dict[str, EntityKeys] = {}
    for need in needs.lookups:
        key = need.lookup.key
        if key not in columns:
            lacking = ", ".join(f"'{name}'" for name in (need.features or needs.open)[:3]) or "its features"
            raise InvalidRequest(
                f"missing column '{key}', the key by which lookup '{need.lookup.name}' finds {lacking}: send the key, "
                "or the features"
            )
        if key not in found:
            found[key] = entity_keys(columns[key])
    return found
