"""Compiles a model's trees to machine code, once for each model file, in a cache that only its owner can write."""

import asyncio
import hashlib
import json
import os
import platform
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

from bridge.backends.xgboost.child import run_child
from bridge.backends.xgboost.facts import ModelFacts
from bridge.events import CACHE_NOT_WRITTEN
from bridge.own_log import OwnLog

__all__ = ["compiled_trees"]

_log = OwnLog(__name__)

_LIMIT_S = 10.0  # what faster calls gain is not worth a longer start of the gateway
_TRIED_AGAIN_S = 86_400.0
_MOST_KEPT = 256
_FOLDER = "trees"
_TRIED = ".none"


async def compiled_trees(path: Path, facts: ModelFacts, cache_dir: Path | None, work: Path) -> Path | None:
    """Returns a library of the model's trees that has just been proven to give the booster's bits; None for no library.

    There is none without a C compiler, without a cache folder that only this user can write, or if compiling takes more
    than 10 s. lignum then predicts without it.

    Args:
        path: the model file.
        facts: the facts of its booster.
        cache_dir: the folder where libraries are kept, by the digest of the model file; None makes no library.
        work: a private folder to which the library is copied, so that later changes of the cache don't matter.
    """
    folder = None if cache_dir is None else await asyncio.to_thread(_own_folder, cache_dir / _FOLDER)
    if folder is None or shutil.which("cc") is None:
        return None
    kept = folder / f"{await asyncio.to_thread(_key, path, facts)}.so"
    if _is_recent(kept.with_suffix(_TRIED)):
        return None
    library = work / "trees.so"
    if _is_private(kept):
        with suppress(OSError):  # without a copy it is compiled again
            await asyncio.to_thread(shutil.copyfile, kept, library)
    codes = [facts.codes.get(str(position), -1) for position in range(facts.features)]
    arguments = [str(path), str(library), facts.objective, json.dumps(codes)]
    try:
        code = (await run_child("bridge.backends.xgboost.compiling", arguments, _LIMIT_S)).code
    except TimeoutError:
        code = 1
    await asyncio.to_thread(_keep, library, kept, proven=code == 0)
    return library if code == 0 else None


def _key(path: Path, facts: ModelFacts) -> str:
    """Returns a digest of everything that the machine code depends on."""
    digest = hashlib.sha256(f"{facts.lignum} {platform.machine()} {facts.version}\n".encode())
    digest.update(path.read_bytes())
    return digest.hexdigest()


def _own_folder(folder: Path) -> Path | None:
    """Returns the folder, made if missing; None if it can't be made or written, or if other users can write in it.

    Other users could put a library there, which the gateway would run.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_private(folder) and os.access(folder, os.W_OK) else None
    except OSError:
        return None


def _is_private(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _is_recent(too_slow: Path) -> bool:
    """Whether compiling failed within the last day; later it is tried again, as the machine may have been busy."""
    try:
        return time.time() - too_slow.stat().st_mtime < _TRIED_AGAIN_S
    except OSError:
        return False


def _keep(library: Path, kept: Path, *, proven: bool) -> None:
    """Keeps a proven library in the cache, or notes that there is none, and removes the oldest entries.

    If the cache can't be written, that is logged: it costs speed only.
    """
    try:
        if proven and kept.exists():
            kept.touch()
        elif proven:
            whole = kept.with_suffix(f".{os.getpid()}")
            shutil.copyfile(library, whole)
            whole.chmod(0o600)
            whole.replace(kept)
        else:
            kept.unlink(missing_ok=True)
            kept.with_suffix(_TRIED).touch(mode=0o600)
        everything = sorted(kept.parent.iterdir(), key=lambda one: one.stat().st_mtime, reverse=True)
        for old in everything[_MOST_KEPT:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        _log.say(CACHE_NOT_WRITTEN, folder=kept.parent, error=error.strerror)
