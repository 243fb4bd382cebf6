"""A request's way from its bytes to a message: counted first, then built, on the event loop or beside it."""

from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.scorebridge_v1.bounds import Bounds, is_short
from bridge.codecs.scorebridge_v1.contents import count_contents
from bridge.codecs.scorebridge_v1.requests import check_short, parse_request
from bridge.codecs.scorebridge_v1.shapes import Contents, Shapes
from bridge.errors import InvalidRequest
from bridge.models.registry import Registry
from bridge.services.answer import beside_in_time

__all__ = ["Intake"]

_MOST_ROWS = 1_000_000  # what a model takes whose author says nothing else
# Below these a message is read within about 2 ms; a hop to a thread costs 0.1 ms.
_FEW_COLUMNS = 256
_FEW_ITEMS = 10_000
_FEW_BYTES = 4 << 20


class Intake:
    """Reads requests; big ones in a thread, one after the other, so that the event loop goes on answering.

    Args:
        registry: whose models may have more features, or take more rows, than a message may hold otherwise.
        max_columns: of a message, if none of them has more features.

    Attributes:
        refused: how many messages held more than they may.
    """

    def __init__(self, registry: Registry, max_columns: int) -> None:
        self._registry = registry
        self._bounds = Bounds(max_columns, _MOST_ROWS)
        self._shapes = Shapes()
        self.refused = 0

    def read_short(self, raw: bytes) -> pb.ScoreRequest | None:
        """The message in so few bytes that nothing in it takes long; None if `read` has to see to them.

        Raises:
            InvalidRequest: it is no ScoreRequest, or holds more than it may.
        """
        if not is_short(raw):
            return None
        request = parse_request(raw)
        check_short(raw, request)
        return request if len(request.table.columns) <= _FEW_COLUMNS else None

    async def read(self, raw: bytes, left_s: float | None, caller: str) -> tuple[pb.ScoreRequest, bool]:
        """The message in these bytes, and whether it is little work to go on with it.

        Args:
            raw: what came.
            left_s: how long its caller waits, seconds; None for any time.
            caller: whose it is.

        Raises:
            InvalidRequest: it is no ScoreRequest, or holds more than it may.
            DeadlineExceeded: others were read until its time was over.
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
        try:
            contents = count_contents(raw, self._bounds, few=few)
        except InvalidRequest as error:
            widest = self._widest()
            if widest == self._bounds or not error.limit:
                self.refused += 1
                raise
        else:
            if contents is not None and few:
                self._shapes.keep(raw, contents)  # of what is within these bounds, which stay as they are
            return contents
        try:
            return count_contents(raw, widest, few=few)
        except InvalidRequest:
            self.refused += 1
            raise

    def _widest(self) -> Bounds:
        """What the resident models take at most, if that is more; only asked for where a message holds so much."""
        resident = self._registry.resident()
        return Bounds(
            max([self._bounds.columns, *(version.width for version in resident)]),
            max([self._bounds.rows, *(version.settings.max_batch_rows for version in resident)]),
        )


def _is_little(contents: Contents, raw: bytes) -> bool:
    few = contents.columns <= _FEW_COLUMNS and contents.items <= _FEW_ITEMS
    return few and len(raw) <= _FEW_BYTES
