"""Why the input of a run can't be read as a whole; what is wrong with single rows costs only these rows."""

from bridge.errors import BridgeError

__all__ = ["InputChanged", "SourceError"]


class SourceError(BridgeError):
    """The input can't be used; the message names the file, the place, and what to do, and never a value."""

    reason = "INPUT_NOT_READABLE"


class InputChanged(SourceError):
    """A file of the input has changed, grown, shrunk or vanished since the run was planned."""

    reason = "INPUT_CHANGED"
