"""Interpreters of Python models: how our code is started in one, which has none of our packages installed."""

from collections.abc import Mapping
from pathlib import Path

import scorebridge
from scorebridge.runner.environment import ENVIRONMENT

__all__ = ["runner_command", "runner_environment", "runner_folder"]


def runner_command(interpreter: Path, module: str, *arguments: str) -> list[str]:
    """Returns the command that runs one of the runner's modules in an interpreter; `runner_environment` belongs to it.

    Args:
        interpreter: the path of the Python program.
        module: the name of the module.
        arguments: its arguments.
    """
    return [str(interpreter), str(runner_folder() / f"{module}.py"), *arguments]


def runner_folder() -> Path:
    """Returns the folder of the modules that run in an interpreter of a model."""
    return Path(scorebridge.__file__).with_name("runner")


def runner_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Returns variables under which an interpreter runs as its own, whatever the gateway's is told by variables.

    Args:
        inherited: the variables that the process would have.
    """
    # Python takes an empty variable for one that is not there.
    return {name: "" for name in inherited if name.startswith("PYTHON")} | dict(ENVIRONMENT)
