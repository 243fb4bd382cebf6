"""The environment variables of an interpreter that runs a bundle, in a gateway and wherever a bundle is proven."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ENVIRONMENT", "ONE_THREAD"]

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "LC_ALL": "C.UTF-8",
        "LANGUAGE": "en",
        # The order of a set of texts, and so perhaps a score, would else differ from process to process.
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        # A module in a bundle must not be compiled into the bundle, whose files are fixed by its digest.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
)

# Of OpenMP, of the linear algebra that numpy and R may use, and of what computes with threads of its own.
_NAMES = (
    *("MC_CORES", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"),
    # The cores that joblib sees: the threads of a forest with n_jobs = -1 add up in the order in which they are done.
    "LOKY_MAX_CPU_COUNT",
)

# A library that has started threads in a parent hangs for ever in the workers that the parent forks: lightgbm, xgboost
# and torch do unless OMP_NUM_THREADS and OMP_THREAD_LIMIT are both set before they are first imported.
ONE_THREAD: Mapping[str, str] = MappingProxyType(dict.fromkeys(_NAMES, "1"))
