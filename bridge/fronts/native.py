"""Serves the gateway's own methods by pygrpc-native, an HTTP/2 server that works outside of the Python interpreter.

Methods that need not be fast (health, reflection, unknown methods) are passed on to a grpc.aio server on a private unix
socket. The library's own asyncio wrapper is not used: it closes connections before the last answers have left them, it
counts a deadline from when the event loop begins the call, and it costs a call more time than all our layers.
"""

import asyncio
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
from bridge.counters import FrontRefusal
from bridge.eager import Waits, begin, resume
from bridge.errors import BridgeError, Draining, InternalError, InvalidRequest
from bridge.events import GRPC_BUG
from bridge.own_log import OwnLog
from bridge.private_folders import make_folder
from bridge.services.status import Status

__all__ = ["Group", "NativeFront"]

_log = OwnLog(__name__)

_TIMEOUT = re.compile(rb"[0-9]{1,8}[HMSmun]")
_EVENTS = 64  # the most events that are passed from the library to the event loop at once
_LAST_BYTES_S = 0.1  # time for the last answers to reach the network: the library does not say when they have

Group = Callable[[], AbstractContextManager[None]]
_Answer = bytes | Status
_Method = Callable[[bytes, Any], Awaitable[_Answer]]


def _io_threads() -> int:
    """Returns 2, so that a big message does not delay answers; 1 on a single core, where two would take turns."""
    return min(2, len(os.sched_getaffinity(0)))


class NativeFront:
    """A gRPC server of pygrpc-native, whose port is bound when the object is made.

    Args:
        address: "host:port"; port 0 picks a free port.
        methods: the gateway's own methods, by path.
        others: a generic handler for all other methods.
        group: a context manager for calls that are answered together: what they record is written when it ends.
        settings: the gateway's settings. Of their limits the library keeps only these: the size of a message (after it
            has arrived), streams, headers and keepalive.
        refused: called with the reason of each call that is refused here, to count it.

    Raises:
        OSError: the address can't be bound.
    """

    def __init__(
        self,
        address: str,
        methods: Mapping[str, _Method],
        others: Any,
        group: Group,
        settings: GatewaySettings,
        *,
        refused: Callable[[str], None],
    ) -> None:
        self._refused = refused
        self._native: Any = import_module("pygrpc_native._native")  # an optional dependency
        self._front = self._native.NativeGrpcFront(
            address,
            [(path, False) for path in methods],
            io_threads=_io_threads(),
            client_key_metadata="grpc-timeout",  # so that we get the header itself; the details hold its value as read
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
        """The number of the port that it listens on."""
        return int(self._front.bound_port)

    async def start(self) -> None:
        """Begins to serve: starts the private server for other methods, and a thread that receives calls."""
        self._folder = make_folder("front")
        socket = self._folder / "others"
        self._others.add_insecure_port(f"unix:{socket}")
        await self._others.start()
        self._front.set_fallback(str(socket))
        self._front.start()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._receive, args=(loop,), name="native-front", daemon=True).start()

    async def stop(self, grace_s: float) -> None:
        """Takes no new calls, and cancels the calls that are still under way after `grace_s` seconds.

        May be called again with a shorter grace, which then counts.
        """
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
        """Passes events from the library to the event loop; runs in a thread of its own until the library is closed."""
        while (events := self._front.recv_batch_details(_EVENTS)) is not None:
            try:
                loop.call_soon_threadsafe(self._begin, events, time.monotonic())
            except RuntimeError:  # the loop was closed without `stop`
                self._front.close()
                return

    def _begin(self, events: list[tuple[Any, ...]], received: float) -> None:
        """Begins calls; those that need not wait are answered together, after their records are written."""
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
            sentence = "the gateway is going down and takes no new calls"
            self._refuse(call_id, Draining.reason, grpc.StatusCode.UNAVAILABLE, sentence)
        elif len(payload) > self._max_message_bytes:
            sentence = f"the message has {len(payload)} bytes; at most {self._max_message_bytes} are allowed"
            self._refuse(call_id, FrontRefusal.TOO_LARGE, grpc.StatusCode.RESOURCE_EXHAUSTED, sentence)
        elif isinstance(timeout, bytes) and _TIMEOUT.fullmatch(timeout) is None:
            sentence = "grpc-timeout must be 1 to 8 digits and one of H, M, S, m, u and n"
            self._refuse(call_id, InvalidRequest.reason, grpc.StatusCode.INVALID_ARGUMENT, sentence)
        else:
            context = _Context(details[1], None if details[2] is None else received + details[2])
            answered = begin(self._run(call_id, self._methods[method], payload, context))
            if isinstance(answered, Waits):
                self._calls[call_id] = asyncio.get_running_loop().create_task(resume(answered))

    def _refuse(self, call_id: int, reason: str, code: grpc.StatusCode, sentence: str) -> None:
        self._refused(reason)
        self._send(call_id, Status(code, sentence))

    async def _run(self, call_id: int, method: _Method, payload: bytes, context: "_Context") -> None:
        answer: _Answer
        try:
            answer = await method(payload, context)
        except asyncio.CancelledError:
            # The caller has left or its deadline has passed; if neither, it reads this.
            answer = Status(grpc.StatusCode.CANCELLED, "the gateway cancelled the call")
        except Exception as bug:  # noqa: BLE001 - its text may hold input values
            _log.say(GRPC_BUG, bug=bug, method=getattr(method, "__name__", ""))
            answer = Status(grpc.StatusCode.INTERNAL, str(InternalError()))
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
    """What a method may ask about its call: the part of grpc.aio.ServicerContext that the gateway's methods use."""

    __slots__ = ("_deadline", "_peer")

    def __init__(self, peer: str, deadline: float | None) -> None:
        self._peer = peer
        self._deadline = deadline

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> None:
        """Returns None: the library does not pass headers on."""

    def time_remaining(self) -> float | None:
        """Returns the seconds until the caller's deadline, 0 after it; None if the caller set none."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
