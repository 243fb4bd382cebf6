"""A fresh process that loads a bundle exactly as a gateway's does, and scores rows in a worker that it forks."""

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from scorebridge.authoring.conditions import BundleNotWritten
from scorebridge.authoring.settings import Settings
from scorebridge.runner import messages
from scorebridge.runner.decoding import decode, decode_head
from scorebridge.runner.environment import ENVIRONMENT, ONE_THREAD
from scorebridge.runner.vectors import Vector

__all__ = ["Answer", "Loaded", "loaded_bundle"]

_LIMIT_S = 120.0  # as a gateway's load_timeout_s, for the load and again for the golden rows
_PAUSE_S = 0.01
_LONGEST_FOLDER = 60  # characters; the path of a unix socket has 107 at most


class Answer(NamedTuple):
    """What a worker answered to the golden rows.

    Attributes:
        outputs: the scores.
        warnings: the warnings of the call, each with whether it says that other data were taken than were given.
        changed: what the call left for the next one, in words; empty if nothing.
    """

    outputs: list[Vector]
    warnings: list[tuple[str, bool]]
    changed: str


class Loaded:
    """A worker that has loaded a bundle.

    Args:
        connection: the connection to it.

    Attributes:
        greeting: what it said of the bundle; see scorebridge.runner.worker.

    Raises:
        BundleNotWritten: the bundle does not load.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        _, self.greeting, _ = self._received("loads the bundle")
        if self.greeting.get("error") is not None:
            raise BundleNotWritten(f"the bundle does not work in a fresh process: {self.greeting['error']}")

    def score(self, rows: int, vectors: Sequence[Vector]) -> Answer:
        """Scores rows.

        Raises:
            BundleNotWritten: the function raised, or returned something else than scores, or the process ended.
        """
        with suppress(OSError):  # what ended meanwhile does not answer either
            for buffer in messages.encode(messages.TRIAL, {"rows": rows, "days": 0}, vectors):
                self._connection.sendall(buffer)
        kind, head, body = self._received("scores the golden rows")
        if kind != messages.DONE:
            raised = f"predict raised {head['class']}: " if head.get("class") else ""
            warned = f" ({head['warned']})" if head.get("warned") else ""
            raise BundleNotWritten(f"the bundle does not work in a fresh process: {raised}{head.get('said')}{warned}")
        _, outputs = decode(head, memoryview(body))
        warnings = [(str(text), bool(changes)) for text, changes in head.get("warnings", [])]
        return Answer(outputs, warnings, str(head.get("changed", "")))

    def _received(self, doing: str) -> tuple[bytes, dict[str, Any], bytearray]:
        try:
            kind, head_bytes, body_bytes = messages.PREFIX.unpack(self._read(messages.PREFIX.size))
            if head_bytes > messages.MOST_HEAD_BYTES or body_bytes > messages.MOST_BODY_BYTES:
                raise BundleNotWritten("the scores of the golden rows are too large: give fewer rows")
            return kind, decode_head(self._read(head_bytes)), self._read(body_bytes)
        except TimeoutError as error:
            raise BundleNotWritten(f"the fresh process that {doing} took longer than {_LIMIT_S:g} s") from error
        except (OSError, messages.BadMessage) as error:
            raise BundleNotWritten(f"the fresh process that {doing} ended meanwhile") from error

    def _read(self, count: int) -> bytearray:
        received = bytearray(count)
        view = memoryview(received)
        while view:
            size = self._connection.recv_into(view)
            if not size:
                raise ConnectionResetError
            view = view[size:]
        return received


@contextmanager
def loaded_bundle(folder: Path, settings: Settings) -> Iterator[Loaded]:
    """Loads a bundle in a process of this interpreter, and ends all its processes at the end.

    Args:
        folder: the folder of the bundle.
        settings: the settings of the model, of which `input`, `row_by_row` and `timezone` are used.

    Raises:
        BundleNotWritten: the bundle does not load, or takes longer than 120 s, or such a process can't be had here.
    """
    if platform.system() != "Linux" or not sys.executable:
        raise BundleNotWritten(
            "a bundle is proven in a process as a gateway has it, which needs Linux and the path of this Python"
        )
    longest = len(tempfile.gettempdir()) > _LONGEST_FOLDER
    work = Path(tempfile.mkdtemp(prefix="scorebridge-", dir="/tmp" if longest else None))  # noqa: S108 - it is made anew
    process = None
    try:
        process = _started(folder.resolve(), settings, work)
        with _connected(work / "socket", process) as connection:
            yield Loaded(connection)
    finally:
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(work, ignore_errors=True)


def _started(folder: Path, settings: Settings, work: Path) -> subprocess.Popen[bytes]:
    own = {name: "" for name in os.environ if name.startswith("PYTHON")} | {**ENVIRONMENT, **ONE_THREAD}
    told = {
        "SCOREBRIDGE_BUNDLE": str(folder),
        "SCOREBRIDGE_DIGEST": "",
        "SCOREBRIDGE_SEED": "1",
        "SCOREBRIDGE_INPUT": settings.input,
        "SCOREBRIDGE_ROW_BY_ROW": "1" if settings.row_by_row else "",
        "SCOREBRIDGE_BEGUN": str(work / "begun"),
        "TMPDIR": str(work),
        "TZ": settings.timezone or "UTC",
    }
    runner = Path(messages.__file__).with_name("start.py")
    return subprocess.Popen(  # noqa: S603 - our own script, in the author's interpreter
        [sys.executable, str(runner), str(work / "socket")],
        cwd=work,
        env={**os.environ, **own, **told},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _connected(path: Path, process: subprocess.Popen[bytes]) -> socket.socket:
    """Returns a connection to a parent, as soon as it has loaded its bundle."""
    until = time.monotonic() + _LIMIT_S
    while time.monotonic() < until:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_LIMIT_S)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
        else:
            return connection
        with suppress(subprocess.TimeoutExpired):
            status = process.wait(_PAUSE_S)
            how = signal.Signals(-status).name if status < 0 else f"with the exit code {status}"
            raise BundleNotWritten(f"the fresh process that loads the bundle ended {how}")
    raise BundleNotWritten(f"the bundle took longer than {_LIMIT_S:g} s to load")
