"""Infer requests: both shapes of a batch, parameters, and what is refused before a worker is touched."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from infer_messages import add, add_raw, batch_of, packed_texts, table_of

from bridge.codecs.open_inference import inference_pb2 as pb
from bridge.codecs.open_inference.bounds import check_message, count_message, read_named
from bridge.codecs.open_inference.requests import parse_message, read_inference
from bridge.codecs.scorebridge_v1.bounds import Bounds
from bridge.columns import Matrix, Table
from bridge.errors import InvalidRequest

Request = pb.ModelInferRequest
SMALL = Bounds(columns=20, rows=50)
ONE = np.ones(1, np.float32).tobytes()


def made(change: Callable[[Request], Any]) -> Request:
    request = Request(model_name="m")
    change(request)
    return request


def of_columns(request: Request) -> None:
    add(request, "age", "INT32", [2], "int_contents", [31, 0]).parameters["missing_rows"].string_param = "1"
    add(request, "sex", "BYTES", [2, 1], "bytes_contents", [b"f", "ü".encode()])
    add(request, "bmi", "FP64", [2], "fp64_contents", [22.5, float("nan")])


def test_one_tensor_a_column_is_a_table() -> None:
    table = table_of(made(of_columns))
    assert [(one.name, str(one.type)) for one in table.columns] == [
        ("age", "int"),
        ("sex", "string"),
        ("bmi", "double"),
    ]
    assert [one.missing().tolist() for one in table.columns] == [[False, True], [False, False], [False, True]]
    assert table.columns[1].values.tolist() == ["f", "ü"]


def test_a_tensor_of_one_column_is_the_column_of_its_name() -> None:
    batch = batch_of(made(lambda one: add_raw(one, "x", "FP32", [1, 1], ONE)))
    assert isinstance(batch, Table)
    assert batch.columns[0].name == "x"


@pytest.mark.parametrize(("shape", "kind"), [([0], Table), ([0, 1], Table), ([0, 7], Matrix)])
def test_zero_rows_are_a_batch(shape: list[int], kind: type) -> None:
    for request in (
        made(lambda one: add_raw(one, "x", "FP32", shape, b"")),
        made(lambda one: add(one, "x", "FP32", shape, "fp32_contents", [])),
    ):
        batch = batch_of(request)
        assert isinstance(batch, kind)
        assert batch.rows == 0


def test_pd_makes_a_column_of_each_tensor() -> None:
    request = made(of_columns)
    request.parameters["content_type"].string_param = "pd"
    request.inputs[1].parameters["content_type"].string_param = "str"
    assert isinstance(batch_of(request), Table)
    wide = made(lambda one: add_raw(one, "x", "FP32", [1, 2], ONE * 2))
    wide.parameters["content_type"].string_param = "pd"
    with pytest.raises(InvalidRequest, match=r"tensor 'x' has 2 columns; where each tensor is a column"):
        batch_of(wide)


def two_raws(request: Request) -> None:
    add_raw(request, "x", "FP32", [1], ONE)
    request.raw_input_contents.append(ONE)


BAD: dict[str, tuple[Callable[[Request], Any], str]] = {
    "no inputs": (Request.Clear, "the request has no inputs"),
    "no shape": (lambda one: add_raw(one, "x", "FP32", [], ONE), "tensor 'x' has 0 dimensions"),
    "three dimensions": (lambda one: add_raw(one, "x", "FP32", [1, 1, 1], ONE), "tensor 'x' has 3 dimensions"),
    "negative": (lambda one: add_raw(one, "x", "FP32", [-1], ONE), "tensor 'x': each dimension"),
    "negative twice": (lambda one: add_raw(one, "x", "FP32", [-1, -1], ONE), "tensor 'x': each dimension"),
    "no columns": (lambda one: add_raw(one, "x", "FP32", [1, 0], b""), "tensor 'x' has no columns"),
    "overflow": (
        lambda one: add_raw(one, "x", "FP32", [2**31 - 1, 2**31 - 1], ONE),
        "tensor 'x' has 4 raw bytes; 4611686014132420609 values of FP32 have",
    ),
    "overflow of contents": (
        lambda one: add(one, "x", "FP32", [2**31 - 1, 2**31 - 1], "fp32_contents", [1]),
        "tensor 'x' has 1 values; its shape asks for 4611686014132420609",
    ),
    "too long": (lambda one: add_raw(one, "x", "FP32", [2**31], ONE), "tensor 'x': each dimension"),
    "too long beside 0": (lambda one: add_raw(one, "x", "FP32", [0, 2**62], b""), "tensor 'x': each dimension"),
    "raw too short": (lambda one: add_raw(one, "x", "FP64", [1], ONE), "tensor 'x' has 4 raw bytes; 1 values"),
    "raw too long": (lambda one: add_raw(one, "x", "FP32", [1], ONE + b"\0"), "tensor 'x' has 5 raw bytes"),
    "contents too few": (lambda one: add(one, "x", "INT32", [2], "int_contents", [1]), "tensor 'x' has 1 values"),
    "no contents": (lambda one: one.inputs.add(name="x", datatype="FP32", shape=[1]), "tensor 'x' has 0 values"),
    "wrong field": (
        lambda one: add(one, "x", "FP64", [1], "fp32_contents", [1]),
        "tensor 'x' is FP64, whose values are sent in fp64_contents; it has fp32_contents",
    ),
    "two fields": (
        lambda one: add(one, "x", "FP64", [1], "fp64_contents", [1]).contents.int_contents.append(1),
        "it has int_contents",
    ),
    "lower case": (lambda one: add_raw(one, "x", "fp32", [1], ONE), "its datatype must be one of BOOL,"),
    "TYPE_FP32": (lambda one: add_raw(one, "x", "TYPE_FP32", [1], ONE), "its datatype must be one of BOOL,"),
    "no datatype": (lambda one: add_raw(one, "x", "", [1], ONE), "its datatype must be one of BOOL,"),
    "typed FP16": (lambda one: add(one, "x", "FP16", [1], "fp32_contents", [1]), "must be sent in raw_input_contents"),
    "typed BF16": (lambda one: add(one, "x", "BF16", [1], "fp32_contents", [1]), "must be sent in raw_input_contents"),
    "not INT8": (
        lambda one: add(one, "x", "INT8", [3], "int_contents", [127, 128, 1]),
        "tensor 'x', row 1: does not fit INT8",
    ),
    "not UINT16": (
        lambda one: add(one, "x", "UINT16", [2, 2], "uint_contents", [1, 2, 3, 65536]),
        "tensor 'x', row 1, column 1: does not fit UINT16",
    ),
    "not BOOL": (lambda one: add_raw(one, "x", "BOOL", [2], b"\1\2"), "tensor 'x', row 1: not a BOOL"),
    "texts in a matrix": (
        lambda one: add_raw(one, "x", "BYTES", [1, 2], packed_texts([b"a", b"b"])),
        "tensor 'x' is BYTES: a tensor of several columns holds numbers",
    ),
    "truths in a matrix": (lambda one: add_raw(one, "x", "BOOL", [1, 2], b"\0\1"), "tensor 'x' is BOOL: a tensor of"),
    "not UTF-8": (
        lambda one: add_raw(one, "x", "BYTES", [2], packed_texts([b"a", b"\xff"])),
        "tensor 'x', row 1: not UTF-8",
    ),
    "NUL": (
        lambda one: add(one, "x", "BYTES", [2], "bytes_contents", [b"a", b"b\0"]),
        "tensor 'x', row 1: holds a NUL",
    ),
    "torn length": (lambda one: add_raw(one, "x", "BYTES", [1], b"\1\0"), "its raw bytes must be 1 texts"),
    "torn text": (lambda one: add_raw(one, "x", "BYTES", [1], b"\5\0\0\0a"), "its raw bytes must be 1 texts"),
    "huge text": (lambda one: add_raw(one, "x", "BYTES", [1], b"\xff\xff\xff\xffa"), "its raw bytes must be 1 texts"),
    "texts too many": (
        lambda one: add_raw(one, "x", "BYTES", [1], packed_texts([b"a", b"b"])),
        "its raw bytes must be 1 texts",
    ),
    "ragged": (
        lambda one: (add_raw(one, "x", "FP32", [1], ONE), add_raw(one, "y", "FP32", [2], ONE * 2)),
        "tensor 'y' has 2 rows, tensor 'x' has 1",
    ),
    "twice": (
        lambda one: (add_raw(one, "x", "FP32", [1], ONE), add_raw(one, "x", "FP32", [1], ONE)),
        "tensor 'x' is there twice",
    ),
    "two wide ones": (
        lambda one: (add_raw(one, "x", "FP32", [1, 2], ONE * 2), add_raw(one, "y", "FP32", [1, 2], ONE * 2)),
        "tensor 'x' has 2 columns",
    ),
    "raw and typed": (
        lambda one: (add_raw(one, "x", "FP32", [1], ONE), add(one, "y", "FP32", [1], "fp32_contents", [1])),
        "tensor 'y' has contents, and the request has raw_input_contents",
    ),
    "raw too few": (
        lambda one: (add_raw(one, "x", "FP32", [1], ONE), one.inputs.add(name="y", datatype="FP32", shape=[1])),
        "1 raw_input_contents for 2 inputs",
    ),
    "raw too many": (two_raws, "2 raw_input_contents for 1 inputs"),
    "missing rows of numbers with NaN": (
        lambda one: (
            add_raw(one, "x", "FP32", [1], ONE)
            .parameters["missing_rows"]
            .MergeFrom(pb.InferParameter(string_param="0"))
        ),
        "tensor 'x' is FP32, where NaN is missing",
    ),
    "missing rows beyond": (
        lambda one: (
            add(one, "x", "INT32", [1], "int_contents", [1])
            .parameters["missing_rows"]
            .MergeFrom(pb.InferParameter(string_param="1"))
        ),
        "tensor 'x': missing_rows must be rows below 1",
    ),
    "shared memory": (
        lambda one: (
            add(one, "x", "INT32", [1], "int_contents", [1])
            .parameters["shared_memory_region"]
            .MergeFrom(pb.InferParameter(string_param="r"))
        ),
        "tensor 'x' is in shared memory",
    ),
    "base64": (
        lambda one: (
            add(one, "x", "BYTES", [1], "bytes_contents", [b"YQ=="])
            .parameters["content_type"]
            .MergeFrom(pb.InferParameter(string_param="base64"))
        ),
        "tensor 'x': content_type must be one of np, pd, str",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_well_formed_is_refused_with_the_tensor_named(name: str) -> None:
    change, sentence = BAD[name]
    with pytest.raises(InvalidRequest) as caught:
        batch_of(made(change))
    assert sentence in str(caught.value)


def asked(name: str, **value: Any) -> Any:
    request = made(lambda one: add_raw(one, "x", "FP32", [1], ONE))
    request.parameters[name].MergeFrom(pb.InferParameter(**value))
    return read_inference(parse_message(request.SerializeToString()))


def test_parameters_say_how_long_and_which_default() -> None:
    assert asked("timeout", int64_param=250_000).timeout_s == 0.25
    assert asked("timeout", uint64_param=1).timeout_s == 1e-6
    assert asked("timeout", int64_param=0).timeout_s is None
    for value in ({"double_param": 0.5}, {"string_param": "0.5"}, {"string_param": "5e-1"}):
        assert asked("default_score", **value).default == 0.5
    assert asked("default_score", int64_param=-2).default == -2.0
    assert asked("default_policy", string_param="never").defaults_allowed is False
    assert asked("default_policy", string_param="DEFAULT_POLICY_NEVER").defaults_allowed is False
    assert asked("default_policy", string_param="DEFAULT_POLICY_UNSPECIFIED").defaults_allowed is True


@pytest.mark.parametrize("name", ["sequence_id", "sequence_start", "priority", "headers", "triton_enable_empty"])
def test_parameters_that_mean_nothing_to_a_model_of_rows_pass(name: str) -> None:
    assert asked(name, int64_param=1).batch().rows == 1


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("timeout", {"int64_param": -1}, "timeout must be a whole number of microseconds"),
        ("timeout", {"string_param": "5"}, "timeout must be a whole number of microseconds"),
        ("timeout", {"bool_param": True}, "timeout must be a whole number of microseconds"),
        ("timeout", {"double_param": 5.0}, "timeout must be a whole number of microseconds"),
        ("timeout", {}, "the request: the parameter 'timeout' has no value"),
        ("default_score", {"bool_param": True}, "default_score must be a number"),
        ("default_score", {"string_param": ""}, "default_score must be a number"),
        ("default_score", {"string_param": "nan"}, "default_score must be a number"),
        ("default_score", {"string_param": "0x1"}, "default_score must be a number"),
        ("default_score", {"string_param": " 1"}, "default_score must be a number"),
        ("default_score", {"string_param": "1_0"}, "default_score must be a number"),
        ("default_score", {"int64_param": 2**53 + 1}, "default_score must be a number"),
        ("default_policy", {"string_param": "NEVER"}, "default_policy must be one of never,"),
        ("default_policy", {"bool_param": False}, "default_policy must be one of never,"),
        ("content_type", {"string_param": "pd_json"}, "content_type of the request must be one of np, pd"),
        ("defualt_score", {"double_param": 0.5}, "a parameter 'defualt_score', which this gateway does not know"),
        ("Timeout", {"int64_param": 1}, "a parameter 'Timeout', which this gateway does not know"),
    ],
)
def test_wrong_parameters_are_refused_by_name(name: str, value: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        asked(name, **value)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("version", ["0", "01", "-1", "+1", "1.0", " 1", "1 ", "v1", "٣", "4294967296", "9" * 500])
def test_a_version_that_is_no_number_is_refused(version: str) -> None:
    with pytest.raises(InvalidRequest, match="the version must be a whole number from 1 up"):
        read_inference(Request(model_version=version))


@pytest.mark.parametrize(("version", "number"), [("", 0), ("1", 1), ("10", 10), ("4294967295", 4294967295)])
def test_a_version_is_a_number_as_text(version: str, number: int) -> None:
    assert read_inference(Request(model_version=version)).version == number


def test_outputs_are_asked_for_once_and_without_parameters_that_are_not_known() -> None:
    request = Request(outputs=[Request.InferRequestedOutputTensor(name=name) for name in ("b", "a")])
    assert read_inference(request).form.outputs == ("b", "a")
    request.outputs[0].parameters["classification"].int64_param = 3
    with pytest.raises(InvalidRequest, match="output 'b' has a parameter 'classification'"):
        read_inference(request)
    twice = Request(outputs=[Request.InferRequestedOutputTensor(name="a")] * 2)
    with pytest.raises(InvalidRequest, match="output 'a' is asked for twice"):
        read_inference(twice)


def counted(request: Request, bounds: Bounds = SMALL) -> Any:
    return count_message(request.SerializeToString(), bounds, few=False)


def test_what_a_message_holds_is_counted_on_its_bytes() -> None:
    contents = counted(made(of_columns))
    assert (contents.columns, contents.items) == (3, 6)  # two whole numbers, two texts, a short parameter
    raw = counted(made(lambda one: add_raw(one, "x", "BYTES", [2], packed_texts([b"a", b"b"]))))
    assert (raw.columns, raw.items) == (1, 2)
    many = made(of_columns).SerializeToString() * 2000
    assert count_message(many, Bounds(columns=6000, rows=50), few=True) is None
    assert counted(parse_message(many), Bounds(columns=6000, rows=50)).columns == 6000


def named(parameters: Any, count: int) -> None:
    for number in range(count):
        parameters[str(number)].int64_param = number


TOO_MANY: dict[str, tuple[Callable[[Request], Any], str]] = {
    "inputs": (lambda one: [one.inputs.add() for _ in range(21)], "more than 20 inputs"),
    "outputs": (lambda one: [one.outputs.add() for _ in range(21)], "more than 20 outputs"),
    "raws": (lambda one: one.raw_input_contents.extend([b""] * 21), "more than 20 raw_input_contents"),
    "texts": (
        lambda one: add(one, "x", "BYTES", [51], "bytes_contents", [b""] * 51),
        "more than 50 values of a tensor",
    ),
    "parameters": (lambda one: named(one.parameters, 65), "more than 64 parameters"),
    "parameters of a tensor": (lambda one: named(one.inputs.add(name="x").parameters, 65), "more than 64 parameters"),
    "dimensions": (lambda one: one.inputs.add(shape=[1] * 65), "more than 64 bytes of a shape"),
    "name": (lambda one: one.inputs.add(name="x" * 1025), "has 1025 bytes, and may have 1024"),
    "output name": (lambda one: one.outputs.add(name="x" * 1025), "has 1025 bytes, and may have 1024"),
    "model": (lambda one: setattr(one, "model_name", "x" * 1025), "has 1025 bytes, and may have 1024"),
    "id": (lambda one: setattr(one, "id", "x" * 1025), "has 1025 bytes, and may have 1024"),
}


@pytest.mark.parametrize("name", TOO_MANY)
def test_a_message_that_holds_too_much_is_refused_before_it_is_parsed(name: str) -> None:
    change, sentence = TOO_MANY[name]
    with pytest.raises(InvalidRequest) as caught:
        counted(made(change))
    assert sentence in str(caught.value)
    assert caught.value.limit


@pytest.mark.parametrize("name", ["parameters", "parameters of a tensor", "name", "output name", "model", "id"])
def test_a_short_message_is_checked_when_it_is_parsed(name: str) -> None:
    with pytest.raises(InvalidRequest):
        check_message(made(TOO_MANY[name][0]))


@pytest.mark.parametrize("raw", [b"\x0b", b"\x2a\x7f", b"\xff" * 20, b"\x0a", b"\x2a\x04\x0a\x7fab"])
def test_bytes_that_are_no_request_are_refused(raw: bytes) -> None:
    for read in (lambda: count_message(raw, SMALL, few=False), lambda: parse_message(raw)):
        with pytest.raises(InvalidRequest, match=r"the bytes are not an inference\.ModelInferRequest"):
            read()


def test_fields_that_are_not_known_are_counted() -> None:
    with pytest.raises(InvalidRequest, match="more than 1024 fields that are unknown or repeated"):
        count_message(b"\x78\x01" * 1025, SMALL, few=False)


def test_the_names_of_a_request_are_found_without_parsing_it() -> None:
    assert read_named(Request(id="call-1", model_name="m").SerializeToString()) == ("call-1", "m")
    assert read_named(b"\xff\xff") == ("", "")
    assert read_named(b"\x0a\x02\xff\xff") == ("", "")
