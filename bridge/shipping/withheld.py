"""What must not leave with a document: columns and call fields that are left out, or sent as a keyed hash."""

import hmac
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from bridge.errors import BridgeError
from bridge.files import read_regular
from bridge.prediction_log.lookups import LOOKED_UP, OPERAND
from bridge.prediction_log.rows import INPUT, SCORE
from bridge.prediction_log.search_documents import Fields

__all__ = ["CALL_FIELDS", "Withheld", "WithholdingRefused", "read_hash_key"]

CALL_FIELDS = ("request_id", "row_key", "batch_id", "labels", "caller")
_COLUMN_GROUPS = (INPUT, LOOKED_UP, SCORE)
_DAYS_AGO = re.compile(r"\d+d/")
_LEAST_KEY_BYTES, _MOST_KEY_BYTES = 16, 4096
_MOST_NAMES = 1000


class WithholdingRefused(BridgeError):
    """What is to be left out or hashed is not clear, does not occur, or there is no key to hash it with."""

    reason = "WITHHOLDING_REFUSED"


class Withheld:
    """Takes fields out of documents, and replaces the values of others by a hash that needs a key.

    A name stands for the column of this name wherever it occurs: as an input, a looked-up feature, an operand or an
    output. Those in `CALL_FIELDS` stand for the call's field too.

    Args:
        drop: the names to leave out.
        hashed: the names whose values are sent as HMAC-SHA256, in hexadecimal.
        key: the key of the hash.
        seen: the names that have occurred before.

    Attributes:
        seen: the names that have occurred so far.

    Raises:
        WithholdingRefused: a name is in both, there are too many, or `hashed` has names and there is no key.
    """

    def __init__(
        self, drop: Iterable[str] = (), hashed: Iterable[str] = (), key: bytes = b"", seen: Iterable[str] = ()
    ) -> None:
        self._drop, self._hashed, self._key = frozenset(drop), frozenset(hashed), key
        names = self._drop | self._hashed
        if both := self._drop & self._hashed:
            raise WithholdingRefused(f"'{min(both)}' is to be left out and to be hashed: choose one")
        if len(names) > _MOST_NAMES:
            raise WithholdingRefused(f"more than {_MOST_NAMES} names are to be left out or hashed")
        if self._hashed and not key:
            raise WithholdingRefused("to hash columns takes a key: name its file")
        self.seen = (names & frozenset(seen)) | (names & frozenset(CALL_FIELDS))
        self._names = names
        self._step = lru_cache(maxsize=1 << 16)(self._step_for)

    def __bool__(self) -> bool:
        """Whether anything is withheld."""
        return bool(self._names)

    @property
    def unseen(self) -> frozenset[str]:
        """The names that have not occurred so far; a slip of the pen is among them, and what it should have named."""
        return self._names - self.seen

    def note(self, fields: Iterable[str]) -> None:
        """Notes which names occur among those of a call's fields."""
        if self.unseen:
            self.seen |= {name for field in fields if (name := _column(field)) in self._names}

    def absent_from(self, fields: Iterable[str]) -> list[str]:
        """Returns the names of columns that do not occur among these fields of a call, in order."""
        return sorted(self._names - set(CALL_FIELDS) - {_column(field) for field in fields})

    def __call__(self, fields: Fields) -> None:
        """Takes out and hashes in place; `fields` has the names of `rows_of`, each with a value or a list of values."""
        self.note(fields)
        for field in [field for field in fields if self._step(field) is not None]:
            step = self._step(field)
            if step == "drop":
                del fields[field]
            else:
                fields[field] = self._hash(fields[field])

    def _step_for(self, field: str) -> str | None:
        names = {field} & set(CALL_FIELDS) | {_column(field)}
        return "drop" if names & self._drop else "hash" if names & self._hashed else None

    def _hash(self, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, list):
            return [self._hash(one) for one in value]
        if isinstance(value, dict):
            return {name: self._hash(one) for name, one in value.items()}
        raw = value.encode() if isinstance(value, str) else _spelled(value)
        return hmac.digest(self._key, raw, "sha256").hex()


def read_hash_key(path: Path) -> bytes:
    """Returns the key in a file, without one line break at its end.

    Raises:
        WithholdingRefused: it has under 16 bytes.
        BridgeError: it is not a regular file, or has over 4 KiB.
        OSError: it can't be read.
    """
    key = read_regular(path, _MOST_KEY_BYTES).removesuffix(b"\n")
    if len(key) < _LEAST_KEY_BYTES:
        raise WithholdingRefused(f"{path} must hold a key of {_LEAST_KEY_BYTES} bytes or more, such as 32 random ones")
    return key


def _spelled(value: float) -> bytes:
    return str(value).encode() if value in {float("inf"), float("-inf")} else orjson.dumps(value)


def _column(field: str) -> str:
    """Returns the name of the column that a field is of; empty if it is of none."""
    for group in _COLUMN_GROUPS:
        if field.startswith(group):
            return field.removeprefix(group)
    if field.startswith(OPERAND):
        return _DAYS_AGO.sub("", field.removeprefix(OPERAND).partition(".")[2], count=1)
    return ""
