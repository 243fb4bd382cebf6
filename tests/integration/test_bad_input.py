"""What a caller can do wrong: a typed error that names it, no worker touched, and the next call is served."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from fixtures import Cancer, StartGateway, deploy, make_r_bundle
from scorebridge import AsyncScoringClient, InvalidRequest, MessageTooLarge, ModelNotFound, ScoringError
from scorebridge.errors import translate
from scorebridge.v1 import scoring_pb2 as pb

from bridge.gateway.server import Gateway

Connect = Callable[[Gateway], AsyncScoringClient]

CODE = "calls <- 0\nPred.R <- function(x, n, f) x * k"
SETTINGS = """
default_score = 1
max_batch_rows = 10
[features]
x = "double"
n = "int"
f = {type = "factor", levels = ["a", "b"]}
"""
GOOD: dict[str, Any] = {"x": [1.0, 2.0], "n": [1, 2], "f": ["a", "b"]}


@pytest.fixture
async def client(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect, cancer: Cancer
) -> AsyncScoringClient:
    await deploy(make_r_bundle(tmp_path / "m", CODE, settings=SETTINGS), repository, "m")
    await deploy(cancer.folder, repository, "cancer")
    return connect(await start_gateway(repository))


WRONG_COLUMNS: list[tuple[dict[str, Any], str]] = [
    ({"x": [1.0], "n": [1]}, "missing column 'f'"),
    (GOOD | {"y": [1.0, 2.0]}, "the model does not know column 'y'"),
    ({"X": [1.0], "n": [1], "f": ["a"]}, "missing column 'x'; the model does not know column 'X'"),
    (GOOD | {"x": ["1", "2"]}, "column 'x' is string, the model takes double"),
    (GOOD | {"n": [1.5, 2.0]}, "column 'n' is double, the model takes int"),
    (GOOD | {"n": [1, 2**31]}, "column 'n', row 1: outside"),
    (GOOD | {"n": np.array([1, -(2**31)], np.int32)}, "column 'n', row 1: outside"),
    (GOOD | {"x": [1, 2**53 + 1]}, "column 'x', row 1: outside"),
    (GOOD | {"f": ["a", "c"]}, "column 'f', row 1: not one of its 2 levels"),
    (GOOD | {"f": ["a", "b\0"]}, "column 'f', row 1: holds a NUL"),
    ({name: values * 6 for name, values in GOOD.items()}, "12 rows; m/1 takes at most 10 rows a call"),
]


async def test_wrong_columns_are_named(client: AsyncScoringClient) -> None:
    for rows, sentence in WRONG_COLUMNS:
        with pytest.raises(InvalidRequest) as raised:
            await client.score("m", rows, timeout_s=10)
        assert sentence in str(raised.value)
        assert (raised.value.reason, raised.value.model, raised.value.version) == ("INVALID_REQUEST", "m", "1")
    answer = await client.score("m", GOOD, timeout_s=10)
    assert answer.scores.tolist() == [2.0, 4.0]


async def test_xgboost_refuses_what_can_not_be_scored_again(client: AsyncScoringClient, cancer: Cancer) -> None:
    rows = cancer.rows.copy()
    rows[7, 2] = np.inf
    with pytest.raises(InvalidRequest, match="column 'mean perimeter', row 7: infinite"):
        await client.score("cancer", rows, timeout_s=10)
    rows[7, 2] = 1e39
    with pytest.raises(InvalidRequest, match="row 7: infinite, or too large for xgboost's float32"):
        await client.score("cancer", rows, timeout_s=10)
    with pytest.raises(InvalidRequest, match="the matrix has 29 columns and no names; the model takes 30"):
        await client.score("cancer", cancer.rows[:, :29], timeout_s=10)


async def test_unknown_models_and_versions(client: AsyncScoringClient) -> None:
    with pytest.raises(ModelNotFound, match="no model 'nobody'"):
        await client.score("nobody", GOOD, default=1)
    with pytest.raises(ModelNotFound, match="no version 9 of 'm'"):
        await client.score("m", GOOD, version=9, default=1)
    with pytest.raises(ModelNotFound):
        await client.model("nobody")


async def test_zero_rows_are_zero_scores(client: AsyncScoringClient) -> None:
    answer = await client.score("m", {"x": np.empty(0), "n": np.empty(0, np.int32), "f": np.empty(0, object)})
    assert answer.rows == 0
    matrix = await client.score("cancer", np.empty((0, 30)))
    assert matrix.scores.shape == (0,)
    assert matrix.attempts == 0


def _same(message: bytes) -> bytes:
    return message


async def _raw(target: str, request: bytes) -> bytes:
    async with grpc.aio.insecure_channel(target) as channel:
        try:
            return bytes(await channel.unary_unary("/scorebridge.v1.ScoringService/Score", _same, _same)(request))
        except grpc.aio.AioRpcError as error:
            raise translate(error) from error


def _message(**fields: Any) -> pb.ScoreRequest:
    table = pb.Table(
        columns=[
            pb.Column(name="x", doubles=pb.DoubleArray(values=[1, 2])),
            pb.Column(name="n", int32s=pb.Int32Array(values=[1, 2])),
            pb.Column(name="f", strings=pb.StringArray(values=["a", "b"])),
        ]
    )
    return pb.ScoreRequest(model="m", table=table, **fields)


async def test_messages_that_no_client_of_ours_makes(
    tmp_path: Path, repository: Path, start_gateway: StartGateway
) -> None:
    await deploy(make_r_bundle(tmp_path / "m", CODE, settings=SETTINGS), repository, "m")
    gateway = await start_gateway(repository, max_message_bytes=100_000)
    bad_text = _message().SerializeToString().replace(b"\x0a\x01b", b"\x0a\x01\xff")
    twice = _message()
    twice.table.columns.add(name="x", doubles=pb.DoubleArray(values=[1, 2]))
    missing = _message()
    missing.table.columns[1].missing_rows.extend([5])
    matrix = pb.Matrix(columns=["x", "n"], rows=2, doubles=pb.DoubleArray(values=[1, 2, 3]))
    wrong: list[tuple[bytes, str]] = [
        (b"\xff\xff", "the bytes are not a scorebridge.v1.ScoreRequest"),
        (bad_text, "column 'f', row 1: not UTF-8"),
        (pb.ScoreRequest(model="m").SerializeToString(), "neither a matrix nor a table"),
        (twice.SerializeToString(), "column 'x' is there twice"),
        (missing.SerializeToString(), "column 'n': missing_rows must be ascending and below 2"),
        (_message(row_keys=["only one"]).SerializeToString(), "1 row_keys for 2 rows"),
        (_message(request_id="x" * 129).SerializeToString(), "request_id must be 1 to 128"),
        (_message(default_score=float("nan")).SerializeToString(), "default_score must be a finite number"),
        (
            _message(default_policy=77).SerializeToString(),
            "this gateway does not know the request's default_policy: the client may be newer than it",
        ),
        (pb.ScoreRequest(model="m", matrix=matrix).SerializeToString(), "3 values for 2 rows of 2 columns"),
    ]
    for request, sentence in wrong:
        with pytest.raises(InvalidRequest) as raised:
            await _raw(gateway.grpc_address, request)
        assert sentence in str(raised.value)
    large = pb.Matrix(rows=1, doubles=pb.DoubleArray(values=[0] * 20_000))
    with pytest.raises(MessageTooLarge):
        await _raw(gateway.grpc_address, pb.ScoreRequest(model="m", matrix=large).SerializeToString())
    good = pb.ScoreResponse.FromString(await _raw(gateway.grpc_address, _message().SerializeToString()))
    assert list(good.scores[0].doubles.values) == [2.0, 4.0]


async def test_the_message_of_an_r_condition_stays_inside(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    code = "Pred.R <- function(x) if (x[1] > 0) stop('secret value ', x[1]) else x"
    await deploy(make_r_bundle(tmp_path / "raises", code), repository, "raises")
    client = connect(await start_gateway(repository))
    with pytest.raises(ScoringError) as raised:
        await client.score("raises", {"x": [41.5]}, timeout_s=10)
    assert raised.value.reason == "MODEL_ERROR"
    assert "simpleError" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "41.5" not in str(raised.value)
    answer = await client.score("raises", {"x": [41.5]}, timeout_s=10, default=3)
    assert answer.reasons == ["MODEL_ERROR"]
    assert "secret" not in answer.defaults[0].detail
