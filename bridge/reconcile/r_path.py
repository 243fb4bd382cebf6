"""Scores R models again in a new R process, without Rserve; see rscripts/reconcile.R."""

import shutil
from pathlib import Path
from typing import Literal

from bridge.bundles.bundle import Bundle
from bridge.errors import BundleError
from bridge.r_facts import embedding_command, embedding_environment, has_rpy2, rscripts
from bridge.reconcile.calls import LoggedBatch
from bridge.reconcile.process_path import ProcessPath
from bridge.reconcile.r_fit import why_unfit

__all__ = ["RPath"]


class RPath(ProcessPath):
    """Scores the logged batches of one version of an R model again, in an R process of its own."""

    language = "R"

    def __init__(
        self, bundle: Bundle, timeout_s: float | None = None, r: Literal["embedded", "rscript"] | None = None
    ) -> None:
        """Starts R and loads the model.

        Args:
            bundle: the version's bundle.
            timeout_s: how long scoring one batch may take, seconds; None for the time that the version's workers have.
            r: the program that R runs in: a Python process, by rpy2, or Rscript; None for the first that is installed.

        Raises:
            BundleError: R, or rpy2 where it is asked for, is not installed, or the model can't be loaded.
        """
        self._embedded = r == "embedded" or (r is None and has_rpy2())
        super().__init__(bundle, timeout_s, "R inside Python (rpy2)" if self._embedded else "Rscript")

    def _command(self, declared: Path, progress: str) -> tuple[list[str], dict[str, str]]:
        program, environment = _program(embedded=self._embedded)
        settings = self._bundle.settings
        named = [str(rscripts() / "reconcile.R"), str(self._bundle.path.resolve()), str(settings.seed), str(declared)]
        asked = [progress, settings.input, str(int(settings.row_by_row))]
        return [*program, *named, *asked], environment | settings.world_variables

    def _unfit(self, logged_batch: LoggedBatch) -> str:
        return why_unfit(logged_batch.batch)


def _program(*, embedded: bool) -> tuple[list[str], dict[str, str]]:
    """Returns the command that runs an R script, without the script, and its environment variables."""
    if embedded:
        if not has_rpy2():
            raise BundleError(
                "rpy2 is not installed: install it by pip install 'scorebridge-gateway[embedded-r]', or say --r rscript"
            )
        if shutil.which("R") is None:
            raise BundleError("R is not installed: there is no R on the PATH")
        return embedding_command("bridge.reconcile.r_embedded"), embedding_environment()
    program = shutil.which("Rscript")
    if program is None:
        raise BundleError("R is not installed: there is no Rscript on the PATH")
    return [program, "--vanilla"], {}
