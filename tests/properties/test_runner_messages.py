"""Messages between a gateway and a Python worker: each column comes back to the bit, and damage is seen or harmless."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scorebridge.runner import messages
from scorebridge.runner.decoding import decode, decode_head
from scorebridge.runner.vectors import DTYPES, Vector

NUMBERS = ["double", "float", "int", "int64"]


@st.composite
def vectors(draw: st.DrawFn, rows: int, name: str) -> Vector:
    kind = draw(st.sampled_from(sorted(DTYPES)))
    masks = hnp.arrays(np.bool_, rows)
    mask = draw(st.none() | masks)
    if kind == "string":
        values = np.empty(rows, object)
        values[:] = draw(st.lists(st.text(max_size=5), min_size=rows, max_size=rows))
        if mask is not None:
            values[mask] = ""
        return Vector(name, kind, values, mask if mask is not None and mask.any() else None)
    if kind == "factor":
        levels = draw(st.lists(st.text(max_size=3), min_size=1, max_size=4, unique=True))
        codes = draw(hnp.arrays(DTYPES[kind], rows, elements=st.integers(0, len(levels) - 1)))
        return Vector(name, kind, codes, mask, tuple(levels), draw(st.booleans()))
    # Any bits: also numbers that are none, whose payload must stay.
    raw = draw(st.binary(min_size=rows * 8, max_size=rows * 8))
    values = np.frombuffer(raw, np.uint8).view("u1")[: rows * DTYPES[kind].itemsize]
    return Vector(name, kind, values > 127 if kind == "bool" else values.view(DTYPES[kind]), mask)


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, list[Vector]]:
    rows = draw(st.integers(0, 6))
    names = draw(st.lists(st.text(max_size=4), max_size=4))
    return rows, [draw(vectors(rows, name)) for name in names]


def message(rows: int, sent: list[Vector]) -> bytes:
    return b"".join(messages.encode(messages.CALL, {"rows": rows}, sent))


def received(raw: bytes) -> tuple[dict[str, Any], bytearray]:
    """The head and the body of a message, as who receives it cuts it by its prefix."""
    size = messages.PREFIX.size
    _, head_bytes, body_bytes = messages.PREFIX.unpack(raw[:size])
    head, body = raw[size : size + head_bytes], raw[size + head_bytes :]
    if len(head) + len(body) != head_bytes + body_bytes:
        raise messages.BadMessage("the prefix announces another length")
    return decode_head(head), bytearray(body)


def same(left: Vector, right: Vector) -> bool:
    of_objects = left.type == "string"
    bits = (
        (left.values.tolist(), right.values.tolist()) if of_objects else (left.values.tobytes(), right.values.tobytes())
    )
    masks = [None if one.mask is None else one.mask.tobytes() for one in (left, right)]
    return left[:2] == right[:2] and left[4:] == right[4:] and bits[0] == bits[1] and masks[0] == masks[1]


def holds_together(rows: int, vector: Vector) -> None:
    """What a reader of a vector relies on."""
    assert vector.values.shape == (rows,)
    assert vector.values.dtype == DTYPES[vector.type]
    assert vector.mask is None or (vector.mask.shape == (rows,) and vector.mask.dtype == np.bool_)
    vector.name.encode()
    for text in (*vector.levels, *(vector.values.tolist() if vector.type == "string" else ())):
        text.encode()
    if vector.type == "factor" and vector.levels:
        assert all(0 <= code < len(vector.levels) for code in vector.values.tolist())
    if vector.type == "bool":
        assert set(vector.values.view(np.uint8).tolist()) <= {0, 1}


@given(table=tables())
def test_columns_come_back_to_the_bit(table: tuple[int, list[Vector]]) -> None:
    rows, sent = table
    head, body = received(message(rows, sent))
    found_rows, found = decode(head, memoryview(body))
    assert found_rows == rows
    assert len(found) == len(sent)
    assert all(map(same, found, sent))


@given(table=tables())
def test_the_numbers_are_aligned_behind_prefix_and_head(table: tuple[int, list[Vector]]) -> None:
    raw = message(*table)
    _, head_bytes, body_bytes = messages.PREFIX.unpack(raw[: messages.PREFIX.size])
    assert (messages.PREFIX.size + head_bytes) % 8 == 0
    assert body_bytes % 8 == 0
    assert messages.PREFIX.size + head_bytes + body_bytes == len(raw)


@given(table=tables(), data=st.data())
def test_a_damaged_byte_is_refused_or_gives_columns_of_the_announced_shape(
    table: tuple[int, list[Vector]], data: st.DataObject
) -> None:
    raw = bytearray(message(*table))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    decodes_or_refuses(bytes(raw))


@given(table=tables(), data=st.data())
def test_a_message_that_is_cut_or_goes_on_is_refused(table: tuple[int, list[Vector]], data: st.DataObject) -> None:
    rows, sent = table
    head, body = received(message(rows, sent))
    whole = bytes(body)
    for other in (whole[: data.draw(st.integers(0, max(len(whole) - 1, 0)))], whole + b"\0" * 8):
        if other != whole:
            with pytest.raises(messages.BadMessage):
                decode(head, memoryview(bytearray(other)))


COUNTS: st.SearchStrategy[Any] = st.integers(-2, 5) | st.sampled_from([2**31, 2**63, 2**200, 1.0, True, None, "1", []])


@given(
    rows=COUNTS,
    column=st.tuples(
        st.text(max_size=2) | st.just("\ud800") | st.none(),
        st.sampled_from([*sorted(DTYPES), "uint64", 1]),
        COUNTS,
        st.lists(st.text(max_size=2) | st.just("\udc00") | st.none(), max_size=2) | st.none(),
        COUNTS,
        COUNTS,
        COUNTS,
    ).map(list),
    body=st.binary(max_size=96),
)
@example(rows=2**62, column=["x", "double", 0, [], 0, 0, 0], body=b"")
@example(rows=1, column=["x", "string", 0, [], 0, 2**40, 2**40], body=b"\0" * 8)
def test_any_head_over_any_body_is_refused_or_holds_together(rows: Any, column: list[Any], body: bytes) -> None:
    try:
        found_rows, found = decode({"rows": rows, "columns": [column]}, memoryview(bytearray(body)))
    except messages.BadMessage:
        return
    for vector in found:
        holds_together(found_rows, vector)


@given(raw=st.binary(max_size=60))
@example(raw=b"[" * 100_000)
@example(raw=b'{"a":"\xff"}')
@example(raw=b"1" * 5000)
def test_any_bytes_as_a_head(raw: bytes) -> None:
    try:
        assert isinstance(decode_head(raw), dict)
    except messages.BadMessage as error:
        assert str(error).startswith("the head is not")  # noqa: PT017 - either is right


def decodes_or_refuses(raw: bytes) -> None:
    try:
        head, body = received(raw)
        rows, found = decode(head, memoryview(body))
    except messages.BadMessage:
        return
    for vector in found:
        holds_together(rows, vector)
