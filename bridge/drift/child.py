"""The child process of a gateway that measures drift: `python -m bridge.drift.child ORDER ANSWER`, two open files.

It only reads: the gateway's own log, which the gateway goes on writing, and golden rows.
"""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bridge.bundles.golden import FILE_NAME
from bridge.drift.golden_columns import GoldenColumns
from bridge.drift.measure import measure_recent
from bridge.drift.order import Order, OrderedVersion, answer_of, failure_of
from bridge.drift.reference import Reference, ReferenceNotReadable
from bridge.drift.versions import Against
from bridge.errors import BridgeError

__all__ = ["main"]

_MOST_GOLDEN_BYTES = 16 << 20


class _GoldenOfServing:
    """The golden rows of the ordered versions; other versions, and those without golden rows, don't count."""

    def __init__(self, versions: Sequence[OrderedVersion]) -> None:
        self._versions = {(one.model, one.version, one.digest): one for one in versions}

    def of(self, model: str, version: int, digest: str) -> Against | None:
        ordered = self._versions.get((model, version, digest))
        if ordered is None or not (path := Path(ordered.path) / FILE_NAME).exists():
            return None
        try:
            return Against(Reference(GoldenColumns(path, _MOST_GOLDEN_BYTES)), ordered.names)
        except ReferenceNotReadable as error:
            return Against(None, why=str(error))


def main(order: int, answer: int) -> None:
    """Measures what is ordered, and writes the answer.

    Args:
        order: the descriptor of a file that holds an `Order`.
        answer: the descriptor of an empty file for the answer.
    """
    with os.fdopen(order, "rb") as file:
        file.seek(0)
        raw = file.read()
    with os.fdopen(answer, "wb") as file:
        file.write(_answer(raw))


def _answer(raw: bytes) -> bytes:
    try:
        order = Order.from_json(raw)
        keys = [(one.model, one.version, one.digest) for one in order.versions]
        found = measure_recent(
            Path(order.log),
            datetime.now(UTC),
            _GoldenOfServing(order.versions),
            hours=order.hours,
            most_bytes=order.most_bytes,
            expected=keys,
        )
        return answer_of(found)
    except MemoryError:
        return failure_of("it needs more memory than the process that measures it may have")
    except (BridgeError, OSError) as error:
        return failure_of(str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the gateway shows it
        return failure_of(f"an unforeseen {type(error).__name__}; please report it")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
