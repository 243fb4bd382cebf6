"""Loads a booster's file, first in a child process, and reads from the file which version of xgboost saved it.

xgboost itself can't be asked for that version: what it saves again carries its own.
"""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from bridge.bundles.bundle import Bundle
from bridge.errors import BundleError

__all__ = ["BoosterFile", "first_line", "open_booster_file", "saved_by"]

_TAIL_BYTES = 128
_KEY = b"L\0\0\0\0\0\0\0\x07version["  # as xgboost writes the last key of a UBJSON model
_COUNTED = b"#L"
_WHOLE = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q"}
_MOST_PARTS = 4
# What the child survives is safe in this process, too: load, write, predict.
_TRIAL = """
import sys, numpy, xgboost
booster = xgboost.Booster(params={"nthread": 1}, model_file=sys.argv[1])
booster.save_raw("json"), booster.save_config()
rows, types = numpy.zeros((1, booster.num_features())), booster.feature_types
booster.predict(xgboost.DMatrix(rows, feature_types=types, enable_categorical=True), validate_features=False)
"""


class BoosterFile(NamedTuple):
    """A loaded booster, and the versions of xgboost that matter for it.

    Attributes:
        xgboost: the imported library.
        booster: the booster.
        installed: the version of the installed xgboost, major and minor.
        saved_by: the version of xgboost that saved the file, major and minor; empty if the file does not say.
    """

    xgboost: Any
    booster: Any
    installed: tuple[int, ...]
    saved_by: tuple[int, ...]


def open_booster_file(bundle: Bundle) -> BoosterFile:
    """Loads the booster of a bundle, after a child process has loaded it without a crash.

    Raises:
        BundleError: xgboost is not installed or can't load the file, or a newer xgboost saved it and the bundle does
            not accept newer files.
    """
    try:
        import xgboost  # noqa: PLC0415 - importing the bridge must not need it
    except ImportError as error:
        raise BundleError("xgboost is not installed: pip install 'scorebridge-gateway[xgboost]'") from error
    path = bundle.model_file
    version, installed = saved_by(path), _numbered(xgboost.__version__)
    if version[:2] > installed and not bundle.accepts_newer_file:
        raise BundleError(
            f"{path.name} was saved by xgboost {_dotted(version)}; the installed {xgboost.__version__} is older and "
            f"may read it differently: install xgboost {_dotted(version[:2])} or newer"
        )
    _try_in_a_child(path, bundle.settings.load_timeout_s)
    try:
        booster = xgboost.Booster(params={"nthread": len(os.sched_getaffinity(0))}, model_file=str(path))
    except xgboost.core.XGBoostError as error:
        raise BundleError(f"xgboost {xgboost.__version__} can't load {path.name}: {first_line(error)}") from error
    return BoosterFile(xgboost, booster, installed, version[:2])


def first_line(error: Exception) -> str:
    """Returns the first line of an error's message, without the stack trace that xgboost appends."""
    return next((line for line in str(error).splitlines() if line), type(error).__name__)


def saved_by(path: Path) -> tuple[int, ...]:
    """Returns the version of xgboost that saved a model file, UBJSON or JSON; empty if the file does not say.

    Raises:
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        start = file.read(_TAIL_BYTES)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        end = file.read()
    if start.startswith(b"{L") or not start.lstrip().startswith(b"{"):
        return _in_ubjson(end)
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return ()
    parts = document.get("version") if isinstance(document, dict) else None
    return tuple(parts) if isinstance(parts, list) and all(type(part) is int for part in parts) else ()


def _in_ubjson(end: bytes) -> tuple[int, ...]:
    """Returns the version from the end of a UBJSON file: xgboost sorts the keys, and "version" is the last."""
    _, found, rest = end.rpartition(_KEY)
    if not found or not rest.startswith(_COUNTED):
        return ()
    try:
        (count,) = struct.unpack_from(">q", rest, len(_COUNTED))
        at = len(_COUNTED) + 8
        parts: list[int] = []
        for _ in range(min(count, _MOST_PARTS)):
            kind = _WHOLE[rest[at : at + 1]]
            parts += struct.unpack_from(kind, rest, at + 1)
            at += 1 + struct.calcsize(kind)
    except (struct.error, KeyError):
        return ()
    return tuple(parts)


def _try_in_a_child(path: Path, timeout_s: float) -> None:
    """Loads the file in a child process, which a damaged one may crash. An ordinary error is left to the caller.

    Raises:
        BundleError: the child crashed or took longer than `timeout_s` seconds.
    """
    command = [sys.executable, "-P", "-c", _TRIAL, str(path)]
    quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    try:
        done = subprocess.run(command, check=False, timeout=timeout_s, **quiet)  # noqa: S603 - no shell, our own code
    except subprocess.TimeoutExpired as error:
        raise BundleError(f"{path.name} was not loaded within {timeout_s:g} s (load_timeout_s)") from error
    if done.returncode < 0:
        raise BundleError(f"{path.name} ends the process that loads it: it is damaged, or of a kind xgboost can't read")


def _numbered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
