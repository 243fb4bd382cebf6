"""The keys beside a group's description and rows, which only publishers use; docs/features.md lists them."""

from bridge.features.stores.group import row_prefix

__all__ = ["everything", "lock_key", "parts_key", "rows_pattern", "run_key"]


def lock_key(group: str) -> bytes:
    """Returns the key of the lock that the group's publisher holds."""
    return f"sb:{{{group}}}:publishing".encode()


def run_key(group: str, batch: str) -> bytes:
    """Returns the key of what is known of a batch's publication; it lives as long as the batch's rows."""
    return f"sb:{{{group}}}:run:{batch}".encode()


def parts_key(group: str, batch: str) -> bytes:
    """Returns the key of the hash of a publication's finished parts."""
    return f"sb:{{{group}}}:parts:{batch}".encode()


def rows_pattern(group: str, batch: str) -> bytes:
    """Returns the pattern of SCAN for a batch's rows; names of groups and batches hold nothing that it would expand."""
    return row_prefix(group, batch) + b"*"


def everything(group: str) -> bytes:
    """Returns the pattern of SCAN for all keys of a group."""
    return f"sb:{{{group}}}:*".encode()
