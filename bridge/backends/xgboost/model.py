"""Reads the facts of an xgboost model file in a child process, because a damaged file can crash xgboost."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bridge.backends.xgboost.child import Ended, run_child
from bridge.backends.xgboost.facts import Asked, ModelFacts
from bridge.backends.xgboost.model_file import refuse_other_kinds, sentence_for
from bridge.errors import BundleError, PassingFailure
from bridge.shortages import ended_from_outside, says_short, signal_name

__all__ = ["inspect"]


async def inspect(path: Path, timeout_s: float, asked: Asked | None = None) -> ModelFacts:
    """Loads the file in a child process, scores made-up rows there in every possible way, and returns the facts.

    Args:
        path: the model file.
        timeout_s: how long the child may take, seconds.
        asked: what model.toml asks of the booster; None for the defaults.

    Raises:
        BundleError: the file is of another kind, is damaged, crashes the loader, or does not fit what is asked of it.
        PassingFailure: the child took longer than `timeout_s`, or the machine is short of something.
        OSError: no process can be started, or the file can't be read.
    """
    await asyncio.to_thread(refuse_other_kinds, path)
    arguments = [str(path), json.dumps(asdict(asked or Asked()))]
    try:
        ended = await run_child("bridge.backends.xgboost.reading", arguments, timeout_s)
    except TimeoutError as error:
        limit = f"{timeout_s:g} s"
        raise PassingFailure(f"{path.name} was not loaded within {limit} (load_timeout_s)", limit=limit) from error
    return _facts(path, ended)


def _facts(path: Path, ended: Ended) -> ModelFacts:
    if ended_from_outside(ended.code):
        how = f"ended {signal_name(ended.code)}, from outside, as the kernel does where memory is short"
        raise PassingFailure(f"the process that loads {path.name} {how}")
    if not ended.printed:
        how = f"it ended {signal_name(ended.code)}, {ended.complained or 'without a message'}"
        raise PassingFailure(f"the process that loads {path.name} could not be started: {how}")
    if ended.code < 0 and not says_short(ended.complained):
        raise BundleError(f"{path.name} crashes xgboost's loader: it is damaged")
    said: dict[str, Any] = json.loads(ended.printed) if ended.code == 0 else {"failed": ended.complained}
    if "facts" in said:
        return ModelFacts(**said["facts"])
    if "refused" in said:
        raise BundleError(said["refused"])
    if says_short(said["failed"]):
        raise PassingFailure(f"{path.name} could not be loaded now: {_first_line(said['failed'])}")
    if known := sentence_for(path.name, said["failed"]):
        raise BundleError(known)
    unknown = f"{path.name} can't be loaded: it is damaged, or no model of an xgboost version that the gateway knows"
    raise BundleError(unknown, private=_first_line(said["failed"]))


def _first_line(said: str) -> str:
    """Returns the first line of xgboost's message; the other lines are its stack trace."""
    return said.strip().partition("\n")[0]
