"""The errors that a call can raise, ordered by whose fault they are.

    ScoringError
    |-- CallerError              mend the call: the unchanged call would fail again
    |   |-- InvalidRequest         columns, types, lengths, values or sizes that the model can't take
    |   |-- MessageTooLarge        the request is over the gateway's message limit
    |   |-- ModelNotFound          no such model or version
    |   |-- VersionRefused         the version did not pass its own checks
    |   `-- NotAllowed             the gateway does not know who calls, or does not allow it
    |-- LookupFailed             no features for the call's keys: in no feature batch, or the batch is too old
    |-- Cancelled                the call was cancelled
    |-- DeadlineExceeded         no score in time, and no default score to give
    |-- Unavailable              not now: overloaded, over the caller's rate, circuit open, still loading, draining,
    |                            worker lost, store of features away, gateway away
    `-- PredictionFailed         the model raised an error, or answered with something that is not a score

`reason` tells the events apart, by the names that the gateway gives them (google.rpc.ErrorInfo). ClientForked is not a
ScoringError: the program has to be mended, as it has when it uses a closed client.
"""

from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

__all__ = [
    "CallerError",
    "Cancelled",
    "ClientForked",
    "DeadlineExceeded",
    "InvalidRequest",
    "LookupFailed",
    "MessageTooLarge",
    "ModelNotFound",
    "NotAllowed",
    "PermissionDenied",
    "PredictionFailed",
    "ScoringError",
    "Unauthenticated",
    "Unavailable",
    "VersionRefused",
    "error_info_of",
    "senseless_answer",
    "translate",
    "translate_closed",
]

_DETAILS_KEY = "grpc-status-details-bin"
_DOMAIN = "scorebridge.io"


class ScoringError(Exception):
    """A call that brought no scores, or no answer about models.

    An error that a program makes from a message alone has "UNKNOWN" as its reason and status.

    Attributes:
        reason: UPPER_SNAKE name of the event, such as "CIRCUIT_OPEN"; the gRPC status' name if the gateway gave none.
        model: the model's name; empty if the gateway did not give it.
        version: the version's number, as text; empty if the gateway did not give it.
        limit: the limit that was exceeded, as text; empty if the gateway did not give one.
        status: the gRPC status' name, such as "UNAVAILABLE".
        by_gateway: True if the gateway reported the error; False if it was the connection, an expired deadline on this
            side, or the gRPC library.
    """

    def __init__(
        self,
        message: str,
        reason: str = "UNKNOWN",
        model: str = "",
        version: str = "",
        limit: str = "",
        *,
        status: str = "UNKNOWN",
        by_gateway: bool = False,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status
        self.by_gateway = by_gateway
        self.model = model
        self.version = version
        self.limit = limit

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and copies the error with all its attributes, so that a worker process can pass it to its parent."""
        return _made_again, (type(self), self.args, self.__dict__)


def _made_again(kind: type[ScoringError], args: tuple[Any, ...], state: dict[str, Any]) -> ScoringError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class CallerError(ScoringError):
    """The call must be mended; the unchanged call would fail again."""


class InvalidRequest(CallerError):
    """The call has columns, types, lengths, values or sizes that the model can't take; the message names them."""


class MessageTooLarge(CallerError):
    """The request is over the gateway's message limit; send fewer rows at a time."""


class ModelNotFound(CallerError):
    """The gateway has no such model or version."""


class VersionRefused(CallerError):
    """The version did not pass its own checks when the gateway loaded it, and scores nothing."""


class NotAllowed(CallerError):
    """The gateway does not know who calls, or does not allow the call."""


class Unauthenticated(NotAllowed):
    """The gateway does not know who calls: the token or certificate is missing, wrong or not valid any more."""


class PermissionDenied(NotAllowed):
    """The gateway knows who calls, and does not allow this caller the model or method."""


class LookupFailed(ScoringError):
    """There are no features for the keys in the call, and no default score to give.

    `reason` is FEATURES_MISSING if a key is in no feature batch that may be used, FEATURES_STALE if the batch is older
    than the model's author allows. A store that does not answer is `Unavailable`, with the reason STORE_UNAVAILABLE.
    """


class Cancelled(ScoringError):
    """The call was cancelled."""


class DeadlineExceeded(ScoringError):
    """No score came in time, and there is no default score to give."""


class Unavailable(ScoringError):
    """Gateways can't score the call now, but may do so later; `reason` says why."""


class PredictionFailed(ScoringError):
    """The model raised an error, or answered with something that is not a score."""


class ClientForked(RuntimeError):
    """gRPC does not work in this process, because it was forked from one that had made gRPC calls."""


_BY_STATUS: dict[grpc.StatusCode, type[ScoringError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: ModelNotFound,
    grpc.StatusCode.FAILED_PRECONDITION: VersionRefused,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Unavailable,
    grpc.StatusCode.INTERNAL: PredictionFailed,
}
# These share the status of a version that was refused, but are nobody's fault that calls.
_BY_REASON: dict[str, type[ScoringError]] = {"FEATURES_MISSING": LookupFailed, "FEATURES_STALE": LookupFailed}


def translate(error: grpc.RpcError) -> ScoringError:
    """Returns the client's error for an error of gRPC, with the details that the gateway gave."""
    call: Any = error
    status: grpc.StatusCode = call.code()
    info = error_info_of(error)
    kind = _BY_STATUS.get(status, ScoringError)
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED and info is None:
        kind = MessageTooLarge  # raised by the gRPC library of the client or of the gateway
    if info is None:
        return kind(call.details() or status.name, status.name, status=status.name, by_gateway=False)
    metadata = info.metadata
    return _BY_REASON.get(info.reason, kind)(
        call.details() or info.reason,
        info.reason,
        metadata.get("model", ""),
        metadata.get("version", ""),
        metadata.get("limit", ""),
        status=status.name,
        by_gateway=True,
    )


def translate_closed(error: Exception) -> ScoringError:
    """Returns the client's error for a call that can't begin because its channel was closed, by its owner or a fork.

    Raises:
        Exception: `error` itself, if its message does not say that the channel is closed.
    """
    if "closed" not in str(error).lower():
        raise error
    sentence = "the gRPC channel is closed: its owner closed it, or this process was forked while it was open"
    return Unavailable(sentence, "UNAVAILABLE", status="UNAVAILABLE", by_gateway=False)


def senseless_answer(what: str) -> PredictionFailed:
    """Returns the error for a gateway's answer that makes no sense, with the status that gRPC gives unreadable answers.

    Args:
        what: what is wrong with the answer, for the message.
    """
    return PredictionFailed(
        f"the gateway's answer makes no sense: {what}", "INTERNAL", status="INTERNAL", by_gateway=False
    )


def error_info_of(error: grpc.RpcError) -> ErrorInfo | None:
    """Returns what a gateway says of a call that failed, for programs that call gateways by gRPC's own stubs.

    Args:
        error: the error of gRPC, blocking or asyncio.

    Returns:
        The google.rpc.ErrorInfo: its `reason`, and by their names in `metadata` the model, version and limit, and for a
        value that can't be taken its `column` and `row`. None if no gateway has ended the call.
    """
    call: Any = error
    for key, value in call.trailing_metadata() or ():
        if key != _DETAILS_KEY or isinstance(value, str):
            continue
        try:
            status = Status.FromString(value)
        except DecodeError:
            return None
        for detail in status.details:
            info = ErrorInfo()
            if detail.Unpack(info) and info.domain == _DOMAIN:
                return info
    return None
