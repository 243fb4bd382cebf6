"""Record: what was asked and what is answered, on record before the answer leaves; cancelled and failed calls too."""

import asyncio
from collections.abc import Awaitable
from typing import Protocol

from bridge.beside import is_much
from bridge.calls import Call, Outcome, Scorer
from bridge.errors import InternalError

__all__ = ["Answer", "Record", "Recorder"]


Answer = tuple[Outcome, Awaitable[None] | None]


class Recorder(Protocol):
    """Where calls are put on record; see `bridge.recorder`."""

    def answered(self, call: Call, outcome: Outcome, engine: str = "") -> Answer:
        """A call and what became of it: the outcome, with the bytes of its reply if it has one, and what to await."""

    async def answered_beside(self, call: Call, outcome: Outcome, engine: str = "") -> Outcome:
        """The same of much, which would hold the event loop; the outcome once it is on record."""

    async def cancelled(self, call: Call, engine: str = "") -> None:
        """A call whose caller has left."""


class Record:
    """The outermost layer of a version.

    Args:
        recorder: of the gateway's log.
        engine: what computes the scores of the version, in words.
    """

    def __init__(self, recorder: Recorder, engine: str) -> None:
        self._recorder = recorder
        self._engine = engine

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Scores the call and records it; the outcome holds the reply's bytes.

        Raises:
            LogUnavailable: it could not be recorded, and must not be answered then.
        """
        try:
            outcome = await inner(call)
        except asyncio.CancelledError:
            await self._recorder.cancelled(call, self._engine)
            raise
        except Exception:
            bug = InternalError("the bridge failed; its log says where")
            _, written = self._recorder.answered(call, Outcome.failed(call.rows, bug), self._engine)
            if written is not None:
                await written
            raise
        if is_much(call.rows, len(outcome.ranges)):
            return await self._recorder.answered_beside(call, outcome, self._engine)
        outcome, written = self._recorder.answered(call, outcome, self._engine)
        if written is not None:
            await written
        return outcome
