"""Facts that hold for every R process that this project starts, for serving and for reconciliation."""

import importlib.util
import os
import sys
from pathlib import Path

__all__ = ["embedding_command", "embedding_environment", "has_rpy2", "rscripts"]


def rscripts() -> Path:
    """Returns the folder of the R scripts: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "rscripts"
    return installed if installed.is_dir() else package.parent / "rscripts"


def has_rpy2() -> bool:
    """Whether rpy2 is installed, by which R runs inside a Python process. Whether it finds R, only its start tells."""
    return importlib.util.find_spec("rpy2") is not None


def embedding_command(module: str) -> list[str]:
    """Returns the command of a Python process that is to embed R; `embedding_environment` belongs to it.

    By `R CMD`, which sets what R's own start does: R_HOME, and where the loader finds R's libraries.

    Args:
        module: the module of this package that the process runs.
    """
    # -P: Python must not look for modules in the folder that the model's code writes to.
    return ["R", "CMD", sys.executable, "-P", "-m", module]


def embedding_environment() -> dict[str, str]:
    """Returns variables by which a Python process finds this package, and takes no other locale than R is told."""
    ours = str(Path(__file__).resolve().parents[1])
    inherited = os.environ.get("PYTHONPATH", "")
    return {
        "PYTHONPATH": f"{ours}{os.pathsep}{inherited}" if inherited else ours,
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
