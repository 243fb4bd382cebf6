"""Messages of one shape: found where all but the numbers is the same, and in no other case."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.scorebridge_v1.bounds import Bounds
from bridge.codecs.scorebridge_v1.contents import count_contents
from bridge.codecs.scorebridge_v1.shapes import Shapes
from bridge.errors import InvalidRequest

BOUNDS = Bounds(100, 1000)
Write = Callable[..., bytes]


def matrix(rows: int, names: list[str], seed: int = 0, **fields: Any) -> bytes:
    request = pb.ScoreRequest(**fields)
    request.matrix.columns.extend(names)
    request.matrix.rows = rows
    request.matrix.doubles.values.extend(np.random.default_rng(seed).random(rows * len(names)).tolist())
    return request.SerializeToString()


def table(rows: int, names: list[str], seed: int = 0, **fields: Any) -> bytes:
    random = np.random.default_rng(seed)
    request = pb.ScoreRequest(**fields)
    for place, name in enumerate(names):
        column = request.table.columns.add(name=name)
        if place % 2:
            column.int64s.values.extend(random.integers(0, 9, rows).tolist())
        else:
            column.doubles.values.extend(random.random(rows).tolist())
    return request.SerializeToString()


def kept(raw: bytes) -> Shapes:
    shapes = Shapes()
    contents = count_contents(raw, BOUNDS, few=True)
    assert contents is not None
    shapes.keep(raw, contents)
    return shapes


def facts(raw: bytes) -> tuple[int, int]:
    """What is counted; refused messages hold nothing."""
    try:
        counted = count_contents(raw, BOUNDS, few=True)
    except InvalidRequest:
        return -1, -1
    return (-2, -2) if counted is None else (counted.columns, counted.items)


@pytest.mark.parametrize("write", [matrix, table])
@pytest.mark.parametrize(("first", "second"), [("one", "another one"), ("", "")])
def test_other_numbers_and_another_id_are_of_the_same_shape(write: Write, first: str, second: str) -> None:
    shapes = kept(write(300, ["age", "rate"], 0, model="m", request_id=first))
    same = write(300, ["age", "rate"], 1, model="m", request_id=second)
    found = shapes.find(same)
    assert found is not None
    assert (found.columns, found.items) == facts(same)


@pytest.mark.parametrize("write", [matrix, table])
def test_anything_else_is_of_another_shape(write: Write) -> None:
    shapes = kept(write(300, ["age", "rate"], 0, model="m", request_id="one"))
    for other in (
        write(301, ["age", "rate"], 0, model="m", request_id="one"),
        write(300, ["age", "rare"], 0, model="m", request_id="one"),
        write(300, ["age", "rate"], 0, model="n", request_id="one"),
        write(300, ["age", "rate"], 0, model="m"),
        write(300, ["age", "rate"], 0, model="m", request_id="x" * 200),
        write(300, ["age", "rate"], 0, model="m", request_id="one", batch_id="b"),
        b"",
    ):
        assert shapes.find(other) is None


@given(st.sampled_from([matrix, table]), st.integers(1, 40), st.data())
def test_what_is_found_is_what_would_be_counted(write: Write, rows: int, data: st.DataObject) -> None:
    raw = write(rows, ["age", "rate", "x" * 150], 0, model="m", request_id="an id")
    shapes = kept(raw)
    changed = bytearray(raw)
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=3)):
        changed[place] = data.draw(st.integers(0, 255))
    if (found := shapes.find(bytes(changed))) is not None:
        assert (found.columns, found.items) == facts(bytes(changed))


def test_shapes_and_what_surrounds_the_numbers_are_bounded() -> None:
    shapes = Shapes()
    messages = [matrix(rows, ["a"], 0, model="m") for rows in range(1, 100)]
    for raw in messages:
        counted = count_contents(raw, BOUNDS, few=True)
        assert counted is not None
        shapes.keep(raw, counted)
    assert sum(shapes.find(raw) is not None for raw in messages) == 64
    wide = matrix(1, [f"{number}{'x' * 200}" for number in range(100)], 0, model="m")
    assert kept(wide).find(wide) is None
