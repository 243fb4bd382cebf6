"""Messages of one shape, which differ in their numbers alone: what one of them holds, all hold.

A caller sends the same columns with other values again and again. To compare what surrounds the values costs a tenth of
counting it.
"""

from collections import OrderedDict
from dataclasses import dataclass

__all__ = ["Contents", "Shapes"]

_MOST_SHAPES = 64
_MOST_PIECES = 128
_MOST_BYTES = 8192  # around the numbers of one message
_KEY_BYTES = 8  # no number stands so near to the beginning
_REQUEST_ID, _CONTINUES = 0x0A, 0x80

_Key = tuple[bool, int, bytes]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a message holds, as far as it is work to read.

    Attributes:
        columns: of its table.
        items: texts, missing rows and single numbers that have to be looked at one by one; not fewer than there are.
        numbers: places in the message, from and to, in order, that hold nothing else than numbers of fixed width.
    """

    columns: int
    items: int
    numbers: tuple[tuple[int, int], ...] = ()


class Shapes:
    """The shapes of the last messages; the id of a request, which is another one each time, is not part of one."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Key, tuple[list[tuple[int, int, bytes]], Contents]] = OrderedDict()

    def find(self, raw: bytes) -> Contents | None:
        """What a message of this shape held; None if none came lately."""
        at = _behind_id(raw)
        key = at > 0, len(raw) - at, raw[at : at + _KEY_BYTES]
        if (found := self._known.get(key)) is None:
            return None
        parts, contents = found
        for first, last, part in parts:
            if raw[at + first : at + last] != part:
                return None
        return contents

    def keep(self, raw: bytes, contents: Contents) -> None:
        """Keeps what this message holds for others of its shape, if there is little around its numbers."""
        at = _behind_id(raw)
        edges = [at, *(edge for span in contents.numbers for edge in span), len(raw)]
        spans = list(zip(edges[::2], edges[1::2], strict=True))
        if len(spans) > _MOST_PIECES or sum(last - first for first, last in spans) > _MOST_BYTES:
            return
        parts = [(first - at, last - at, raw[first:last]) for first, last in spans]
        self._known[at > 0, len(raw) - at, raw[at : at + _KEY_BYTES]] = parts, contents
        if len(self._known) > _MOST_SHAPES:
            self._known.popitem(last=False)


def _behind_id(raw: bytes) -> int:
    """Where a message goes on behind the request's id; 0 if it does not begin with a short one."""
    if len(raw) < 2 or raw[0] != _REQUEST_ID or raw[1] >= _CONTINUES:  # noqa: PLR2004
        return 0
    behind = 2 + raw[1]
    return behind if behind < len(raw) else 0
