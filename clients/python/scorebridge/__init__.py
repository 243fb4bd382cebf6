"""Python client of scorebridge: scores in time, each row marked as the model's or a default.

>>> from scorebridge import ScoringClient
>>> with ScoringClient("127.0.0.1:8081") as client:
...     answer = client.score("diabetes", frame, timeout_s=0.05)  # doctest: +SKIP
"""

from scorebridge.aio import AsyncScoringClient
from scorebridge.authoring.conditions import BundleNotWritten
from scorebridge.call_events import CallEvent
from scorebridge.client import ScoringClient
from scorebridge.environment import arguments_from_env
from scorebridge.errors import (
    CallerError,
    Cancelled,
    ClientForked,
    DeadlineExceeded,
    InvalidRequest,
    LookupFailed,
    MessageTooLarge,
    ModelNotFound,
    NotAllowed,
    PermissionDenied,
    PredictionFailed,
    ScoringError,
    Unauthenticated,
    Unavailable,
    VersionRefused,
    error_info_of,
)
from scorebridge.lookups import Lookup
from scorebridge.models import BoosterDetail, DefaultScore, Feature, ModelDetail, ModelLookup, ModelVersion, Output
from scorebridge.result import DefaultedRows, FailedRows, Scores, Source
from scorebridge.write_bundle import write_bundle

__all__ = [
    "AsyncScoringClient",
    "BoosterDetail",
    "BundleNotWritten",
    "CallEvent",
    "CallerError",
    "Cancelled",
    "ClientForked",
    "DeadlineExceeded",
    "DefaultScore",
    "DefaultedRows",
    "FailedRows",
    "Feature",
    "InvalidRequest",
    "Lookup",
    "LookupFailed",
    "MessageTooLarge",
    "ModelDetail",
    "ModelLookup",
    "ModelNotFound",
    "ModelVersion",
    "NotAllowed",
    "Output",
    "PermissionDenied",
    "PredictionFailed",
    "Scores",
    "ScoringClient",
    "ScoringError",
    "Source",
    "Unauthenticated",
    "Unavailable",
    "VersionRefused",
    "arguments_from_env",
    "error_info_of",
    "write_bundle",
]
