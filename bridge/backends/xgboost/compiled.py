"""Trees as machine code, made once for each model file and kept in a cache that only its owner can write."""

import asyncio
import hashlib
import json
import logging
import os
import platform
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

from bridge.backends.xgboost.child import run_child
from bridge.backends.xgboost.facts import ModelFacts

__all__ = ["compiled_trees"]

_log = logging.getLogger(__name__)

_LIMIT_S = 10.0  # what the calls of a model win by it is not worth more of the start of a gateway
_TRIED_AGAIN_S = 86_400.0
_MOST_KEPT = 256
_FOLDER = "trees"
_TRIED = ".none"


async def compiled_trees(path: Path, facts: ModelFacts, cache_dir: Path | None, work: Path) -> Path | None:
    """A library of the trees that was proven to give the booster's bits just now; None where there is none.

    It costs 10 s at most, on top of the time to load the model. Without a C compiler or a folder that can be written,
    or for trees that take longer, lignum goes without.

    Args:
        path: the model file.
        facts: of its booster.
        cache_dir: where libraries are kept, by the digest of the model file; None makes none.
        work: a private folder, where the library is: what happens to the cache later does not reach it.
    """
    folder = None if cache_dir is None else await asyncio.to_thread(_own_folder, cache_dir / _FOLDER)
    if folder is None or shutil.which("cc") is None:
        return None
    kept = folder / f"{await asyncio.to_thread(_key, path, facts)}.so"
    if _is_recent(kept.with_suffix(_TRIED)):
        return None
    library = work / "trees.so"
    if _is_private(kept):
        with suppress(OSError):  # then it is made anew
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
    """Names all that the machine code depends on."""
    digest = hashlib.sha256(f"{facts.lignum} {platform.machine()} {facts.version}\n".encode())
    digest.update(path.read_bytes())
    return digest.hexdigest()


def _own_folder(folder: Path) -> Path | None:
    """The folder, made if need be; None if it can't be, or if others could put libraries there that we would run."""
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
    """It was tried, and not so long ago that the machine may have been busy then and be idle now."""
    try:
        return time.time() - too_slow.stat().st_mtime < _TRIED_AGAIN_S
    except OSError:
        return False


def _keep(library: Path, kept: Path, *, proven: bool) -> None:
    """Keeps what was proven, or that nothing was, and lets go of the oldest; a full disk costs speed only."""
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
        _log.warning("compiled trees can't be kept in %s: %s", kept.parent, error.strerror)
