"""Why an R process has not loaded a model, in words."""

import subprocess

from bridge.shortages import says_out_of_memory, signal_name

__all__ = ["why_not_loaded"]

_END_S = 1.0  # between the end of what R tells and its own


def why_not_loaded(said: str, process: subprocess.Popen[bytes], memory_limit_mb: int | None) -> str:
    """The cause, and the limit if that is it.

    Args:
        said: by R; empty if it said nothing.
        process: R's.
        memory_limit_mb: that it was given; None for none.
    """
    reached = f": memory_limit_mb = {memory_limit_mb} was reached"
    if said:
        return said + (reached if memory_limit_mb is not None and says_out_of_memory(said) else "")
    try:
        code = process.wait(_END_S)
    except subprocess.TimeoutExpired:
        return "R took too long"
    ended = f"R ended {signal_name(code)}"
    return ended if memory_limit_mb is None or code == 0 else f"{ended}{reached}, or the bundle's own code ended it"
