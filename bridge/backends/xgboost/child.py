"""Runs a module in a child process, for work that may crash, hang or print without end: reading a stranger's file."""

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
    """How a child process ended.

    Attributes:
        code: its exit code, or the negative number of the signal that killed it.
        printed: the last 64 MiB of its standard output.
        complained: the last line of its standard error that is not blank, of its last 300 bytes.
    """

    code: int
    printed: bytes
    complained: str


async def run_child(module: str, arguments: Sequence[str], timeout_s: float, *, alone: bool = True) -> Ended:
    """Runs a Python module as a child process at a low priority. Cancelling kills it with all that it started.

    Args:
        module: the name of the module.
        arguments: its command line arguments.
        timeout_s: how long the child may run, seconds.
        alone: whether files in the working directory are kept from being imported as modules.

    Raises:
        TimeoutError: the child ran longer than `timeout_s` and was killed with all that it started.
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
    """Reads a pipe to its end, and returns the last `most` bytes."""
    parts: list[bytes] = []
    held = 0
    while stream is not None and (part := await stream.read(1 << 16)):
        parts.append(part)
        held += len(part)
        if held > 2 * most:
            parts = [b"".join(parts)[-most:]]
            held = len(parts[0])
    return b"".join(parts)[-most:]
