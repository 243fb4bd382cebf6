"""Names the reasons of default scores on record."""

from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["reason_name"]


def reason_name(reason: int) -> str:
    """Returns the name of a default reason without its prefix, or its number if this version does not know it."""
    if reason not in pb.DefaultReason.values():
        return str(reason)
    return pb.DefaultReason.Name(reason).removeprefix("DEFAULT_REASON_")
