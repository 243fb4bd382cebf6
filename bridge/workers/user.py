"""The user that worker processes run as: one with fewer rights than the gateway, for code that is not the gateway's."""

import ctypes
import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

from bridge.config import ConfigError

__all__ = ["WorkerUser", "start_program"]

_PR_SET_NO_NEW_PRIVS = 38
# What R's scores may depend on, and what R is found by; the rest of the gateway's environment is its own.
_NAMES = ("PATH", "LANG", "LANGUAGE", "TZ", "TZDIR")
_PREFIXES = ("LC_", "LD_", "R_", "OMP_", "OPENBLAS_", "MKL_")


@dataclass(frozen=True, slots=True)
class WorkerUser:
    """A user of the machine that is not root, as whom the gateway starts its workers.

    Attributes:
        name: the user's name.
        uid: the user's number.
        gid: the number of the user's own group.
        groups: the numbers of all groups that the user is in.
        home: the user's home folder, which need not exist.
    """

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str

    @classmethod
    def named(cls, name: str) -> Self:
        """Returns the user that the setting `worker_user` names.

        Raises:
            ConfigError: the gateway was not started as root, or there is no such user, or it is root itself.
        """
        if os.geteuid() != 0:
            raise ConfigError(
                f"worker_user = '{name}' needs a gateway that was started as root, and this one runs as user number "
                f"{os.geteuid()}: remove the setting, or start the gateway as root"
            )
        try:
            found = pwd.getpwnam(name)
        except (KeyError, ValueError) as error:  # a name that holds a NUL is a ValueError
            raise ConfigError(f"worker_user: there is no user '{name}' on this machine") from error
        if found.pw_uid == 0:
            raise ConfigError(f"worker_user = '{name}' is root: name a user of its own, which owns nothing else")
        groups = tuple(os.getgrouplist(found.pw_name, found.pw_gid))
        return cls(found.pw_name, found.pw_uid, found.pw_gid, groups, found.pw_dir)

    def environment(self) -> dict[str, str]:
        """Returns the variables of the gateway's environment that the user's processes get, and the user's own."""
        kept = {key: text for key, text in os.environ.items() if key in _NAMES or key.startswith(_PREFIXES)}
        return kept | {"HOME": self.home, "USER": self.name, "LOGNAME": self.name}


def start_program(command: Sequence[str], user: WorkerUser | None, **options: Any) -> subprocess.Popen[bytes]:
    """Starts a program as a user, with that user's groups alone and no way to more rights, or as the gateway's own.

    Args:
        command: the program and its arguments.
        user: the user; None for the gateway's own.
        options: the further arguments of `subprocess.Popen`.

    Raises:
        OSError: the program could not be started, or the gateway lacks the right to become that user.
    """
    if user is None:
        return subprocess.Popen(command, **options)  # noqa: S603 - the callers' commands are ours
    # A flag of the thread, which its children inherit: so it is set on a thread that ends at once.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_start_without_rights, command, user, options).result()


def _start_without_rights(
    command: Sequence[str], user: WorkerUser, options: Mapping[str, Any]
) -> subprocess.Popen[bytes]:
    """Starts a program from a thread that has renounced more rights, such as those of programs run as their owner."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    become: dict[str, Any] = {"user": user.uid, "group": user.gid, "extra_groups": user.groups}
    return subprocess.Popen(command, **become, **options)  # noqa: S603 - the callers' commands are ours
