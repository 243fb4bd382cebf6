"""Decides when a connection on which calls only reach their deadlines is checked."""

import time

__all__ = ["Silence"]

_SILENT_S = 0.25
_BETWEEN_LOOKS_S = 1.0
_CONNECTING_S = 1.0  # a new connection is not suspected while it may still be connecting


class Silence:
    """Measures how long no gateway has answered on a connection.

    One expired deadline says little about a connection; an expired deadline after 250 ms without any answer makes it
    suspect. The gateway may still be alive, with a model that is slower than its callers wait: so a suspect connection
    is first checked with a health check, at most once a second.
    """

    def __init__(self) -> None:
        self._heard = time.monotonic() + _CONNECTING_S
        self._looked = 0.0

    def answered(self) -> None:
        """Records that a gateway has answered on the connection."""
        self._heard = time.monotonic()

    def is_suspect(self) -> bool:
        """Whether an expired deadline is a reason to check the connection now. A caller that gets True must check."""
        at = time.monotonic()
        if at - self._heard < _SILENT_S or at - self._looked < _BETWEEN_LOOKS_S:
            return False
        self._looked = at
        return True
