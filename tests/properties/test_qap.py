"""Every value that travels is the same in R and here: R says so with identical(), on the bits."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from r_echo import Echo, running_rserve
from r_values import NA_BITS, code_of, same, texts, values, vectors

from bridge.backends.rserve.qap_encode import encode_call
from bridge.backends.rserve.rvalues import RDouble, RFactor, RInt, RList, RLogical, RNull, RString, RValue

# One worker answers all examples of a test: the connection must survive each of them anyway.
against_r = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def rserve() -> Iterator[Path]:
    with running_rserve() as socket:
        yield socket


@pytest_asyncio.fixture
async def r(rserve: Path) -> AsyncIterator[Echo]:
    async with Echo.connected(rserve) as echo:
        yield echo


async def agrees(r: Echo, value: RValue, code: str) -> None:
    assert await r.identical(value, code), "R does not take what we send for what it should be"
    assert same(await r.evaluate(code), value), "what R sends is read as something else"
    assert same(await r.echo(value), value)


@against_r
@given(value=vectors)
async def test_vectors_matrices_and_factors_travel_unchanged(r: Echo, value: RValue) -> None:
    await agrees(r, value, code_of(value))


@against_r
@given(value=values)
async def test_lists_travel_unchanged(r: Echo, value: RValue) -> None:
    await agrees(r, value, code_of(value))


def number(*cells: float | None) -> RDouble:
    cell_values = np.array([0 if cell is None else cell for cell in cells], np.float64)
    cell_values.view(np.uint64)[[cell is None for cell in cells]] = NA_BITS
    return RDouble(cell_values)


def masked(*flags: bool) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array(flags, np.bool_)


ints = np.array([7, 0, -3], np.int32)
LITERALS: list[tuple[RValue, str]] = [
    (RNull(), "NULL"),
    (number(0.1, None, float("inf"), float("-inf"), -0.0, 5e-324), "c(0.1, NA, Inf, -Inf, -0, 5e-324)"),
    (RDouble(np.empty(0)), "double()"),
    (RDouble(np.arange(3.0), (1, 3)), "matrix(c(0, 1, 2), 1)"),
    (RDouble(np.arange(3.0), (3, 1)), "matrix(c(0, 1, 2), 3)"),
    (RDouble(np.arange(6.0), (2, 3)), "rbind(c(0, 2, 4), c(1, 3, 5))"),
    (RDouble(np.empty(0), (0, 2)), "matrix(double(), 0, 2)"),
    (RInt(ints, masked(False, True, False)), "c(7L, NA, -3L)"),
    (RInt(np.array([2**31 - 1, 1 - 2**31], np.int32)), "c(.Machine$integer.max, -.Machine$integer.max)"),
    (RInt(np.empty(0, np.int32)), "integer()"),
    (RInt(ints, None, (3, 1)), "matrix(c(7L, 0L, -3L))"),
    (RLogical(masked(True, False, False), masked(False, False, True)), "c(TRUE, FALSE, NA)"),
    (RLogical(masked()), "logical()"),
    (RLogical(masked(True, False), None, (1, 2)), "t(c(TRUE, FALSE))"),
    (RString(["a", "", None, "NA", "\x01"]), r'c("a", "", NA, "NA", "\001")'),
    (RString(["é", "e\u0301", "日本", "\U0001f600"]), r'c("\u00e9", "e\u0301", "\u65e5\u672c", "\U1f600")'),
    (RString([]), "character()"),
    (RString([""]), '""'),
    (RString([None]), "NA_character_"),
    (RString(["a", "b"], (2, 1)), 'matrix(c("a", "b"))'),
    (RFactor(np.array([1, 0], np.int32), ("f", "m")), 'factor(c("m", "f"))'),
    (
        RFactor(np.array([1, 0], np.int32), ("é", ""), masked(False, True)),
        r'factor(c("", NA), levels = c("\u00e9", ""))',
    ),
    (RFactor(np.empty(0, np.int32), ("a",)), 'factor(character(), levels = "a")'),
    (RFactor(np.zeros(1, np.int32), (), masked(True)), "factor(NA)"),
    (RList([]), "list()"),
    (RList([], []), "structure(list(), names = character())"),
    (RList([RNull(), RList([RInt(ints)])]), "list(NULL, list(c(7L, 0L, -3L)))"),
    (RList([RString(["x"]), RNull()], ["ü", ""]), r'structure(list("x", NULL), names = c("\u00fc", ""))'),
]


@pytest.mark.parametrize(("value", "code"), LITERALS, ids=[code for _, code in LITERALS])
async def test_what_an_r_user_would_write(r: Echo, value: RValue, code: str) -> None:
    await agrees(r, value, code)


async def test_r_tells_a_missing_number_from_nan(r: Echo) -> None:
    answer = await r.evaluate("list(is.na(x), is.nan(x))", number(None, float("nan"), 1))
    assert same(answer, RList([RLogical(masked(True, True, False)), RLogical(masked(False, True, False))]))


async def test_text_of_another_encoding_arrives_as_utf8(r: Echo) -> None:
    assert same(await r.evaluate('local({ t <- "\\xe9"; Encoding(t) <- "latin1"; t })'), RString(["é"]))


# From 0xfffff0 bytes on, a length takes seven bytes; from 16 more on, it has to.
EDGE = 0xFFFFF0


async def test_each_header_around_a_value_grows_at_the_edge(r: Echo) -> None:
    # The item, the list around it, the call around that and the parameter around all: some bytes more each.
    for size in range(EDGE - 96, EDGE + 24, 4):
        count = size // 4
        value = RList([RInt(np.ones(count, np.int32))])
        assert await r.identical(value, f"list(rep(1L, {count}))")
        assert same(await r.evaluate(f"list(rep(1L, {count}))"), value)


LARGE: dict[str, tuple[int, Callable[[int], tuple[RValue, str]]]] = {
    "double": (8, lambda n: (RDouble(np.arange(n, dtype=np.float64)), f"seq_len({n}) - 1")),
    "logical": (1, lambda n: (RLogical(np.ones(n, np.bool_)), f"rep(TRUE, {n})")),
    "string": (1, lambda n: (RString(["a", None, "x" * n, ""]), f'c("a", NA, strrep("x", {n}), "")')),
    "umlauts": (2, lambda n: (RString(["é" * n]), f'strrep("\\u00e9", {n})')),
    "matrix": (8, lambda n: (RDouble(np.ones(n), (n, 1)), f"matrix(1, {n}, 1)")),
    "factor": (4, lambda n: (RFactor(np.zeros(n, np.int32), ("a",)), f'factor(rep("a", {n}))')),
}


@pytest.mark.parametrize("kind", LARGE)
async def test_vectors_of_about_16_mb(r: Echo, kind: str) -> None:
    # A string's own bytes, a count or attributes come on top of the size: -40 to 16 has each item cross the edge.
    element_bytes, make = LARGE[kind]
    for size in range(EDGE - 40, EDGE + 17, 8):
        await agrees(r, *make(size // element_bytes))


@given(before=st.lists(st.integers(1 - 2**31, 2**31 - 1)), after=st.lists(st.integers(1 - 2**31, 2**31 - 1)))
def test_r_s_missing_integer_can_not_be_sent_as_a_number(before: list[int], after: list[int]) -> None:
    column = np.array([*before, -(2**31), *after], np.int32)
    with pytest.raises(ValueError, match="R reads it as missing"):
        encode_call("c", [RInt(column)], 1)
    assert encode_call("c", [RInt(column, column == -(2**31))], 1)


@given(text=texts, at=st.integers(0, 10), bad=st.sampled_from(["\0", "\ud800", "\udfff"]))
def test_text_that_r_can_not_hold_is_refused(text: str, at: int, bad: str) -> None:
    broken = text[:at] + bad + text[at:]
    places: list[RValue] = [
        RString([broken]),
        RString(["a", None, broken, "b"], (4, 1)),
        RFactor(np.zeros(1, np.int32), ("a", broken)),
        RList([RNull()], [broken]),
        RList([RList([RString([broken])])]),
    ]
    for value in places:
        with pytest.raises(ValueError, match=r"NUL|surrogates"):
            encode_call("c", [value], 1)
