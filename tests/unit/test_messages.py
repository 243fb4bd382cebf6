"""Messages to batches and outcomes to messages; what can be refused without knowing the model is refused by name."""

import re
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.scorebridge_v1.requests import parse_request, read_batch
from bridge.columns import Matrix, Table, Type
from bridge.errors import DefaultReason, InvalidRequest

MARK = "~~~~"


def request_with(**fields: Any) -> pb.ScoreRequest:
    table = pb.Table(
        columns=[
            pb.Column(name="x", doubles=pb.DoubleArray(values=[1, 2])),
            pb.Column(name="söx", strings=pb.StringArray(values=["ü", "日本"])),
        ]
    )
    chosen: dict[str, Any] = {"request_id": "id", "model": "m", "table": table} | fields
    return pb.ScoreRequest(**chosen)


def with_bad_text(request: pb.ScoreRequest) -> bytes:
    return request.SerializeToString().replace(MARK.encode(), b"\xff\xfe\xff\xfe")


def text_table(name: str, texts: list[str]) -> pb.Table:
    columns = [*request_with().table.columns, pb.Column(name=name, strings=pb.StringArray(values=texts))]
    return pb.Table(columns=columns)


def test_a_request_is_parsed() -> None:
    request = request_with(labels={"k": "v"}, row_keys=["a", "b"], default_score=0.5)
    assert parse_request(request.SerializeToString()) == request


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (request_with(table=text_table("ö", ["a", "é", MARK])), "column 'ö', row 2: not UTF-8"),
        (request_with(table=text_table("ö", [MARK, MARK])), "column 'ö', row 0: not UTF-8"),
        (request_with(table=text_table(MARK, ["a"])), "the name of a column is not UTF-8"),
        (request_with(model=MARK), "a text in the request is not UTF-8"),
        (request_with(request_id=MARK), "a text in the request is not UTF-8"),
        (request_with(row_keys=["a", MARK]), "a text in the request is not UTF-8"),
        (request_with(labels={"k": MARK}), "a text in the request is not UTF-8"),
        (request_with(labels={MARK: "v"}), "a text in the request is not UTF-8"),
        (request_with(table=None, matrix=pb.Matrix(columns=[MARK])), "a text in the request is not UTF-8"),
    ],
)
def test_text_that_is_not_utf_8_is_named_by_column_and_row(request_: pb.ScoreRequest, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{re.escape(sentence)}$"):
        parse_request(with_bad_text(request_))


@pytest.mark.parametrize("request_", [b"\xff\xff", b"\x0a\x05ab", request_with().SerializeToString()[:-1]])
def test_bytes_that_are_no_request_are_refused(request_: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"^the bytes are not a scorebridge\.v1\.ScoreRequest$"):
        parse_request(request_)


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_request_or_refused(raw: bytes) -> None:
    with suppress(InvalidRequest):
        batch = read_batch(parse_request(raw))
        assert isinstance(batch, Matrix | Table)


@pytest.mark.parametrize(
    ("array", "dtype"), [(pb.DoubleArray(values=range(6)), np.float64), (pb.FloatArray(values=range(6)), np.float32)]
)
@pytest.mark.parametrize("names", [[], ["a", "b", "c"]])
def test_a_matrix_is_read_row_by_row_in_its_own_type(
    array: pb.DoubleArray | pb.FloatArray, dtype: type[np.floating[Any]], names: list[str]
) -> None:
    field = "doubles" if dtype is np.float64 else "floats"
    matrix = pb.Matrix(columns=names, rows=2)
    getattr(matrix, field).CopyFrom(array)
    batch = read_batch(pb.ScoreRequest(matrix=matrix))
    assert isinstance(batch, Matrix)
    assert batch.names == tuple(names)
    assert batch.values.dtype == dtype
    assert batch.values.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_no_rows_are_no_rows() -> None:
    matrix = read_batch(pb.ScoreRequest(matrix=pb.Matrix(columns=["a", "b"])))
    assert isinstance(matrix, Matrix)
    assert (matrix.rows, matrix.values.shape) == (0, (0, 2))
    table = read_batch(pb.ScoreRequest(table=pb.Table(columns=[pb.Column(name="x", bools=pb.BoolArray())])))
    assert isinstance(table, Table)
    assert (table.rows, table.columns[0].type) == (0, Type.BOOL)


def numbers(name: str, values: list[float], missing: list[int] | None = None) -> pb.Column:
    return pb.Column(name=name, doubles=pb.DoubleArray(values=values), missing_rows=missing)


def doubles(count: int) -> pb.DoubleArray:
    return pb.DoubleArray(values=range(count))


REFUSED: list[tuple[pb.ScoreRequest, str]] = [
    (pb.ScoreRequest(model="m"), "the request has neither a matrix nor a table"),
    (pb.ScoreRequest(table=pb.Table()), "the table has no columns"),
    (pb.ScoreRequest(matrix=pb.Matrix(doubles=doubles(3))), "the matrix has 3 values for 0 rows"),
    (
        pb.ScoreRequest(matrix=pb.Matrix(rows=2, doubles=doubles(3))),
        "the matrix has 3 values for 2 rows of 1 columns",
    ),
    (
        pb.ScoreRequest(matrix=pb.Matrix(rows=2, columns=["a", "b"], doubles=doubles(6))),
        "the matrix has 6 values for 2 rows of 2 columns",
    ),
    (
        pb.ScoreRequest(matrix=pb.Matrix(rows=2, columns=["a", "b"])),
        "the matrix has 0 values for 2 rows of 2 columns",
    ),
    (pb.ScoreRequest(table=pb.Table(columns=[pb.Column(name="x")])), "column 'x' has no values"),
    (
        pb.ScoreRequest(table=pb.Table(columns=[numbers("x", [1, 2]), numbers("y", [1])])),
        "column 'y' has 1 rows, column 'x' has 2",
    ),
    (
        pb.ScoreRequest(table=text_table("s", ["a", "b\0c"])),
        "column 's', row 1: holds a NUL character",
    ),
    *(
        (
            pb.ScoreRequest(table=pb.Table(columns=[numbers("x", [1, 2, 3], missing)])),
            "column 'x': missing_rows must be ascending and below 3",
        )
        for missing in ([3], [0, 3], [2**32 - 1], [1, 0], [1, 1], [0, 2, 1], [3, 0])
    ),
]


@pytest.mark.parametrize(("request_", "sentence"), REFUSED)
def test_batches_that_no_model_takes_are_refused_by_name(request_: pb.ScoreRequest, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{re.escape(sentence)}$"):
        read_batch(request_)


FIELDS: dict[Type, tuple[str, Any, list[Any]]] = {
    Type.DOUBLE: ("doubles", pb.DoubleArray, [0.1, 5.0, -0.0]),
    Type.FLOAT: ("floats", pb.FloatArray, [0.5, 5.0, -0.0]),
    Type.INT: ("int32s", pb.Int32Array, [-(2**31), 5, 2**31 - 1]),
    Type.INT64: ("int64s", pb.Int64Array, [-(2**63), 5, 2**63 - 1]),
    Type.BOOL: ("bools", pb.BoolArray, [True, True, False]),
    Type.STRING: ("strings", pb.StringArray, ["", "x", "日本"]),
}


@pytest.mark.parametrize("column_type", FIELDS)
@pytest.mark.parametrize("missing", [[], [1], [0, 1, 2]])
def test_a_column_is_read_in_its_own_type_with_its_missing_rows(column_type: Type, missing: list[int]) -> None:
    field, array, values = FIELDS[column_type]
    message = pb.Column(name="x", missing_rows=missing)
    getattr(message, field).CopyFrom(array(values=values))
    batch = read_batch(pb.ScoreRequest(table=pb.Table(columns=[message])))
    assert isinstance(batch, Table)
    (column,) = batch.columns
    assert (column.name, column.type, column.values.dtype, batch.rows) == ("x", column_type, column_type.dtype, 3)
    assert np.flatnonzero(column.missing()).tolist() == missing
    present = [row for row in range(3) if row not in missing]
    assert column.values[present].tolist() == [values[row] for row in present]
    assert (column.mask is None) == (column_type.is_floating or not missing)


def test_the_proto_has_every_reason_and_no_other() -> None:
    assert set(pb.DefaultReason.keys()) == {
        "DEFAULT_REASON_UNSPECIFIED",
        *(f"DEFAULT_REASON_{reason}" for reason in DefaultReason),
    }
