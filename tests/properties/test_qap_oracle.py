"""pyRserve reads what we write, and we read what it writes, where it does the format right."""

import warnings
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from r_values import message, reply_body, same

from bridge.backends.rserve.header import HEADER_BYTES
from bridge.backends.rserve.qap import decode
from bridge.backends.rserve.rvalues import RDouble, RInt, RList, RLogical, RString, RValue
from bridge.columns import Array

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResourceWarning)  # it leaves a file of its own open when it is imported
    from pyRserve.rparser import rparse  # type: ignore[import-untyped]
    from pyRserve.rserializer import rSerializeResponse  # type: ignore[import-untyped]
    from pyRserve.taggedContainers import TaggedList  # type: ignore[import-untyped]

# numpy's text arrays, which pyRserve uses, drop NUL; None would be its NA, which it writes wrongly.
_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_dtypes: list[tuple[type[np.generic], st.SearchStrategy[Any]]] = [
    (np.float64, st.floats()),
    (np.int32, st.integers(1 - 2**31, 2**31 - 1)),
    (np.bool_, st.booleans()),
    (np.str_, _texts),
]


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


@given(array=arrays())
def test_we_read_what_pyrserve_writes(array: Array) -> None:
    assert same(decode(rSerializeResponse(array)[HEADER_BYTES:]), as_value(array))


@given(array=arrays())
def test_pyrserve_reads_what_we_write(array: Array) -> None:
    read = rparse(message(reply_body(as_value(array))), atomicArray=True)
    assert read.shape == array.shape
    assert read.dtype.kind == array.dtype.kind
    # tobytes: to the bit, where a NaN would not equal itself.
    assert read.astype(array.dtype).tobytes() == array.tobytes()


@given(elements=st.lists(st.tuples(_texts.filter(bool), arrays()), min_size=1, max_size=4))
def test_named_lists_both_ways(elements: list[tuple[str, Array]]) -> None:
    names = [name for name, _ in elements]
    value = RList([as_value(array) for _, array in elements], names)
    assert same(decode(rSerializeResponse(TaggedList(elements))[HEADER_BYTES:]), value)
    read = rparse(message(reply_body(value)), atomicArray=True)
    assert list(read.keys) == names
    assert [cell.tobytes() for cell in read.values] == [
        array.astype(cell.dtype).tobytes() for cell, (_, array) in zip(read.values, elements, strict=True)
    ]
