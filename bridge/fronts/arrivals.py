"""The messages of calls on grpc.aio: each has to come in time, and a call without one is told so.

grpc.aio's own unary methods wait for a message as long as the connection is there, and leave a call that ends without
one unanswered. So these methods read theirs themselves, as those of a stream do. They read no further: to know whether
a second message follows would cost every call another trip to grpc-core.
"""

import asyncio
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio

from bridge.services.status import Status

__all__ = ["Arrivals"]

_LOOKS = 10  # in the time that a message may take


class Arrivals:
    """Calls whose message is on its way.

    Args:
        message_s: how long that may take, seconds, from when the call's headers were here.
    """

    def __init__(self, message_s: float) -> None:
        self._message_s = message_s
        self._awaited: dict[Any, float] = {}  # in the order in which they came

    def handler(self, handler: Any) -> Any:
        """The handler of a unary method, made one that reads its message in time; it is for grpc.aio.

        Without one the call ends with INVALID_ARGUMENT, and with DEADLINE_EXCEEDED if none was here in time.
        """
        method, read = handler.unary_unary, handler.request_deserializer or _as_it_is
        end: Any = vars(grpc.aio)["EOF"]  # the stubs don't have it

        async def answer(_: Any, context: Any) -> Any:
            self._awaited[context] = asyncio.get_running_loop().time()
            try:
                request = await context.read()
            finally:
                self._awaited.pop(context, None)
            if request is end:
                await _end(context, grpc.StatusCode.INVALID_ARGUMENT, "the call has no message")
                raise asyncio.CancelledError  # the caller has left
            answered = await method(read(request), context)
            if not isinstance(answered, Status):
                return answered
            context.set_code(answered.code)
            context.set_details(answered.message)
            context.set_trailing_metadata(answered.metadata)
            return b""

        return grpc.stream_unary_rpc_method_handler(answer, response_serializer=handler.response_serializer)

    def refusal(self, sentence: str) -> Any:
        """A method handler for grpc.aio that ends every call with RESOURCE_EXHAUSTED."""

        async def refuse(_: Any, context: Any) -> Any:
            await _end(context, grpc.StatusCode.RESOURCE_EXHAUSTED, sentence)

        return grpc.stream_unary_rpc_method_handler(refuse)

    async def watch(self) -> None:
        """Ends calls whose message is late, until it is cancelled."""
        late = f"the message was not here within {self._message_s:g} s"
        while True:
            await asyncio.sleep(self._message_s / _LOOKS)
            oldest = asyncio.get_running_loop().time() - self._message_s
            for context in [context for context, since in self._awaited.items() if since < oldest]:
                self._awaited.pop(context, None)
                with suppress(grpc.aio.AbortError):
                    await _end(context, grpc.StatusCode.DEADLINE_EXCEEDED, late)


async def _end(context: Any, code: grpc.StatusCode, sentence: str) -> None:
    with suppress(grpc.aio.InternalError, grpc.aio.UsageError):  # nobody is there to be told
        await context.abort(code, sentence)


def _as_it_is(message: bytes) -> bytes:
    return message
