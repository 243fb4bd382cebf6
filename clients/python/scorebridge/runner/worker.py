"""A forked worker: greets, and then answers one call after the other."""

from __future__ import annotations

import fcntl
import os
import platform
import resource
import socket
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from . import messages
from .adopting import adopt
from .decoding import decode, decode_head
from .scoring import Failed, Scoring
from .state import State

if TYPE_CHECKING:
    from .load import Loaded

__all__ = ["Settings", "serve"]

_ABOVE = 256  # descriptors below are left to the model and to what it starts, and may be closed by it
_BUFFER_BYTES = 4 << 20
_FIRST_BYTES = 64 << 10  # of a message, with its prefix; the rest is received into the memory that it stays in
_LIMIT = f"the limit is {messages.MOST_BODY_BYTES >> 20} MiB a call"


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
        adopt()
        # A number of its own that no program inherits: what the model starts must neither read calls nor write answers.
        # The number that it was accepted by may even be that of the standard output, if Pred.py has closed that.
        with accepted:
            own = fcntl.fcntl(accepted, fcntl.F_DUPFD_CLOEXEC, min(_ABOVE, _most_descriptors() // 2))
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


def _most_descriptors() -> int:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if most > 0 else 2 * _ABOVE  # there may be no limit


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
        while (received := self._received()) is not None:
            kind, head, body = received
            self._send(self._answer(kind, decode_head(head), body))

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
        days = head.get("days", 0)
        if days:
            self._move_clock(days)
        try:
            return self._scored(kind, head, body)
        except MemoryError:
            failed = Failed(
                "raised", "MemoryError", "MemoryError: there is no memory for the rows or scores", memory=True
            )
        except messages.TooLarge as error:
            failed = Failed("malformed", "", f"predict returned scores of {error.bytes} bytes: {_LIMIT}")
        except Failed as error:
            failed = error.with_traceback(None)  # whose frames would keep the rows alive, and be kept by them
        warned = "; ".join(text for text, _ in self._scoring.warned)
        told = {"kind": failed.kind, "class": failed.raised, "said": str(failed), "warned": warned}
        told["changed"] = "it ran out of memory" if failed.memory else self._changed(days)
        return messages.encode(messages.FAILED, told)

    def _scored(self, kind: bytes, head: dict[str, Any], body: memoryview) -> list[Any]:
        rows, vectors = decode(head, body)
        outputs = self._scoring.score(rows, vectors)
        told: dict[str, Any] = {"rows": rows, "changed": self._changed(head.get("days", 0))}
        if kind == messages.TRIAL:
            told["warnings"] = self._scoring.warned
        return messages.encode(messages.DONE, told, outputs)

    def _changed(self, days: int) -> str:
        try:
            os.chdir(self._folder)
        except OSError:
            return "predict removed its working folder"
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

    def _received(self) -> tuple[bytes, memoryview, memoryview] | None:
        """Returns kind, head and body of the next message; None where the connection ends before it is whole.

        The gateway sends a message when it has the answer to the one before, so what is received belongs to one.
        """
        first = self._connection.recv(_FIRST_BYTES)
        while 0 < len(first) < messages.PREFIX.size:
            first += self._connection.recv(messages.PREFIX.size - len(first))
        if len(first) < messages.PREFIX.size:
            return None
        kind, head_bytes, body_bytes = messages.PREFIX.unpack_from(first)
        message = memoryview(bytearray(head_bytes + body_bytes))
        begun = len(first) - messages.PREFIX.size
        message[:begun] = memoryview(first)[messages.PREFIX.size :]
        rest = message[begun:]
        while rest:
            size = self._connection.recv_into(rest)
            if size == 0:
                return None
            rest = rest[size:]
        return kind, message[:head_bytes], message[head_bytes:]
