"""Names the reasons that gateways give."""

from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["reason_name"]


def reason_name(number: pb.DefaultReason) -> str:
    """Returns the UPPER_SNAKE name of a reason; one that only a newer gateway has a name for becomes "REASON_42"."""
    known = number in pb.DefaultReason.values()
    return pb.DefaultReason.Name(number).removeprefix("DEFAULT_REASON_") if known else f"REASON_{number}"
