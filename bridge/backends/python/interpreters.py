"""Finds the interpreter that a bundle names, and asks it what it is and has, before anything of the bundle runs."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.bundles.settings import ModelSettings
from bridge.errors import BundleError, PassingFailure
from bridge.pythons import runner_command, runner_environment
from bridge.shortages import signal_name
from bridge.workers.programs import Programs

__all__ = ["Interpreter", "interpreter_of"]

_MOST_BYTES = 4 << 20
_LEAST = (3, 9)
_TIMEOUT_S = 60.0
_NOT_RUN, _NOT_THERE = 126, 127  # how a shell ends that can't run a program, or does not find it


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python program, and what it said of itself.

    Attributes:
        path: its path.
        version: its version, such as "3.11.7".
        installed: the versions of the installed distributions, by their normalized names ("scikit-learn").
        markers: its values of the environment markers that a requirement may have, such as "python_version".
    """

    path: Path
    version: str
    installed: Mapping[str, str]
    markers: Mapping[str, str]


async def interpreter_of(settings: ModelSettings, programs: Programs) -> Interpreter:
    """Returns the interpreter that a model.toml names; the gateway's own if it names none.

    Args:
        settings: the model's settings, of which `python` is used.
        programs: the interpreters by name, and the user that runs them.

    Raises:
        BundleError: the name is not in the gateway's settings, or the interpreter is too old or lacks numpy.
            `PassingFailure` if the program is not there or can't be started: it may be put there again.
        OSError: no process or file descriptor is free.
    """
    path = _path_of(settings.python, programs.pythons)
    said = await _asked(path, programs)
    try:
        version = tuple(said["version"])
        found = Interpreter(path, ".".join(map(str, version)), dict(said["installed"]), dict(said["markers"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path} does not tell what it is, so it is no Python of {_least()} or newer") from error
    if version < _LEAST:
        raise BundleError(f"{path} is Python {found.version}; a Python model needs {_least()} or newer")
    if "numpy" not in found.installed:
        raise BundleError(f"numpy is not installed in {path}, which every Python model needs: install it there")
    return found


def _least() -> str:
    return ".".join(map(str, _LEAST))


def _path_of(name: str | None, pythons: Mapping[str, Path]) -> Path:
    if name is None:
        return Path(sys.executable)
    if name not in pythons:
        known = f"it has {', '.join(sorted(pythons))}" if pythons else "it has none"
        raise BundleError(
            f"model.toml says python = '{name}', and [pythons] in the gateway's settings has no such name; {known}"
        )
    return pythons[name]


async def _asked(path: Path, programs: Programs) -> dict[str, Any]:
    """Returns what the interpreter answers to the runner's questions."""
    command = runner_command(path, "probe")
    own = dict(os.environ) if programs.user is None else programs.user.environment()
    try:
        process = await asyncio.create_subprocess_exec(
            *(command if programs.user is None else programs.user.command(command)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd="/",
            env={**own, **runner_environment(own)},
            limit=_MOST_BYTES,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise PassingFailure(f"the interpreter {path} is not there, or may not be run: {error.strerror}") from error
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            raw, _ = await process.communicate()
    except TimeoutError as error:
        raise PassingFailure(f"the interpreter {path} did not start within {_TIMEOUT_S:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise PassingFailure(_why_not_run(path, process.returncode, programs))
    try:
        said = json.loads(raw[:_MOST_BYTES].splitlines()[-1])  # the interpreter's own start may print lines before
    except (ValueError, IndexError):
        said = None
    return said if isinstance(said, dict) else {}


def _why_not_run(path: Path, code: int, programs: Programs) -> str:
    if programs.user is None or code not in {_NOT_RUN, _NOT_THERE}:
        return f"the interpreter {path} could not be started: it ended {signal_name(code)}"
    what = "can't run" if code == _NOT_RUN else "does not find"
    user = programs.user.name
    return f"worker_user '{user}' {what} the interpreter {path}: install it where this user can run it"
