"""The user that worker processes run as: one with fewer rights than the gateway, for code that is not the gateway's."""

import os
import pwd
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bridge.config import ConfigError

__all__ = ["WorkerUser"]

# What scores may depend on, and what programs are found by: R has most of these, and names of its own (R_HOME). The
# rest of the gateway's environment is its own.
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

    def command(self, command: Sequence[str]) -> list[str]:
        """Returns a command that runs the given one as this user, in one process, without a way to more rights."""
        groups = ",".join(str(group) for group in self.groups)
        isolated = (sys.executable, "-I", "-S", str(Path(__file__).with_name("become.py")))
        return [*isolated, str(self.uid), str(self.gid), groups, *command]
