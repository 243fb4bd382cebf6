"""How much of what there is one caller may hold while there are others."""

from collections import OrderedDict
from functools import lru_cache
from ipaddress import IPv6Address
from urllib.parse import unquote

from bridge.calls import now
from bridge.errors import Overloaded

__all__ = ["Shares", "caller_of"]

_WANTED_S = 1.0  # who was turned away comes again within it, or doesn't want it any more
_MOST_WAITING = 1024
_NETWORK_BYTES = 8  # of an IPv6 address: the rest of it is its owner's to choose


class Shares:
    """Something bounded that callers hold parts of, such as memory.

    A caller who is alone may hold all of it. Where others hold some, or were turned away within the last second, nobody
    gets more than an equal part; what one holds beyond that already is not taken away.

    Args:
        most: of all callers together.
        unit: of which it is, in words.

    Attributes:
        held: by all callers.
    """

    def __init__(self, most: int, unit: str) -> None:
        self._most = most
        self._unit = unit
        self._held: dict[str, int] = {}
        self._waiting: OrderedDict[str, float] = OrderedDict()
        self.held = 0

    def take(self, caller: str, amount: int) -> None:
        """Gives the caller so much more, until it is given back.

        Raises:
            Overloaded: it can't have that now; nothing was taken.
        """
        self.check(caller, amount)
        self.hold(caller, amount)

    def check(self, caller: str, amount: int) -> None:
        """The caller may have so much more.

        Raises:
            Overloaded: it may not now; its share is kept for it for a second.
        """
        own = self._held.get(caller, 0)
        if self.held + amount > self._most or self._waiting or self.held > own:
            self._check(caller, own, amount)

    def hold(self, caller: str, amount: int) -> None:
        """The caller has so much more, whether it may or not."""
        self._held[caller] = self._held.get(caller, 0) + amount
        self.held += amount

    def turn_away(self, caller: str) -> None:
        """The caller did not get what it asked for, whatever the reason: its share is kept for it for a second."""
        self._waiting.pop(caller, None)
        self._waiting[caller] = now()
        if len(self._waiting) > _MOST_WAITING:
            self._waiting.popitem(last=False)

    def give_back(self, caller: str, amount: int) -> None:
        """What was taken is free again."""
        self.held -= amount
        if left := self._held.get(caller, 0) - amount:
            self._held[caller] = left
        else:
            self._held.pop(caller, None)  # who holds nothing, as of an empty message, may be gone already

    def _check(self, caller: str, own: int, amount: int) -> None:
        share = self._most // len(self._present(caller))
        full = self.held + amount > self._most
        if not full and (own + amount <= share or share == self._most):
            self._waiting.pop(caller, None)
            return
        self.turn_away(caller)
        limit = self._most if full and own + amount <= share else share
        why = "all callers together may have" if limit == self._most else "this caller may have while others wait,"
        raise Overloaded(f"{own + amount} {self._unit} would be more than {why} {limit}", limit=f"{limit} {self._unit}")

    def _present(self, caller: str) -> set[str]:
        """Who holds some of it or wants some, the caller among them."""
        oldest = now() - _WANTED_S
        while self._waiting and next(iter(self._waiting.values())) < oldest:
            self._waiting.popitem(last=False)
        return {caller, *self._held, *self._waiting}


@lru_cache(maxsize=1024)
def caller_of(peer: str) -> str:
    """The address in what gRPC says of a connection, without its port; of IPv6 the network, which is one owner's.

    Connections of one address are one caller's, however many there are.
    """
    kind, _, address = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return peer.rpartition(":")[0] or peer
    host = address.rpartition(":")[0].strip("[]").partition("%")[0]
    if kind == "ipv6":
        try:
            network = IPv6Address(host)
        except ValueError:
            return f"ipv6:{host}"
        if (mapped := network.ipv4_mapped) is not None:
            return f"ipv4:{mapped}"
        return f"ipv6:{IPv6Address(network.packed[:_NETWORK_BYTES] + bytes(_NETWORK_BYTES))}/64"
    return f"ipv4:{host}"
