"""What was looked up for a call is told alike on every wire, and GetModel says what callers may leave out."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.backends import Description
from bridge.bundles.bundle import read_bundle
from bridge.bundles.repository import StoredVersion
from bridge.calls import Call, ModelRef, Outcome, Range
from bridge.codecs.json.logged import read_logged_answer
from bridge.codecs.json.replies import write_reply as write_json_reply
from bridge.codecs.json.schemas import schemas
from bridge.codecs.open_inference import inference_pb2
from bridge.codecs.open_inference.inference import Form
from bridge.codecs.open_inference.json_replies import write_json_response
from bridge.codecs.open_inference.replies import write_response
from bridge.codecs.scorebridge_v1.replies import lookups_of, write_reply
from bridge.columns import Column, Matrix, Type, constant
from bridge.errors import DefaultReason
from bridge.features.feature import Feature
from bridge.features.lookups.plan import LookupPlan
from bridge.looked_up import LookedUp, LookupResult
from bridge.models.acceptance import Accepted
from bridge.models.version import State, Version
from bridge.services.models import write_detail
from bridge.testing.backend import FakeBackend

OUTCOME = Outcome((Range(0, 3, (constant("score", Type.DOUBLE, 0.5, 3),)),))


def result(name: str, **facts: Any) -> LookupResult:
    """With nothing to tell but its name, where `facts` don't say."""
    usual = {"store": "main", "group": "users", "batch": "", "age_s": None, "previous_batch": ""}
    rows = {"previous_rows": np.arange(0), "missing_rows": np.arange(0)}
    return LookupResult(name, **(usual | rows | facts))


HISTORY = result(
    "history",
    batch="2026-11-24",
    age_s=3.5,
    previous_batch="2026-11-23",
    previous_rows=np.array([0, 2]),
    missing_rows=np.array([1]),
    operands=(Column("secret", Type.DOUBLE, np.array([1.0, 2.0, 3.0])),),
    detail="private",
)
TODAY = result("today", group="users_today", batch="2026-11-25")
DOWN = result("shops", group="shops", failure=DefaultReason.STORE_UNAVAILABLE, missing_rows=np.arange(3))
TOLD = [
    {
        "name": "history",
        "group": "users",
        "batch": "2026-11-24",
        "age": "3.500s",
        "previous_rows": 2,
        "missing_rows": 1,
    },
    {"name": "today", "group": "users_today", "batch": "2026-11-25", "previous_rows": 0, "missing_rows": 0},
    {
        "name": "shops",
        "group": "shops",
        "batch": "",
        "previous_rows": 0,
        "missing_rows": 3,
        "failure": "DEFAULT_REASON_STORE_UNAVAILABLE",
    },
]


def call(*results: LookupResult, looked_up: bool = True) -> Call:
    given = LookedUp(results, (), (0,)) if looked_up else None
    return Call("id", ModelRef("m", 3, "sha256:ab"), Matrix((), np.zeros((3, 1))), 0.0, looked_up=given)


CALL = call(HISTORY, TODAY, DOWN)
SILENT = (call(looked_up=False), call())


def test_a_reply_says_of_every_lookup_where_its_features_came_from() -> None:
    reply = pb.ScoreResponse.FromString(write_reply(CALL, OUTCOME))
    history, today, down = reply.lookups
    assert (history.name, history.group, history.batch) == ("history", "users", "2026-11-24")
    assert (history.age.seconds, history.age.nanos) == (3, 500_000_000)
    assert (history.previous_rows, history.missing_rows, history.failure) == (2, 1, pb.DEFAULT_REASON_UNSPECIFIED)
    assert (today.batch, today.HasField("age"), today.missing_rows) == ("2026-11-25", False, 0)
    assert (down.batch, down.HasField("age"), down.missing_rows) == ("", False, 3)
    assert down.failure == pb.DEFAULT_REASON_STORE_UNAVAILABLE
    reply.ClearField("lookups")
    assert reply == pb.ScoreResponse.FromString(write_reply(SILENT[0], OUTCOME))


