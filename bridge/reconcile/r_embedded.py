"""Runs rscripts/reconcile.R in an R inside this process, in place of Rscript: `python -P -m ... SCRIPT ARGUMENT...`.

Calls and answers go through the script's own files, and nothing of serving but the start of R is shared.
"""

import os
import signal
import sys
from collections.abc import Sequence

from bridge.backends.embedded_r.session import RFailed, RSession

__all__ = ["main"]

# R's console gives the script's lines, and then its end, as in Rscript: a model that reads stdin() must not get the
# script, nor the paths that come over the real standard input.
_RUN = """
local(for (line in parse(text = readLines(stdin()), keep.source = FALSE, encoding = "UTF-8")) eval(line, globalenv()))
"""


def main(script: str, arguments: Sequence[str]) -> int:
    """Runs an R script as `Rscript --vanilla` does, and returns the exit code.

    Args:
        script: the path of the script.
        arguments: the script's own arguments.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A handler, and not SIG_IGN, which the programs that the model starts would inherit.
    signal.signal(signal.SIGPIPE, lambda _number, _frame: None)
    try:
        RSession([f"--file={script}", "--args", *arguments]).evaluate(_RUN)
    except RFailed:
        return 1
    return 0


if __name__ == "__main__":
    # R's own end would run finalizers of the model; the parent removes the files.
    os._exit(main(sys.argv[1], sys.argv[2:]))
