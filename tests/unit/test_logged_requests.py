"""Requests on record as the model got them, whichever wire they came by."""

import json
from typing import Any

import numpy as np
import pytest
from infer_messages import add, add_raw
from lookup_records import column, look_up, texts
from prediction_logs import of_messages
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.logged import request_of, scored_request_of
from bridge.codecs.open_inference import inference_pb2
from bridge.codecs.scorebridge_v1.requests import read_batch
from bridge.columns import Column, Matrix, Type
from bridge.errors import InvalidRequest

INFER = "/inference.GRPCInferenceService/ModelInfer"


def of_table(*columns: str) -> log_pb.LogRecord:
    """A call of two rows of doubles; each column holds its place, and its place and a half."""
    request = pb.ScoreRequest(model="risk", row_keys=["a", "b"])
    for place, name in enumerate(columns):
        request.table.columns.add(name=name).doubles.values.extend([place, place + 0.5])
    return of_messages(request, None)


def of_matrix(names: list[str], values: Any) -> log_pb.LogRecord:
    request = pb.ScoreRequest(model="risk", matrix=pb.Matrix(columns=names, rows=len(values)))
    kind = request.matrix.floats if values.dtype == np.float32 else request.matrix.doubles
    kind.values.extend(values.ravel().tolist())
    return of_messages(request, None)


def of_json(columns: dict[str, Any]) -> log_pb.LogRecord:
    body = json.dumps({"columns": columns}).encode()
    return log_pb.LogRecord(request=body, method="POST /v1/models/risk:score", model="risk", version=3)


def of_infer() -> log_pb.LogRecord:
    request = inference_pb2.ModelInferRequest(model_name="risk")
    add(request, "user_id", "BYTES", [2], "bytes_contents", [b"u1", b"u2"])
    add(request, "age", "FP64", [2], "fp64_contents", [1, 1.5])
    return log_pb.LogRecord(request=request.SerializeToString(), method=INFER, model="risk", version=3)


def of_infer_json() -> log_pb.LogRecord:
    inputs = [
        {"name": "user_id", "datatype": "BYTES", "shape": [2], "data": ["u1", "u2"]},
        {"name": "age", "datatype": "FP64", "shape": [2], "data": [1, 1.5]},
    ]
    body = json.dumps({"inputs": inputs}).encode()
    return log_pb.LogRecord(request=body, method="POST /v2/models/risk/infer", model="risk", version=3)


def scored(record: log_pb.LogRecord) -> list[tuple[str, Type, list[Any]]]:
    """Name, type and values of each column that the model got."""
    batch = read_batch(scored_request_of(record))
    assert not isinstance(batch, Matrix)
    return [(one.name, one.type, values_of(one)) for one in batch.columns]


def values_of(one: Column) -> list[Any]:
    return [
        None if absent else value for value, absent in zip(one.values.tolist(), one.missing().tolist(), strict=True)
    ]


def test_ignored_columns_and_keys_go_and_looked_up_ones_come_behind_the_others() -> None:
    record = of_table("extra", "user_id", "age", "other", "size")
    record.ignored_columns.extend([0, 3])
    look_up(record, column("clicks", [7, np.nan]), texts("town", [None, "Köln"]), keys=[1])
    assert scored(record) == [
        ("age", Type.DOUBLE, [2, 2.5]),
        ("size", Type.DOUBLE, [4, 4.5]),
        ("clicks", Type.DOUBLE, [7, None]),
        ("town", Type.STRING, [None, "Köln"]),
    ]
    assert list(scored_request_of(record).row_keys) == ["a", "b"]
    assert len(request_of(record).table.columns) == 5


@pytest.mark.parametrize(
    "record",
    [
        of_table("user_id", "age"),
        of_json({"user_id": ["u1", "u2"], "age": [1.0, 1.5]}),
        of_json({"user_id": [1, 2], "age": [1.0, 1.5]}),
        of_infer(),
        of_infer_json(),
        of_matrix(["user_id", "age"], np.array([[5.0, 1], [6, 1.5]])),
    ],
    ids=["table", "json", "json with numbers", "infer", "infer json", "matrix"],
)
def test_every_wire_gives_the_same_columns(record: log_pb.LogRecord) -> None:
    look_up(record, column("clicks", [7, 8], Type.INT64), keys=[0])
    assert scored(record) == [("age", Type.DOUBLE, [1, 1.5]), ("clicks", Type.INT64, [7, 8])]


def test_a_matrix_of_infer_keeps_its_single_precision() -> None:
    request = inference_pb2.ModelInferRequest(model_name="risk")
    values = np.array([0.1, np.nan], np.float32)
    add_raw(request, "user_id", "FP32", [2], np.array([1, 2], np.float32).tobytes())
    add_raw(request, "age", "FP32", [2], values.tobytes())
    record = log_pb.LogRecord(request=request.SerializeToString(), method=INFER, model="risk", version=3)
    look_up(record, column("clicks", [7, 8]), keys=[0])
    assert scored(record)[0] == ("age", Type.FLOAT, [float(values[0]), None])


def test_a_matrix_keeps_every_bit_as_a_table() -> None:
    random = np.random.default_rng(3)
    for dtype in (np.float32, np.float64):
        values = random.normal(size=(9, 3)).astype(dtype)
        values[0] = [-0.0, np.inf, np.nan]
        look_up(record := of_matrix(["a", "b", "c"], values), column("d", range(9)))
        batch = read_batch(scored_request_of(record))
        assert not isinstance(batch, Matrix)
        assert [one.name for one in batch.columns] == ["a", "b", "c", "d"]
        assert np.column_stack([one.values for one in batch.columns[:3]]).tobytes() == values.tobytes()


def test_a_matrix_without_lookups_stays_one() -> None:
    record = of_matrix(["a", "b"], np.ones((2, 2)))
    assert scored_request_of(record) == request_of(record)


def test_where_there_were_only_keys_no_column_is_left() -> None:
    for record in (of_table("user_id"), of_matrix(["user_id"], np.ones((2, 1)))):
        look_up(record, keys=[0])
        request = scored_request_of(record)
        assert (request.WhichOneof("features"), len(request.table.columns)) == ("table", 0)


@pytest.mark.parametrize(
    ("record", "keys", "why"),
    [
        (
            of_table("user_id", "clicks"),
            [0],
            r"^column 'clicks' is on record as looked up, but the request has",
        ),
        (of_table("user_id"), [1], r"^column 1 is on record as ignored or a key, but the request lacks it$"),
        (of_matrix([], np.ones((2, 2))), [], r"looked up, but the request's columns have no names$"),
    ],
)
def test_what_can_not_have_been_scored_is_refused(record: log_pb.LogRecord, keys: list[int], why: str) -> None:
    look_up(record, column("clicks", [1, 2]), keys=keys)
    with pytest.raises(InvalidRequest, match=why):
        scored_request_of(record)
