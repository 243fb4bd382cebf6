"""Every way a call or a bundle can fail, by whose fault it was.

    BridgeError
    |-- CallerError              the caller's doing: never retried, never defaulted unless the author says so
    |   |-- InvalidRequest         columns, types, lengths, values or sizes that the model can't take
    |   |   |-- UnknownLevel           rows with a category that the model does not know, whose author wants a default
    |   |   `-- UnfitRow               rows with a value that the model can't take, of a caller who asked for the others
    |   |       `-- RefusedLevel           a category that the model does not know, whose author refuses it
    |   |-- ModelNotFound          no such model or version, or it was retired
    |   `-- VersionRefused         the version is there, but did not pass its own checks
    |-- CapacityError            nobody's fault: the bridge can't take the call now
    |   |-- Overloaded             the queue is full, or the call could not finish in time
    |   |-- CircuitOpen            the model failed so often that calls are not passed on for a while
    |   |-- ModelNotReady          the version is still loading
    |   |-- LogUnavailable         the call can't be put on record, and may not be answered without
    |   `-- Draining               the gateway is going down and its grace is over
    |-- DeadlineExceeded         the call's or the model's time was over before the scores were there
    |-- BackendError             the model's or its worker's doing
    |   |-- WorkerLost             the R process died or its socket broke; another worker may do better
    |   |-- PoisonCall             the same call lost two workers
    |   |-- PredictionFailed       the R function raised, or xgboost failed
    |   |-- MalformedPrediction    wrong length, no scores, a type it must not have
    |   |   `-- OtherOutputs           outputs of other names or types than this version has
    |   `-- MissingScore           the model itself gave NA or NaN for a row
    |-- BundleError              the model's files are not what they must be (check, deploy, load)
    |   `-- PassingFailure         not their fault: time, memory, a descriptor was short, and may be there later
    `-- InternalError            our bug

Messages name model, column, row number, limit and elapsed time, never input values. Nothing here knows gRPC: the table
from errors to statuses is in `bridge.services.scoring`.
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
    "PoisonCall",
    "PredictionFailed",
    "RefusedLevel",
    "UnfitRow",
    "UnknownLevel",
    "VersionRefused",
    "WorkerLost",
]


class DefaultReason(StrEnum):
    """Why a row carries a default score, or none at all: the names of the proto's enum, less its prefix."""

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


class BridgeError(Exception):
    """The root: what happened, in a sentence that may reach the caller.

    Attributes:
        reason: UPPER_SNAKE name of the event, sent as `google.rpc.ErrorInfo.reason`.
        default_reason: the reason a default score would carry; None if this event is never answered with a default.
        limit: the limit that was passed, in words, if one was.
        private: what only the prediction log may hold, such as the message of an R condition.
        condition_class: of the R condition, or of xgboost's exception, that was raised; empty if none was.
    """

    reason: ClassVar[str] = "INTERNAL"
    default_reason: ClassVar[DefaultReason | None] = None

    def __init__(self, message: str, *, limit: str = "", private: str = "", condition_class: str = "") -> None:
        super().__init__(message)
        self.limit = limit
        self.private = private
        self.condition_class = condition_class

    def in_full(self) -> str:
        """The sentence with what only whoever deploys the bundle, or reads the log, may see."""
        return f"{self} ({self.private})" if self.private else str(self)

    @property
    def failed_reason(self) -> DefaultReason | None:
        """What a row is told that comes back without a score; None if the event can only fail the whole call."""
        return self.default_reason


class CallerError(BridgeError):
    """The caller's doing."""


class InvalidRequest(CallerError):
    """The request can't be scored as it is; the message names the column, the row or the limit."""

    reason = "INVALID_REQUEST"


class UnknownLevel(InvalidRequest):
    """Rows have a category that the model does not know, and its author answers such rows with the default score."""

    reason = "UNKNOWN_LEVEL"
    default_reason = DefaultReason.UNKNOWN_LEVEL


class UnfitRow(InvalidRequest):
    """Rows have a value that the model can't take; never answered with a default."""

    @property
    def failed_reason(self) -> DefaultReason | None:
        """INVALID_VALUE: what such a row of a partial call is told, which comes back without a score."""
        return DefaultReason.INVALID_VALUE


class RefusedLevel(UnfitRow):
    """Rows have a category that the model does not know, and its author refuses them."""

    @property
    def failed_reason(self) -> DefaultReason | None:
        """UNKNOWN_LEVEL: what such a row of a partial call is told, which comes back without a score."""
        return DefaultReason.UNKNOWN_LEVEL


class ModelNotFound(CallerError):
    """No such model or version, or it was retired."""

    reason = "MODEL_NOT_FOUND"


class VersionRefused(CallerError):
    """The version exists but did not pass its checks at load."""

    reason = "VERSION_REFUSED"


class CapacityError(BridgeError):
    """The bridge can't take the call now."""


class Overloaded(CapacityError):
    """The model's queue is full, or the call could not finish before its deadline."""

    reason = "OVERLOADED"
    default_reason = DefaultReason.OVERLOADED


class CircuitOpen(CapacityError):
    """The model failed several times in a row and is being left alone for a while."""

    reason = "CIRCUIT_OPEN"
    default_reason = DefaultReason.CIRCUIT_OPEN


class ModelNotReady(CapacityError):
    """The version is still loading."""

    reason = "MODEL_NOT_READY"
    default_reason = DefaultReason.MODEL_NOT_READY


class Draining(CapacityError):
    """The gateway is going down and its grace is over."""

    reason = "DRAINING"
    default_reason = DefaultReason.DRAINING


class LogUnavailable(CapacityError):
    """The call can't be put on record, and the operator wants no answer without one."""

    reason = "LOG_UNAVAILABLE"


class DeadlineExceeded(BridgeError):
    """The time for the call was over before the scores were there."""

    reason = "DEADLINE"
    default_reason = DefaultReason.DEADLINE


class BackendError(BridgeError):
    """The model's or its worker's doing."""


class WorkerLost(BackendError):
    """The worker died or broke the protocol while it had the call.

    Attributes:
        from_outside: somebody else ended it: the kernel, where memory is short, or a person.
    """

    reason = "WORKER_LOST"
    default_reason = DefaultReason.WORKER_LOST
    from_outside = False


class PoisonCall(BackendError):
    """A call lost a worker in each of several attempts: it is taken for the cause, and gets no other."""

    reason = "POISON_CALL"
    default_reason = DefaultReason.WORKER_LOST


class PredictionFailed(BackendError):
    """The model's own code raised."""

    reason = "MODEL_ERROR"
    default_reason = DefaultReason.MODEL_ERROR


class MalformedPrediction(BackendError):
    """The model answered with something that is not one typed score per row."""

    reason = "MALFORMED_PREDICTION"
    default_reason = DefaultReason.MALFORMED_PREDICTION


class OtherOutputs(MalformedPrediction):
    """The model answered with outputs of other names or types than those that its version has."""


class MissingScore(BackendError):
    """The model gave NA or NaN for these rows."""

    reason = "MISSING_SCORE"
    default_reason = DefaultReason.MISSING_SCORE


class BundleError(BridgeError):
    """A bundle's files are not what they must be; one sentence, for whoever deploys it."""

    reason = "BUNDLE_REFUSED"


class PassingFailure(BundleError):
    """A bundle could not be loaded for a reason that may pass and says nothing of its files; worth another try."""

    reason = "BUNDLE_NOT_LOADED"


class InternalError(BridgeError):
    """Our bug: please report it."""
