"""Limits how long the request message of a call may take on grpc.aio, and answers calls that send no message.

grpc.aio's own unary methods wait for a message as long as the connection lives, and never answer a call that ends
without a message. So the methods here read their message themselves, as streaming methods do. They don't check whether
a second message follows: that would cost every call another trip to grpc-core.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio

from bridge.counters import FrontRefusal
from bridge.errors import DeadlineExceeded
from bridge.services.status import Status

__all__ = ["Arrivals"]

_LOOKS = 10  # checks for late messages in the time that a message may take


class Arrivals:
    """The calls whose headers have arrived and whose message has not.

    Args:
        message_s: seconds that a message may take, counted from the arrival of its call's headers.
        refused: called with the reason of each call that is refused here, to count it.
    """

    def __init__(self, message_s: float, refused: Callable[[str], None]) -> None:
        self._message_s = message_s
        self._refused = refused
        self._awaited: dict[Any, float] = {}  # by call context, oldest first: when its headers were here, loop's clock

    def handler(self, handler: Any) -> Any:
        """Wraps the handler of a unary method, for grpc.aio, so that it reads the message itself and in time.

        A call that sends no message ends with INVALID_ARGUMENT, a call whose message is late with DEADLINE_EXCEEDED.
        """
        method, read = handler.unary_unary, handler.request_deserializer or _as_it_is
        end: Any = vars(grpc.aio)["EOF"]  # missing in the type stubs

        async def answer(_: Any, context: Any) -> Any:
            self._awaited[context] = asyncio.get_running_loop().time()
            try:
                request = await context.read()
            finally:
                in_time = self._awaited.pop(context, None) is not None
            if request is end:
                if in_time:  # else it was counted as late
                    self._refused(FrontRefusal.NO_MESSAGE)
                await _end(context, grpc.StatusCode.INVALID_ARGUMENT, "the call ended without a request message")
                raise asyncio.CancelledError  # the caller has left, else `_end` would have raised
            answered = await method(read(request), context)
            if not isinstance(answered, Status):
                return answered
            context.set_code(answered.code)
            context.set_details(answered.message)
            context.set_trailing_metadata(answered.metadata)
            return b""

        return grpc.stream_unary_rpc_method_handler(answer, response_serializer=handler.response_serializer)

    def refusal(self, reason: str, sentence: str) -> Any:
        """Returns a method handler for grpc.aio that ends every call with RESOURCE_EXHAUSTED and this sentence.

        Args:
            reason: by what it is counted.
            sentence: what the caller is told.
        """

        async def refuse(_: Any, context: Any) -> Any:
            self._refused(reason)
            await _end(context, grpc.StatusCode.RESOURCE_EXHAUSTED, sentence)

        return grpc.stream_unary_rpc_method_handler(refuse)

    async def watch(self) -> None:
        """Ends calls whose message is late; runs until it is cancelled."""
        late = f"the request message did not arrive within {self._message_s:g} s of the call's headers"
        while True:
            await asyncio.sleep(self._message_s / _LOOKS)
            oldest = asyncio.get_running_loop().time() - self._message_s
            for context in [context for context, since in self._awaited.items() if since < oldest]:
                self._awaited.pop(context, None)
                self._refused(DeadlineExceeded.reason)
                with suppress(grpc.aio.AbortError):
                    await _end(context, grpc.StatusCode.DEADLINE_EXCEEDED, late)


async def _end(context: Any, code: grpc.StatusCode, sentence: str) -> None:
    with suppress(grpc.aio.InternalError, grpc.aio.UsageError):  # raised if the caller has left already
        await context.abort(code, sentence)


def _as_it_is(message: bytes) -> bytes:
    return message
