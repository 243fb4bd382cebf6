"""What an R user types to have `write_bundle`, which lies among the gateway's own files."""

import os
import re
import shlex
from pathlib import Path
from urllib.parse import quote

from bridge.r_facts import rscripts

__all__ = ["install_line", "source_line"]

# What means something in R's strings, or to `Rscript -e`, which reads backslashes once more and "~+~" as a blank.
_UNSAFE = re.compile(r'["\\\x00-\x1f\x7f\udc80-\udcff]|~\+~')


def source_line(folder: Path | None = None) -> str:
    """R code, one line, that gives a session `write_bundle`; the same typed in, in a file, or after `Rscript -e`.

    Args:
        folder: of bundle.R; the gateway's own if not given.
    """
    path = str(((folder or rscripts()) / "bundle.R").resolve())
    if _UNSAFE.search(path) is None:
        return f'source("{path}")'
    return f'source(utils::URLdecode("{quote(os.fsencode(path))}"))'


def install_line(folder: Path | None = None) -> str:
    """A shell's command that installs the R package scorebridge, after which `library(scorebridge)` has `write_bundle`.

    Args:
        folder: the package's source; the gateway's own if not given.
    """
    return f"R CMD INSTALL {shlex.quote(str((folder or rscripts()).resolve()))}"
