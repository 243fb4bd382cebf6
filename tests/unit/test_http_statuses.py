"""Every error fails in one way on every wire: its HTTP status follows from its gRPC status code."""

from http import HTTPStatus

import pytest

from bridge import errors, lookup_errors
from bridge.services.http_calls import http_status_of

KINDS = [
    kind
    for module in (errors, lookup_errors)
    for name in module.__all__
    if isinstance(kind := getattr(module, name), type)
]
ERRORS = [kind for kind in KINDS if issubclass(kind, errors.BridgeError)]
STATUSES = {
    errors.InvalidRequest: 400,
    errors.UnfitRow: 400,
    errors.Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.ModelNotFound: 404,
    errors.VersionRefused: 409,
    lookup_errors.FeaturesMissing: 409,
    lookup_errors.FeaturesStale: 409,
    errors.Overloaded: 429,
    errors.RateLimited: 429,
    errors.PredictionFailed: 500,
    errors.InternalError: 500,
    errors.CircuitOpen: 503,
    errors.ModelNotReady: 503,
    errors.Draining: 503,
    errors.WorkerLost: 503,
    errors.LogUnavailable: 503,
    lookup_errors.StoreUnavailable: 503,
    errors.DeadlineExceeded: 504,
}


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_has_a_status_that_says_failure(kind: type[errors.BridgeError]) -> None:
    assert http_status_of(kind("it failed")) >= HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(("kind", "status"), STATUSES.items())
def test_statuses_are_those_of_the_documentation(kind: type[errors.BridgeError], status: int) -> None:
    assert http_status_of(kind("it failed")) == status
