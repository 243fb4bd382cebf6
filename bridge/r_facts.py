"""What is true of every R process that this project starts, for serving and for reconciliation."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

__all__ = ["ONE_THREAD", "rscripts"]

# OpenMP that ran in a parent before the fork hangs every worker for ever.
ONE_THREAD: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("MC_CORES", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS"), "1")
)


def rscripts() -> Path:
    """The folder of the R side: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "rscripts"
    return installed if installed.is_dir() else package.parent / "rscripts"
