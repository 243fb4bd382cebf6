"""Scores that are whole numbers of 64 bits: none loses a digit where others are missing."""

from typing import Any

import numpy as np
import pytest
from scorebridge.whole_scores import join_scores, with_missing

BIG = 2**53 + 1
NAN = np.nan


@pytest.mark.parametrize(
    ("values", "missing", "expected"),
    [
        ([1, 0, 3], [1], np.array([1, NAN, 3])),
        ([2**53, 0, -(2**53)], [1], np.array([2.0**53, NAN, -(2.0**53)])),
        ([BIG, 0, 3], [1], np.array([BIG, None, 3], object)),
        ([-(2**63), 0], [1], np.array([-(2**63), None], object)),
        ([BIG, 3], [0], np.array([NAN, 3])),
    ],
)
def test_beside_a_missing_one(values: list[int], missing: list[int], expected: Any) -> None:
    found = with_missing(np.array(values, np.int64), np.array(missing))
    assert found.dtype == expected.dtype
    assert str(found.tolist()) == str(expected.tolist())


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([np.array([1, BIG]), np.array([2])], [1, BIG, 2]),
        ([np.array([1, 2]), np.array([NAN, 0.5])], [1.0, 2.0, NAN, 0.5]),
        ([np.array([BIG]), np.array([NAN, 3.0])], [BIG, None, 3.0]),
        ([np.array([1]), np.array([BIG, None], object)], [1, BIG, None]),
        ([np.array([NAN]), np.array([BIG, None], object)], [None, BIG, None]),
        ([np.array(["a", None], object), np.array([None], object)], ["a", None, None]),
        ([np.array([True]), np.array([None], object)], [True, None]),
    ],
)
def test_chunks_end_to_end(parts: list[Any], expected: list[Any]) -> None:
    assert str(join_scores(parts).tolist()) == str(expected)
