"""What a gateway tells of models comes as values of plain types: all of it, exact, and also from a newer gateway."""

import copy
import dataclasses
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from scorebridge import (
    AsyncScoringClient,
    BoosterDetail,
    DefaultScore,
    Feature,
    Lookup,
    ModelDetail,
    ModelLookup,
    ModelVersion,
    Output,
    PredictionFailed,
    ScoringClient,
)
from scorebridge.models import read_details, read_versions
from scorebridge.v1 import scoring_pb2 as pb

from bridge.cli.commands import CommandFailed
from bridge.cli.gateway_options import GatewayOptions
from bridge.cli.models import print_models
from bridge.cli.score import score_csv

RETRY_AT = Timestamp(seconds=1_790_000_000, nanos=123_456_000)
SHORT = pb.ModelVersion(
    model="m",
    version=3,
    state=pb.VERSION_STATE_WAITING,
    state_reason="no memory",
    backend="xgboost",
    digest="sha256:00",
    serving=True,
    never_scored=True,
    retry_at=RETRY_AT,
)
DETAIL = pb.ModelDetail(
    version=SHORT,
    engine="xgboost 3.2.0",
    engine_reason="the only one",
    features=[
        pb.Feature(name="town", type=pb.COLUMN_TYPE_FACTOR, levels=["b", "a"], ordered=True, unknown_level="missing"),
        pb.Feature(name="age", required=True),
    ],
    outputs=[
        pb.OutputColumn(name="score", type=pb.COLUMN_TYPE_FLOAT),
        pb.OutputColumn(name="reason_1", type=pb.COLUMN_TYPE_STRING, additional=True),
    ],
    default_scores=[
        pb.DefaultScore(output="a", number=0.1),
        pb.DefaultScore(output="b", text=""),
        pb.DefaultScore(output="c", truth=False),
        pb.DefaultScore(output="d"),
    ],
    row_wise=True,
    row_wise_reason="not at all",
    workers=4,
    circuit="half-open",
    booster=pb.BoosterDetail(
        booster="dart",
        objective="reg:squarederror",
        rounds=10,
        best_iteration=0,
        saved_by="3.2.0",
        rounds_used=1,
        base_margin="margin",
    ),
    lookups=[
        pb.ModelLookup(name="history", group="users", key="user_id", features=["a", "b"], store="main"),
        pb.ModelLookup(name="today", group="users_today", key="user_id"),
    ],
)
DETAIL.timeout.FromMicroseconds(250_001)
VERSION = ModelVersion(
    model="m",
    version=3,
    state="WAITING",
    state_reason="no memory",
    backend="xgboost",
    digest="sha256:00",
    serving=True,
    never_scored=True,
    retry_at=datetime(2026, 9, 21, 14, 13, 20, 123_456, UTC),
)


def told(detail: pb.ModelDetail) -> ModelDetail:
    (one,) = read_details(pb.GetModelResponse(versions=[detail]))
    return one


def numbered(number: int) -> pb.ModelDetail:
    """A detail whose enums all have a number."""
    feature, output = pb.Feature(name="x"), pb.OutputColumn(name="score")
    version: Any = pb.ModelVersion(model="m", version=1, serving=True)
    for message, field in ((feature, "type"), (output, "type"), (version, "state")):
        setattr(message, field, number)
    return pb.ModelDetail(version=version, features=[feature], outputs=[output])


def test_every_field_is_read() -> None:
    detail = told(DETAIL)
    assert read_versions(pb.ListModelsResponse(versions=[SHORT, pb.ModelVersion(model="n")]))[0] == VERSION
    assert detail == ModelDetail(
        version=VERSION,
        engine="xgboost 3.2.0",
        engine_reason="the only one",
        features=(
            Feature("town", "FACTOR", ("b", "a"), required=False, ordered=True, unknown_level="missing"),
            Feature("age", None, (), required=True, ordered=False, unknown_level=""),
        ),
        outputs=(Output("score", "FLOAT", additional=False), Output("reason_1", "STRING", additional=True)),
        default_scores=(
            DefaultScore("a", 0.1),
            DefaultScore("b", ""),
            DefaultScore("c", False),
            DefaultScore("d", None),
        ),
        timeout_s=0.250001,
        row_wise=True,
        row_wise_reason="not at all",
        workers=4,
        circuit="half-open",
        booster=BoosterDetail("dart", "reg:squarederror", 10, 0, "3.2.0", 1, "margin"),
        lookups=(
            ModelLookup("history", "users", "user_id", ("a", "b"), "main"),
            ModelLookup("today", "users_today", "user_id", (), ""),
        ),
    )
    assert [type(default.value) for default in detail.default_scores] == [float, str, bool, type(None)]


