"""The entity keys of a call: the texts under which a store has its rows, each once."""

import numpy as np

from bridge.columns import DOUBLE_EXACT, Array, Column, Mask, Type
from bridge.errors import InvalidRequest
from bridge.values import value

__all__ = ["EntityKeys", "entity_keys"]

_MOST_BYTES = 1024  # of a key, as of a row key
_FLOAT_EXACT = 2**24  # up to here a float32 holds every whole number exactly


@value
class EntityKeys:
    """The different keys of a column.

    Attributes:
        entities: each key once, in UTF-8, in the order of the rows.
        places: shape (rows,), for each row the place of its key in `entities`, -1 where it has none; None if every row
            has a key of its own, in order.
    """

    entities: list[bytes]
    places: Array | None

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.entities) if self.places is None else len(self.places)

    def spread(self, column: Column) -> Column:
        """Returns a column with an entry for each entity as one with an entry for each row; missing without a key."""
        if self.places is None:
            return column
        absent = self.places < 0
        if not self.entities:
            values = np.zeros(len(self.places), column.type.dtype)
            return _masked(column, values, absent)
        at = np.where(absent, 0, self.places)
        mask = absent if column.mask is None else absent | column.mask[at]
        return _masked(column, column.values[at], mask)

    def spread_flags(self, flags: Array, without_key: int) -> Array:
        """Returns one number for each entity as one for each row, `without_key` for rows without one."""
        if self.places is None:
            return flags
        if not self.entities:
            return np.full(len(self.places), without_key, flags.dtype)
        spread: Array = flags[np.where(self.places < 0, 0, self.places)]
        spread[self.places < 0] = without_key
        return spread


def _masked(column: Column, values: Array, mask: Mask) -> Column:
    if column.type.is_floating:
        values[mask] = np.nan
        return Column(column.name, column.type, values)
    values[mask] = "" if column.type is Type.STRING else 0
    return Column(column.name, column.type, values, mask if mask.any() else None)


def entity_keys(column: Column) -> EntityKeys:
    """Returns the entity keys in a column of a call; a whole number stands for its decimal text.

    Raises:
        InvalidRequest: the column can't hold keys, a number is not a whole one that its type holds exactly, or a key is
            longer than 1 KiB.
    """
    if column.type in (Type.BOOL, Type.FACTOR):
        raise InvalidRequest(f"column '{column.name}' is {column.type}, and keys are texts or whole numbers")
    if len(column) == 1 and column.mask is None and not column.type.is_floating:
        return EntityKeys(_encoded([str(column.values[0])], column.name), None)
    is_text = column.type is Type.STRING
    texts: list[str] = column.values.tolist() if is_text else list(map(str, _whole(column)))
    mask = column.missing() if column.any_missing() else None
    if mask is None:
        if len(set(texts)) == len(texts):
            return EntityKeys(_encoded(texts, column.name), None)
        distinct = list(dict.fromkeys(texts))
    else:
        distinct = list(dict.fromkeys(text for text, gone in zip(texts, mask.tolist(), strict=True) if not gone))
    places = {text: place for place, text in enumerate(distinct)}
    rows = np.fromiter((places.get(text, -1) for text in texts), np.int64, len(texts))
    if mask is not None:
        rows[mask] = -1
    return EntityKeys(_encoded(distinct, column.name), rows)


def _whole(column: Column) -> list[int]:
    if not column.type.is_floating:
        whole: list[int] = column.values.tolist()
        return whole
    values = np.where(column.missing(), 0.0, column.values.astype(np.float64))
    most = DOUBLE_EXACT if column.type is Type.DOUBLE else _FLOAT_EXACT
    wrong = (values != np.rint(values)) | (np.abs(values) > most)
    if wrong.any():
        row = int(wrong.argmax())
        raise InvalidRequest(
            f"column '{column.name}', row {row}: a key must be text or a whole number within +-{most}; send it as text",
            column=column.name,
            row=row,
        )
    numbers: list[int] = values.astype(np.int64).tolist()
    return numbers


def _encoded(texts: list[str], name: str) -> list[bytes]:
    keys = "\n".join(texts).encode().split(b"\n")  # a third of the time that one after the other takes
    if len(keys) != len(texts):
        keys = [text.encode() for text in texts]
    if max(map(len, keys), default=0) > _MOST_BYTES:
        limit = f"{_MOST_BYTES} bytes"
        raise InvalidRequest(f"column '{name}' has a key of more than {limit}", limit=limit)
    return keys
