"""Maps errors to gRPC statuses: the only place that knows which error becomes which status code."""

from typing import NamedTuple, Self

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status as RichStatus

from bridge.calls import ModelRef
from bridge.errors import (
    BridgeError,
    CircuitOpen,
    DeadlineExceeded,
    DefaultReason,
    Draining,
    InvalidRequest,
    LogUnavailable,
    ModelNotFound,
    ModelNotReady,
    Overloaded,
    PermissionDenied,
    RateLimited,
    RefusedLevel,
    Unauthenticated,
    UnfitRow,
    UnknownLevel,
    VersionRefused,
    WorkerLost,
)
from bridge.lookup_errors import FeaturesMissing, FeaturesStale, LookupFailed, StoreUnavailable

__all__ = ["Status", "code_of"]

_DOMAIN = "scorebridge.io"
_DETAILS_KEY = "grpc-status-details-bin"
_MOST_MESSAGE = 400  # characters: as UTF-8, escaped in grpc-message and repeated in the details, up to 7 KiB

# Errors that are not in this table become INTERNAL: they are the model's fault, or a bug of the gateway.
_STATUS: dict[type[BridgeError], grpc.StatusCode] = {
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownLevel: grpc.StatusCode.INVALID_ARGUMENT,
    UnfitRow: grpc.StatusCode.INVALID_ARGUMENT,
    RefusedLevel: grpc.StatusCode.INVALID_ARGUMENT,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    ModelNotFound: grpc.StatusCode.NOT_FOUND,
    VersionRefused: grpc.StatusCode.FAILED_PRECONDITION,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    RateLimited: grpc.StatusCode.RESOURCE_EXHAUSTED,
    CircuitOpen: grpc.StatusCode.UNAVAILABLE,
    ModelNotReady: grpc.StatusCode.UNAVAILABLE,
    Draining: grpc.StatusCode.UNAVAILABLE,
    WorkerLost: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    LogUnavailable: grpc.StatusCode.UNAVAILABLE,
    FeaturesMissing: grpc.StatusCode.FAILED_PRECONDITION,
    FeaturesStale: grpc.StatusCode.FAILED_PRECONDITION,
    StoreUnavailable: grpc.StatusCode.UNAVAILABLE,
}


def code_of(error: BridgeError) -> grpc.StatusCode:
    """Returns the gRPC status code of an error."""
    return _STATUS.get(type(error), grpc.StatusCode.INTERNAL)


class Status(NamedTuple):
    """The gRPC status with which a failed call ends.

    Attributes:
        code: the gRPC status code.
        message: what happened, in a sentence for the caller.
        metadata: the trailing metadata; holds a google.rpc.ErrorInfo if a BridgeError ended the call.
    """

    code: grpc.StatusCode
    message: str
    metadata: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def of(cls, error: BridgeError, ref: ModelRef | None = None) -> Self:
        """Returns the status of an error; its ErrorInfo names the model and version of `ref`, if that is not None."""
        code, message = code_of(error), _short(str(error))
        info = ErrorInfo(reason=error.reason, domain=_DOMAIN)
        if ref is not None:
            info.metadata["model"] = _short(ref.model)
            if ref.version:
                info.metadata["version"] = str(ref.version)
        if error.limit:
            info.metadata["limit"] = error.limit
        if isinstance(error, InvalidRequest | LookupFailed):
            info.metadata.update(_place(error))
        detail = AnyMessage()
        detail.Pack(info)
        rich = RichStatus(code=code.value[0], message=message, details=[detail])
        return cls(code, message, ((_DETAILS_KEY, rich.SerializeToString()),))


def _place(error: InvalidRequest | LookupFailed) -> dict[str, str]:
    """Returns which value of which row can't be taken, and what becomes of such a row in a partial call."""
    if error.row is None:
        return {}
    place = {"column": _short(error.column), "row": str(error.row), "rows": str(error.rows)}
    return place | {"row_reason": str(error.failed_reason or DefaultReason.INVALID_VALUE)}


def _short(message: str) -> str:
    """Cuts a message that is too long for gRPC.

    A message can hold names of any length from the request, and with over 8 KiB of metadata the caller would get
    another error than this one.
    """
    return message if len(message) <= _MOST_MESSAGE else f"{message[:_MOST_MESSAGE]}…"
