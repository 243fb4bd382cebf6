"""Bytes that Rserve would never send: decode() reads a value or refuses, whatever they are."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from r_values import reply_body, same, values

from bridge.backends.rserve.qap import decode
from bridge.backends.rserve.rvalues import RList, RValue
from bridge.workers.exchange import ProtocolError

PARAMETER, VECTOR, SYMBOL, TAGS = 10, 16, 19, 21
INTS, DOUBLES, STRINGS, LOGICALS = 32, 33, 34, 36
ATTRIBUTES = 0x80
KINDS = [0, 16, 17, 19, 21, 22, 32, 33, 34, 36, 37]


def item(kind: int, content: bytes) -> bytes:
    if len(content) < 0xFFFFF0:
        return struct.pack("<I", kind | len(content) << 8) + content
    return struct.pack("<Q", kind | 0x40 | len(content) << 8) + content


def reads_or_refuses(body: bytes) -> None:
    try:
        value = decode(body)
    except ProtocolError:
        return
    # What was read must hold together: a count, a mask or a level that does not fit shows here.
    assert same(decode(reply_body(value)), value)


@given(body=st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    reads_or_refuses(body)
    reads_or_refuses(item(PARAMETER, body))


def symbols() -> st.SearchStrategy[bytes]:
    name = st.sampled_from([b"names\0\0\0", b"dim\0", b"levels\0\0", b"class\0\0\0", b"\xff\0\0\0"]) | st.binary(
        max_size=4
    )
    return name.map(lambda raw: item(SYMBOL, raw))


def items(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    joined = st.lists(inner, max_size=4).map(b"".join)
    tags = (
        st.lists(st.tuples(inner, symbols()).map(b"".join), max_size=3).map(b"".join).map(lambda raw: item(TAGS, raw))
    )
    bare = st.builds(item, st.sampled_from(KINDS), joined)
    tagged = st.builds(
        lambda kind, tag, content: item(kind | ATTRIBUTES, tag + content), st.sampled_from(KINDS), tags, joined
    )
    return bare | tagged


contents = st.binary(max_size=16) | st.lists(st.sampled_from([0, 1, 2, 3, -1, -(2**31)]), max_size=4).map(
    lambda cells: struct.pack(f"<{len(cells)}i", *cells)
)
leaves = st.builds(item, st.sampled_from(KINDS), contents) | st.sampled_from(
    [item(STRINGS, b"a\0\xff\0b\0\1\1"), item(INTS, struct.pack("<2i", 1, 2)), item(36, b"\2\0\0\0\1\2\xff\xff")]
)


@given(value=st.recursive(leaves, items, max_leaves=12))
@example(value=item(VECTOR | ATTRIBUTES, item(TAGS, item(STRINGS, b"") + item(SYMBOL, b"names\0\0\0"))))
def test_items_of_right_lengths_that_make_no_sense(value: bytes) -> None:
    reads_or_refuses(item(PARAMETER, value))


@given(value=values, data=st.data())
def test_flipped_bits(value: RValue, data: st.DataObject) -> None:
    body = bytearray(reply_body(value))
    for at in data.draw(st.lists(st.integers(0, 8 * len(body) - 1), min_size=1, max_size=4)):
        body[at // 8] ^= 1 << at % 8
    reads_or_refuses(bytes(body))


@given(value=values)
def test_no_prefix_is_a_value(value: RValue) -> None:
    body = reply_body(value)
    for end in range(len(body)):
        with pytest.raises(ProtocolError):
            decode(body[:end])
    # The same where the parameter's own length is right, so that only the value is cut short.
    for end in range(4, len(body)):
        with pytest.raises(ProtocolError):
            decode(item(PARAMETER, body[4:end]))


@given(value=values, extra=st.binary(min_size=1, max_size=8))
def test_nothing_may_follow_a_value(value: RValue, extra: bytes) -> None:
    body = reply_body(value)
    with pytest.raises(ProtocolError):
        decode(body + extra)
    with pytest.raises(ProtocolError):
        decode(item(PARAMETER, body[4:] + extra))


def tagged(kind: int, name: bytes, attribute: bytes, content: bytes) -> bytes:
    return item(kind | ATTRIBUTES, item(TAGS, attribute + item(SYMBOL, name)) + content)


def ints(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}i", *numbers)


LIES = {
    "a logical that is no truth value": item(LOGICALS, ints(1) + b"\3\0\0\0"),
    "more logicals than there are": item(LOGICALS, ints(5) + bytes(4)),
    "logicals without a count": item(LOGICALS, b"\1"),
    "half an int": item(INTS, bytes(6)),
    "half a double": item(DOUBLES, bytes(12)),
    "a string without an end": item(STRINGS, b"a\0bc"),
    "a string that is no UTF-8": item(STRINGS, b"\xc3\0\1\1"),
    "NULL that holds something": item(0, bytes(4)),
    "a type that we never ask for": item(37, bytes(8)),
    "dimensions that do not fit": tagged(INTS, b"dim\0", item(INTS, ints(2, 2)), ints(1, 2, 3)),
    "dimensions below zero": tagged(INTS, b"dim\0", item(INTS, ints(-1, -1)), ints(1)),
    "missing dimensions": tagged(INTS, b"dim\0", item(INTS, ints(-(2**31))), b""),
    "dimensions that are text": tagged(INTS, b"dim\0", item(STRINGS, b"1\0\1\1"), ints(1)),
    "no dimensions at all": tagged(INTS, b"dim\0", item(INTS, b""), ints(1)),
    "a level that is not there": tagged(INTS, b"levels\0\0", item(STRINGS, b"a\0\1\1"), ints(2)),
    "level zero": tagged(INTS, b"levels\0\0", item(STRINGS, b"a\0\1\1"), ints(0)),
    "too few names": tagged(VECTOR, b"names\0\0\0", item(STRINGS, b""), item(0, b"")),
    "names that are numbers": tagged(VECTOR, b"names\0\0\0", item(INTS, ints(1)), item(0, b"")),
    "attributes that are no tagged list": item(INTS | ATTRIBUTES, item(VECTOR, b"") + ints(1)),
    "an attribute without a name": item(INTS | ATTRIBUTES, item(TAGS, item(0, b"")) + ints(1)),
    "an attribute's name that is a value": item(INTS | ATTRIBUTES, item(TAGS, item(0, b"") * 2) + ints(1)),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_what_contradicts_itself_is_refused(lie: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(item(PARAMETER, lie))


def nested(depth: int, through_attributes: bool) -> bytes:
    value = item(INTS, b"")
    for _ in range(depth):
        if through_attributes:
            value = item(VECTOR | ATTRIBUTES, item(TAGS, value + item(SYMBOL, b"a\0\0\0")))
        else:
            value = item(VECTOR, value)
    return item(PARAMETER, value)


@pytest.mark.parametrize("through_attributes", [False, True])
def test_nesting_is_bounded(through_attributes: bool) -> None:
    reads_or_refuses(nested(20, through_attributes))
    for depth in (100, 2_000, 20_000):
        with pytest.raises(ProtocolError, match="deeper"):
            decode(nested(depth, through_attributes))


def test_a_million_elements_are_read_one_by_one() -> None:
    value = decode(item(PARAMETER, item(VECTOR, item(0, b"") * 1_000_000)))
    assert isinstance(value, RList)
    assert len(value.values) == 1_000_000
