"""Turns a request's bytes into a message: counts what they hold first, then builds it, big ones in a thread."""

from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.scorebridge_v1.bounds import is_short
from bridge.codecs.scorebridge_v1.contents import count_contents
from bridge.codecs.scorebridge_v1.requests import check_short, parse_request
from bridge.codecs.scorebridge_v1.shapes import Contents, Shapes
from bridge.models.registry import Registry
from bridge.services.answer import beside_in_time
from bridge.services.counting import Counting

__all__ = ["Intake"]

# A message below these three limits is read within about 2 ms; handing it to a thread costs 0.1 ms.
_FEW_COLUMNS = 256
_FEW_ITEMS = 10_000
_FEW_BYTES = 4 << 20


class Intake:
    """Reads requests; big ones in a thread, one after the other, so that the event loop goes on answering.

    Args:
        registry: the gateway's versions; a resident one with more features or rows per call raises the limits.
        max_columns: the most columns of a message, if no resident version has more features.

    Attributes:
        counting: counts what the messages hold.
    """

    def __init__(self, registry: Registry, max_columns: int) -> None:
        self.counting = Counting(registry, max_columns)
        self._shapes = Shapes()

    def read_short(self, raw: bytes) -> pb.ScoreRequest | None:
        """Reads a message that is small enough to be read at once; returns None if `read` has to read it.

        Raises:
            InvalidRequest: the bytes are not a ScoreRequest, or hold more than allowed.
        """
        if not is_short(raw):
            return None
        request = parse_request(raw)
        check_short(raw, request)
        return request if len(request.table.columns) <= _FEW_COLUMNS else None

    async def read(self, raw: bytes, left_s: float | None, caller: str) -> tuple[pb.ScoreRequest, bool]:
        """Reads a message of any size without holding the event loop.

        Args:
            raw: the bytes of the message.
            left_s: seconds that the caller still waits; None if it set no deadline.
            caller: whose message it is.

        Returns:
            The message, and whether binding its rows is so little work that it may hold the event loop.

        Raises:
            InvalidRequest: the bytes are not a ScoreRequest, or hold more than allowed.
            DeadlineExceeded: `left_s` passed while messages of others were read.
        """
        contents = self._shapes.find(raw)
        if contents is None:
            contents = self._count(raw, few=True) or await beside_in_time(
                lambda: self._count(raw, few=False), left_s, caller
            )
        if contents is not None and _is_little(contents, raw):
            return parse_request(raw), True
        return await beside_in_time(lambda: parse_request(raw), left_s, caller), False

    def _count(self, raw: bytes, *, few: bool) -> Contents | None:
        contents, kept = self.counting.count(lambda bounds: count_contents(raw, bounds, few=few))
        if contents is not None and few and kept:
            self._shapes.keep(raw, contents)  # only of messages within the fixed bounds, which never change
        return contents


def _is_little(contents: Contents, raw: bytes) -> bool:
    few = contents.columns <= _FEW_COLUMNS and contents.items <= _FEW_ITEMS
    return few and len(raw) <= _FEW_BYTES
