"""pyRserve reads what we write, and we read what it writes, where it does the format right."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties.qap_oracle import array_as_json, array_of_json
from r_values import message, reply_body, same

from bridge.backends.rserve.header import HEADER_BYTES
from bridge.backends.rserve.qap import decode
from bridge.backends.rserve.rvalues import RDouble, RInt, RList, RLogical, RString, RValue
from bridge.columns import Array

beside_pyrserve = settings(deadline=None)  # another process answers, and takes its time to begin

PYTHON = Path(__file__).parents[2] / ".pyrserve" / "bin" / "python"

# numpy's text arrays, which pyRserve uses, drop NUL; None would be its NA, which it writes wrongly.
_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_dtypes: list[tuple[type[np.generic], st.SearchStrategy[Any]]] = [
    (np.float64, st.floats()),
    (np.int32, st.integers(1 - 2**31, 2**31 - 1)),
    (np.bool_, st.booleans()),
    (np.str_, _texts),
]


class PyRserve:
    """The process that has pyRserve, asked one question at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def writes(self, value: Any) -> bytes:
        """The body of the message."""
        return bytes.fromhex(self._ask("write", value))[HEADER_BYTES:]

    def reads(self, value: RValue) -> Any:
        """What it finds in our message, as qap_oracle spells it."""
        return self._ask("read", message(reply_body(value)).hex())

    def _ask(self, question: str, argument: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({question: argument}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "pyRserve's process has ended: what it raised is on standard error"
        return json.loads(answer)


@pytest.fixture(scope="module")
def pyrserve() -> Iterator[PyRserve]:
    command = [PYTHON, Path(__file__).with_name("qap_oracle.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="ascii") as process:
        yield PyRserve(process)


@st.composite
def arrays(draw: st.DrawFn) -> Array:
    """Vectors and matrices of what both know; pyRserve reads an empty vector of text as a text."""
    dtype, element = draw(st.sampled_from(_dtypes))
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(0, 3))
    cells = draw(st.lists(element, min_size=rows * max(1, columns), max_size=rows * max(1, columns)))
    flat = np.array(cells, dtype)
    return flat if columns == 0 else flat.reshape(rows, columns)


def as_value(array: Array) -> RValue:
    dim = array.shape if array.ndim > 1 else None
    flat = array.ravel(order="F")
    match array.dtype.kind:
        case "f":
            return RDouble(flat, dim)
        case "i":
            return RInt(flat, None, dim)
        case "b":
            return RLogical(flat, None, dim)
        case _:
            return RString(flat.tolist(), dim)


@beside_pyrserve
@given(array=arrays())
def test_we_read_what_pyrserve_writes(pyrserve: PyRserve, array: Array) -> None:
    assert same(decode(pyrserve.writes(array_as_json(array))), as_value(array))


@beside_pyrserve
@given(array=arrays())
def test_pyrserve_reads_what_we_write(pyrserve: PyRserve, array: Array) -> None:
    read = array_of_json(pyrserve.reads(as_value(array)))
    assert read.shape == array.shape
    assert read.dtype.kind == array.dtype.kind
    # tobytes: to the bit, where a NaN would not equal itself.
    assert read.astype(array.dtype).tobytes() == array.tobytes()


@beside_pyrserve
@given(elements=st.lists(st.tuples(_texts.filter(bool), arrays()), min_size=1, max_size=4))
def test_named_lists_both_ways(pyrserve: PyRserve, elements: list[tuple[str, Array]]) -> None:
    names = [name for name, _ in elements]
    value = RList([as_value(array) for _, array in elements], names)
    assert same(decode(pyrserve.writes([[name, array_as_json(array)] for name, array in elements])), value)
    read = [(name, array_of_json(array)) for name, array in pyrserve.reads(value)]
    assert [name for name, _ in read] == names
    assert [cell.tobytes() for _, cell in read] == [
        array.astype(cell.dtype).tobytes() for (_, cell), (_, array) in zip(read, elements, strict=True)
    ]
