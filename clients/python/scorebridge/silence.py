"""When a connection that brings nothing but expired deadlines is to be looked at."""

import time

__all__ = ["Silence"]

_SILENT_S = 0.25
_BETWEEN_LOOKS_S = 1.0
_CONNECTING_S = 1.0  # with what a look takes longer than a connection may, which gRPC then makes anew


class Silence:
    """How long nothing was heard on a connection.

    A deadline that expires says little; after a long silence it says more.

    The gateway may be alive all the same, its model slower than its callers wait: so it is asked before anything is
    done, and at most once a second.
    """

    def __init__(self) -> None:
        self._heard = time.monotonic() + _CONNECTING_S
        self._looked = 0.0

    def answered(self) -> None:
        """Notes that something was heard on the connection."""
        self._heard = time.monotonic()

    def is_suspect(self) -> bool:
        """Whether a deadline that has expired is a reason to look at the connection; who is told so must look."""
        at = time.monotonic()
        if at - self._heard < _SILENT_S or at - self._looked < _BETWEEN_LOOKS_S:
            return False
        self._looked = at
        return True
