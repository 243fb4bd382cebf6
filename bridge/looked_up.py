"""What was looked up for a call by the caller's keys, as answers tell it and the prediction log keeps it."""

from bridge.columns import Array, Column
from bridge.errors import DefaultReason
from bridge.values import value

__all__ = ["LookedUp", "LookupResult"]


@value
class LookupResult:
    """What one lookup gave for a call.

    Attributes:
        name: the lookup's name in the model's settings.
        store: the name of the store that was asked.
        group: the feature group.
        batch: the feature batch that the rows were read from, of a stream's group the day; empty if none was read.
        age_s: seconds since that batch was published; None of a stream's group, or if none was read.
        previous_batch: the batch before it, if it was asked for keys that `batch` does not have; else empty.
        previous_rows: the rows whose features come from `previous_batch`, 0-based and ascending.
        missing_rows: the rows whose features are missing, 0-based and ascending.
        operands: the columns that were only operands of combined features, each with an entry for every row; of a
            stream's group one for each day, named "DAY/FEATURE".
        failure: why no row was looked up; None if rows were.
        detail: what went wrong, in a sentence; empty if nothing did.
    """

    name: str
    store: str
    group: str
    batch: str
    age_s: float | None
    previous_batch: str
    previous_rows: Array
    missing_rows: Array
    operands: tuple[Column, ...] = ()
    failure: DefaultReason | None = None
    detail: str = ""


@value
class LookedUp:
    """What all lookups gave for a call.

    Attributes:
        results: one for each lookup that the call needed, in the order of the model's settings.
        columns: the columns that were put behind the caller's own, looked up or combined, before the rows were bound.
        keys: the 0-based places of the request's columns that were only keys; the model did not get them.
    """

    results: tuple[LookupResult, ...]
    columns: tuple[Column, ...]
    keys: tuple[int, ...]
