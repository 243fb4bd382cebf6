"""What rapid resets on one connection do to calls on another, with grpcio alone.

    PYTHONPATH=tests:clients/python .venv/bin/python tests/attacks/rapid_reset.py

grpc-core keeps calls that its server did not pick up yet in one queue for all connections. A call that was reset stays
in it, and from `grpc.server.max_pending_requests` (1,000) to its hard limit (3,000) on, a growing part of the calls
that come, of whatever connection, is ended with CANCELLED.
"""

import asyncio
import sys
from typing import Any

import grpc
import grpc.aio
from raw_http2 import (
    DATA,
    END_STREAM,
    HEADERS,
    RST_STREAM,
    RawCaller,
    dial,
    header_block,
    request,
    resets,
    send_at_once,
)

CALLS = 600
_RESETS = 100_000
_PATH = "/any.Service/Method"
OURS = [
    ("grpc.max_concurrent_streams", 128),
    ("grpc.http.overload_protection", 1),
    ("grpc.server.max_pending_requests", 8192),
    ("grpc.server.max_pending_requests_hard_limit", 8192),
]


class _Echo:
    def service(self, _: grpc.HandlerCallDetails) -> Any:
        async def echo(message: bytes, _: object) -> bytes:
            return message

        return grpc.unary_unary_rpc_method_handler(echo)


async def _is_answered(caller: RawCaller, stream: int) -> bool:
    await caller.send(request(stream, header_block(_PATH), b"x"))
    answered = False
    while (got := await caller.receive()) is not None:
        answered = answered or got.kind == DATA
        if got.kind == RST_STREAM or (got.kind == HEADERS and got.flags & END_STREAM and answered):
            break
    return answered


async def cancelled(options: list[tuple[str, int]]) -> int:
    """How many of the calls on one connection have no answer while another connection resets its own."""
    server = grpc.aio.server(options=options)
    handlers: Any = (_Echo(),)
    server.add_generic_rpc_handlers(handlers)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    caller = await dial(address)
    attack = asyncio.create_task(asyncio.to_thread(send_at_once, address, resets(_RESETS, header_block(_PATH))))
    lost = 0
    for stream in range(1, 2 * CALLS, 2):
        lost += not await _is_answered(caller, stream)
    await caller.close()
    await attack
    await server.stop(None)
    return lost


async def _show() -> None:
    for name, options in (("its own limits", []), ("the gateway's", OURS)):
        lost = await cancelled(options)
        sys.stdout.write(f"grpcio {grpc.__version__}, {name}: another connection lost {lost} of {CALLS} calls\n")


if __name__ == "__main__":
    asyncio.run(_show())
