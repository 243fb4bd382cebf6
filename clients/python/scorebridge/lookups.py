"""Where features came from that the gateway looked up by the caller's keys."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from scorebridge.errors import senseless_answer
from scorebridge.reasons import reason_name
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["Lookup", "join_lookups", "read_lookups"]


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where the features of one lookup came from, in one call.

    Attributes:
        name: the lookup's name in the model's settings.
        group: the feature group.
        batch: the feature batch that the rows were read from: all of them, except those that `previous_rows` counts.
            Of a group that a stream writes, the day. Empty if none was read.
        age_s: the time since that batch was published, seconds; None for a group that a stream writes, and if no batch
            was read.
        previous_rows: how many rows have their features from the batch before it, which still has their keys.
        missing_rows: how many rows have no features.
        failure: UPPER_SNAKE name of the reason why no row was looked up, such as "STORE_UNAVAILABLE"; None if rows
            were.
    """

    name: str
    group: str
    batch: str
    age_s: float | None
    previous_rows: int
    missing_rows: int
    failure: str | None


def read_lookups(messages: Iterable[pb.Lookup], rows: int) -> tuple[Lookup, ...]:
    """Returns the lookups in a gateway's answer, in the answer's order.

    Args:
        messages: the lookups as they came.
        rows: the number of rows in the call.

    Raises:
        PredictionFailed: a lookup counts more rows than the call has.
    """
    return tuple(_lookup(message, rows) for message in messages)


def join_lookups(chunks: Iterable[tuple[Lookup, ...]]) -> tuple[Lookup, ...]:
    """Returns the lookups of a whole batch, from those of its chunks.

    Chunks that were answered from the same batch, or failed for the same reason, count as one: its rows are the sum of
    theirs, its age is the longest. So a lookup is there more than once only if a new batch was published meanwhile, or
    if it failed for some of the chunks.
    """
    joined: dict[str, dict[tuple[str, str, str | None], Lookup]] = {}
    for lookups in chunks:
        for one in lookups:
            alike = joined.setdefault(one.name, {})
            key = one.group, one.batch, one.failure
            alike[key] = _sum(alike[key], one) if key in alike else one
    return tuple(one for alike in joined.values() for one in alike.values())


def _sum(first: Lookup, second: Lookup) -> Lookup:
    ages = [one.age_s for one in (first, second) if one.age_s is not None]
    return replace(
        first,
        age_s=max(ages, default=None),
        previous_rows=first.previous_rows + second.previous_rows,
        missing_rows=first.missing_rows + second.missing_rows,
    )


def _lookup(message: pb.Lookup, rows: int) -> Lookup:
    most = max(message.previous_rows, message.missing_rows)
    if most > rows:
        raise senseless_answer(f"lookup '{message.name}' counts {most} rows, but the call had {rows} rows")
    return Lookup(
        name=message.name,
        group=message.group,
        batch=message.batch,
        age_s=message.age.seconds + message.age.nanos / 1e9 if message.HasField("age") else None,
        previous_rows=message.previous_rows,
        missing_rows=message.missing_rows,
        failure=reason_name(message.failure) if message.failure else None,
    )
