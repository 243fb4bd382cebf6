"""Finds out why a process of a reconciliation has not loaded its model."""

import subprocess

from bridge.shortages import says_out_of_memory, signal_name

__all__ = ["why_not_loaded"]

_END_S = 1.0  # how long the process may take to end after it has closed its progress pipe


def why_not_loaded(said: str, process: subprocess.Popen[bytes], memory_limit_mb: int | None, language: str) -> str:
    """Returns why a process has not loaded the model, as a clause; it names the memory limit if that was reached.

    Args:
        said: the process' own sentence; empty if it wrote none.
        process: the process.
        memory_limit_mb: the memory limit that the process was given, MiB; None for no limit.
        language: the name of the language whose interpreter it is.
    """
    reached = f": memory_limit_mb = {memory_limit_mb} was reached"
    if said:
        return said + (reached if memory_limit_mb is not None and says_out_of_memory(said) else "")
    try:
        code = process.wait(_END_S)
    except subprocess.TimeoutExpired:
        return f"{language} took longer than five times load_timeout_s"
    ended = f"{language} ended {signal_name(code)}"
    return ended if memory_limit_mb is None or code == 0 else f"{ended}{reached}, or the bundle's own code ended it"
