"""Keys of a group in the store: found, counted, and removed."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from bridge.columns import Array
from bridge.features.publishing.connection import Client, node_of, store_errors

__all__ = ["KeyCounter", "remove", "scan"]

_SCAN_ROWS = 1000


def scan(client: Client, pattern: bytes) -> Iterator[list[bytes]]:
    """Yields the keys of a group that match a pattern, in steps; while the store grows, a key may come twice.

    Raises:
        StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
    """
    found: list[bytes] = []
    with store_errors():
        for key in client.scan_iter(match=pattern, count=_SCAN_ROWS, **node_of(client, pattern)):
            found.append(key)
            if len(found) == _SCAN_ROWS:
                yield found
                found = []
    if found:
        yield found


def remove(client: Client, batches: Iterable[Sequence[bytes]]) -> int:
    """Removes keys in steps, and returns how many there were; the store frees their memory in the background."""
    removed = 0
    for keys in filter(None, batches):
        with store_errors():
            removed += int(client.unlink(*keys))
    return removed


class KeyCounter:
    """Counts different keys in eight bytes each: by hashes of this process, which nobody outside can foresee."""

    def __init__(self) -> None:
        self._hashes: list[Array] = []

    def add(self, keys: Sequence[bytes | str]) -> None:
        """Adds keys; each may come several times."""
        self._hashes.append(np.fromiter(map(hash, keys), np.int64, len(keys)))

    def different(self) -> int:
        """Returns how many different keys there were; of 10 million it counts one too few once in 300,000 times."""
        return len(np.unique(np.concatenate(self._hashes))) if self._hashes else 0

    def repeated(self) -> frozenset[int]:
        """Returns the hashes that came more than once; of almost every one of them the key did too."""
        if not self._hashes:
            return frozenset()
        hashes, counts = np.unique(np.concatenate(self._hashes), return_counts=True)
        return frozenset(hashes[counts > 1].tolist())
