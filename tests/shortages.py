"""A machine that is short of something while a bundle's workers are started."""

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

__all__ = ["LACKING", "let_lack"]

LACKING = ("Popen, first", "Popen, second", "pidfd_open", "write_text")


def let_lack(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a function raise as where no file descriptor is free: from its first call on, or from its second."""
    name, _, which = what.partition(", ")
    owner: Any = {"Popen": subprocess, "pidfd_open": os, "write_text": Path}[name]
    real = getattr(owner, name)
    before = [None] if which == "second" else []

    def lacking(*args: object, **kwargs: object) -> object:
        if before:
            before.pop()
            return real(*args, **kwargs)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(owner, name, lacking)
