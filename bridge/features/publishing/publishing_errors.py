"""What keeps a feature group from being published, declared, read or dropped; messages never hold keys or values."""

from bridge.errors import BridgeError

__all__ = ["GroupBusy", "PublicationLost", "PublicationRefused", "StoreRefused"]


class PublicationRefused(BridgeError):
    """What is to be published does not fit the group, or its input can't be taken; readers see what they saw before."""

    reason = "PUBLICATION_REFUSED"


class GroupBusy(BridgeError):
    """Another publisher works on the group."""

    reason = "GROUP_BUSY"


class PublicationLost(BridgeError):
    """Another publisher has taken the group over, after this one was not heard of for a while; nothing was flipped."""

    reason = "PUBLICATION_LOST"


class StoreRefused(BridgeError):
    """The store answered, but refused a command: it is full, the user may not do this, or it is no primary."""

    reason = "STORE_REFUSED"
