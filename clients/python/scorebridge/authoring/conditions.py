"""What `write_bundle` raises."""

__all__ = ["BundleNotWritten"]


class BundleNotWritten(Exception):
    """No bundle was written, and the disk is as it was before; the message is one sentence for the model's author."""
