"""Finds out why a bundle gave no worker: a limit of the bundle's own, a shortage that may pass, or its files."""

from typing import Protocol

from bridge.errors import BundleError, PassingFailure
from bridge.shortages import ended_from_outside, says_out_of_memory, says_short, signal_name
from bridge.workers.exchange import ConnectionLost, ProtocolError
from bridge.workers.process_group import ProcessGroup

__all__ = ["BEGUN", "LoadingProcess", "why_no_worker", "why_not_loaded"]

BEGUN = "begun"  # the file that a process makes among its temporary ones before it loads the bundle

_ITSELF_MB = 512  # R and Python start with a quarter of this; a larger limit is not what keeps them from starting
_WORKER_MB = 32.0  # a fresh worker takes this much: its buffers, and a full garbage collection
_NOTHING_MB = 4.0  # an interpreter that failed to get memory, even a small piece, was this close to its limit


class LoadingProcess(Protocol):
    """A process that loads a bundle."""

    @property
    def language(self) -> str:
        """The name of the language whose interpreter it is, such as "R"."""

    @property
    def group(self) -> ProcessGroup:
        """The process group whose program it is."""

    @property
    def loaded(self) -> bool:
        """Whether it has loaded its bundle and given a worker."""

    @property
    def begun(self) -> bool:
        """Whether the interpreter has started, has read the gateway's own code, and has begun to load the bundle."""


def why_not_loaded(said: str, process: LoadingProcess) -> BundleError:
    """Returns the error for a bundle that could not be loaded, as the process said itself.

    Args:
        said: the sentence why not.
        process: the process, which still runs.
    """
    left_mb = process.group.note_memory()
    if left_mb is not None and (says_out_of_memory(said) or left_mb < _NOTHING_MB):
        return _too_little(said, process)
    return PassingFailure(said) if says_short(said) else BundleError(said)


def why_no_worker(what: ConnectionLost | ProtocolError, process: LoadingProcess) -> BundleError:
    """Returns the error for a process that gave no worker, because it ended or because it ends each connection.

    Args:
        what: the error of the last connection.
        process: the process that was to give the worker.
    """
    return _why_none(what, process) if isinstance(what, ConnectionLost) else BundleError(f"{_died(process)}: {what}")


def _why_none(what: ConnectionLost, process: LoadingProcess) -> BundleError:
    code, left_mb = process.group.exit_code, process.group.note_memory()
    tight = left_mb is not None and left_mb < _WORKER_MB
    if code is None:
        none = f"no {process.language} worker could be started"
        return _too_little(none, process) if tight else PassingFailure(f"{none}: {what}")
    ended = f"{_died(process)}: it ended {signal_name(code)}"
    if ended_from_outside(code):
        return PassingFailure(f"{ended}, from outside, as the kernel does where memory is short")
    if not process.begun:
        if process.group.memory_limit_mb is not None and process.group.memory_limit_mb < _ITSELF_MB:
            return _too_little(f"{process.language} could not be started", process)
        return PassingFailure(f"{process.language} could not be started: it ended {signal_name(code)}")
    if left_mb is not None and code != 0:
        return _too_little(ended, process, "" if tight else ", or the bundle's own code ended it")
    return BundleError(ended)


def _died(process: LoadingProcess) -> str:
    return f"{process.language} died {'after it had' if process.loaded else 'while it'} loaded the bundle"


def _too_little(what: str, process: LoadingProcess, otherwise: str = "") -> BundleError:
    limit_mb = process.group.memory_limit_mb or 0
    return BundleError(f"{what}: memory_limit_mb = {limit_mb} was reached{otherwise}", limit=f"{limit_mb} MiB")