def test_without_lookups_no_wire_says_a_word_of_them() -> None:
    for silent in SILENT:
        assert not pb.ScoreResponse.FromString(write_reply(silent, OUTCOME)).lookups
        assert "lookups" not in json.loads(write_json_reply(silent, OUTCOME))
        assert "lookups" not in json.loads(write_json_response(silent, OUTCOME, Form())[0])["parameters"]
        message = inference_pb2.ModelInferResponse.FromString(write_response(silent, OUTCOME, Form()))
        assert "lookups" not in message.parameters


def test_json_says_the_same_and_is_read_back_from_the_log() -> None:
    body = write_json_reply(CALL, OUTCOME)
    assert json.loads(body)["lookups"] == TOLD
    assert b"private" not in body
    assert b"secret" not in body
    read = read_logged_answer(log_pb.LogRecord(response=body))
    assert read == pb.ScoreResponse.FromString(write_reply(CALL, OUTCOME))


def test_the_document_describes_what_json_says() -> None:
    described = schemas()
    assert described["ScoreResponse"]["properties"]["lookups"]["items"] == {"$ref": "#/components/schemas/Lookup"}
    properties = described["Lookup"]["properties"]
    assert {name for one in TOLD for name in one} == set(properties)
    assert {one["failure"] for one in TOLD if "failure" in one} <= set(properties["failure"]["enum"])


def test_the_open_inference_protocol_has_it_as_a_parameter_of_text() -> None:
    message = inference_pb2.ModelInferResponse.FromString(write_response(CALL, OUTCOME, Form()))
    over_http = json.loads(write_json_response(CALL, OUTCOME, Form())[0])["parameters"]["lookups"]
    assert message.parameters["lookups"].string_param == over_http
    assert json.loads(over_http) == TOLD


@given(st.floats(-1e9, 1e9))
def test_an_age_is_the_duration_that_protobuf_would_write(age_s: float) -> None:
    (told,) = lookups_of(LookedUp((result("history", batch="b", age_s=age_s),), (), ()))
    assert told.age.ToNanoseconds() == round(age_s * 1e9)


SETTINGS = """
[lookup.history]
group = "users"
key = "user_id"
features = ["orders", "spent"]

[lookup.today]
group = "users_today"
key = "user_id"
store = "streams"
since = "history"

[combine]
visits = {sum = ["history.visits", "today.visits"]}
"""
FEATURES = tuple(Feature(name, required=name != "note") for name in ("orders", "visits", "age", "note"))


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., pb.ModelDetail]:
    async def never(_: Call) -> Outcome:
        raise AssertionError

    def describe(settings: str, *, looking_up: bool = True) -> pb.ModelDetail:
        (tmp_path / "model.ubj").touch()
        (tmp_path / "model.toml").write_text(settings)
        version = Version(StoredVersion("m", 1, tmp_path))
        version.bundle = read_bundle(tmp_path)
        backend = FakeBackend(never, Description(FEATURES, None))
        version.accepted = Accepted(version.bundle, backend, backend.description, (), 0, None, "")
        version.state = State.READY
        version.lookups = LookupPlan([], [], []) if looking_up and version.settings.lookup else None
        return write_detail(version, serving=True)

    return describe


def required(features: Iterable[pb.Feature]) -> list[str]:
    return [feature.name for feature in features if feature.required]


def test_a_model_says_what_it_looks_up_by_which_key(loaded: Callable[..., pb.ModelDetail]) -> None:
    detail = loaded(SETTINGS)
    assert list(detail.lookups) == [
        pb.ModelLookup(name="history", group="users", key="user_id", features=["orders", "spent"]),
        pb.ModelLookup(name="today", group="users_today", key="user_id", store="streams"),
    ]
    assert required(detail.features) == ["age"]
    # What its group has, only the store knows: it may be any feature.
    assert required(loaded(SETTINGS.replace('since = "history"\n', "")).features) == []
    # A run in this process has no store, and needs them all.
    alone = loaded(SETTINGS, looking_up=False)
    assert not alone.lookups
    assert required(alone.features) == ["orders", "visits", "age"]


def test_without_lookups_callers_must_send_what_the_model_has_no_default_for(
    loaded: Callable[..., pb.ModelDetail],
) -> None:
    detail = loaded("")
    assert not detail.lookups
    assert required(detail.features) == ["orders", "visits", "age"]
