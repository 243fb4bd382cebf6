"""The circuit of a store's server: one that failed again and again is left alone, and asked in the background."""

import asyncio
from collections.abc import Awaitable, Callable

from bridge.events import STORE_ANSWERS, STORE_LEFT_ALONE
from bridge.features.stores.redis_connection import NoReply
from bridge.own_log import OwnLog

__all__ = ["StoreCircuit"]

_log = OwnLog(__name__)


class StoreCircuit:
    """Counts a server's failures in a row.

    Args:
        name: how the log names the server, such as "store 'features'".
        failures: the number of failures in a row that opens the circuit.
        open_s: the seconds between two questions whether the server answers again.
        ask: asks it, or raises NoReply.

    Attributes:
        open: whether the server is left alone.
    """

    def __init__(self, name: str, failures: int, open_s: float, ask: Callable[[], Awaitable[None]]) -> None:
        self._name, self._failures, self._open_s, self._ask = name, failures, open_s, ask
        self._in_a_row = 0
        self._last = ""
        self._asking: asyncio.Task[None] | None = None
        self._closed = False
        self.open = False

    @property
    def state(self) -> str:
        """What keeps the server from answering, in words that follow its name; empty if nothing is known to."""
        return f"was left alone after {self._failures} failures in a row: it {self._last}" if self.open else self._last

    def failed(self, why: NoReply) -> None:
        """Counts a failure, unless it says nothing about the server."""
        if not why.counts or self._closed:
            return
        self._in_a_row += 1
        self._last = why.did
        if self._in_a_row >= self._failures and not self.open:
            self.open = True
            _log.say(STORE_LEFT_ALONE, store=self._name, attempts=self._in_a_row, reason=why.did)
            self._asking = asyncio.get_running_loop().create_task(self._ask_again())

    def answered(self) -> None:
        """Begins the count anew; a circuit that is open stays so until the server answers its question."""
        if not self.open:
            self._in_a_row, self._last = 0, ""

    async def close(self) -> None:
        """Stops asking; nothing is counted from then on."""
        self._closed = True
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _ask_again(self) -> None:
        while True:
            await asyncio.sleep(self._open_s)
            try:
                await self._ask()
            except NoReply as error:
                self._last = error.did
            else:
                break
        self.open = False
        self.answered()
        _log.say(STORE_ANSWERS, store=self._name)
