"""Scores Python models again in a new process of their own interpreter; see `rescoring`."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from bridge.bundles.bundle import Bundle
from bridge.errors import BundleError
from bridge.pythons import runner_environment, runner_folder
from bridge.reconcile.calls import LoggedBatch
from bridge.reconcile.process_path import ProcessPath
from bridge.reconcile.python_fit import why_unfit

__all__ = ["PythonPath"]


class PythonPath(ProcessPath):
    """Scores the logged batches of one version of a Python model again, in a process of its own."""

    language = "Python"

    def __init__(self, bundle: Bundle, pythons: Mapping[str, Path], timeout_s: float | None = None) -> None:
        """Starts the bundle's interpreter and loads the model.

        Args:
            bundle: the version's bundle.
            pythons: the interpreters that a bundle may name, by these names.
            timeout_s: how long scoring one batch may take, seconds; None for the time that the version's workers have.

        Raises:
            BundleError: the interpreter is not there, or the model can't be loaded.
        """
        self._interpreter = _interpreter(bundle.settings.python, pythons)
        super().__init__(bundle, timeout_s, str(self._interpreter))

    def _command(self, declared: Path, progress: str) -> tuple[list[str], dict[str, str]]:
        settings = self._bundle.settings
        script = Path(__file__).parent / "rescoring" / "start.py"
        asked = [self._bundle.path.resolve(), settings.seed, declared, progress]
        how = [settings.input, int(settings.row_by_row)]
        command = [self._interpreter, script, runner_folder(), *asked, *how]
        return [str(part) for part in command], {**runner_environment(os.environ), "TZ": settings.timezone or "UTC"}

    def _unfit(self, logged_batch: LoggedBatch) -> str:
        return why_unfit(logged_batch.batch, self._bundle.settings.declared_features())


def _interpreter(name: str | None, pythons: Mapping[str, Path]) -> Path:
    if name is None:
        return Path(sys.executable)
    if name not in pythons:
        raise BundleError(
            f"model.toml says python = '{name}': name that interpreter, by --config with the gateway's settings or by "
            "SCOREBRIDGE_PYTHONS"
        )
    if not os.access(pythons[name], os.X_OK):
        raise BundleError(f"the interpreter {pythons[name]} is not there, or may not be run")
    return pythons[name]
