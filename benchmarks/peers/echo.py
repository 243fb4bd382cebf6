"""A bare grpc.aio server that sends every request back: what gRPC in Python costs by itself, at its best.

One generic handler and neither serializers nor interceptors is what grpc.aio is fastest with.
"""

import asyncio
from typing import Any

import grpc
import grpc.aio


async def _echo(request: bytes, context: Any) -> bytes:
    del context
    return request


class _Methods(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    def __init__(self) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(_echo)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The same method for every path."""
        del handler_call_details
        return self._handler


async def main() -> None:
    """Serves until it is killed."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((_Methods(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"ready 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