def test_what_is_absent_is_none_or_empty() -> None:
    detail = told(pb.ModelDetail(booster=pb.BoosterDetail()))
    assert (detail.version.retry_at, detail.timeout_s) == (None, None)
    assert (detail.features, detail.outputs, detail.default_scores, detail.lookups) == ((), (), (), ())
    assert detail.booster is not None
    assert detail.booster.best_iteration is None
    assert told(pb.ModelDetail()).booster is None


NAMES = {"timeout": "timeout_s", "age": "age_s", "number": "value", "text": "value", "truth": "value"}


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (pb.ModelVersion, ModelVersion),
        (pb.ModelDetail, ModelDetail),
        (pb.Feature, Feature),
        (pb.OutputColumn, Output),
        (pb.DefaultScore, DefaultScore),
        (pb.BoosterDetail, BoosterDetail),
        (pb.ModelLookup, ModelLookup),
        (pb.Lookup, Lookup),
    ],
)
def test_no_field_of_the_proto_is_left_out(message: Any, value: Any) -> None:
    fields = list(dict.fromkeys(NAMES.get(field.name, field.name) for field in message.DESCRIPTOR.fields))
    assert [field.name for field in dataclasses.fields(value)] == fields


@pytest.mark.parametrize("name", pb.VersionState.keys())
def test_every_state_of_the_proto_has_its_name(name: str) -> None:
    detail = told(numbered(pb.VersionState.Value(name)))
    assert f"VERSION_STATE_{detail.version.state}" == name


@pytest.mark.parametrize("name", [name for name, number in pb.ColumnType.items() if number])
def test_every_type_of_the_proto_has_its_name(name: str) -> None:
    detail = told(numbered(pb.ColumnType.Value(name)))
    assert f"COLUMN_TYPE_{detail.features[0].type}" == f"COLUMN_TYPE_{detail.outputs[0].type}" == name


@pytest.mark.parametrize("number", [8, 99, 2**31 - 1, -1])
def test_what_a_newer_gateway_says_has_its_number(number: int) -> None:
    detail = told(numbered(number))
    assert detail.version.state == detail.features[0].type == detail.outputs[0].type == f"UNKNOWN_{number}"


@pytest.mark.parametrize("at", [Timestamp(seconds=2**62), Timestamp(seconds=-(2**62)), Timestamp(seconds=253402300800)])
def test_an_instant_that_is_none_makes_no_sense(at: Timestamp) -> None:
    version = pb.ModelVersion(model="m", retry_at=at)
    with pytest.raises(
        PredictionFailed,
        match=r"^the gateway's answer makes no sense: it has a time that is not of the years 1 to 9999$",
    ):
        read_versions(pb.ListModelsResponse(versions=[version]))
    with pytest.raises(PredictionFailed, match="makes no sense"):
        told(pb.ModelDetail(version=version))


def test_they_are_values() -> None:
    detail = told(DETAIL)
    assert pickle.loads(pickle.dumps(detail)) == copy.deepcopy(detail) == told(DETAIL)  # noqa: S301 - our own
    assert len({detail, told(DETAIL), told(numbered(1))}) == 2
    changed: Any = detail
    with pytest.raises(dataclasses.FrozenInstanceError):
        changed.engine = "other"
    with pytest.raises(TypeError):
        changed.features[0] = detail.features[1]


@pytest.fixture
def newer() -> Iterator[str]:
    """The address of a gateway whose states and types have no name yet."""
    detail = numbered(99)
    answers = {
        "ListModels": pb.ListModelsResponse(versions=[detail.version]).SerializeToString(),
        "GetModel": pb.GetModelResponse(versions=[detail]).SerializeToString(),
    }
    methods = {
        name: grpc.unary_unary_rpc_method_handler(lambda _, __, answer=answer: answer)
        for name, answer in answers.items()
    }
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("scorebridge.v1.ScoringService", methods),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        stopped: threading.Event = server.stop(None)
        stopped.wait()


async def test_both_clients_and_the_command_line_understand_a_newer_gateway(
    newer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScoringClient(newer) as client:
        listed, details = client.models(), client.model("m")
    async with AsyncScoringClient(newer) as asking:
        assert (await asking.models(), await asking.model("m")) == (listed, details)
    assert listed == [one.version for one in details] == [told(numbered(99)).version]
    print_models(GatewayOptions(newer))
    assert "unknown 99 (serves)" in capsys.readouterr().out
    source = tmp_path / "in.csv"
    source.write_text("x\n1\n")
    with pytest.raises(CommandFailed, match=r"^feature 'x' has the type UNKNOWN_99, which this scorebridge does not"):
        score_csv(GatewayOptions(newer), "m", source, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
