"""Infer requests in JSON: exact numbers, one reading only, and binary data behind the text."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from infer_messages import MANY, json_batch, json_request, packed_texts

from bridge.calls import Call, ModelRef, Outcome, Range
from bridge.codecs.open_inference.batches import build_columns
from bridge.codecs.open_inference.inference import Form
from bridge.codecs.open_inference.json_replies import write_json_response
from bridge.codecs.open_inference.json_requests import read_json_answer, read_json_inference
from bridge.codecs.open_inference.json_text import read_object
from bridge.codecs.open_inference.replies import reply_parameters
from bridge.codecs.scorebridge_v1.bounds import Bounds
from bridge.columns import Column, Matrix, Table, Type
from bridge.errors import BridgeError, DeadlineExceeded, InvalidRequest, MissingScore


def column(datatype: str, data: list[Any]) -> Column:
    batch = json_batch(json_request("x", datatype, [len(data)], data))
    assert isinstance(batch, Table)
    return batch.columns[0]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_a_double_comes_with_its_bits(numbers: list[float]) -> None:
    assert column("FP64", numbers).values.tobytes() == np.array(numbers, np.float64).tobytes()


@given(
    st_np.arrays(np.float32, st.integers(0, 20), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
)
@example(numbers=np.array([3.961373e07], np.float32))  # whose shortest digits lie between two floats
def test_a_float_comes_with_its_bits_as_a_double_and_in_its_shortest_digits(numbers: Any) -> None:
    assert column("FP32", numbers.tolist()).values.tobytes() == numbers.tobytes()
    shortest = [float(str(one)) for one in numbers]
    assert column("FP32", shortest).values.tobytes() == numbers.tobytes()


@given(st.floats(width=32, min_value=2.0**-100, max_value=2.0**100))
def test_a_number_between_two_floats_is_refused_only_in_the_very_middle(number: float) -> None:
    above = float(np.nextafter(np.float32(number), np.float32(np.inf)))
    middle = (number + above) / 2
    assume(middle not in {float(str(np.float32(one))) for one in (number, above)})
    with pytest.raises(InvalidRequest, match="tensor 'x', row 0: a number that FP32 does not hold"):
        column("FP32", [middle])
    assert column("FP32", [float(np.nextafter(middle, 0.0))]).values[0] == np.float32(number)
    assert column("FP32", [float(np.nextafter(middle, np.inf))]).values[0] == np.float32(above)


@pytest.mark.parametrize("datatype", ["INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32"])
@given(data=st.data())
def test_a_whole_number_is_held_exactly_or_refused(datatype: str, data: Any) -> None:
    number = data.draw(st.one_of(st.integers(-300, 300), st.integers(-(2**65), 2**65)))
    bits = int(datatype.lstrip("UINT"))
    least, most = (0, 2**bits - 1) if datatype.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if least <= number <= most:
        assert column(datatype, [number]).values.tolist() == [number]
    else:
        with pytest.raises(InvalidRequest, match=rf"tensor 'x', row 0: does not fit {datatype}"):
            column(datatype, [number])


@pytest.mark.parametrize(
    ("datatype", "number", "held"),
    [
        ("FP64", 2**53, True),
        ("FP64", 2**53 + 1, False),
        ("FP64", 2**53 + 2, True),
        ("FP64", -(2**53) - 1, False),
        ("FP64", 10**400, False),
        ("FP32", 2**24, True),
        ("FP32", 2**24 + 1, False),
        ("FP32", 2**24 + 2, True),
        ("FP32", 2**128, False),
        ("FP32", 1e39, False),
        ("FP32", -3.5e38, False),
    ],
)
def test_a_floating_tensor_holds_whole_numbers_exactly_or_refuses_them(
    datatype: str, number: float, held: bool
) -> None:
    if held:
        assert column(datatype, [1, number]).values.tolist() == [1, number]
        return
    with pytest.raises(InvalidRequest, match=rf"tensor 'x', row 1: a number that {datatype} does not hold"):
        column(datatype, [1, number])


def test_a_number_too_large_for_a_double_is_refused() -> None:
    body = json_request("x", "FP64", [1], [0.5]).replace(b"0.5", b"1e999")
    with pytest.raises(InvalidRequest, match="tensor 'x', row 0: a number that FP64 does not hold"):
        json_batch(body)


@pytest.mark.parametrize(
    ("datatype", "value"), [("FP64", 1.5), ("FP32", 1.5), ("INT32", 7), ("BOOL", True), ("BYTES", "a")]
)
def test_null_is_missing(datatype: str, value: Any) -> None:
    found = column(datatype, [None, value, None])
    assert found.missing().tolist() == [True, False, True]
    assert found.values[1] == value


def test_null_is_missing_in_a_matrix() -> None:
    batch = json_batch(json_request("x", "INT32", [2, 2], [[1, None], [3, 4]]))
    assert isinstance(batch, Matrix)
    assert np.array_equal(batch.values, np.array([[1, np.nan], [3, 4]]), equal_nan=True)


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6], [[1, 2], [3, 4], [5, 6]]])
def test_data_is_flat_or_nested(data: list[Any]) -> None:
    batch = json_batch(json_request("x", "FP32", [3, 2], data))
    assert isinstance(batch, Matrix)
    assert batch.values.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_a_column_of_one_value_a_row_may_be_nested() -> None:
    batch = json_batch(json_request("x", "BYTES", [2, 1], [["a"], ["ü"]]))
    assert isinstance(batch, Table)
    assert batch.columns[0].values.tolist() == ["a", "ü"]


BAD = [
    (json_request("x", "FP32", [2, 2], [[1, 2], [3]]), "tensor 'x', row 1: not an array of 2 values"),
    (json_request("x", "FP32", [2, 2], [[1, 2], 3]), "tensor 'x', row 1: not an array of 2 values"),
    (json_request("x", "FP32", [2, 2], [[[1], 2], [3, 4]]), "tensor 'x', row 0, column 0: not a number"),
    (json_request("x", "FP32", [3], [1, 2]), "tensor 'x' has 2 values; its shape asks for 3"),
    (json_request("x", "FP32", [1], 1), "tensor 'x': its data must be an array"),
    (json_request("x", "FP32", [1], {"0": 1}), "tensor 'x': its data must be an array"),
    (json_request("x", "FP32", [2], [1, "2"]), "tensor 'x', row 1: not a number"),
    (json_request("x", "FP32", [2], [1, True]), "tensor 'x', row 1: not a number"),
    (json_request("x", "INT32", [2], [1, 1.0]), "tensor 'x', row 1: not a whole number"),
    (json_request("x", "INT32", [2], [1, True]), "tensor 'x', row 1: not a whole number"),
    (json_request("x", "BOOL", [2], [True, 1]), "tensor 'x', row 1: not true or false"),
    (json_request("x", "BYTES", [2], ["a", 1]), "tensor 'x', row 1: not a string"),
    (json_request("x", "BYTES", [2], ["a", "b\0"]), "tensor 'x', row 1: holds a NUL character"),
    (json_request("x", "BYTES", [2], ["a", "\ud800"]), "tensor 'x', row 1: holds half a surrogate pair"),
    (json_request("x", "FP16", [1], [1]), "tensor 'x' is FP16, which must be sent as binary data"),
    (json_request("x", "FP32", [1.0], [1]), "tensor 'x': each dimension of its shape"),
    (json_request("x", "FP32", [True], [1]), "tensor 'x': each dimension of its shape"),
    (json_request("x", "FP32", [-1], [1]), "tensor 'x': each dimension of its shape"),
    (json_request("x", "FP32", [0, 10**30], []), "tensor 'x': each dimension of its shape"),
    (json_request("x", "FP32", [], [1]), "tensor 'x' has 0 dimensions"),
    (json_request("x", "FP32", 1, [1]), "tensor 'x': its shape must be an array"),
    (json_request("x", 32, [1], [1]), "its datatype must be one of BOOL,"),
    (json_request("x", None, [1], [1]), "its datatype must be one of BOOL,"),
    (json_request("x", "FP32", [1], None), "tensor 'x' has neither data nor binary_data_size"),
    (json_request("x", "FP32", [1], [1], extra=1), "tensor 'x' has a field 'extra'"),
    (json_request("x", "FP32", [1], [1], parameters=[1]), "tensor 'x': parameters must be an object"),
    (json_request("x", "FP32", [1], [1], parameters={"a": 1}), "tensor 'x' has a parameter 'a'"),
    (json_request("x", "FP32", [1], [1], parameters={"a": [1]}), "the parameter 'a' must be a number, a text, true"),
    (json_request("x" * 1025, "FP32", [1], [1]), "the name of an input has 1025 bytes, and may have 1024"),
    (b'{"inputs": [{"name": 1}]}', "the name of an input must be a text"),
    (b'{"inputs": {}}', "inputs must be an array of objects"),
    (b'{"inputs": [1]}', "inputs must be an array of objects"),
    (b'{"inputs": []}', "the request has no inputs"),
    (b"{}", "the request has no inputs"),
    (b'{"id": 1}', "id must be a text"),
    (b'{"model_name": "m"}', "the request has a field 'model_name'; known are id, parameters, inputs, outputs"),
    (b'{"parameters": {"timeout": -1}}', "timeout must be a whole number of microseconds"),
    (b'{"parameters": {"timeout": 1.5}}', "timeout must be a whole number of microseconds"),
    (b'{"outputs": [{"name": "a"}, {"name": "a"}]}', "output 'a' is asked for twice"),
    (b'{"outputs": [{"name": "a", "parameters": {"binary_data": 1}}]}', "binary_data of output 'a' must be true or"),
    (b'{"outputs": [{"name": "a", "parameters": {"classification": 1}}]}', "output 'a' has a parameter"),
    (b'{"inputs": [], "inputs": []}', "'inputs' is there twice in one object"),
    (b'{"inputs": [{"name": "x", "name": "y"}]}', "'name' is there twice in one object"),
    (b'{"inputs": NaN}', "the body holds NaN, which JSON does not have"),
    (b'{"inputs": [-Infinity]}', "the body holds -Infinity, which JSON does not have"),
    (b'{"id": "\xff"}', "the body is not UTF-8"),
    (b'\xef\xbb\xbf{"inputs": []}', "the body begins with a byte order mark"),
    (b'{"inputs": [],}', "the body is not JSON"),
    (b'{"inputs": []} {}', "the body is not JSON"),
    (b"", "the body is not JSON"),
    (b"[]", "the body must be a JSON object"),
    (b"[" * 2000, "the body is nested deeper than 8 levels"),
    (b'{"a":' * 2000 + b"1" + b"}" * 2000, "the body is nested deeper than 8 levels"),
    (b'{"id": ' + b"1" * 5000 + b"}", "the body holds a whole number of more than 4300 digits"),
]


@pytest.mark.parametrize(("body", "sentence"), BAD, ids=[str(place) for place in range(len(BAD))])
def test_what_can_not_be_read_in_one_way_is_refused(body: bytes, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        json_batch(body)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"inputs": [' + b"{}," * 90 + b"{}]}", "more than 68 objects"),
        (b'{"inputs": [' + b"[]," * 200 + b"[]]}", "more than 80 arrays"),
        (b'{"inputs": [' + b"1," * 200 + b"1]}", "more than 116 values"),
    ],
)
def test_what_a_text_holds_is_counted_before_it_is_built(body: bytes, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_object(body, Bounds(columns=2, rows=10))
    assert sentence in str(caught.value)
    assert caught.value.limit


def test_the_last_of_very_many_names_that_is_there_twice_is_found_at_once() -> None:
    # Looking for each name among all those before it would take a quarter of an hour.
    names = [*(f'"{number}":1' for number in range(300_000)), '"299999":1']
    with pytest.raises(InvalidRequest, match="'299999' is there twice in one object"):
        read_object(f"{{{','.join(names)}}}".encode(), MANY)


def test_signs_within_texts_are_not_counted() -> None:
    text = '{[,"\\' * 200
    assert read_object(json.dumps({"id": text}).encode(), Bounds(columns=2, rows=10)) == {"id": text}


def with_binary(sizes: list[Any], binary: bytes, **more: Any) -> tuple[bytes, int]:
    tensors = [
        {"name": f"x{place}", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": size}} | more
        for place, size in enumerate(sizes)
    ]
    text = json.dumps({"inputs": tensors}).encode()
    return text + binary, len(text)


def test_tensors_are_cut_from_the_binary_data_in_their_order() -> None:
    numbers = np.array([1.5, -0.0], np.float32)
    batch = json_batch(*with_binary([4, 4], numbers.tobytes()))
    assert isinstance(batch, Table)
    assert b"".join(one.values.tobytes() for one in batch.columns) == numbers.tobytes()


def test_texts_may_be_binary_beside_numbers_in_json() -> None:
    packed = packed_texts(["ü".encode(), b""])
    text = json.dumps(
        {
            "inputs": [
                {"name": "a", "datatype": "FP64", "shape": [2], "data": [1, 2]},
                {"name": "b", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": len(packed)}},
            ]
        }
    ).encode()
    batch = json_batch(text + packed, len(text))
    assert isinstance(batch, Table)
    assert [one.values.tolist() for one in batch.columns] == [[1, 2], ["ü", ""]]


@pytest.mark.parametrize(
    ("sizes", "binary", "more", "sentence"),
    [
        ([4], b"123", {}, "tensor 'x0': its binary_data_size of 4 bytes ends behind the body's binary data"),
        ([4], b"12345", {}, "1 bytes behind the JSON belong to no tensor"),
        ([3], b"123", {}, "tensor 'x0' has 3 raw bytes; 1 values of FP32 have 4"),
        ([-4], b"", {}, "tensor 'x0': binary_data_size must be a whole number, at least 0"),
        ([True], b"1", {}, "tensor 'x0': binary_data_size must be a whole number, at least 0"),
        (["4"], b"1234", {}, "tensor 'x0': binary_data_size must be a whole number, at least 0"),
        ([4], b"1234", {"data": [1]}, "tensor 'x0' has both data and binary_data_size"),
    ],
)
def test_binary_data_that_does_not_fit_is_refused(
    sizes: list[Any], binary: bytes, more: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        json_batch(*with_binary(sizes, binary, **more))
    assert sentence in str(caught.value)


def test_a_text_longer_than_the_body_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="Inference-Header-Content-Length is 3; the body has 2 bytes"):
        json_batch(b"{}", 3)


def test_the_form_of_each_output_is_its_own_or_the_request_s() -> None:
    body = json.dumps(
        {
            "parameters": {"binary_data_output": True, "content_type": None, "headers": {"a": "b"}},
            "inputs": None,
            "outputs": [{"name": "b"}, {"name": "a", "parameters": {"binary_data": False}}],
        }
    ).encode()
    form = read_json_inference(body, 0, "m", "3", MANY).form
    assert (form.outputs, form.raw, dict(form.raw_of)) == (("b", "a"), True, {"a": False})


def answered(columns: tuple[Column, ...], form: Form) -> tuple[dict[str, Any], bytes]:
    rows = len(columns[0])
    call = Call("id-1", ModelRef("m", 3, "sha256:ab"), Table(columns, rows), 0.0)
    late = DeadlineExceeded("late")
    parts = (Range(0, 1, tuple(one.slice(0, 1) for one in columns), late),) if rows else ()
    rest = Range(1, rows - 1, tuple(one.slice(1, rows - 1) for one in columns))
    body, json_bytes = write_json_response(call, Outcome((*parts, rest)), form)
    return json.loads(body[: json_bytes or None]), body[json_bytes:] if json_bytes else b""


def test_an_answer_has_the_scores_and_says_where_they_come_from() -> None:
    values = np.array([0.1, np.nan, 1e300])
    mask = np.array([False, True, True])
    columns = (Column("p", Type.DOUBLE, values), Column("n", Type.INT, np.array([7, 0, 0], np.int32), mask))
    answer, binary = answered(columns, Form())
    assert binary == b""
    assert answer == {
        "model_name": "m",
        "model_version": "3",
        "id": "id-1",
        "parameters": {
            "score_source": "MIXED",
            "digest": "sha256:ab",
            "version": "3",
            "defaulted_rows": "0",
            "default_reason": "DEADLINE",
        },
        "outputs": [
            {"name": "p", "datatype": "FP64", "shape": [3], "data": [0.1, None, 1e300]},
            {"name": "n", "datatype": "INT32", "shape": [3], "data": [7, 0, 0], "parameters": {"missing_rows": "1-2"}},
        ],
    }


def test_outputs_are_binary_where_that_was_asked() -> None:
    columns = (
        Column("p", Type.FLOAT, np.array([0.1, 0.2], np.float32)),
        Column("q", Type.INT, np.arange(2, dtype="i4")),
    )
    answer, binary = answered(columns, Form(outputs=("q", "p"), raw=False, raw_of={"p": True}))
    assert [one["name"] for one in answer["outputs"]] == ["q", "p"]
    assert answer["outputs"][0]["data"] == [0, 1]
    assert answer["outputs"][1]["parameters"] == {"binary_data_size": 8}
    assert binary == columns[0].values.tobytes()


def test_infinite_scores_are_answered_as_binary_data_only() -> None:
    columns = (Column("p", Type.DOUBLE, np.array([1.0, np.inf])),)
    with pytest.raises(InvalidRequest, match="output 'p', row 1: an infinite score, which JSON can't hold"):
        answered(columns, Form())
    assert answered(columns, Form(raw=True))[1] == columns[0].values.tobytes()


@given(st.data(), st.booleans())
def test_an_answer_reads_back_to_the_bit(data: Any, raw: bool) -> None:
    kind = data.draw(st.sampled_from([Type.DOUBLE, Type.FLOAT, Type.INT, Type.INT64, Type.BOOL]))
    elements = st.floats(width=kind.dtype.itemsize * 8, allow_infinity=False) if kind.is_floating else None
    values = data.draw(st_np.arrays(kind.dtype, st.integers(2, 20), elements=elements))
    column = Column("p", kind, values)
    call = Call("id-1", ModelRef("m", 3, ""), Table((column,), len(values)), 0.0)
    body, json_bytes = write_json_response(call, Outcome((Range(0, len(values), (column,)),)), Form(raw=raw))
    outputs, parameters = read_json_answer(body, json_bytes)
    (read,) = build_columns(outputs)
    assert parameters["score_source"] == "MODEL"
    assert read.type is kind
    present = ~column.missing()
    assert (read.missing() == column.missing()).all()
    assert read.values[present].tobytes() == values[present].tobytes()


@pytest.mark.parametrize(
    ("errors", "rows", "reasons"),
    [
        ([DeadlineExceeded("late"), None, DeadlineExceeded("late")], "0-1,4-5", "DEADLINE"),
        ([DeadlineExceeded("late"), MissingScore("none"), None], "0-1,2-3", "DEADLINE,MISSING_SCORE"),
        ([None, MissingScore("none"), DeadlineExceeded("late")], "2-3,4-5", "MISSING_SCORE,DEADLINE"),
    ],
)
def test_reasons_stand_beside_their_ranges_where_they_differ(
    errors: list[BridgeError | None], rows: str, reasons: str
) -> None:
    column = Column("p", Type.DOUBLE, np.zeros(2))
    ranges = tuple(Range(2 * place, 2, (column,), error) for place, error in enumerate(errors))
    call = Call("id-1", ModelRef("m", 3, ""), Table((column,), 6), 0.0)
    told = reply_parameters(call, Outcome(ranges))
    assert (told["score_source"], told["defaulted_rows"], told["default_reason"]) == ("MIXED", rows, reasons)
