"""R's shared library in this process, opened through rpy2; importing this module opens it, and does not start R."""

import ctypes
import os
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["ffi", "libr"]


def _opened() -> Any:
    """Returns rpy2's module that holds the library. rpy2 has no types."""
    situation: Any = import_module("rpy2.situation")
    # rpy2 would start an R to ask for this variable, for a fifth of a second; `R CMD` has set it for this process.
    situation.r_ld_library_path_from_subprocess = lambda _home: os.environ.get("LD_LIBRARY_PATH", "")
    opened: Any = import_module("rpy2.rinterface_lib.openrlib")
    # R makes its symbols visible to the libraries of packages; cffi opens it without.
    ctypes.CDLL(str(Path(opened.R_HOME) / "lib" / "libR.so"), ctypes.RTLD_GLOBAL)
    return opened


_openrlib = _opened()
ffi: Any = _openrlib.ffi
libr: Any = _openrlib.rlib
