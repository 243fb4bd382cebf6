"""What an xgboost model file says of itself, learned by a process of its own: a damaged file can crash xgboost."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bridge.backends.xgboost.child import run_child
from bridge.backends.xgboost.facts import Asked, ModelFacts
from bridge.backends.xgboost.model_file import refuse_other_kinds, sentence_for
from bridge.errors import BundleError

__all__ = ["inspect"]


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
        ended = await run_child("bridge.backends.xgboost.reading", arguments, timeout_s)
    except TimeoutError as error:
        raise BundleError(f"{path.name} was not loaded within {timeout_s:g} s", limit=f"{timeout_s:g} s") from error
    if ended.code < 0:
        raise BundleError(f"{path.name} crashes xgboost's loader: it is damaged")
    said: dict[str, Any] = json.loads(ended.printed) if ended.code == 0 else {"failed": ended.complained}
    if "facts" in said:
        return ModelFacts(**said["facts"])
    if "refused" in said:
        raise BundleError(said["refused"])
    if known := sentence_for(path.name, said["failed"]):
        raise BundleError(known)
    unknown = f"{path.name} can't be loaded: it is damaged, or no model of an xgboost that we know"
    # Its other lines are where in its own code it stood.
    raise BundleError(unknown, private=said["failed"].partition("\n")[0])
