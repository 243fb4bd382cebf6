"""Every way a call or a bundle can fail, by whose fault it was.

    BridgeError
    |-- CallerError              the caller's fault: never retried, answered with a default only if the author says so
    |   |-- InvalidRequest         columns, types, lengths, values or sizes that the model can't take
    |   |   |-- UnknownLevel           rows with an unknown level, and the author answers them with the default score
    |   |   `-- UnfitRow               rows with a value that the model can't take
    |   |       `-- RefusedLevel           rows with an unknown level, and the author refuses them
    |   |-- Unauthenticated        the caller does not show that it is one of callers.toml
    |   |-- PermissionDenied       the caller may not ask for this model, or not call this method
    |   |-- ModelNotFound          no such model or version, or it was retired
    |   `-- VersionRefused         the version is deployed, but did not pass its own checks
    |-- CapacityError            nobody's fault: the bridge can't take the call now
    |   |-- Overloaded             the queue is full, or the call could not finish in time
    |   |-- RateLimited            the caller has sent more rows a second than callers.toml allows it
    |   |-- CircuitOpen            the model failed so often that calls are not passed on for a while
    |   |-- ModelNotReady          the version is still loading, or waits to be tried again
    |   |-- LogUnavailable         the call can't be put on record, and the operator wants no answer without a record
    |   `-- Draining               the gateway is going down and its grace is over
    |-- DeadlineExceeded         the call's or the model's time was over before the scores were there
    |-- LookupFailed             features could not be looked up by the caller's keys: see `bridge.lookup_errors`
    |-- BackendError             the model's or its worker's fault
    |   |-- WorkerLost             the worker's process died or its socket broke; another worker may do better
    |   |-- PoisonCall             the same call lost a worker in each of its attempts
    |   |-- PredictionFailed       the R or Python function raised, or xgboost failed
    |   |-- MalformedPrediction    wrong length, no scores, a type it must not have
    |   |   `-- OtherOutputs           outputs with other names or types than this version has
    |   `-- MissingScore           the model itself gave NA or NaN for a row
    |-- BundleError              the model's files are not what they must be (check, deploy, load)
    |   `-- PassingFailure         not the files' fault: time, memory or descriptors ran short, and may be there later
    `-- InternalError            a bug of the bridge

Messages name model, column, row number, limit and elapsed time, never input values. Nothing here depends on gRPC.
"""

from enum import StrEnum
from typing import ClassVar

__all__ = [
    "BackendError",
    "BridgeError",
    "BundleError",
    "CallerError",
    "CapacityError",
    "CircuitOpen",
    "DeadlineExceeded",
    "DefaultReason",
    "Draining",
    "InternalError",
    "InvalidRequest",
    "LogUnavailable",
    "MalformedPrediction",
    "MissingScore",
    "ModelNotFound",
    "ModelNotReady",
    "OtherOutputs",
    "Overloaded",
    "PassingFailure",
    "PermissionDenied",
    "PoisonCall",
    "PredictionFailed",
    "RateLimited",
    "RefusedLevel",
    "Unauthenticated",
    "UnfitRow",
    "UnknownLevel",
    "VersionRefused",
    "WorkerLost",
]


class DefaultReason(StrEnum):
    """Why a row has a default score, or no score: the names of the proto's enum DefaultReason without their prefix."""

    DEADLINE = "DEADLINE"
    WORKER_LOST = "WORKER_LOST"
    MODEL_ERROR = "MODEL_ERROR"
    MALFORMED_PREDICTION = "MALFORMED_PREDICTION"
    MISSING_SCORE = "MISSING_SCORE"
    OVERLOADED = "OVERLOADED"
    CIRCUIT_OPEN = "CIRCUIT_OPEN"
    MODEL_NOT_READY = "MODEL_NOT_READY"
    DRAINING = "DRAINING"
    UNKNOWN_LEVEL = "UNKNOWN_LEVEL"
    INVALID_VALUE = "INVALID_VALUE"
    FEATURES_MISSING = "FEATURES_MISSING"
    FEATURES_STALE = "FEATURES_STALE"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"


class BridgeError(Exception):
    """The base of all errors; the message says what happened, and may reach the caller.

    Attributes:
        reason: the UPPER_SNAKE name of the event, sent as `google.rpc.ErrorInfo.reason`.
        default_reason: the reason of the default score that answers this event; None if no default score may.
        limit: the limit that was passed, in words; empty if none was.
        private: what callers must not see, such as the message of an R condition or of a Python exception, which may
            hold input values.
        condition_class: the class of the condition or exception that was raised; empty if none was.
    """

    reason: ClassVar[str] = "INTERNAL"
    default_reason: ClassVar[DefaultReason | None] = None

    def __init__(self, message: str, *, limit: str = "", private: str = "", condition_class: str = "") -> None:
        super().__init__(message)
        self.limit, self.private, self.condition_class = limit, private, condition_class

    def in_full(self) -> str:
        """Returns the message with `private` behind it; only for whoever deploys the bundle or reads the log."""
        return f"{self} ({self.private})" if self.private else str(self)

    @property
    def failed_reason(self) -> DefaultReason | None:
        """The reason of a row that comes back without a score; None if the event can only fail the whole call."""
        return self.default_reason


