"""Columns become those of a group's types exactly, or the row is named; and options are checked before all else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.columns import Column, Type
from bridge.errors import InvalidRequest
from bridge.features.publishing.options import PublicationOptions, check_features, read_ttl
from bridge.features.publishing.publishing_errors import PublicationRefused
from bridge.features.publishing.rows import KeyCounter
from bridge.features.stores.conversions import as_type
from bridge.features.stores.group import GroupFeature

NUMBERS = (Type.DOUBLE, Type.INT, Type.INT64)


@given(st.lists(st.none() | st.integers(-(2**31) + 1, 2**31 - 1), min_size=1))
def test_whole_numbers_are_the_same_in_every_type(values: list[int | None]) -> None:
    mask = np.array([one is None for one in values])
    column = Column("x", Type.INT, np.array([one or 0 for one in values], np.int32), mask)
    for first in NUMBERS:
        for second in NUMBERS:
            there = as_type(as_type(column, first), second)
            assert there.type is second
            assert there.missing().tolist() == mask.tolist()
            assert there.values[~mask].tolist() == column.values[~mask].tolist()


@pytest.mark.parametrize(
    ("values", "kind", "wanted"),
    [
        ([0.5], Type.DOUBLE, Type.INT),
        ([2.0**31], Type.DOUBLE, Type.INT),
        ([-(2.0**31)], Type.DOUBLE, Type.INT),
        ([float("inf")], Type.DOUBLE, Type.INT64),
        ([2**53 + 1], Type.INT64, Type.DOUBLE),
        ([2**53 + 1], Type.INT64, Type.INT64),
        ([-(2**63)], Type.INT64, Type.DOUBLE),
        ([-(2**31)], Type.INT, Type.INT),
    ],
)
def test_a_value_that_would_be_another_is_named_by_its_row(values: list[float], kind: Type, wanted: Type) -> None:
    with pytest.raises(InvalidRequest, match="column 'x', row 1: not a ") as caught:
        as_type(Column("x", kind, np.array([0, *values], kind.dtype)), wanted)
    assert (caught.value.column, caught.value.row) == ("x", 1)


def test_types_that_are_no_numbers_stay_what_they_are() -> None:
    truth = Column("x", Type.BOOL, np.array([True, False]))
    with pytest.raises(InvalidRequest, match="column 'x' is bool and not double"):
        as_type(truth, Type.DOUBLE)
    assert as_type(truth, Type.BOOL) is truth
    absent = Column("x", Type.BOOL, np.array([False, False]), np.array([True, True]))
    assert as_type(absent, Type.STRING).values.tolist() == ["", ""]
    assert as_type(Column("x", Type.FLOAT, np.array([0.1], np.float32)), Type.DOUBLE).values[0] == np.float32(0.1)


def test_lengths_of_time_have_a_unit() -> None:
    assert [read_ttl(text) for text in ("90s", "90m", "36h", "3d")] == [90, 5400, 129_600, 259_200]
    for text in ("3", "d", "-3d", "1.5h", "3 d", "3w", "9" * 12 + "d"):
        with pytest.raises(PublicationRefused, match="whole number with a unit"):
            read_ttl(text)


def test_options_are_checked_at_once() -> None:
    for options, said in (
        ({"group": ""}, "a group is named"),
        ({"group": "g", "batch": "a b"}, "a batch is named"),
        ({"group": "g", "ttl_s": 59}, "a minute"),
        ({"group": "g", "ttl_s": 366 * 86400 + 1}, "366 days"),
        ({"group": "g", "min_share": -0.1}, "from 0 to 1"),
        ({"group": "g", "min_share": float("nan")}, "from 0 to 1"),
        ({"group": "g", "timezone": "../etc/passwd"}, "no such time zone"),
    ):
        with pytest.raises(PublicationRefused, match=said):
            PublicationOptions(**options)
    twice = [GroupFeature("x", Type.INT)] * 2
    for features, said in (([], "0 features"), (twice, "'x' is there twice"), (twice[:1] * 4097, "4097 features")):
        with pytest.raises(PublicationRefused, match=said):
            check_features(features)
    with pytest.raises(PublicationRefused, match="1 to 1024 bytes"):
        check_features([GroupFeature("ä" * 513, Type.INT)])


def test_keys_are_counted_once() -> None:
    counter = KeyCounter()
    assert (counter.different(), counter.repeated()) == (0, frozenset())
    counter.add(["a", "b"])
    assert not counter.repeated()
    counter.add(["b", "c", "b"])
    assert (counter.different(), counter.repeated()) == (3, frozenset({hash("b")}))
