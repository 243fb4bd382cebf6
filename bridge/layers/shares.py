"""Divides a bounded resource, such as memory, between the callers that want it."""

from collections import OrderedDict

from bridge.calls import now
from bridge.errors import Overloaded

__all__ = ["Lease", "Shares"]

_WANTED_S = 1.0  # a caller that was turned away and does not come again within it, is taken to want nothing any more
_MOST_WAITING = 1024


class Shares:
    """A bounded resource of which each caller may hold a part, such as memory.

    A caller who is alone may hold all of it. Where others hold some, or were turned away within the last second, no
    caller gets more than an equal share. What a caller already holds beyond its share is not taken away.

    Args:
        most: the most that all callers together may hold.
        unit: the unit of all amounts, in words for messages, such as "bytes in flight".

    Attributes:
        most: the most that all callers together may hold.
        held: the amount that all callers together hold now.
    """

    def __init__(self, most: int, unit: str) -> None:
        self.most = most
        self._unit = unit
        self._held: dict[str, int] = {}
        self._waiting: OrderedDict[str, float] = OrderedDict()
        self.held = 0

    def take(self, caller: str, amount: int) -> None:
        """Reserves `amount` for the caller until `give_back`.

        Raises:
            Overloaded: the amount exceeds what is free or the caller's share; nothing is reserved.
        """
        self.check(caller, amount)
        self.hold(caller, amount)

    def check(self, caller: str, amount: int) -> None:
        """Checks that the caller may hold `amount` more, without reserving it.

        Raises:
            Overloaded: the amount exceeds what is free or the caller's share. A share is kept for the caller for a
                second.
        """
        own = self._held.get(caller, 0)
        if self.held + amount > self.most or self._waiting or self.held > own:
            self._check(caller, own, amount)

    def hold(self, caller: str, amount: int) -> None:
        """Reserves `amount` for the caller without a check, until `give_back`."""
        self._held[caller] = self._held.get(caller, 0) + amount
        self.held += amount

    def turn_away(self, caller: str) -> None:
        """Keeps a share for a caller that was refused, for a second: others get no more than an equal share then."""
        self._waiting.pop(caller, None)
        self._waiting[caller] = now()
        if len(self._waiting) > _MOST_WAITING:
            self._waiting.popitem(last=False)

    def give_back(self, caller: str, amount: int) -> None:
        """Frees `amount` of what the caller holds."""
        self.held -= amount
        if left := self._held.get(caller, 0) - amount:
            self._held[caller] = left
        else:
            self._held.pop(caller, None)  # a caller that holds nothing, such as for an empty message, may have no entry

    def _check(self, caller: str, own: int, amount: int) -> None:
        share = self.most // len(self._present(caller))
        full = self.held + amount > self.most
        if not full and (own + amount <= share or share == self.most):
            self._waiting.pop(caller, None)
            return
        self.turn_away(caller)
        limit = self.most if full and own + amount <= share else share
        if limit == self.most:
            said = f"{amount} more {self._unit} would exceed the limit of {limit} for all callers together"
        else:
            said = f"{own + amount} {self._unit} would exceed this caller's share of {limit} while others want some"
        raise Overloaded(said, limit=f"{limit} {self._unit}")

    def _present(self, caller: str) -> set[str]:
        """Returns the callers that hold some or were refused within the last second, and this one."""
        oldest = now() - _WANTED_S
        while self._waiting and next(iter(self._waiting.values())) < oldest:
            self._waiting.popitem(last=False)
        return {caller, *self._held, *self._waiting}


class Lease:
    """What one call of a caller holds of a bounded resource.

    Args:
        shares: the resource.
        caller: the caller.
    """

    __slots__ = ("_amount", "_caller", "_shares")

    def __init__(self, shares: Shares, caller: str) -> None:
        self._shares, self._caller, self._amount = shares, caller, 0

    def take(self, amount: int) -> None:
        """Reserves `amount` more, until `give_back`.

        Raises:
            Overloaded: the amount exceeds what is free or the caller's share; nothing more is reserved.
        """
        self._shares.take(self._caller, amount)
        self._amount += amount

    def give_back(self) -> None:
        """Frees all that the call holds."""
        self._shares.give_back(self._caller, self._amount)
        self._amount = 0
