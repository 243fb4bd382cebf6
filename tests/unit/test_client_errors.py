"""The client's errors: one class for each kind of fault, with what the gateway said of it."""

import copy
import pickle
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from scorebridge import (
    CallerError,
    Cancelled,
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
from scorebridge.errors import translate
from scorebridge.fallback import falls_back

KEY = "grpc-status-details-bin"
Metadata = list[tuple[str, str | bytes]]


class FakeRpcError(grpc.RpcError):
    """A call that ended as it is told."""

    def __init__(self, status: grpc.StatusCode, text: str | None, metadata: Metadata | None) -> None:
        super().__init__()
        self._ended = status, text, metadata

    def code(self) -> grpc.StatusCode:
        """As gRPC's own."""
        return self._ended[0]

    def details(self) -> str | None:
        """As gRPC's own."""
        return self._ended[1]

    def trailing_metadata(self) -> Any:
        """As gRPC's own."""
        return self._ended[2]


def packed(*details: Message) -> bytes:
    status = Status()
    for detail in details:
        entry = AnyMessage()
        entry.Pack(detail)
        status.details.append(entry)
    return status.SerializeToString()


def info(domain: str = "scorebridge.io", reason: str = "SOME_REASON") -> ErrorInfo:
    metadata = {"model": "m", "version": "7", "limit": "10 rows"}
    return ErrorInfo(reason=reason, domain=domain, metadata=metadata)


KINDS: list[tuple[grpc.StatusCode, type[ScoringError]]] = [
    (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    (grpc.StatusCode.NOT_FOUND, ModelNotFound),
    (grpc.StatusCode.FAILED_PRECONDITION, VersionRefused),
    (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
    (grpc.StatusCode.UNAVAILABLE, Unavailable),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, Unavailable),
    (grpc.StatusCode.INTERNAL, PredictionFailed),
    (grpc.StatusCode.CANCELLED, Cancelled),
    (grpc.StatusCode.UNKNOWN, ScoringError),
    (grpc.StatusCode.UNAUTHENTICATED, Unauthenticated),
    (grpc.StatusCode.PERMISSION_DENIED, PermissionDenied),
]


@pytest.mark.parametrize(("status", "kind"), KINDS)
def test_a_gateway_s_error_has_its_class_and_all_that_was_said(
    status: grpc.StatusCode, kind: type[ScoringError]
) -> None:
    metadata: Metadata = [("other", "x"), ("other-bin", b"y"), (KEY, packed(Duration(seconds=1), info()))]
    error = translate(FakeRpcError(status, "what happened", metadata))
    assert type(error) is kind
    assert str(error) == "what happened"
    assert (error.reason, error.model, error.version, error.limit) == ("SOME_REASON", "m", "7", "10 rows")
    assert str(translate(FakeRpcError(status, "", metadata))) == "SOME_REASON"


def test_what_a_gateway_said_is_there_for_programs_with_stubs_of_their_own() -> None:
    metadata: Metadata = [("other", "x"), (KEY, packed(Duration(seconds=1), info()))]
    found = error_info_of(FakeRpcError(grpc.StatusCode.INTERNAL, "what happened", metadata))
    assert found == info()
    others: list[Metadata] = [[], [(KEY, packed(info(domain="elsewhere.example")))]]
    for other in others:
        assert error_info_of(FakeRpcError(grpc.StatusCode.INTERNAL, "what happened", other)) is None


@pytest.mark.parametrize(("status", "kind"), KINDS)
@pytest.mark.parametrize(
    "metadata",
    [
        None,
        [],
        [("other", "x")],
        [(KEY, "text")],
        [(KEY, b"\xff\xff")],
        [(KEY, packed())],
        [(KEY, packed(info(domain="elsewhere.example")))],
    ],
)
def test_an_error_of_the_library_or_another_has_its_status_for_a_reason(
    status: grpc.StatusCode, kind: type[ScoringError], metadata: Metadata | None
) -> None:
    expected = MessageTooLarge if status is grpc.StatusCode.RESOURCE_EXHAUSTED else kind
    error = translate(FakeRpcError(status, None, metadata))
    assert type(error) is expected
    assert str(error) == status.name
    assert (error.reason, error.model, error.version, error.limit) == (status.name, "", "", "")
    assert str(translate(FakeRpcError(status, "said", metadata))) == "said"


def test_the_callers_faults_are_told_from_the_others() -> None:
    kinds = {InvalidRequest, MessageTooLarge, ModelNotFound, VersionRefused, Unauthenticated, PermissionDenied}
    others = {DeadlineExceeded, LookupFailed, Unavailable, PredictionFailed}
    assert {kind for kind in kinds | others if issubclass(kind, CallerError)} == kinds
    assert all(issubclass(kind, ScoringError) for kind in others)


@pytest.mark.parametrize(("status", "kind"), KINDS)
@pytest.mark.parametrize("by_gateway", [True, False])
def test_no_default_stands_for_a_caller_s_fault_or_a_cancelled_call(
    status: grpc.StatusCode, kind: type[ScoringError], *, by_gateway: bool
) -> None:
    error = translate(FakeRpcError(status, "said", [(KEY, packed(info()))] if by_gateway else []))
    assert by_gateway is error.by_gateway
    assert falls_back(error) is not isinstance(error, CallerError | Cancelled)
    assert kind is Unavailable or type(error) is kind


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (grpc.StatusCode.FAILED_PRECONDITION, "FEATURES_MISSING", LookupFailed),
        (grpc.StatusCode.FAILED_PRECONDITION, "FEATURES_STALE", LookupFailed),
        (grpc.StatusCode.FAILED_PRECONDITION, "VERSION_REFUSED", VersionRefused),
        (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", Unavailable),
    ],
)
def test_features_that_could_not_be_looked_up_are_no_fault_of_the_caller(
    status: grpc.StatusCode, reason: str, kind: type[ScoringError]
) -> None:
    error = translate(FakeRpcError(status, "said", [(KEY, packed(info(reason=reason)))]))
    assert type(error) is kind
    assert (error.reason, error.status, error.by_gateway) == (reason, status.name, True)
    assert falls_back(error) is (kind is not VersionRefused)


def test_code_that_takes_who_may_not_call_for_one_error_goes_on_to_work() -> None:
    assert issubclass(Unauthenticated, NotAllowed)
    assert issubclass(PermissionDenied, NotAllowed)


@pytest.mark.parametrize(
    "kind",
    [
        ScoringError,
        CallerError,
        InvalidRequest,
        LookupFailed,
        MessageTooLarge,
        ModelNotFound,
        NotAllowed,
        PermissionDenied,
        Unauthenticated,
        VersionRefused,
        Cancelled,
        DeadlineExceeded,
        PredictionFailed,
        Unavailable,
    ],
)
@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])  # noqa: S301 - our own
def test_an_error_survives_pickle_and_copy(kind: type[ScoringError], again: Any) -> None:
    error = kind("a sentence", "REASON", "m", "3", "4 MiB", status="ABORTED", by_gateway=True)
    error.add_note("of the caller")
    same = again(error)
    assert type(same) is kind
    assert (str(same), same.args, same.__dict__) == ("a sentence", ("a sentence",), error.__dict__)


def test_a_message_alone_makes_an_error_of_its_class_as_queues_do_that_speak_json() -> None:
    error = ModelNotFound("there is no model 'm'")
    assert (str(error), error.reason, error.status, error.by_gateway) == (
        "there is no model 'm'",
        "UNKNOWN",
        "UNKNOWN",
        False,
    )