class CallerError(BridgeError):
    """The call failed by the caller's fault."""


class InvalidRequest(CallerError):
    """The request can't be scored as it is; the message names the column, the row or the limit.

    Attributes:
        column: the column with the value that can't be taken; empty if it is no value of a row.
        row: the number of its row, from 0; None if it is no value of a row.
        rows: how many rows, from this one on, can't be taken for the same reason.
    """

    reason = "INVALID_REQUEST"

    def __init__(self, text: str, *, limit: str = "", column: str = "", row: int | None = None, rows: int = 1) -> None:
        super().__init__(text, limit=limit)
        self.column, self.row, self.rows = column, row, rows


class UnknownLevel(InvalidRequest):
    """Rows have an unknown level, and the model's author wants such rows to get their default score."""

    reason = "UNKNOWN_LEVEL"
    default_reason = DefaultReason.UNKNOWN_LEVEL


class UnfitRow(InvalidRequest):
    """Rows have a value that the model can't take; never answered with a default."""

    @property
    def failed_reason(self) -> DefaultReason | None:
        """INVALID_VALUE: the reason of such a row in a partial call, which comes back without a score."""
        return DefaultReason.INVALID_VALUE


class RefusedLevel(UnfitRow):
    """Rows have an unknown level, and the model's author refuses such rows."""

    @property
    def failed_reason(self) -> DefaultReason | None:
        """UNKNOWN_LEVEL: the reason of such a row in a partial call, which comes back without a score."""
        return DefaultReason.UNKNOWN_LEVEL


class Unauthenticated(CallerError):
    """The caller does not show that it is one of those who may call; the same for every wrong token or certificate."""

    reason = "UNAUTHENTICATED"


class PermissionDenied(CallerError):
    """The caller is known, and may not ask for this model or call this method."""

    reason = "PERMISSION_DENIED"


class ModelNotFound(CallerError):
    """There is no such model or version, or it was retired."""

    reason = "MODEL_NOT_FOUND"


class VersionRefused(CallerError):
    """The version is deployed, but did not pass its checks when it was loaded."""

    reason = "VERSION_REFUSED"


class CapacityError(BridgeError):
    """The bridge can't take the call now."""


class Overloaded(CapacityError):
    """The model's queue is full, or the call could not finish before its deadline."""

    reason = "OVERLOADED"
    default_reason = DefaultReason.OVERLOADED


class RateLimited(CapacityError):
    """The caller has sent more rows a second than it may; never answered with a default score of the model."""

    reason = "RATE_LIMITED"


class CircuitOpen(CapacityError):
    """The version failed several times in a row, and gets no calls for a while."""

    reason = "CIRCUIT_OPEN"
    default_reason = DefaultReason.CIRCUIT_OPEN


class ModelNotReady(CapacityError):
    """The version is still loading, or could not be loaded yet and waits to be tried again."""

    reason = "MODEL_NOT_READY"
    default_reason = DefaultReason.MODEL_NOT_READY


class Draining(CapacityError):
    """The gateway is shutting down, and the time that it leaves to calls is over."""

    reason = "DRAINING"
    default_reason = DefaultReason.DRAINING


class LogUnavailable(CapacityError):
    """The call can't be put on record, and the operator wants no answer without a record."""

    reason = "LOG_UNAVAILABLE"


class DeadlineExceeded(BridgeError):
    """The time for the call was over before its scores were known."""

    reason = "DEADLINE"
    default_reason = DefaultReason.DEADLINE


class BackendError(BridgeError):
    """The call failed by the fault of the model or its worker."""


class WorkerLost(BackendError):
    """The worker died or broke the protocol, by itself or `from_outside`: by a person, or a kernel short of memory."""

    reason = "WORKER_LOST"
    default_reason = DefaultReason.WORKER_LOST
    from_outside = False


class PoisonCall(BackendError):
    """A call lost a worker in each of its attempts: it is taken for the cause, and gets no further worker."""

    reason = "POISON_CALL"
    default_reason = DefaultReason.WORKER_LOST


class PredictionFailed(BackendError):
    """The model's own code raised an error."""

    reason = "MODEL_ERROR"
    default_reason = DefaultReason.MODEL_ERROR


class MalformedPrediction(BackendError):
    """The model answered with something that is not one typed score per row."""

    reason = "MALFORMED_PREDICTION"
    default_reason = DefaultReason.MALFORMED_PREDICTION


class OtherOutputs(MalformedPrediction):
    """The model answered with outputs that have other names or types than those of its version."""


class MissingScore(BackendError):
    """The model gave NA or NaN as the score of some rows."""

    reason = "MISSING_SCORE"
    default_reason = DefaultReason.MISSING_SCORE


class BundleError(BridgeError):
    """The files of a bundle are not what they must be; the message is one sentence for whoever deploys it."""

    reason = "BUNDLE_REFUSED"


class PassingFailure(BundleError):
    """A bundle could not be loaded for a reason that may pass and is not in its files, so it is worth another try."""

    reason = "BUNDLE_NOT_LOADED"


class InternalError(BridgeError):
    """The gateway failed because of a bug: please report it with what its log says."""

    def __init__(self, message: str = "the gateway failed because of a bug: its log says where") -> None:
        super().__init__(message)
