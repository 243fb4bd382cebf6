"""Tensors as they are sent become columns and matrices of the same values, to the bit; all else is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from infer_messages import add, add_raw, batch_of, packed_texts, table_of

from bridge.codecs.open_inference import inference_pb2 as pb
from bridge.codecs.open_inference.datatypes import BY_TYPE, DATATYPES
from bridge.codecs.open_inference.row_ranges import read_rows, write_mask
from bridge.codecs.open_inference.tensors import read_contents, read_raw, write_contents, write_raw
from bridge.columns import Column, Matrix, Type
from bridge.errors import InvalidRequest

NUMBERS = ["INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "FP16", "FP32", "FP64"]
TYPES = {
    "INT8": Type.INT,
    "INT16": Type.INT,
    "INT32": Type.INT,
    "INT64": Type.INT64,
    "UINT8": Type.INT,
    "UINT16": Type.INT,
    "UINT32": Type.INT64,
    "FP16": Type.FLOAT,
    "FP32": Type.FLOAT,
    "FP64": Type.DOUBLE,
}
FIELDS = {
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}


def numbers(datatype: str) -> st.SearchStrategy[Any]:
    return st_np.arrays(DATATYPES[datatype].dtype, st.integers(0, 30))


def same(column: Column, values: Any) -> bool:
    """Whether a column holds these numbers, each with its bits where it is not NaN."""
    wide = values.astype(column.values.dtype)
    missing = np.isnan(wide) if wide.dtype.kind == "f" else np.zeros(len(wide), np.bool_)
    return bool((column.missing() == missing).all() and column.values[~missing].tobytes() == wide[~missing].tobytes())


@pytest.mark.parametrize("datatype", NUMBERS)
@pytest.mark.parametrize("shape", [1, 2])
@given(data=st.data())
def test_raw_numbers_become_a_column_of_the_type_that_holds_them(datatype: str, shape: int, data: Any) -> None:
    values = data.draw(numbers(datatype))
    request = pb.ModelInferRequest()
    add_raw(request, "x", datatype, [len(values), 1][:shape], values.tobytes())
    (column,) = table_of(request).columns
    assert (column.name, column.type) == ("x", TYPES[datatype])
    assert same(column, values)


@pytest.mark.parametrize("datatype", [one for one in NUMBERS if one in FIELDS])
@given(data=st.data())
def test_typed_contents_give_the_same_column_as_raw_ones(datatype: str, data: Any) -> None:
    values = data.draw(numbers(datatype))
    request = pb.ModelInferRequest()
    add(request, "x", datatype, [len(values)], FIELDS[datatype], values.tolist())
    (column,) = table_of(request).columns
    assert column.type is TYPES[datatype]
    assert same(column, values)


@given(data=st.data(), datatype=st.sampled_from(NUMBERS), width=st.integers(2, 5), rows=st.integers(0, 9))
def test_one_tensor_of_several_columns_is_a_matrix_of_exactly_its_numbers(
    data: Any, datatype: str, width: int, rows: int
) -> None:
    dtype = DATATYPES[datatype].dtype
    elements = st.integers(-(2**53), 2**53) if datatype == "INT64" else None
    values = data.draw(st_np.arrays(dtype, (rows, width), elements=elements))
    request = pb.ModelInferRequest()
    add_raw(request, "x", datatype, values.shape, values.tobytes())
    matrix = batch_of(request)
    assert isinstance(matrix, Matrix)
    assert matrix.names == ()
    assert matrix.values.dtype == (np.float32 if datatype in ("FP16", "FP32") else np.float64)
    wide = values.astype(matrix.values.dtype)
    assert np.array_equal(matrix.values, wide, equal_nan=True)
    assert (np.signbit(matrix.values) == np.signbit(wide)).all()


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)])
def test_a_matrix_refuses_whole_numbers_that_a_double_does_not_hold(number: int) -> None:
    request = pb.ModelInferRequest()
    add_raw(request, "x", "INT64", [2, 2], np.array([1, 2, number, 3], np.int64).tobytes())
    with pytest.raises(InvalidRequest, match=r"tensor 'x', row 1, column 0: a matrix can't hold it exactly"):
        batch_of(request)


@given(st_np.arrays(np.uint16, st.integers(0, 20)))
def test_bf16_becomes_the_float_of_which_it_is_the_upper_half(halves: Any) -> None:
    request = pb.ModelInferRequest()
    add_raw(request, "x", "BF16", [len(halves)], halves.tobytes())
    (column,) = table_of(request).columns
    assert column.type is Type.FLOAT
    assert column.values.view(np.uint32).tolist() == [int(one) << 16 for one in halves]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20))
def test_uint64_is_held_exactly_or_refused_with_its_row(given_numbers: list[int]) -> None:
    request = pb.ModelInferRequest()
    add_raw(request, "x", "UINT64", [len(given_numbers)], np.array(given_numbers, np.uint64).tobytes())
    large = [row for row, one in enumerate(given_numbers) if one >= 2**63]
    if large:
        with pytest.raises(InvalidRequest, match=rf"tensor 'x', row {large[0]}: larger than any INT64"):
            table_of(request)
        return
    assert table_of(request).columns[0].values.tolist() == given_numbers


@given(st.lists(st.booleans(), max_size=20))
def test_truth_values_are_one_byte_each_or_typed(given_truths: list[bool]) -> None:
    raw, typed = pb.ModelInferRequest(), pb.ModelInferRequest()
    add_raw(raw, "x", "BOOL", [len(given_truths)], bytes(given_truths))
    add(typed, "x", "BOOL", [len(given_truths)], "bool_contents", given_truths)
    for request in (raw, typed):
        (column,) = table_of(request).columns
        assert (column.type, column.values.tolist()) == (Type.BOOL, given_truths)


texts = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=12)


@given(texts)
def test_texts_come_whole_raw_and_typed(given_texts: list[str]) -> None:
    encoded = [text.encode() for text in given_texts]
    raw, typed = pb.ModelInferRequest(), pb.ModelInferRequest()
    add_raw(raw, "x", "BYTES", [len(encoded), 1], packed_texts(encoded))
    add(typed, "x", "BYTES", [len(encoded)], "bytes_contents", encoded)
    for request in (raw, typed):
        (column,) = table_of(request).columns
        assert (column.type, column.values.tolist()) == (Type.STRING, given_texts)


@given(st.data())
def test_what_is_answered_reads_back_to_the_bit(data: Any) -> None:
    kind = data.draw(st.sampled_from([Type.DOUBLE, Type.FLOAT, Type.INT, Type.INT64, Type.BOOL, Type.STRING]))
    if kind is Type.STRING:
        entries = data.draw(texts)
        values = np.empty(len(entries), object)
        values[:] = entries
    else:
        values = data.draw(st_np.arrays(kind.dtype, st.integers(0, 20)))
    column, datatype = Column("x", kind, values), BY_TYPE[kind]
    for read in (
        read_raw(write_raw(column), datatype, len(values), "x", str),
        read_contents(write_contents(column, datatype), datatype, len(values), "x", str),
    ):
        assert read.dtype == values.dtype
        assert read.tolist() == values.tolist() if kind is Type.STRING else read.tobytes() == values.tobytes()


@given(st.lists(st.booleans(), max_size=60))
def test_rows_as_text_read_back(given_rows: list[bool]) -> None:
    mask = np.array(given_rows, np.bool_)
    assert read_rows(write_mask(mask), len(mask), "rows").tolist() == given_rows


@pytest.mark.parametrize(
    ("text", "rows"), [("0-4,7", [0, 1, 2, 3, 4, 7]), ("", []), ("9", [9]), ("0-1,2", [0, 1, 2]), ("0", [0])]
)
def test_rows_as_text_are_ranges_and_single_rows(text: str, rows: list[int]) -> None:
    assert np.flatnonzero(read_rows(text, 10, "rows")).tolist() == rows


@pytest.mark.parametrize(
    "text",
    ["10", "0-10", "3-3", "4-2", "1,1", "2,1", "0-4,4", "01", "0 ", " 0", "0,", ",", "-1", "0--1", "a", "٣", "1e1"],
)
def test_rows_in_another_form_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match='must be rows below 10, ascending and each once, written as in "0-4,7"'):
        read_rows(text, 10, "rows")


@pytest.mark.parametrize("text", ["0-" + "9" * 40, "0," * 1000])
def test_rows_of_any_length_are_refused_as_well(text: str) -> None:
    with pytest.raises(InvalidRequest, match="must be rows below 10"):
        read_rows(text, 10, "rows")
