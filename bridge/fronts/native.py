"""The gateway's own methods on pygrpc-native's HTTP/2 front, which works outside of the interpreter.

What is not ours to make fast (health, reflection, unknown methods) is passed on to a grpc.aio server on a private unix
socket. The library's own asyncio wrapper is not used: it closes connections before the last answers have left them, it
counts a deadline from when the event loop got round to the call, and it costs a call more than our layers do.
"""

import asyncio
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from bridge.config import GatewaySettings
from bridge.eager import Waits, begin, resume
from bridge.errors import BridgeError
from bridge.private_folders import make_folder
from bridge.services.status import Status

__all__ = ["Group", "NativeFront"]

_log = logging.getLogger(__name__)

_TIMEOUT = re.compile(rb"[0-9]{1,8}[HMSmun]")
_EVENTS = 64  # the most that one trip from the front to the event loop carries
_LAST_BYTES_S = 0.1  # for answers that were handed over to reach the network; nothing tells when they have

Group = Callable[[], AbstractContextManager[None]]
_Answer = bytes | Status
_Method = Callable[[bytes, Any], Awaitable[_Answer]]


def _io_threads() -> int:
    """Two keep answers in time beside big messages; on a single core they would only take turns."""
    return min(2, len(os.sched_getaffinity(0)))


class NativeFront:
    """A server that is bound when it is made.

    Args:
        address: "host:port"; port 0 picks a free one.
        methods: the gateway's own, by path.
        others: a generic handler for all other methods.
        group: what calls record within it is written at its end; see `PredictionLog.group`.
        settings: the gateway's, of which it holds those that the library can: messages (once they are here), streams,
            headers and keepalive.

    Raises:
        OSError: the address can't be bound.
    """

    def __init__(
        self, address: str, methods: Mapping[str, _Method], others: Any, group: Group, settings: GatewaySettings
    ) -> None:
        self._native: Any = import_module("pygrpc_native._native")  # an extra
        self._front = self._native.NativeGrpcFront(
            address,
            [(path, False) for path in methods],
            io_threads=_io_threads(),
            client_key_metadata="grpc-timeout",  # so that it is handed over; of the details it is only what was read
            call_details=True,
            keepalive_time_ms=round(settings.keepalive_s * 1000),
            keepalive_timeout_ms=round(settings.keepalive_timeout_s * 1000),
            max_concurrent_streams=settings.max_streams,
            max_metadata_size=settings.max_header_bytes,
        )
        self._methods = list(methods.values())
        self._group = group
        self._answers: list[tuple[int, _Answer]] | None = None
        self._max_message_bytes = settings.max_message_bytes
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._others = grpc.aio.server()
        self._others.add_generic_rpc_handlers((others,))
        self._folder: Path | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._front.bound_port)

    async def start(self) -> None:
        """Serves from here on."""
        self._folder = make_folder("front")
        socket = self._folder / "others"
        self._others.add_insecure_port(f"unix:{socket}")
        await self._others.start()
        self._front.set_fallback(str(socket))
        self._front.start()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._receive, args=(loop,), name="native-front", daemon=True).start()

    async def stop(self, grace_s: float) -> None:
        """Takes no new calls; cancels the last ones after the grace, seconds. A later, shorter grace counts too."""
        loop = asyncio.get_running_loop()
        if self._stopping is None:
            self._stopping = loop.create_task(self._stop())
        hurry = loop.call_later(grace_s, self._hurry.set)
        try:
            await asyncio.shield(self._stopping)
        finally:
            hurry.cancel()

    async def _stop(self) -> None:
        loop = asyncio.get_running_loop()
        hurry = loop.create_task(self._hurry.wait())
        others = loop.create_task(self._others.stop(None))
        while self._calls and not hurry.done():
            await asyncio.wait({hurry, *self._calls.values()}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        for task in self._calls.values():
            task.cancel()
        await asyncio.gather(hurry, others, *self._calls.values(), return_exceptions=True)
        await asyncio.sleep(_LAST_BYTES_S)
        await asyncio.to_thread(self._front.close)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _receive(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs in a thread of its own until the front is closed."""
        while (events := self._front.recv_batch_details(_EVENTS)) is not None:
            try:
                loop.call_soon_threadsafe(self._begin, events, time.monotonic())
            except RuntimeError:  # the loop was closed without `stop`
                self._front.close()
                return

    def _begin(self, events: list[tuple[Any, ...]], received: float) -> None:
        """Begins calls; those that need not wait are answered together, once what they recorded is written."""
        answers: list[tuple[int, _Answer]] = []
        self._answers = answers
        try:
            with self._group():
                for event in events:
                    self._take(event, received)
        except BridgeError as error:
            ended = Status.of(error)
            answers = [(call_id, ended) for call_id, _ in answers]
        finally:
            self._answers = None
        for call_id, answer in answers:
            self._send(call_id, answer)

    def _take(self, event: tuple[Any, ...], received: float) -> None:
        kind, call_id, method, payload, timeout, details = event
        if kind == self._native.EVENT_CANCEL:
            if (task := self._calls.get(call_id)) is not None:
                task.cancel()
        elif self._stopping is not None:
            self._send(call_id, Status(grpc.StatusCode.UNAVAILABLE, "the gateway is going down"))
        elif len(payload) > self._max_message_bytes:
            sentence = f"the message has {len(payload)} bytes, and may have {self._max_message_bytes}"
            self._send(call_id, Status(grpc.StatusCode.RESOURCE_EXHAUSTED, sentence))
        elif isinstance(timeout, bytes) and _TIMEOUT.fullmatch(timeout) is None:
            sentence = "grpc-timeout must be 1 to 8 digits and one of H, M, S, m, u and n"
            self._send(call_id, Status(grpc.StatusCode.INVALID_ARGUMENT, sentence))
        else:
            context = _Context(details[1], None if details[2] is None else received + details[2])
            answered = begin(self._run(call_id, self._methods[method], payload, context))
            if isinstance(answered, Waits):
                self._calls[call_id] = asyncio.get_running_loop().create_task(resume(answered))

    async def _run(self, call_id: int, method: _Method, payload: bytes, context: "_Context") -> None:
        answer: _Answer
        try:
            answer = await method(payload, context)
        except asyncio.CancelledError:
            # The caller has left, or its time is over; if neither, it is told.
            answer = Status(grpc.StatusCode.CANCELLED, "cancelled")
        except Exception:  # noqa: BLE001 - its text may hold input values
            _log.exception("a call failed inside the bridge")
            answer = Status(grpc.StatusCode.INTERNAL, "the gateway failed; its log says where")
        self._calls.pop(call_id, None)
        if self._answers is not None:
            self._answers.append((call_id, answer))
        else:
            self._send(call_id, answer)

    def _send(self, call_id: int, answer: _Answer) -> None:
        if isinstance(answer, bytes):
            self._front.respond(call_id, answer)
        else:
            code, message, metadata = answer
            self._front.fail(call_id, int(code.value[0]), message, trailing_metadata=list(metadata))


class _Context:
    """What a method may ask of its call: the part of grpc.aio.ServicerContext that we use."""

    __slots__ = ("_deadline", "_peer")

    def __init__(self, peer: str, deadline: float | None) -> None:
        self._peer = peer
        self._deadline = deadline

    def peer(self) -> str:
        return self._peer

    def time_remaining(self) -> float | None:
        """Seconds; None without a deadline."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
