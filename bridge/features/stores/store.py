"""What a lookup asks of a store of features, whatever holds them."""

from collections.abc import Sequence
from typing import Protocol

from bridge.features.stores.group import Group
from bridge.values import value

__all__ = ["NotARow", "Snapshot", "Store"]


class NotARow:
    """Stands for something in a store that is not what it must be, such as a list where a row is expected."""


@value
class Snapshot:
    """A group as a store described it, and what time it is there.

    Attributes:
        group: the group; None if the store has none of that name.
        now_ms: the store's clock, in milliseconds since 1970, carried on by this process' monotonic clock.
    """

    group: Group | None
    now_ms: int


class Store(Protocol):
    """Holds feature groups by entity key. All methods belong to one event loop."""

    @property
    def name(self) -> str:
        """The store's name in the gateway's settings."""

    @property
    def state(self) -> str:
        """What keeps the store from answering, in words for `/readyz`; empty if nothing is known to."""

    async def start(self) -> None:
        """Begins to connect in the background, and returns at once; a store that is down never stops the gateway."""

    def snapshot(self, group: str) -> Snapshot | None:
        """Returns a group as it was seen less than three times `refresh_s` ago, at once; None if `look` has to ask.

        A group that calls ask for is looked at again in the background.
        """

    async def look(self, group: str, until: float) -> Snapshot:
        """Asks the store for a group.

        Args:
            group: the group's name.
            until: the instant on the loop's clock until which this may take.

        Raises:
            StoreUnavailable: it did not answer until then, or at all.
            GroupNotReadable: what it holds of the group is not as docs/features.md says.
        """

    async def rows(self, keys: Sequence[bytes], until: float) -> list[bytes | None]:
        """Returns the packed row under each key, None where there is none; more than 1,000 keys take several trips.

        Raises:
            StoreUnavailable: it did not answer until then, or at all; or it answered something else.
        """

    async def hashes(
        self, keys: Sequence[bytes], fields: Sequence[bytes], until: float
    ) -> list[list[bytes | None] | NotARow]:
        """Returns the values of the fields of the hash under each key, None where there is none.

        Where something else than a hash is under the key, NotARow stands for its values.

        Raises:
            StoreUnavailable: it did not answer until then, or at all.
        """

    async def close(self) -> None:
        """Closes all connections; may be called more than once."""
