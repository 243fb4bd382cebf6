"""Makes a process the one to which the daemons go that it or its children start."""

from __future__ import annotations

import ctypes

__all__ = ["adopt"]

_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None)  # loaded before the fork


def adopt() -> None:
    """Makes what this process' descendants leave behind this one's own: it is seen, counted and killed with it.

    prctl(2), PR_SET_CHILD_SUBREAPER. A forked process has to ask for it itself.
    """
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
