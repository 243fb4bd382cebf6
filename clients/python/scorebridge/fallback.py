"""Decides which errors a client default may stand for, and makes the answer with the default scores."""

from typing import Any

from numpy.typing import NDArray

from scorebridge.errors import LookupFailed, ScoringError
from scorebridge.result import DefaultedRows, Scores, Source
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["default_answer", "event_name", "falls_back", "may_fall_back"]

_NAMES = {"DEADLINE_EXCEEDED": "DEADLINE"}  # as the gateway names the same event
# The statuses of every CallerError but MessageTooLarge, and of Cancelled.
_THROWN = frozenset(
    ("INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNAUTHENTICATED", "PERMISSION_DENIED", "CANCELLED")
)


def event_name(error: ScoringError) -> str:
    """Returns the reason that rows carry for an error: the gateway's name for the event, such as "DEADLINE"."""
    return _NAMES.get(error.reason, error.reason)


def falls_back(error: ScoringError) -> bool:
    """Whether a default score may stand for an error, because the error is not the caller's fault."""
    if isinstance(error, LookupFailed):
        return True
    if error.status == "RESOURCE_EXHAUSTED":
        return error.by_gateway  # else a gRPC library found the message too large
    return error.status not in _THROWN


def may_fall_back(request: pb.ScoreRequest, error: ScoringError) -> bool:
    """Whether a call that ended with this error is answered with its default score.

    It is, if the call has a default score, allows it to be given, and the error is not the caller's fault.
    """
    never = request.default_policy == pb.DEFAULT_POLICY_NEVER
    return not never and request.HasField("default_score") and falls_back(error)


def default_answer(
    request: pb.ScoreRequest, rows: int, error: ScoringError, columns: dict[str, NDArray[Any]]
) -> Scores:
    """Returns the answer to a call whose rows all get its default score.

    Args:
        request: the request that was sent.
        rows: the number of rows in the request.
        error: the error that the default score stands for; the rows' reason and detail come from it.
        columns: the default scores of the rows, by the name of the output.
    """
    reason = event_name(error)
    return Scores(
        request_id=request.request_id,
        model=request.model,
        version=request.version,
        digest="",
        columns=columns,
        source=Source.CLIENT_DEFAULT,
        defaults=(DefaultedRows(0, rows, reason, str(error), by_client=True),) if rows else (),
        rows=rows,
        attempts=0,
        queue_s=0.0,
        backend_s=0.0,
    )
