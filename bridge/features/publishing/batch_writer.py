"""Writes the rows of a batch under the token of the publisher to which the batch belongs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridge.columns import Column
from bridge.features.publishing.connection import Client, store_errors
from bridge.features.publishing.keys import parts_key, run_key
from bridge.features.publishing.publishing_errors import PublicationLost
from bridge.features.stores.group import FeatureBatch, row_prefix
from bridge.features.stores.packed_rows import row_format

__all__ = ["BatchWriter"]

_ROWS_AT_ONCE = 500  # the store answers nobody else meanwhile
_BYTES_AT_ONCE = 1 << 18
# Only the publisher that the run names writes, so that one which was taken for dead spoils no other's batch.
_WRITE = """
local said = redis.call('GET', KEYS[1])
if not said or string.find(said, ARGV[1], 1, true) == nil then return 0 end
for at = 2, #KEYS do redis.call('SET', KEYS[at], ARGV[at + 1], 'EX', ARGV[2]) end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""


@dataclass(frozen=True, slots=True)
class BatchWriter:
    """Writes rows of a batch, in any process; it can be pickled.

    Attributes:
        group: the group's name.
        batch: the batch.
        token: the token of the publisher to which the batch belongs.
    """

    group: str
    batch: FeatureBatch
    token: str

    def write(self, client: Client, keys: Sequence[bytes], columns: Sequence[Column]) -> list[bytes]:
        """Writes rows, and returns their bytes; rows that are there already are replaced.

        Args:
            client: the store.
            keys: the entities' keys in UTF-8.
            columns: the batch's features in their order, with an entry for each key.

        Raises:
            InvalidRequest: a value can't be kept in a row; the error names column and row.
            PublicationLost: another publisher has taken the batch over.
            StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
        """
        rows = row_format(self.batch.schema, self.batch.features).pack(columns)
        prefix, run = row_prefix(self.group, self.batch.name), run_key(self.group, self.batch.name)
        for begin, end in _steps(rows):
            names = [prefix + key for key in keys[begin:end]]
            with store_errors():
                done = client.eval(_WRITE, len(names) + 1, run, *names, self.token, self.batch.ttl_s, *rows[begin:end])
            if not done:
                raise PublicationLost("another publisher has taken this batch over, or it was dropped: start again")
        return rows

    def finish(self, client: Client, part: str, rows: int) -> None:
        """Notes that a part is written as a whole.

        Args:
            client: the store.
            part: what tells the part from all others; one that is noted again counts once.
            rows: the number of its rows.

        Raises:
            StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
        """
        key = parts_key(self.group, self.batch.name)
        with store_errors():
            client.hset(key, part, rows)
            client.expire(key, self.batch.ttl_s)


def _steps(rows: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    begin = size = 0
    for at, row in enumerate(rows):
        if at > begin and (at - begin == _ROWS_AT_ONCE or size + len(row) > _BYTES_AT_ONCE):
            yield begin, at
            begin, size = at, 0
        size += len(row)
    if begin < len(rows):
        yield begin, len(rows)
