"""Loads a bundle once, and forks a worker for each connection."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from contextlib import suppress

from .adopting import adopt
from .load import load
from .worker import Settings, serve

__all__ = ["main"]

_BACKLOG = 64


def main(path: str) -> None:
    """Loads the bundle that the environment names, and forks workers until it is killed; see `start`.

    Args:
        path: the path of the socket to listen on.
    """
    settings = Settings(
        bundle=os.environ.pop("SCOREBRIDGE_BUNDLE"),
        digest=os.environ.pop("SCOREBRIDGE_DIGEST"),
        seed=int(os.environ.pop("SCOREBRIDGE_SEED")),
        row_by_row=bool(os.environ.pop("SCOREBRIDGE_ROW_BY_ROW")),
    )
    form = os.environ.pop("SCOREBRIDGE_INPUT")
    adopt()  # daemons that the bundle starts while it is loaded end with this process
    with open(os.environ.pop("SCOREBRIDGE_BEGUN"), "wb"):
        pass
    loaded = load(settings.bundle, form)
    _settle()
    listener = _listening(path)
    while True:
        connection, _ = listener.accept()
        _reap()
        with connection, suppress(OSError):  # no process is free: the gateway asks again
            if os.fork() == 0:
                listener.close()
                serve(connection, loaded, settings)


def _settle() -> None:
    """Leaves nothing of the loading that a worker would do once more, or that would end this process."""
    # What is there now stays for good: a collection in a worker would else write to every page that it shares.
    gc.collect()
    gc.freeze()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # Pred.py may have closed it, or put something else there
            stream.flush()  # or each worker would write once more what is in its memory
    for number in (signal.SIGINT, signal.SIGCHLD):  # what Pred.py set would run in this process
        signal.signal(number, signal.SIG_DFL)


def _listening(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path + "~")
    os.chmod(path + "~", 0o600)
    listener.listen(_BACKLOG)
    os.rename(path + "~", path)  # who finds it there is not refused
    return listener


def _reap() -> None:
    """Lets go of the workers that have ended. Until the next fork the gateway can read how they did."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
