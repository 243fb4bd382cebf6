"""What a predict function must not return, and what it is told to return instead."""

import datetime as dt
import decimal
import fractions
import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse  # type: ignore[import-untyped] # it has no stubs
from scorebridge.runner.conditions import Malformed
from scorebridge.runner.outputs import outputs_of

MATRIX = np.array([[0.25, 0.75], [1.0, 0.0]])


def frame_of_other_rows() -> Any:
    return pd.DataFrame({"a": [1.0, 2.0, 3.0]}).iloc[1:]


class Lazy:
    """What is computed later, of no library that is known."""

    def collect(self) -> None:
        """Computes it."""


class WithArray:
    """What numpy can make an array of."""

    def __array__(self) -> Any:
        return np.zeros(2)


async def coroutine() -> None: ...


REFUSED: list[tuple[Any, str]] = [
    (None, r"^predict returned nothing \(None\): end it by return, with one score for each row$"),
    (0.5, r"one float for all rows: return an array with one score for each row, or say row_by_row = true"),
    (np.float64(0.5), r"one numpy.float64 for all rows"),
    (np.array(0.5), r"an array of a number without rows for 2 rows"),
    ("a text", r"one str for all rows"),
    ((score for score in (0.5, 0.5)), r"generator, which gives its scores one by one: return a list or an array"),
    (iter([0.5, 0.5]), r"list_iterator, which gives its scores one by one"),
    (map(float, [1, 2]), r"map, which gives its scores one by one"),
    ({0.5, 0.25}, r"^predict returned set: return an array"),
    (Lazy(), r"Lazy, which is computed later"),
    (pl.LazyFrame({"a": [1.0, 2.0]}), r"LazyFrame: return frame.collect\(\)"),
    (pa.table({"a": [1.0, 2.0]}), r"pyarrow.lib.Table: return table.to_pandas\(\)"),
    (pd.array([1.0, 2.0]), r"return numpy.asarray of it"),
    (WithArray(), r"WithArray: return numpy.asarray of it"),
    (np.ma.masked_invalid([0.5, math.nan]), r"MaskedArray: return array.filled\(numpy.nan\)"),
    (np.ma.masked_invalid([[0.5, math.nan]] * 2), r"MaskedArray: return array.filled\(numpy.nan\)"),
    ({"a": np.ma.masked_invalid([0.5, math.nan])}, r"'a' is numpy.*MaskedArray: return array.filled"),
    (sparse.csr_matrix([[1.0], [0.0]]), r"return matrix.toarray\(\)"),
    (np.zeros(2, np.float16), r"has the type float16: return float64, float32"),
    (np.zeros(2, np.longdouble), r"has the type float128"),
    (np.zeros(2, np.uint64), r"has the type uint64"),
    (np.zeros(2, np.complex128), r"has the type complex128"),
    (np.array([b"a", b"b"]), r"has the type \|S1"),
    (np.array(["2026-01-01"] * 2, "datetime64[D]"), r"has the type datetime64"),
    (np.zeros(2, [("a", "f8")]), r"has the type"),
    (pd.Series([1, 2], dtype="UInt64"), r"has the type uint64"),
    (pl.Series([1, 2], dtype=pl.UInt64), r"has the type uint64"),
    (pl.Series([decimal.Decimal("0.1")] * 2), r"holds decimal.Decimal: return numbers of one type"),
    (pl.Series([[1.0], [2.0]]), r"holds list"),
    (pd.Series([dt.datetime(2026, 1, 1)] * 2), r"has the type datetime64"),  # noqa: DTZ001 - numpy's have no zone
    ([1, 0.5], r"holds float and int: return numbers of one type, truth values or text"),
    ([True, 1], r"holds bool and int"),
    (["a", 1], r"holds int and str"),
    ([fractions.Fraction(1, 2)] * 2, r"holds fractions.Fraction"),
    ([2**63, 0], r"holds int: return numbers of one type"),
    ([np.uint64(1), 0], r"holds int and numpy.uint64"),
    ([np.float16(1)] * 2, r"holds numpy.float16"),
    ([np.longdouble(1)] * 2, r"holds numpy.longdouble"),
    ([b"a", b"b"], r"holds bytes"),
    ([[0.5], [0.5]], r"a list of lists or arrays, whose elements may be rows or outputs"),
    ((np.zeros(2), np.zeros(2)), r"a list of lists or arrays"),
    ({"a": None}, r"^the output 'a' is nothing \(None\)"),
    ({"a": 0.5}, r"the output 'a' is one float for all rows"),
    ({"a": pd.DataFrame({"b": [1.0, 2.0]})}, r"the output 'a' is pandas"),
    (["a\ud800", "b"], r"^the output 'score' has a text with half a surrogate pair, which UTF-8 can't hold$"),
    (np.array(["\ud800", "b"]), r"half a surrogate pair"),
    (["\ud83d", "\ude00"], r"half a surrogate pair"),
    ({"\ud800": [1.0, 2.0]}, r"an output whose name is not UTF-8"),
    ({1: [1.0, 2.0]}, r"an output whose name is int: names must be texts"),
    ({"": [1.0, 2.0]}, r"an output whose name is str: names must be texts of a character or more"),
    (pd.DataFrame(MATRIX), r"an output whose name is int"),
    (pd.DataFrame(MATRIX, columns=["a", "a"]), r"two outputs of the name 'a'"),
    ({"a": MATRIX, "a.1": [1.0, 2.0]}, r"two outputs of the name 'a.1'"),
    ({}, r"dict without any output"),
    (pd.DataFrame(index=[0, 1]), r"DataFrame without any output"),
    (np.zeros(3), r"^the output 'score' has 3 scores for 2 rows$"),
    ([0.5], r"has 1 scores for 2 rows"),
    (np.zeros((1, 2)), r"an array of 1 x 2 for 2 rows: return one score for each row, or a matrix with a row for each"),
    (np.zeros((2, 0)), r"an array of 2 x 0 for 2 rows"),
    (np.zeros((2, 1, 1)), r"an array of 2 x 1 x 1 for 2 rows"),
    ({"a": np.zeros((3, 2))}, r"the output 'a' is an array of 3 x 2 for 2 rows"),
    (frame_of_other_rows(), r"the output 'a' has an index that is not 0 to 1: its rows were sorted, dropped"),
    (pd.Series([1.0, 2.0], index=[1, 0]), r"the output 'score' has an index that is not 0 to 1"),
    (type, r"^predict returned type: return an array"),
]


@pytest.mark.parametrize(("prediction", "why"), REFUSED)
def test_what_reads_two_ways_is_refused_with_what_to_return(prediction: Any, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        outputs_of(prediction, 2)


def test_a_coroutine_is_told_to_be_a_function() -> None:
    waiting = coroutine()
    with pytest.raises(Malformed, match="coroutine: define it by def, and not by async def"):
        outputs_of(waiting, 2)
    waiting.close()


def test_more_outputs_than_a_message_is_meant_for() -> None:
    with pytest.raises(Malformed, match="more than 16384 outputs"):
        outputs_of(np.zeros((2, 16_385)), 2)
