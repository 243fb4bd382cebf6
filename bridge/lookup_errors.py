"""The errors of lookups: features that could not be had by the keys that a caller sent.

LookupFailed             see `bridge.errors` for its place among all errors
|-- FeaturesMissing        a key is in no feature batch that may be used, or its row there can't be read
|-- FeaturesStale          the feature batch is older than the model's author allows
`-- StoreUnavailable       the store did not answer in time, or not at all
"""

from bridge.errors import BridgeError, DefaultReason

__all__ = ["FeaturesMissing", "FeaturesStale", "LookupFailed", "StoreUnavailable"]


class LookupFailed(BridgeError):
    """Features could not be looked up by the keys of the call.

    Attributes:
        column: the column of the keys.
        row: the number of the first row that has no features, from 0; None if no row has.
        rows: how many rows, from this one on, have none for the same reason.
    """

    def __init__(self, text: str, *, limit: str = "", column: str = "", row: int | None = None, rows: int = 1) -> None:
        super().__init__(text, limit=limit)
        self.column, self.row, self.rows = column, row, rows


class FeaturesMissing(LookupFailed):
    """A key is in no feature batch that may be used, or what the store holds for it can't be read."""

    reason = "FEATURES_MISSING"
    default_reason = DefaultReason.FEATURES_MISSING


class FeaturesStale(LookupFailed):
    """The feature batch is older than the model's author allows."""

    reason = "FEATURES_STALE"
    default_reason = DefaultReason.FEATURES_STALE


class StoreUnavailable(LookupFailed):
    """The store of the features did not answer in time, or not at all."""

    reason = "STORE_UNAVAILABLE"
    default_reason = DefaultReason.STORE_UNAVAILABLE
