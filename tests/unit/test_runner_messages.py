"""The limits of a message between a gateway and a Python worker."""

import numpy as np
import pytest
from scorebridge.runner import messages
from scorebridge.runner.decoding import decode
from scorebridge.runner.vectors import Vector

MIB = 1 << 20


def doubles(rows: int) -> Vector:
    # One number seen as many: what must not be sent takes no memory here.
    return Vector("score", "double", np.broadcast_to(np.zeros(1), (rows,)))


def texts(count: int, length: int) -> Vector:
    values = np.empty(count, object)
    values[:] = [f"{number}".ljust(length) for number in range(count)]
    return Vector("label", "string", values)


def test_a_body_beyond_the_limit_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MOST_BODY_BYTES", MIB)
    least_too_many = MIB // 8 + 1
    messages.encode(messages.DONE, {"rows": least_too_many - 1}, [doubles(least_too_many - 1)])
    with pytest.raises(messages.TooLarge, match=rf"take {MIB + 8} bytes, and a message may have {MIB}$") as raised:
        messages.encode(messages.DONE, {"rows": least_too_many}, [doubles(least_too_many)])
    assert raised.value.bytes == MIB + 8
    messages.encode(messages.DONE, {"rows": 3}, [texts(3, MIB // 4)])
    with pytest.raises(messages.TooLarge):
        messages.encode(messages.DONE, {"rows": 5}, [texts(5, MIB // 4)])


def test_a_text_is_sent_once_however_many_rows_have_it() -> None:
    values = np.empty(10_000, object)
    values[:] = ["a text of some length"] * 10_000
    buffers = messages.encode(messages.DONE, {"rows": 10_000}, [Vector("label", "string", values)])
    assert sum(map(len, buffers)) < 41_000  # the codes, of four bytes each


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (["x", "double", 0, ["a"], 0, 0, 0], "described as one of another type"),
        (["x", "double", 0, [], 1, 0, 0], "described as one of another type"),
        (["x", "bool", 0, [], 0, 1, 0], "described as one of another type"),
        (["x", "string", 1, [], 0, 0, 0], "described as one of another type"),
        (["x", "double", 2, [], 0, 0, 0], "does not say how it is sent"),
        (["x", "double", True, [], 0, 0, 0], "does not say how it is sent"),
        (["x", "factor", 0, ["a"], 2, 0, 0], "does not say how it is sent"),
        (["\ud800", "double", 0, [], 0, 0, 0], "has no name"),
        (["x", "complex", 0, [], 0, 0, 0], "a type that is none"),
        (["x", "factor", 0, ["\udc00"], 0, 0, 0], "levels of a column are not texts"),
        (["x", "double", 0, [], 0, 0], "not described as it must be"),
    ],
)
def test_a_column_is_described_in_one_way(column: list[object], why: str) -> None:
    with pytest.raises(messages.BadMessage, match=why):
        decode({"rows": 0, "columns": [column]}, memoryview(bytearray()))


def test_the_values_are_views_of_the_body() -> None:
    values = np.arange(4.0)
    buffers = messages.encode(messages.CALL, {"rows": 4}, [Vector("x", "double", values)])
    body = bytearray(buffers[1])
    _, (vector,) = decode({"rows": 4, "columns": [["x", "double", 0, [], 0, 0, 0]]}, memoryview(body))
    vector.values[0] = 7.0
    assert np.frombuffer(body, "<f8")[0] == 7.0
