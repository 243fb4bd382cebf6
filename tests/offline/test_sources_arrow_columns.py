"""A column of Arrow means what it means to the Python client: each value is the same, or refused by both."""

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scorebridge.columns import build_column
from scorebridge.v1 import scoring_pb2 as pb

from bridge.columns import Type
from bridge.row_files.arrow_columns import ArrowRefused, columns_of

KINDS = {
    pa.int8(): st.integers(-128, 127),
    pa.uint16(): st.integers(0, 65535),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.uint32(): st.integers(0, 2**32 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**63 - 1),
    pa.float32(): st.floats(width=32),
    pa.float64(): st.floats(),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    pa.large_string(): st.sampled_from(["a", "", "NA"]),
    pa.dictionary(pa.int8(), pa.string()): st.sampled_from(["a", "", "NA"]),
    pa.decimal128(12, 3): st.decimals(-(10**8), 10**8, places=3),
    pa.decimal128(30, 5): st.decimals(-(10**20), 10**20, places=5),
}


def sent(array: Any) -> list[Any]:
    """The values that the client sends; None is missing."""
    message: pb.Column = build_column("x", array)
    kind = message.WhichOneof("values")
    values = list(getattr(message, kind).values) if kind else []
    missing = set(message.missing_rows)
    return [None if row in missing or repr(value) == "nan" else value for row, value in enumerate(values)]


def read(array: Any) -> list[Any]:
    (column,) = columns_of(pa.table({"x": array}), ["x"])
    pairs = zip(column.values.tolist(), column.missing(), strict=True)
    return [None if absent else value for value, absent in pairs]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_values_are_those_that_the_python_client_sends(kind: pa.DataType) -> None:
    @given(st.lists(st.none() | KINDS[kind], max_size=20), st.integers(0, 3))
    def check(values: list[Any], begin: int) -> None:
        array = pa.array(values, kind)[begin:]
        try:
            expected = sent(array)
        except ValueError:
            with pytest.raises(ArrowRefused, match="column 'x', row"):
                read(array)
            return
        assert repr(read(array)) == repr(expected)

    check()


def test_what_can_not_be_kept_is_refused_by_its_row() -> None:
    table = pa.table(
        {
            "u": pa.array([1, None, 2**63], pa.uint64()),
            "d": pa.array([Decimal("0.1"), Decimal(2**53 + 1), None], pa.decimal128(20, 1)),
            "t": ["a", "b", "c\0"],
        }
    )
    refused: dict[int, tuple[str, str]] = {}
    columns_of(table, table.column_names, refused)
    assert {row: column for row, (column, _) in refused.items()} == {1: "d", 2: "u"}
    assert "NUL" in refused.setdefault(2, ("", "")) or "int64" in refused[2][1]


def test_numbers_without_nulls_are_not_copied_and_no_value_at_all_says_nothing() -> None:
    doubles = pa.array(np.arange(5.0))
    table = pa.table({"x": doubles, "none": pa.nulls(5)})
    x, none = columns_of(table, ["x", "none"])
    assert np.shares_memory(x.values, doubles.to_numpy())
    assert (none.type, bool(none.missing().all())) == (Type.BOOL, True)


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("us"), pa.list_(pa.int8()), pa.binary()], ids=str)
def test_types_that_no_model_takes_are_refused_with_a_remedy(kind: pa.DataType) -> None:
    with pytest.raises(ArrowRefused, match=r"column 'x' is of the Arrow type .*: (write|cast)"):
        columns_of(pa.table({"x": pa.array([None], kind)}), ["x"])


def test_a_column_that_is_there_twice_or_not_at_all_is_refused() -> None:
    table = pa.table([pa.array([1.5]), pa.array([2.5]), pa.array(["a"])], names=["x", "x", "f"])
    for batch in (table, table.to_batches()[0]):
        with pytest.raises(ArrowRefused, match="two columns have the name 'x': rename one of them"):
            columns_of(batch, ["f", "x"])
        with pytest.raises(ArrowRefused, match="there is no column 'z'"):
            columns_of(batch, ["z"])
        assert [one.name for one in columns_of(batch, ["f"])] == ["f"]
