"""Any value that R can be sent: made, compared to the bit, spelled as R code, and packed as a reply."""

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from bridge.backends.rserve import header
from bridge.backends.rserve.qap_encode import encode_value
from bridge.backends.rserve.rvalues import Dim, RDouble, RFactor, RInt, RList, RLogical, RNull, RString, RValue
from bridge.columns import Array, Mask

__all__ = ["NA_BITS", "code_of", "message", "reply_body", "same", "texts", "values", "vectors"]

NA_BITS = 0x7FF00000000007A2

_UGLY_BITS = [NA_BITS, 0x7FF8 << 48, 0xFFF8 << 48, 0x7FF0 << 48 | 1, 0x7FF0 << 48, 0xFFF0 << 48, 1 << 63, 1, 0]
_UGLY_TEXTS = [
    "",
    "NA",
    "\x01",
    "é",
    "e\u0301",
    "\ufeff",
    "ÿ",
    "\U0001f469\u200d\U0001f467",
    "日本",
    "\U0010ffff",
    '"\\',
]


def _bits_of(number: float) -> int:
    return int.from_bytes(struct.pack("<d", number), "little")


_bits = st.sampled_from(_UGLY_BITS) | st.floats().map(_bits_of) | st.integers(0, 2**64 - 1)
_ints = st.sampled_from([0, -1, 2**31 - 1, 1 - 2**31]) | st.integers(1 - 2**31, 2**31 - 1)
texts = st.sampled_from(_UGLY_TEXTS) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10
)


@st.composite
def _shaped(draw: st.DrawFn, element: st.SearchStrategy[Any]) -> tuple[list[Any], Dim | None]:
    """Elements, and what dimensions they have: none, those of a row, a column, a matrix or a cube."""
    one, some = st.just(1), st.integers(0, 5)
    dim = draw(
        st.none() | st.tuples(one, some) | st.tuples(some, one) | st.tuples(some, some) | st.tuples(some, one, some)
    )
    count = draw(st.integers(0, 12)) if dim is None else math.prod(dim)
    return draw(st.lists(element, min_size=count, max_size=count)), dim


def _mask(elements: Sequence[object]) -> Mask | None:
    missing = np.array([element is None for element in elements], np.bool_)
    return missing if missing.any() else None


def _filled(elements: Sequence[Any], dtype: type[np.generic]) -> Array:
    return np.array([0 if element is None else element for element in elements], dtype)


@st.composite
def _factors(draw: st.DrawFn) -> RFactor:
    levels = tuple(draw(st.lists(texts, max_size=5, unique=True)))
    code = st.integers(0, len(levels) - 1) | st.none() if levels else st.none()
    codes = draw(st.lists(code, max_size=8))
    return RFactor(_filled(codes, np.int32), levels, _mask(codes), draw(st.booleans()))


@st.composite
def _lists(draw: st.DrawFn, elements: st.SearchStrategy[RValue]) -> RList:
    found = draw(st.lists(elements, max_size=4))
    exactly = st.lists(texts, min_size=len(found), max_size=len(found))
    return RList(found, draw(st.none() | exactly) if found else None)


vectors: st.SearchStrategy[RValue] = st.one_of(
    _shaped(_bits).map(lambda drawn: RDouble(np.array(drawn[0], np.uint64).view(np.float64), drawn[1])),
    _shaped(_ints | st.none()).map(lambda drawn: RInt(_filled(drawn[0], np.int32), _mask(drawn[0]), drawn[1])),
    _shaped(st.sampled_from([True, False, None])).map(
        lambda drawn: RLogical(_filled(drawn[0], np.bool_), _mask(drawn[0]), drawn[1])
    ),
    _shaped(texts | st.none()).map(lambda drawn: RString(*drawn)),
    _factors(),
)
values: st.SearchStrategy[RValue] = st.recursive(st.builds(RNull) | vectors, _lists, max_leaves=8)


def same(one: RValue, other: RValue) -> bool:
    """They are of one type and hold the same bits, whatever lies under a mask."""
    return _comparable(one) == _comparable(other)


def _comparable(value: RValue) -> tuple[object, ...]:  # noqa: PLR0911 - one for each type
    match value:
        case RDouble(numbers, dim):
            return "double", numbers.dtype, numbers.tobytes(), dim
        case RInt(numbers, missing, dim):
            return "int", *_unmasked(numbers, missing), dim
        case RLogical(truths, missing, dim):
            return "logical", *_unmasked(truths, missing), dim
        case RString(strings, dim):
            return "string", list(strings), dim
        case RFactor(codes, levels, missing, ordered):
            return "factor", *_unmasked(codes, missing), levels, ordered
        case RList(elements, names):
            return "list", [_comparable(element) for element in elements], None if names is None else list(names)
        case RNull():
            return ("null",)


def _unmasked(numbers: Array, missing: Mask | None) -> tuple[object, ...]:
    absent = np.zeros(len(numbers), np.bool_) if missing is None else missing
    return numbers.dtype, np.where(absent, numbers.dtype.type(0), numbers).tobytes(), absent.tobytes()


def code_of(value: RValue) -> str:  # noqa: PLR0911 - one for each type
    """R code that gives the value, in terms of tests/r/echo.R."""
    match value:
        case RDouble(numbers, dim):
            return _with_dim(f'doubles("{numbers.tobytes().hex()}")', dim)
        case RInt(numbers, missing, dim):
            return _with_dim(f"as.integer(c({_spelled(numbers, missing)}))", dim)
        case RLogical(truths, missing, dim):
            return _with_dim(f"as.logical(c({_spelled(truths.astype(int), missing)}))", dim)
        case RString(strings, dim):
            return _with_dim(_text_code(strings), dim)
        case RFactor(codes, levels, missing, ordered):
            absent = np.zeros(len(codes), np.bool_) if missing is None else missing
            strings = [None if gone else levels[code] for code, gone in zip(codes, absent, strict=True)]
            return f"factor({_text_code(strings)}, levels = {_text_code(levels)}, ordered = {str(ordered).upper()})"
        case RList(elements, names):
            code = f"list({', '.join(code_of(element) for element in elements)})"
            return code if names is None else f"structure({code}, names = {_text_code(names)})"
        case RNull():
            return "NULL"


def _with_dim(code: str, dim: Dim | None) -> str:
    return code if dim is None else f"structure({code}, dim = c({', '.join(f'{extent}L' for extent in dim)}))"


def _spelled(numbers: Array, missing: Mask | None) -> str:
    absent = np.zeros(len(numbers), np.bool_) if missing is None else missing
    return ", ".join("NA" if gone else str(number) for number, gone in zip(numbers, absent, strict=True))


def _text_code(strings: Sequence[str | None]) -> str:
    return f"text({', '.join('NA' if one is None else _quoted(one.encode().hex()) for one in strings)})"


def _quoted(plain: str) -> str:
    return f'"{plain}"'


def reply_body(value: RValue) -> bytes:
    """The value as the body of a message."""
    return encode_value(header.RESPONSE_OK, value, 0)[header.HEADER_BYTES :]


def message(body: bytes, msg_id: int = 0, command: int = header.RESPONSE_OK) -> bytes:
    """A header and its body."""
    return struct.pack("<IIII", command, len(body), msg_id, 0) + body
