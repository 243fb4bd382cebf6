"""What a message may hold, told from its bytes: nothing that protobuf takes within the limits is refused, or raises."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.protobuf import delimited, tag
from bridge.codecs.scorebridge_v1.bounds import Bounds, is_short, read_asked
from bridge.codecs.scorebridge_v1.contents import count_contents
from bridge.codecs.scorebridge_v1.requests import check_short, parse_request, read_batch
from bridge.errors import InvalidRequest

BOUNDS = Bounds(columns=16_384, rows=1_000_000)
TABLE, MATRIX = tag(pb.ScoreRequest.TABLE_FIELD_NUMBER), tag(pb.ScoreRequest.MATRIX_FIELD_NUMBER)
COLUMN, NAME = b"\x0a", b"\x0a\x01x"
DOUBLES, STRINGS, BOOLS = b"\x12", b"\x32", b"\x3a"


def table(*columns: bytes) -> bytes:
    return delimited(TABLE, b"".join(delimited(COLUMN, one) for one in columns))


def doubles(count: int, name: bytes = NAME) -> bytes:
    return name + delimited(DOUBLES, delimited(b"\x0a", bytes(8 * count)))


def refusal(raw: bytes, bounds: Bounds = BOUNDS, *, few: bool = False) -> str:
    """Why a message is refused; empty if it is not."""
    try:
        count_contents(raw, bounds, few=few)
    except InvalidRequest as error:
        return str(error)
    return ""


ATTACKS = {
    "a million empty columns": (table() + delimited(TABLE, b"\x0a\x02\x12\x00" * 1_000_000), "16384 columns"),
    "columns without anything": (delimited(TABLE, b"\x0a\x00" * 2_000_000), "16384 columns"),
    "a row of 16,385 columns": (table(*[doubles(1)] * 16_385), "16384 columns"),
    "names of a matrix": (delimited(MATRIX, b"\x0a\x00" * 2_000_000), "16384 columns"),
    "columns in many tables": (delimited(TABLE, COLUMN + b"\x02\x12\x00") * 500_000, "1024 fields"),
    "row keys": (table(doubles(1)) + b"\x32\x00" * 1_900_000, "1 row_keys"),
    "row keys of a matrix": (
        delimited(MATRIX, b"\x10\x01\x1a\x0a\x0a\x08" + bytes(8)) + b"\x32\x01k" * 1_000_000,
        "1 row_keys",
    ),
    "row keys before the rows": (b"\x32\x00" * 1_900_000 + table(doubles(1)), "1000000 row_keys"),
    "labels": (b"".join(delimited(b"\x52", b"\x0a\x03%03d" % (n % 999)) for n in range(300_000)), "64 labels"),
    "empty labels": (b"\x52\x00" * 2_000_000, "64 labels"),
    "empty texts": (table(NAME + delimited(STRINGS, b"\x0a\x00" * 2_000_000)), "1000000 values"),
    "texts beside a short column": (table(doubles(1), NAME + delimited(STRINGS, b"\x0a\x00" * 9_999)), "1 values"),
    "missing rows": (table(doubles(1), NAME + delimited(b"\x42", b"\x00" * 9_999)), "1 missing rows"),
    "missing rows one by one": (table(doubles(1), NAME + b"\x40\x00" * 9_999), "1 missing rows"),
    "truths": (table(doubles(1), NAME + delimited(BOOLS, b"\x08\x00" * 9_999)), "1 values"),
    "empty arrays": (table(NAME + delimited(DOUBLES, b"\x0a\x00" * 1_000_000)), "1024 fields"),
    "fields of one column": (table(NAME + b"\x12\x00" * 1_000_000), "1024 fields"),
    "unknown numbers": (b"\x78\x01" * 2_000_000, "1024 fields"),
    "unknown bytes": (b"\x7a\x00" * 2_000_000, "1024 fields"),
    "unknown fields of a column": (table(doubles(1), NAME + b"\x78\x01" * 600_000), "1024 fields"),
    "deep groups": (b"\x7b" * 2_000_000, "group"),
    "many groups": (b"\x7b\x7c" * 1_000_000, "group"),
    "a group in a column": (table(NAME + b"\x7b" * 9_999), "group"),
    "a long name": (table(doubles(1, delimited(b"\x0a", b"x" * 5000))), "1024"),
    "a long row key": (table(doubles(1)) + delimited(b"\x32", b"x" * 5000), "1024"),
    "a long label": (delimited(b"\x52", delimited(b"\x12", b"x" * 5000)), "1024"),
    "a long model": (delimited(b"\x12", b"x" * 5000), "1024"),
    "a long batch id": (delimited(b"\x4a", b"x" * 5000), "1024"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_stranger_sends_is_refused_with_the_limit(attack: str) -> None:
    raw, limit = ATTACKS[attack]
    assert not is_short(raw)
    assert limit in refusal(raw)


def test_what_may_be_is_let_through() -> None:
    wide = table(*[doubles(1)] * 16_384)
    keys = table(doubles(50_000)) + b"\x32\x02ab" * 50_000
    assert refusal(wide) == refusal(keys) == ""
    assert refusal(table(*[doubles(1)] * 16_385), Bounds(16_385, 1)) == ""
    contents = count_contents(keys, BOUNDS, few=False)
    assert contents is not None
    assert (contents.columns, contents.items) == (1, 50_000 - 1)


@pytest.mark.parametrize("equal", [0, 1023, 1024, 5000])
def test_texts_of_one_length_are_counted_as_others_are(equal: int) -> None:
    keys = b"\x32\x0512345" * equal + b"\x32\x00" + b"\x32\x07" + b"\x32\x01" * 3 + b"k" + b"\x32\x01k" * 30_000
    raw = table(doubles(40_000)) + keys
    contents = count_contents(raw, BOUNDS, few=False)
    assert contents is not None
    assert contents.items + 1 == len(pb.ScoreRequest.FromString(raw).row_keys)
    assert refusal(raw[:-1])


def test_a_loop_gives_up_where_a_thread_goes_on() -> None:
    raw = table(doubles(50_000)) + b"\x32\x02ab" * 50_000
    assert count_contents(raw, BOUNDS, few=True) is None
    assert count_contents(raw, BOUNDS, few=False) is not None


@pytest.mark.parametrize(
    "request_",
    [
        pb.ScoreRequest(labels={str(number): "" for number in range(65)}),
        pb.ScoreRequest(labels={"k": "ü" * 513}),
        pb.ScoreRequest(labels={"k" * 1025: ""}),
        pb.ScoreRequest(row_keys=["ü" * 513, "k" * 600]),
        pb.ScoreRequest(model="m" * 1025),
        pb.ScoreRequest(matrix=pb.Matrix(columns=["n" * 1025])),
        pb.ScoreRequest(table=pb.Table(columns=[pb.Column(name="n" * 1025)])),
    ],
)
def test_short_messages_have_the_same_limits(request_: pb.ScoreRequest) -> None:
    raw = request_.SerializeToString()
    assert is_short(raw)
    with pytest.raises(InvalidRequest):
        check_short(raw, parse_request(raw))
    assert refusal(raw)


def test_short_messages_within_them_are_let_through() -> None:
    fits = pb.ScoreRequest(
        labels={f"{number:02}": "" for number in range(63)} | {"k": "ü" * 512}, row_keys=["k" * 1024]
    )
    check_short(fits.SerializeToString(), fits)


texts = st.text(max_size=12)
arrays = st.one_of(
    st.lists(st.floats(width=64), max_size=9).map(lambda values: {"doubles": pb.DoubleArray(values=values)}),
    st.lists(st.booleans(), max_size=9).map(lambda values: {"bools": pb.BoolArray(values=values)}),
    st.lists(texts, max_size=9).map(lambda values: {"strings": pb.StringArray(values=values)}),
    st.lists(st.integers(0, 99), max_size=9).map(lambda values: {"int32s": pb.Int32Array(values=values)}),
)
columns = st.builds(
    lambda name, values, missing: pb.Column(name=name, missing_rows=missing, **values),
    texts,
    arrays,
    st.lists(st.integers(0, 9), max_size=3),
)
requests = st.builds(
    lambda features, keys, labels, version: pb.ScoreRequest(
        model="m", version=version, row_keys=keys, labels=labels, default_score=0.5, **features
    ),
    st.one_of(
        st.lists(columns, max_size=6).map(lambda found: {"table": pb.Table(columns=found)}),
        st.builds(
            lambda names, values: {
                "matrix": pb.Matrix(columns=names, rows=len(values), doubles=pb.DoubleArray(values=values))
            },
            st.lists(texts, max_size=6),
            st.lists(st.floats(), max_size=9),
        ),
    ),
    st.lists(texts, max_size=5),
    st.dictionaries(texts, texts, max_size=5),
    st.integers(0, 2**32 - 1),
)


def width(request: pb.ScoreRequest) -> int:
    return len(request.matrix.columns if request.HasField("matrix") else request.table.columns)


def is_readable(request: pb.ScoreRequest) -> bool:
    """What a gateway goes on with, whatever the model is."""
    try:
        return len(request.row_keys) in (0, read_batch(request).rows)
    except InvalidRequest:
        return False


@settings(deadline=None)
@given(requests, st.integers(0, 6))
def test_columns_are_counted_as_protobuf_does(request_: pb.ScoreRequest, most: int) -> None:
    refused = refusal(request_.SerializeToString(), Bounds(most, 10**9))
    assert ("columns" in refused) == (width(request_) > most)


@settings(deadline=None)
@given(requests)
def test_nothing_is_refused_that_could_be_read(request_: pb.ScoreRequest) -> None:
    refused = refusal(request_.SerializeToString())
    assert not (refused and is_readable(request_)), refused


@settings(deadline=None, max_examples=400)
@given(requests, st.data())
def test_any_bytes_are_refused_or_let_through(request_: pb.ScoreRequest, data: st.DataObject) -> None:
    raw = bytearray(request_.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    refused = refusal(bytes(raw), Bounds(10**9, 10**9))
    if "ends within" in refused or "too many bytes" in refused:
        with pytest.raises(DecodeError):
            pb.ScoreRequest.FromString(bytes(raw))


@given(st.binary(max_size=60))
def test_random_bytes_never_raise_anything_else(raw: bytes) -> None:
    if "not a scorebridge" in refusal(raw) and "group" not in refusal(raw):
        with pytest.raises(DecodeError):
            pb.ScoreRequest.FromString(raw)


@settings(deadline=None)
@given(requests, requests)
def test_what_is_merged_is_counted_together(first: pb.ScoreRequest, second: pb.ScoreRequest) -> None:
    raw = first.SerializeToString() + second.SerializeToString()
    merged = pb.ScoreRequest.FromString(raw)
    assert not (refusal(raw) and is_readable(merged))
    if first.HasField("table") and second.HasField("table") and width(merged):
        assert "columns" in refusal(raw, Bounds(width(merged) - 1, 10**9)) or not is_readable(merged)


@pytest.mark.parametrize("raw", [b"", b"\x0a", b"\x0a\xff\xff\xff\xff\xff", b"\x0a\x01\xff", b"\xff" * 20])
def test_id_and_model_are_empty_where_they_can_t_be_read(raw: bytes) -> None:
    assert read_asked(raw) == ("", "")


def test_id_and_model_are_read_from_the_first_fields() -> None:
    raw = pb.ScoreRequest(request_id="id", model="m", row_keys=["k"] * 99).SerializeToString()
    assert read_asked(raw) == ("id", "m")
