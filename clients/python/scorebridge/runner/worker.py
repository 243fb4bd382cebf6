"""A forked worker: greets, and then answers one call after the other."""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import socket
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from . import messages
from .scoring import Failed, Scoring
from .state import State

if TYPE_CHECKING:
    from .load import Loaded

__all__ = ["Settings", "serve"]

_ABOVE = 64  # descriptors below are left to the model and to what it starts
_BUFFER_BYTES = 4 << 20
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None)  # loaded before the fork


class Settings(NamedTuple):
    """What a worker is told of its bundle.

    Attributes:
        bundle: the bundle's folder.
        digest: the bundle's digest.
        seed: the seed of every call's random numbers.
        row_by_row: whether each row is scored by a call of the function of its own.
    """

    bundle: str
    digest: str
    seed: int
    row_by_row: bool


def serve(accepted: socket.socket, loaded: Loaded, settings: Settings) -> NoReturn:
    """Makes the process' own folder, greets and answers calls until the connection ends; then ends the process."""
    status = 1
    try:
        # What the processes that the model starts leave behind becomes this one's: it is seen, counted and killed.
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        # A number of its own that no program inherits: what the model starts must neither read calls nor write answers.
        own = fcntl.fcntl(accepted.detach(), fcntl.F_DUPFD_CLOEXEC, _ABOVE)
        folder = f"worker{os.getpid()}"
        os.mkdir(folder, 0o700)
        os.chdir(folder)
        with socket.socket(fileno=own) as connection:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                connection.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
            _Worker(connection, loaded, settings).run()
        status = 0
    finally:
        # Python's own end would run finalizers of the model and wait for its threads.
        os._exit(status)


class _Worker:
    def __init__(self, connection: socket.socket, loaded: Loaded, settings: Settings) -> None:
        self._connection = connection
        self._loaded = loaded
        self._digest = settings.digest
        self._folder = os.getcwd()
        self._scoring = Scoring(loaded, settings.bundle, settings.seed, row_by_row=settings.row_by_row)
        self._state = State(loaded.modules)

    def run(self) -> None:
        """Greets, and answers calls until the connection ends."""
        self._send(messages.encode(messages.GREETING, self._greeting()))
        while (prefix := self._received(messages.PREFIX.size)) is not None:
            kind, head_bytes, body_bytes = messages.PREFIX.unpack(prefix)
            head, body = self._received(head_bytes), self._received(body_bytes)
            if head is None or body is None:
                return
            self._send(self._answer(kind, messages.decode_head(head), memoryview(body)))

    def _greeting(self) -> dict[str, Any]:
        loaded = self._loaded
        return {
            "pid": os.getpid(),
            "digest": self._digest,
            "error": loaded.error,
            "features": loaded.features,
            "frame_features": loaded.frame_features,
            "version": platform.python_version(),
            "packages": loaded.packages,
            "warnings": loaded.warnings,
            "notes": loaded.notes,
        }

    def _answer(self, kind: bytes, head: dict[str, Any], body: memoryview) -> list[Any]:
        """Returns the message that answers a call.

        Its head has, beside the columns, "changed": what the next call must not meet, in words; of a trial "warnings":
        each with whether it says that data were changed. Without scores it has "kind", "class", "said" and "warned".
        """
        rows, vectors = messages.decode(head, body)
        days = head.get("days", 0)
        if days:
            self._move_clock(days)
        told: dict[str, Any] = {"rows": rows}
        try:
            outputs = self._scoring.score(rows, vectors)
        except Failed as error:
            warned = "; ".join(text for text, _ in self._scoring.warned)
            told.update({"kind": error.kind, "class": error.raised, "said": str(error), "warned": warned})
            told["changed"] = "it ran out of memory" if error.memory else self._changed(days)
            return messages.encode(messages.FAILED, told)
        told["changed"] = self._changed(days)
        if kind == messages.TRIAL:
            told["warnings"] = self._scoring.warned
        return messages.encode(messages.DONE, told, outputs)

    def _changed(self, days: int) -> str:
        os.chdir(self._folder)
        return "its clock was moved" if days else self._state.change()

    @staticmethod
    def _move_clock(days: int) -> None:
        from .clock import move_clock  # noqa: PLC0415 - only trials need it

        move_clock(days)

    def _send(self, buffers: list[Any]) -> None:
        if sum(map(len, buffers)) <= _BUFFER_BYTES:
            self._connection.sendall(b"".join(buffers))
            return
        for buffer in buffers:
            self._connection.sendall(buffer)

    def _received(self, count: int) -> bytearray | None:
        """Returns the next bytes; None where the connection ends before there are that many."""
        received = bytearray(count)
        view = memoryview(received)
        while view:
            size = self._connection.recv_into(view)
            if size == 0:
                return None
            view = view[size:]
        return received
