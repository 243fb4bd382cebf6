"""Facts that hold for every R process that this project starts, for serving and for reconciliation."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

__all__ = ["ONE_THREAD", "rscripts"]

# If OpenMP ran with threads in the parent before it forks, every worker hangs for ever.
ONE_THREAD: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("MC_CORES", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS"), "1")
)


def rscripts() -> Path:
    """Returns the folder of the R scripts: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "rscripts"
    return installed if installed.is_dir() else package.parent / "rscripts"
