"""The index by hand, and its properties; the bins that are made of a reference."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bridge.columns import Column, Type
from bridge.drift.bins import Bins, Family, LevelBins, NumberBins, family_of
from bridge.drift.psi import LEAST_SHARE, chance_of, psi_of, reading_of

BINS = 7
COUNTS = arrays(np.int64, BINS, elements=st.integers(0, 10_000)).filter(lambda counts: counts.sum() > 0)
NUMBERS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=300)


def counts(*given: int) -> np.ndarray[Any, Any]:
    return np.array(given, np.int64)


def doubles(values: Any) -> Column:
    return Column("x", Type.DOUBLE, np.array(values, np.float64))


def bins_of(values: Any, missing: int = 0) -> NumberBins:
    numbers = np.array(values, np.float64)
    return NumberBins(numbers, np.ones(len(numbers), np.int64), missing)


def test_the_index_of_two_bins_by_hand() -> None:
    # Half and half before, 0.8 and 0.2 now: 0.3 ln 1.6 + (-0.3) ln 0.4 = 0.3 ln 4.
    assert psi_of(counts(80, 20), counts(50, 50)) == pytest.approx(0.3 * math.log(4), rel=1e-12)
    assert psi_of(counts(80, 20), counts(500, 500)) == pytest.approx(0.415888308, rel=1e-8)


def test_an_empty_bin_counts_as_the_least_share() -> None:
    expected = (LEAST_SHARE - 0.5) * math.log(LEAST_SHARE / 0.5) + (1.0 - 0.5) * math.log(1.0 / 0.5)
    assert psi_of(counts(0, 10), counts(5, 5)) == pytest.approx(expected, rel=1e-12)
    assert psi_of(counts(0, 0, 10), counts(5, 0, 5)) == pytest.approx(expected, rel=1e-12)


@given(COUNTS, st.integers(1, 50))
def test_equal_shares_give_nothing(found: Any, times: int) -> None:
    assert psi_of(found, found) == 0.0
    assert psi_of(found * times, found) == pytest.approx(0, abs=1e-12)


@given(COUNTS, COUNTS)
def test_the_index_is_symmetric_and_never_negative(one: Any, other: Any) -> None:
    assert psi_of(one, other) >= 0
    assert psi_of(one, other) == pytest.approx(psi_of(other, one), rel=1e-12)
    assert np.isfinite(psi_of(one, other))


def test_what_chance_gives_is_the_mean_of_many_samples() -> None:
    random = np.random.default_rng(20)
    shares = np.full(10, 0.1)
    found = [psi_of(random.multinomial(500, shares), random.multinomial(2000, shares)) for _ in range(2000)]
    assert chance_of(random.multinomial(500, shares), random.multinomial(2000, shares)) == pytest.approx(9 * 0.0025)
    assert float(np.mean(found)) == pytest.approx(9 * 0.0025, rel=0.1)
    assert chance_of(counts(5, 0, 5), counts(10, 0, 10)) == pytest.approx(1 / 10 + 1 / 20)


@pytest.mark.parametrize(
    ("psi", "said"), [(0.0, "little"), (0.0999, "little"), (0.1, "some"), (0.25, "some"), (0.2501, "much")]
)
def test_the_usual_reading(psi: float, said: str) -> None:
    assert reading_of(psi) == said


def test_deciles_are_the_upper_ends_of_ten_bins() -> None:
    made = bins_of(range(1, 101), missing=3)
    assert made.against.tolist() == [10] * 10 + [3]
    assert made.count(doubles([-5, 10, 10.5, 20, 21, 90, 91, 1e9, math.nan])).tolist() == [
        2,
        2,
        1,
        0,
        0,
        0,
        0,
        0,
        1,
        2,
        1,
    ]


def test_equal_deciles_make_fewer_bins() -> None:
    made = bins_of([*([5.0] * 60), *range(10, 50)])
    assert made.against.tolist() == [0, 60, 10, 10, 10, 10, 0]  # the first is for what is below 5
    assert made.count(doubles([4, 5, 6, 49, 50])).tolist() == [1, 1, 1, 0, 0, 2, 0]


def test_what_is_beyond_a_common_greatest_value_is_told_apart() -> None:
    made = bins_of([*range(80), *([100.0] * 20)])
    assert made.against[-3:].tolist() == [20, 0, 0]
    assert made.count(doubles([99, 100, 101])).tolist()[-3:] == [2, 1, 0]


def test_a_few_numbers_are_a_bin_each_and_others_one() -> None:
    made = bins_of([0, 0, 1, 1, 1, 7], missing=1)
    assert made.against.tolist() == [2, 3, 1, 0, 1]
    assert made.count(doubles([-1, 0, 0.5, 1, 7, 8, math.nan])).tolist() == [1, 1, 1, 3, 1]


def test_a_reference_without_a_number_has_bins_all_the_same() -> None:
    made = bins_of([], missing=4)
    assert made.against.tolist() == [0, 4]
    assert made.count(doubles([1, math.nan])).tolist() == [1, 1]


@pytest.mark.parametrize(
    "column",
    [
        Column("x", Type.FLOAT, np.array([0.1, 0.3], np.float32)),
        Column("x", Type.DOUBLE, np.array([0.1, 0.3])),
    ],
    ids=["float", "double"],
)
def test_a_number_is_in_one_bin_whatever_carried_it(column: Column) -> None:
    assert bins_of([0.1, 0.2, 0.3]).count(column).tolist() == [1, 0, 1, 0, 0]


def test_whole_numbers_count_with_their_mask() -> None:
    column = Column("x", Type.INT64, np.array([1, 0, 3], np.int64), np.array([False, True, False]))
    assert bins_of([1, 2, 3]).count(column).tolist() == [1, 0, 1, 0, 1]
    assert bins_of([1, 2, 3]).count(doubles([1e300, math.inf])).tolist() == [0, 0, 0, 2, 0]


@given(NUMBERS, NUMBERS, st.integers(0, 5))
def test_every_row_is_in_one_bin_and_there_are_few(reference: list[float], logged: list[float], missing: int) -> None:
    made = bins_of(reference, missing)
    assert made.against.sum() == len(reference) + missing
    assert len(made.against) <= 13
    assert made.count(doubles(logged)).sum() == len(logged)
    assert (made.count(doubles([*reference, *([math.nan] * missing)])) == made.against).all()


@given(st.dictionaries(st.text(max_size=4), st.integers(1, 9), max_size=150), st.lists(st.text(max_size=4)))
def test_levels_are_bins_and_their_number_is_bounded(reference: dict[str, int], logged: list[str]) -> None:
    made: Bins = LevelBins(reference, 2)
    assert made.against.sum() == sum(reference.values()) + 2
    assert len(made.against) == min(len(reference), 100) + 2
    values = np.empty(len(logged), object)
    values[:] = logged
    assert made.count(Column("x", Type.STRING, values)).sum() == len(logged)


def test_levels_are_counted_with_unknown_and_missing_ones() -> None:
    made = LevelBins({"b": 5, "a": 9}, 1)
    values = np.array(["a", "b", "c", "", "a"], object)
    column = Column("x", Type.STRING, values, np.array([False, False, False, True, False]))
    assert made.against.tolist() == [9, 5, 0, 1]
    assert made.count(column).tolist() == [2, 1, 1, 1]


def test_truth_values_are_levels() -> None:
    column = Column("x", Type.BOOL, np.array([True, False, True]), np.array([False, False, True]))
    assert LevelBins({"true": 3, "false": 4}, 0).count(column).tolist() == [1, 1, 0, 1]
    assert [family_of(one) for one in (Type.BOOL, Type.FACTOR, Type.INT)] == [
        Family.TRUTHS,
        Family.TEXTS,
        Family.NUMBERS,
    ]
