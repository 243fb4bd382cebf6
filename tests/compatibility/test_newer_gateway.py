"""A gateway that is newer than a client sends numbers and fields that the client does not know, and breaks nothing."""

from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from compatibility.releases import RELEASES, TODAY, ask
from google.protobuf.message import Message
from scorebridge.v1 import scoring_pb2 as pb

NEWER: Any = 99  # a number that no release knows, of a reason or a state
# Field 1000 with a text, and field 1001 with a number.
UNKNOWN_FIELDS = b"\xc2\x3e\x05newer\xc8\x3e\x07"
CLIENTS = [release.client for release in RELEASES] + [TODAY[1:]]
clients = pytest.mark.parametrize("client", CLIENTS, ids=[*(one.folder.name for one in RELEASES), "today"])
SCORE = {"call": "score", "model": "risk", "columns": {"age": [1.0, 2.0, 3.0]}}


def newer(message: Message) -> bytes:
    """The message as a newer gateway sends it."""
    return message.SerializeToString() + UNKNOWN_FIELDS


def score(raw: bytes, _: grpc.ServicerContext) -> bytes:
    """Two rows of the model, one with a default for a new reason; a failed one where the call is partial."""
    request = pb.ScoreRequest.FromString(raw)
    response = pb.ScoreResponse(request_id=request.request_id, model=request.model, version=7, digest="sha256:0")
    response.source = pb.SCORE_SOURCE_MIXED
    column = response.scores.add(name="score")
    column.doubles.values.extend([0.5, 0.25, 0.75])
    if request.partial:
        response.failed_rows.add(first=1, count=1, reason=NEWER, detail="a newer event")
        column.missing_rows.append(1)
    else:
        response.defaulted_rows.add(first=1, count=1, reason=NEWER, detail="a newer event")
    response.scores[0].MergeFromString(UNKNOWN_FIELDS)
    return newer(response)


def list_models(_: bytes, __: grpc.ServicerContext) -> bytes:
    """One version that serves, one in a new state."""
    response = pb.ListModelsResponse()
    response.versions.add(model="risk", version=7, state=pb.VERSION_STATE_READY)
    response.versions.add(model="risk", version=8, state=NEWER).MergeFromString(UNKNOWN_FIELDS)
    return newer(response)


def get_model(_: bytes, __: grpc.ServicerContext) -> bytes:
    """One version in a new state."""
    response = pb.GetModelResponse()
    detail = response.versions.add()
    detail.version.model, detail.version.version, detail.version.state = "risk", 8, NEWER
    detail.MergeFromString(UNKNOWN_FIELDS)
    return newer(response)


@pytest.fixture
def newer_gateway() -> Iterator[str]:
    """Its address."""
    methods: dict[str, Callable[[bytes, grpc.ServicerContext], bytes]] = {
        "Score": score,
        "ListModels": list_models,
        "GetModel": get_model,
    }
    handlers = {name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()}
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("scorebridge.v1.ScoringService", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@clients
@pytest.mark.parametrize(
    ("options", "scores"),
    [({}, [0.5, 0.25, 0.75]), ({"default": 0.1}, [0.5, 0.25, 0.75]), ({"partial": True}, [0.5, None, 0.75])],
    ids=["default", "with a default of the client's", "partial"],
)
def test_a_new_reason_and_new_fields_break_no_client(
    newer_gateway: str, client: tuple[Path, ...], options: dict[str, Any], scores: list[float | None]
) -> None:
    (answer,) = ask(client, newer_gateway, [{**SCORE, "options": options}])
    assert answer == {
        "source": "MIXED",
        "version": 7,
        "digest": "sha256:0",
        "scores": {"score": scores},
        "reasons": [None, f"REASON_{NEWER}", None],
    }


@clients
def test_a_new_state_of_a_version_breaks_no_client(newer_gateway: str, client: tuple[Path, ...]) -> None:
    listed, described = ask(client, newer_gateway, [{"call": "models"}, {"call": "model", "model": "risk"}])
    assert [one[:2] for one in listed["states"]] == [["risk", 7], ["risk", 8]]
    assert str(NEWER) in listed["states"][1][2]
    assert described == {"versions": 1}
