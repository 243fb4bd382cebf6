"""The bytes of a row in a feature batch: what was packed comes out again, and nothing else is taken for a row."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.columns import Column, Type
from bridge.errors import InvalidRequest
from bridge.features.stores.group import GroupFeature
from bridge.features.stores.packed_rows import RowFormat

FEATURES = (
    GroupFeature("orders", Type.INT),
    GroupFeature("segment", Type.STRING),
    GroupFeature("spent", Type.DOUBLE),
    GroupFeature("member", Type.BOOL),
    GroupFeature("since", Type.INT64),
    GroupFeature("city", Type.STRING),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**31) + 1, 2**31 - 1),
        st.none() | TEXTS,
        st.none() | st.floats(allow_nan=False),
        st.none() | st.booleans(),
        st.none() | st.integers(-(2**53), 2**53),
        st.none() | TEXTS,
    ),
    min_size=1,
    max_size=20,
)


def column(feature: GroupFeature, values: list[object]) -> Column:
    """A column of these values, None where missing."""
    if feature.type is Type.DOUBLE:
        return Column(feature.name, Type.DOUBLE, np.array([math.nan if one is None else one for one in values], float))
    blank = "" if feature.type is Type.STRING else 0
    filled = np.empty(len(values), feature.type.dtype)
    filled[:] = [blank if one is None else one for one in values]
    mask = np.array([one is None for one in values])
    return Column(feature.name, feature.type, filled, mask if mask.any() else None)


def values_of(one: Column) -> list[object]:
    """What a column holds, None where missing."""
    return [None if gone else value for value, gone in zip(one.values.tolist(), one.missing().tolist(), strict=True)]


@given(ROWS)
def test_rows_come_out_as_they_went_in(rows: list[tuple[object, ...]]) -> None:
    columns = [column(feature, [row[at] for row in rows]) for at, feature in enumerate(FEATURES)]
    form = RowFormat(7, FEATURES)
    unpacked = form.unpack(form.pack(columns), FEATURES)
    assert unpacked.found.all()
    assert not unpacked.malformed.any()
    assert [one.type for one in unpacked.columns] == [one.type for one in FEATURES]
    assert list(zip(*map(values_of, unpacked.columns), strict=True)) == rows


def test_the_bytes_are_as_the_documentation_says() -> None:
    columns = [
        column(FEATURES[0], [3]),
        column(FEATURES[1], ["ü"]),
        column(FEATURES[2], [0.1]),
        column(FEATURES[3], [True]),
        column(FEATURES[4], [None]),
        column(FEATURES[5], [None]),
    ]
    (row,) = RowFormat(513, FEATURES).pack(columns)
    assert row[:36] == struct.pack("<I4d", 513, 3.0, 0.1, 1.0, math.nan)
    assert row[36:] == b"\x02\0\0\0" + "ü".encode() + b"\xff\xff\xff\xff"


NUMBERS = (GroupFeature("orders", Type.INT), GroupFeature("spent", Type.DOUBLE))


@pytest.mark.parametrize(
    ("row", "malformed"),
    [
        (None, False),
        (struct.pack("<I2d", 1, 3.0, 0.5), False),
        (b"", True),
        (struct.pack("<I2d", 2, 3.0, 0.5), True),  # of another schema
        (struct.pack("<I1d", 1, 3.0), True),
        (struct.pack("<I3d", 1, 3.0, 0.5, 0.5), True),
        (struct.pack("<I2d", 1, 3.5, 0.5), True),  # an int that is none
        (struct.pack("<I2d", 1, 2.0**31, 0.5), True),
        (struct.pack("<I2d", 1, -(2.0**31), 0.5), True),  # R's NA
    ],
)
def test_only_a_row_of_the_schema_is_taken_for_one(row: bytes | None, malformed: bool) -> None:
    good = struct.pack("<I2d", 1, 7.0, math.inf)
    unpacked = RowFormat(1, NUMBERS).unpack([good, row], NUMBERS)
    assert unpacked.malformed.tolist() == [False, malformed]
    if row is None or malformed:
        assert unpacked.found.tolist() == [True, False]
        assert [values_of(one)[1] if one.mask is not None else None for one in unpacked.columns] == [None, None]
        assert math.isnan(unpacked.columns[1].values[1])


@pytest.mark.parametrize(
    "tail", [b"", b"\x01\0\0\0", b"\x01\0\0\0\xff", b"\0\0\0\0x", b"\xfe\xff\xff\xff", b"\x02\0\0\0a"]
)
def test_texts_that_do_not_end_where_the_row_ends_are_malformed(tail: bytes) -> None:
    features = (GroupFeature("segment", Type.STRING),)
    unpacked = RowFormat(1, features).unpack([struct.pack("<I", 1) + tail, None], features)
    assert unpacked.malformed.tolist() == [True, False]
    assert values_of(unpacked.columns[0]) == [None, None]


def test_a_feature_that_an_older_schema_lacks_is_missing() -> None:
    form = RowFormat(1, NUMBERS)
    rows = form.pack([column(NUMBERS[0], [1]), column(NUMBERS[1], [0.5])])
    new = (GroupFeature("age", Type.INT), GroupFeature("segment", Type.STRING), GroupFeature("bmi", Type.DOUBLE))
    unpacked = form.unpack(rows, new)
    assert unpacked.found.tolist() == [True]
    assert [values_of(one) for one in unpacked.columns[:2]] == [[None], [None]]
    assert math.isnan(unpacked.columns[2].values[0])


def test_a_number_that_a_double_does_not_hold_is_refused() -> None:
    feature = GroupFeature("id", Type.INT64)
    with pytest.raises(InvalidRequest, match=r"column 'id', row 1: outside \+-2\^53") as refused:
        RowFormat(1, (feature,)).pack([column(feature, [2**53, 2**53 + 1])])
    assert (refused.value.column, refused.value.row) == ("id", 1)
