"""Numbers are sent as they are: ids stay whole, whatever holds them, and what would be rounded is refused."""

import fractions
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from row_messages import to_features
from scorebridge.exact import first_rounded, is_double
from scorebridge.v1 import scoring_pb2 as pb

ID = 2**53 + 1  # the first whole number that a double rounds


def sent(rows: dict[str, Any]) -> tuple[str, list[Any], list[int]]:
    """Of the only column: its kind, the values that are not missing, and the rows that are."""
    message = to_features(rows)
    assert isinstance(message, pb.Table)
    column = message.columns[0]
    kind, missing = str(column.WhichOneof("values")), list(column.missing_rows)
    values = list(getattr(column, kind).values)
    return kind, [value for row, value in enumerate(values) if row not in missing], missing


@given(
    st.lists(st.one_of(st.none(), st.integers(ID, 2**63 - 1), st.integers(0, 3)), min_size=1, max_size=6).filter(
        lambda ids: any(one is not None for one in ids)
    )
)
@settings(max_examples=50, deadline=None)
def test_ids_stay_exact_whatever_holds_them(ids: list[int | None]) -> None:
    expected = ("int64s", [one for one in ids if one is not None], [row for row, one in enumerate(ids) if one is None])
    for kind, arrow in (("Int64", pa.int64()), ("UInt64", pa.uint64())):
        series = pd.Series(ids, dtype=kind)
        categories = pd.Index(sorted({one for one in ids if one is not None}), dtype=kind.lower())
        column = pa.array(ids, arrow)
        forms: list[Any] = [
            series,
            series.astype("category"),
            pd.Series(pd.Categorical(series, categories=categories)),
            pd.CategoricalIndex(pd.Categorical(series, categories=categories)),
            pd.Series(column.to_pandas(types_mapper=pd.ArrowDtype)),
            pd.Series(ids, dtype=object),
            pl.Series(ids, dtype=pl.Int64 if kind == "Int64" else pl.UInt64),
            column,
            column.dictionary_encode(),
        ]
        for form in forms:
            assert sent({"x": form}) == expected


BEYOND = [ID, 2**63 + 1]
BEYOND_OF_TYPES: list[Any] = [
    BEYOND,
    np.array(BEYOND, np.uint64),
    np.array(BEYOND, object),
    pd.Series(BEYOND, dtype="UInt64"),
    pd.Series(np.array(BEYOND, np.uint64)).astype("category"),
    pd.Series(BEYOND, dtype="uint64[pyarrow]"),
    pl.Series(BEYOND, dtype=pl.UInt64),
    pl.Series(BEYOND, dtype=pl.Int128),
    pa.array(BEYOND, pa.uint64()),
]


@pytest.mark.parametrize("values", BEYOND_OF_TYPES)
def test_whole_numbers_that_nothing_holds_are_refused_by_column_and_row(values: Any) -> None:
    sentence = "^column 'x', row 1: a whole number beyond int64, and doubles don't hold all of them$"
    with pytest.raises(ValueError, match=sentence) as raised:
        sent({"x": values})
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "values",
    [
        [1.5, ID],
        [1.5, fractions.Fraction(1, 3)],
        [1.5, np.nextafter(np.longdouble(1), np.longdouble(2))],
        np.array([1, np.nextafter(np.longdouble(1), np.longdouble(2))]),
        np.array([1, np.longdouble("1e4000")]),
        [1.5, np.uint64(ID)],
    ],
)
def test_numbers_that_a_double_would_round_are_refused_by_column_and_row(values: Any) -> None:
    with pytest.raises(ValueError, match=r"^column 'x', row 1: a number that no double holds exactly$"):
        sent({"x": values})


@given(st.lists(st.integers(-(2**63), 2**64 - 1), min_size=1, max_size=6))
def test_an_array_and_a_list_agree_on_what_doubles_hold(values: list[int]) -> None:
    own = [number for number in values if int(float(number)) != number]
    signed = [number for number in values if number < 2**63] or [0]
    unsigned = [number for number in values if number >= 0] or [0]
    for array in (np.array(signed, np.int64), np.array(unsigned, np.uint64)):
        rounded = [number for number in array.tolist() if number in own]
        at = first_rounded(array)
        assert (None if at is None else array.tolist()[at]) == (rounded[0] if rounded else None)
        assert [is_double(number) for number in array.tolist()] == [number not in own for number in array.tolist()]


MASKED: Any = np.ma.masked_array


def test_what_is_hidden_under_a_mask_is_neither_looked_at_nor_sent() -> None:
    for values in (np.array([2**63, ID], np.uint64), np.array([1.5, 999.0]), np.array([1, 999])):
        masked = MASKED(values, [False, True])
        message = to_features({"x": masked})
        assert isinstance(message, pb.Table)
        column = message.columns[0]
        sent_values = list(getattr(column, str(column.WhichOneof("values"))).values)
        assert (sent_values, list(column.missing_rows)) == ([values[0], 0], [1])
