"""Recognizes that a machine is short of something for a while: by errors, by texts, and by how processes ended.

Faults of a bundle are not among them, and neither is what stays until a person changes it, such as a file that does not
exist or may not be read.
"""

import errno
import re
import signal

from bridge.errors import PassingFailure

__all__ = ["ended_from_outside", "passing_failure", "says_out_of_memory", "says_short", "signal_name"]

_PASSING = frozenset(
    {
        # Short in this process or on this machine: descriptors, processes, memory, and room for temporary files.
        *(errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOBUFS, errno.ENOSPC, errno.EDQUOT),
        # Failures of a disk, or of a network folder whose server may come back.
        *(errno.EIO, errno.EREMOTEIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ENOLINK, errno.ECOMM),
        *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ECONNREFUSED, errno.ECONNRESET),
        *(errno.EBUSY, errno.ETXTBSY, errno.EINTR, errno.ENOLCK),
    }
)
_OUT_OF_MEMORY = re.compile(
    r"[Cc](?:annot|ould not|an't) (?:re-?)?allocate (?:vector|memory(?! in static TLS)|buffer|storage|space)"
    r"|memory exhausted|vector memory limit of|bad_alloc|MemoryError|Unable to allocate "
    r"|internal error -4 in R_decompress|failed to map segment from shared object(?!: Operation)"
)
_SHORT = re.compile(
    r"Too many open files|No space left on device|Disk quota exceeded|Resource temporarily unavailable"
    r"|Input/output error|Stale file handle|Transport endpoint is not connected|can't start new thread"
)
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


def passing_failure(error: Exception) -> PassingFailure | None:
    """Returns the PassingFailure for an error that stopped the loading of a bundle; None if its cause can't pass."""
    what = str(error)
    if isinstance(error, OSError) and error.strerror:
        what = f"{_base_name(error.filename)}{error.strerror}"
        passes = error.errno in _PASSING
    elif isinstance(error, MemoryError):
        what = f"out of memory{f': {what}' if what else ''}"
        passes = True
    else:
        what, passes = what.partition("\n")[0], says_short(what)
    return PassingFailure(f"it could not be loaded now: {what}") if passes else None


def _base_name(name: object) -> str:
    return f"{name.rpartition('/')[2]}: " if isinstance(name, str) else ""


def says_out_of_memory(text: str) -> bool:
    """Whether a text of a library or R says that it did not get the memory that it asked for."""
    return _OUT_OF_MEMORY.search(text) is not None


def says_short(text: str) -> bool:
    """Whether a text of a library or R says that it lacks something that may be there again later, such as memory."""
    return says_out_of_memory(text) or _SHORT.search(text) is not None


def ended_from_outside(code: int | None) -> bool:
    """Whether a process was ended from outside: by the kernel, when memory is short, or by a person.

    Args:
        code: the process's exit code, negative for a signal; None if it is not known.
    """
    return code is not None and -code in _FROM_OUTSIDE


def signal_name(code: int) -> str:
    """Returns how a process ended, such as "by SIGKILL", from its exit code, which is negative for a signal."""
    if code >= 0:
        return f"with exit code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
