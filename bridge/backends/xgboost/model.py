"""What an xgboost model file says of itself, learned by a process of its own: a damaged file can crash xgboost."""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bridge.backends import NICENESS
from bridge.backends.xgboost.facts import Asked, ModelFacts
from bridge.backends.xgboost.model_file import refuse_other_kinds, sentence_for
from bridge.errors import BundleError

__all__ = ["inspect", "run_child"]


async def inspect(path: Path, timeout_s: float, asked: Asked | None = None) -> ModelFacts:
    """Loads the file in a child process, and scores made-up rows there in every way that there is.

    Args:
        path: the model file.
        timeout_s: how long it may take, seconds.
        asked: what model.toml asks of the booster; None for nothing.

    Raises:
        BundleError: the file is of another kind, damaged, crashes the loader, does not fit what is asked of it, or
            takes longer than `timeout_s` seconds.
    """
    await asyncio.to_thread(refuse_other_kinds, path)
    arguments = [str(path), json.dumps(asdict(asked or Asked()))]
    try:
        code, printed = await run_child("bridge.backends.xgboost.reading", arguments, timeout_s)
    except TimeoutError as error:
        raise BundleError(f"{path.name} was not loaded within {timeout_s:g} s", limit=f"{timeout_s:g} s") from error
    if code < 0:
        raise BundleError(f"{path.name} crashes xgboost's loader: it is damaged")
    said: dict[str, Any] = json.loads(printed) if code == 0 else {"failed": ""}
    if "facts" in said:
        return ModelFacts(**said["facts"])
    if "refused" in said:
        raise BundleError(said["refused"])
    if known := sentence_for(path.name, said["failed"]):
        raise BundleError(known)
    unknown = f"{path.name} can't be loaded: it is damaged, or no model of an xgboost that we know"
    # Its other lines are where in its own code it stood.
    raise BundleError(unknown, private=said["failed"].partition("\n")[0])


async def run_child(module: str, arguments: list[str], timeout_s: float) -> tuple[int, bytes]:
    """Runs a module of ours at a low priority; its exit code, negative for a signal, and what it printed.

    Cancelling kills it.

    Raises:
        TimeoutError: it took longer than `timeout_s` seconds, and was killed with all that it started.
    """
    # With -P: no module of the working directory is taken for one of ours or of a library's.
    command = ["nice", f"-n{NICENESS}", sys.executable, "-P", "-m", module, *arguments]
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout_s):
            printed, _ = await child.communicate()
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
    return child.returncode or 0, printed
