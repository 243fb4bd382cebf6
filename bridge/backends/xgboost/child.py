"""A process of our own for what may crash, hang or print without end: reading a file that came from a stranger."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from bridge.backends import NICENESS

__all__ = ["Ended", "run_child"]

_MOST_PRINTED = 64 << 20  # bytes: facts of thousands of features with thousands of categories are a few million
_MOST_COMPLAINED = 300


class Ended(NamedTuple):
    """What became of a child.

    Attributes:
        code: its exit code, negative for a signal.
        printed: the last 64 MiB of its standard output.
        complained: the last line of its standard error.
    """

    code: int
    printed: bytes
    complained: str


async def run_child(module: str, arguments: Sequence[str], timeout_s: float, *, alone: bool = True) -> Ended:
    """Runs a module of ours at a low priority. Cancelling kills it, with all that it started.

    Args:
        module: its name.
        arguments: of its command line.
        timeout_s: how long it may take, seconds.
        alone: nothing that lies in the working directory is taken for one of its modules.

    Raises:
        TimeoutError: it took longer, and was killed with all that it started.
    """
    isolated = ("-P",) if alone else ()
    child = await asyncio.create_subprocess_exec(
        *("nice", f"-n{NICENESS}", sys.executable, *isolated, "-m", module, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout_s):
            printed, complained = await asyncio.gather(
                _last(child.stdout, _MOST_PRINTED), _last(child.stderr, _MOST_COMPLAINED)
            )
            await child.wait()
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
    lines = complained.decode(errors="replace").split("\n")
    return Ended(child.returncode or 0, printed, next((line for line in reversed(lines) if line.strip()), ""))


async def _last(stream: asyncio.StreamReader | None, most: int) -> bytes:
    """The end of what comes from a pipe, all of which is read."""
    parts: list[bytes] = []
    held = 0
    while stream is not None and (part := await stream.read(1 << 16)):
        parts.append(part)
        held += len(part)
        if held > 2 * most:
            parts = [b"".join(parts)[-most:]]
            held = len(parts[0])
    return b"".join(parts)[-most:]
