"""What an xgboost model file says of itself, learned by a process of its own: a damaged file can crash xgboost."""

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
    """Loads the file in a child process, and scores made-up rows there in every way that there is.

    Args:
        path: the model file.
        timeout_s: how long it may take, seconds.
        asked: what model.toml asks of the booster; None for nothing.

    Raises:
        BundleError: the file is of another kind, damaged, crashes the loader, or does not fit what is asked of it.
        PassingFailure: it takes longer than `timeout_s` seconds, or the machine is short of something.
        OSError: no process can be started, or the file can't be read.
    """
    await asyncio.to_thread(refuse_other_kinds, path)
    arguments = [str(path), json.dumps(asdict(asked or Asked()))]
    try:
        ended = await run_child("bridge.backends.xgboost.reading", arguments, timeout_s)
    except TimeoutError as error:
        limit = f"{timeout_s:g} s"
        raise PassingFailure(f"{path.name} was not loaded within {limit}", limit=limit) from error
    return _facts(path, ended)


def _facts(path: Path, ended: Ended) -> ModelFacts:
    if ended_from_outside(ended.code):
        how = f"ended {signal_name(ended.code)}, from outside, as the kernel ends what it has no memory for"
        raise PassingFailure(f"the process that loads {path.name} {how}")
    if not ended.printed:
        how = f"it ended {signal_name(ended.code)}, {ended.complained or 'without a word'}"
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
    unknown = f"{path.name} can't be loaded: it is damaged, or no model of an xgboost that we know"
    raise BundleError(unknown, private=_first_line(said["failed"]))


def _first_line(said: str) -> str:
    """Its other lines are where in its own code xgboost stood."""
    return said.strip().partition("\n")[0]
