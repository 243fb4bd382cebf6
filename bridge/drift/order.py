"""What a gateway orders from the child process that measures drift, and what the child answers, both as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from bridge.drift.shift import Shift, VersionShifts

__all__ = ["DriftFailed", "Order", "OrderedVersion", "answer_of", "failure_of", "read_answer"]


class DriftFailed(Exception):
    """Drift could not be measured; the message says why, in words."""


@dataclass(frozen=True, slots=True)
class OrderedVersion:
    """A version that is to be measured if it has golden rows.

    Attributes:
        model: the name of the model.
        version: the number of the version.
        digest: the digest of its bundle.
        path: the folder of its bundle.
        names: the names of its features, in its own order.
    """

    model: str
    version: int
    digest: str
    path: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be measured.

    Attributes:
        log: the folder of the log.
        hours: how far back calls count.
        most_bytes: the most bytes of the log that are read, the newest ones.
        versions: the versions.
    """

    log: str
    hours: float
    most_bytes: int
    versions: tuple[OrderedVersion, ...]

    def to_json(self) -> bytes:
        """Returns the order as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> "Order":
        """Returns the order that `to_json` wrote."""
        said = json.loads(raw)
        versions = [OrderedVersion(**one | {"names": tuple(one["names"])}) for one in said.pop("versions")]
        return cls(**said, versions=tuple(versions))


def answer_of(versions: Sequence[VersionShifts]) -> bytes:
    """Returns the answer of a child that has measured these shifts."""
    return json.dumps({"versions": [asdict(one) for one in versions]}, default=datetime.isoformat).encode()


def failure_of(why: str) -> bytes:
    """Returns the answer of a child that could not measure, with the reason in words."""
    return json.dumps({"failed": why}).encode()


def read_answer(raw: bytes) -> tuple[VersionShifts, ...]:
    """Returns the shifts in a child's answer.

    Raises:
        DriftFailed: the child could not measure, or its answer is not whole.
    """
    try:
        said = json.loads(raw)
        if "failed" in said:
            raise DriftFailed(str(said["failed"]))
        return tuple(map(_version, said["versions"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DriftFailed("the process that measures it gave no whole answer") from error


def _version(said: dict[str, Any]) -> VersionShifts:
    times: dict[str, Any] = {name: datetime.fromisoformat(said.pop(name)) for name in ("since", "until")}
    shifts = tuple(Shift(**one) for one in said.pop("shifts"))
    return VersionShifts(**said, **times, shifts=shifts)
