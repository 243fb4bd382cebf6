"""The line of R code, and the shell command, that give an R user `write_bundle` from the gateway's own files."""

import os
import re
import shlex
from pathlib import Path
from urllib.parse import quote

from bridge.r_facts import rscripts

__all__ = ["install_line", "source_line"]

# Characters with a meaning in R's strings, or to `Rscript -e`, which reads backslashes once more and "~+~" as a blank.
_UNSAFE = re.compile(r'["\\\x00-\x1f\x7f\udc80-\udcff]|~\+~')


def source_line(folder: Path | None = None) -> str:
    """Returns one line of R code that defines `write_bundle`; it works typed in, in a file and after `Rscript -e`.

    Args:
        folder: the folder that holds bundle.R; None stands for the gateway's own.
    """
    path = str(((folder or rscripts()) / "bundle.R").resolve())
    if _UNSAFE.search(path) is None:
        return f'source("{path}")'
    return f'source(utils::URLdecode("{quote(os.fsencode(path))}"))'


def install_line(folder: Path | None = None) -> str:
    """Returns the shell command that installs the R package scorebridge, which exports `write_bundle`.

    Args:
        folder: the package's source folder; None stands for the gateway's own.
    """
    return f"R CMD INSTALL {shlex.quote(str((folder or rscripts()).resolve()))}"
