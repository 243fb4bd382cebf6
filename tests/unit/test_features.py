"""A caller's batch in the model's names, order and types, or a refusal that names column and row."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.columns import Column, Matrix, Table, Type, take
from bridge.errors import DefaultReason, InvalidRequest, UnfitRow, UnknownLevel
from bridge.features.binding import Binding, column_order
from bridge.features.feature import Feature

INT_MIN, INT_MAX, EXACT = -(2**31), 2**31 - 1, 2**53


def column(column_type: Type, values: list[Any], missing: list[int] | None = None, name: str = "x") -> Column:
    array = np.empty(len(values), column_type.dtype)
    array[:] = values
    mask = None
    if missing is not None:
        mask = np.zeros(len(values), np.bool_)
        mask[missing] = True
    return Column(name, column_type, array, mask)


def bind(given_column: Column, feature: Feature) -> Column:
    (bound,) = Binding([feature]).bind(Table((given_column,), len(given_column))).columns
    return bound


@given(st.permutations(["a", "b", "c", "d"]), st.sets(st.sampled_from(["b", "d"])))
@settings(max_examples=50, deadline=None)
def test_columns_are_found_wherever_the_caller_put_them(names: list[str], left_out: set[str]) -> None:
    sent = [name for name in names if name not in left_out]
    features = [Feature(name, required=name in ("a", "c")) for name in "abcd"]
    order = column_order(sent, features)
    assert [position if position is None else sent[position] for position in order] == [
        None if name in left_out else name for name in "abcd"
    ]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["a", "b", "a"], "column 'a' is there twice"),
        (["a"], "missing column 'b'"),
        ([], "missing columns 'a', 'b'"),
        (["a", "b", "z"], "the model does not know column 'z'"),
        (["A", "b "], "missing columns 'a', 'b'; the model does not know columns 'A', 'b '"),
        (["a", "b", *"stuvwxy"], "the model does not know columns 's', 't', 'u', 'v', 'w' and 2 more"),
    ],
)
def test_wrong_columns_are_named(names: list[str], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(sentence) + "$"):
        column_order(names, [Feature("a"), Feature("b"), Feature("c", required=False)])


CONVERSIONS: list[tuple[Column, Type | None, Type, list[Any]]] = [
    (column(Type.DOUBLE, [0.1, -0.0]), Type.DOUBLE, Type.DOUBLE, [0.1, -0.0]),
    (column(Type.FLOAT, [0.1, 2.0]), Type.DOUBLE, Type.DOUBLE, [float(np.float32(0.1)), 2.0]),
    (column(Type.INT, [INT_MIN, 2]), Type.DOUBLE, Type.DOUBLE, [float(INT_MIN), 2.0]),
    (column(Type.INT64, [EXACT, -EXACT]), Type.DOUBLE, Type.DOUBLE, [float(EXACT), -float(EXACT)]),
    (column(Type.INT, [INT_MIN + 1, INT_MAX]), Type.INT, Type.INT, [INT_MIN + 1, INT_MAX]),
    (column(Type.INT64, [INT_MIN + 1, INT_MAX]), Type.INT, Type.INT, [INT_MIN + 1, INT_MAX]),
    (column(Type.BOOL, [True, False]), Type.BOOL, Type.BOOL, [True, False]),
    (column(Type.STRING, ["", "é"]), Type.STRING, Type.STRING, ["", "é"]),
    (column(Type.DOUBLE, [0.1, 2.0]), None, Type.DOUBLE, [0.1, 2.0]),
    (column(Type.FLOAT, [0.1, 2.0]), None, Type.DOUBLE, [float(np.float32(0.1)), 2.0]),
    (column(Type.INT, [INT_MIN + 1, 2]), None, Type.INT, [INT_MIN + 1, 2]),
    (column(Type.INT64, [EXACT, 2]), None, Type.DOUBLE, [float(EXACT), 2.0]),
    (column(Type.BOOL, [True, False]), None, Type.BOOL, [True, False]),
    (column(Type.STRING, ["a", "b"]), None, Type.STRING, ["a", "b"]),
]


@pytest.mark.parametrize(("sent", "declared", "bound_type", "values"), CONVERSIONS)
@pytest.mark.parametrize("second_is_missing", [False, True])
def test_every_conversion_keeps_values_and_missing_rows(
    sent: Column, declared: Type | None, bound_type: Type, values: list[Any], second_is_missing: bool
) -> None:
    if second_is_missing and sent.type.is_floating:
        sent = Column("x", sent.type, np.array([sent.values[0], np.nan], sent.values.dtype))
    elif second_is_missing:
        sent = Column("x", sent.type, sent.values, np.array([False, True]))
    before = sent.values.tolist()
    bound = bind(sent, Feature("x", declared))
    assert (bound.name, bound.type, bound.values.dtype) == ("x", bound_type, bound_type.dtype)
    assert bound.missing().tolist() == [False, second_is_missing]
    kept = bound.values[~bound.missing()].tolist()
    assert kept == values[: len(kept)]
    assert bound_type is not Type.DOUBLE or np.signbit(bound.values[0]) == np.signbit(values[0])
    assert sent.values.tolist()[:1] == before[:1], "the caller's own array was written to"


ACCEPTED = {(sent.type, declared) for sent, declared, _, _ in CONVERSIONS} | {(Type.STRING, Type.FACTOR)}
SAMPLE: dict[Type, Any] = {
    Type.DOUBLE: 1.0,
    Type.FLOAT: 1.0,
    Type.INT: 1,
    Type.INT64: 1,
    Type.BOOL: True,
    Type.STRING: "1",
}
REFUSED = [
    (sent, declared)
    for sent in SAMPLE
    for declared in (Type.DOUBLE, Type.INT, Type.BOOL, Type.STRING, Type.FACTOR)
    if (sent, declared) not in ACCEPTED
]


@pytest.mark.parametrize(("sent", "declared"), REFUSED)
def test_a_type_that_the_model_does_not_take_is_refused_unless_no_row_has_a_value(sent: Type, declared: Type) -> None:
    feature = Feature("x", declared, ("a", "1") if declared is Type.FACTOR else ())
    with pytest.raises(InvalidRequest, match=f"^column 'x' is {sent}, the model takes {declared}$"):
        bind(column(sent, [SAMPLE[sent]] * 2), feature)
    empty = column(sent, [np.nan] * 2) if sent.is_floating else column(sent, [SAMPLE[sent]] * 2, [0, 1])
    for nothing in (empty, column(sent, [])):
        bound = bind(nothing, feature)
        assert (bound.type, bound.levels, len(bound)) == (declared, feature.levels, len(nothing))
        assert bound.missing().all()


@pytest.mark.parametrize(
    ("sent", "declared", "value", "sentence"),
    [
        (Type.INT, Type.INT, INT_MIN, "-2147483648 is R's NA"),
        (Type.INT, None, INT_MIN, "-2147483648 is R's NA"),
        (Type.INT64, Type.INT, INT_MIN, "R's integers"),
        (Type.INT64, Type.INT, INT_MAX + 1, "R's integers"),
        (Type.INT64, Type.DOUBLE, EXACT + 1, "2^53"),
        (Type.INT64, Type.DOUBLE, -EXACT - 1, "2^53"),
        (Type.INT64, None, EXACT + 1, "2^53"),
        (Type.INT64, Type.DOUBLE, -(2**63), "2^53"),
    ],
)
def test_whole_numbers_that_do_not_fit_are_named_by_column_and_row(
    sent: Type, declared: Type | None, value: int, sentence: str
) -> None:
    with pytest.raises(InvalidRequest, match=r"^column 'x', row 2: outside .*" + re.escape(sentence)) as raised:
        bind(column(sent, [1, value, value, 5], [1]), Feature("x", declared))
    assert raised.value.limit
    assert str(value + 1) not in str(raised.value)
    kept = bind(column(sent, [1, value, 5], [1]), Feature("x", declared))
    assert kept.missing().tolist() == [False, True, False]


def test_strings_become_codes_of_the_levels_in_the_model_s_order() -> None:
    feature = Feature("x", Type.FACTOR, ("m", "f", ""))
    bound = bind(column(Type.STRING, ["f", "m", "?", ""], [2]), feature)
    assert (bound.type, bound.levels) == (Type.FACTOR, ("m", "f", ""))
    assert bound.values.dtype == np.int32
    assert bound.missing().tolist() == [False, False, True, False]
    assert bound.values.tolist() == [1, 0, 0, 2]
    with pytest.raises(InvalidRequest, match=r"^column 'x', row 3: not one of its 3 levels$"):
        bind(column(Type.STRING, ["f", "m", "?", "F"], [2]), feature)


def test_a_table_comes_out_in_the_model_s_order_without_the_optional_that_was_left_out() -> None:
    sent = Table(tuple(column(Type.DOUBLE, [value], name=name) for name, value in (("c", 3.0), ("a", 1.0))), 1)
    features = [Feature("a", Type.DOUBLE), Feature("b", Type.DOUBLE, required=False), Feature("c", Type.DOUBLE)]
    bound = Binding(features).bind(sent)
    assert [(one.name, one.values.tolist()) for one in bound.columns] == [("a", [1.0]), ("c", [3.0])]
    assert bound.rows == 1
    with pytest.raises(InvalidRequest, match=r"^missing column 'c'$"):
        Binding(features).bind(Table(sent.columns[1:], 1))


MIXED = [Feature("n", Type.INT), Feature("x", Type.DOUBLE), Feature("y")]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("names", [(), ("y", "n", "x")])
def test_whole_numbers_of_a_matrix_stand_for_a_declared_int(
    names: tuple[str, ...], dtype: type[np.floating[Any]]
) -> None:
    by_name = {"n": [5.0, np.nan, -0.0], "x": [0.5, 1.0, np.nan], "y": [1.0, 2.0, 3.0]}
    values = np.column_stack([by_name[name] for name in names or ("n", "x", "y")]).astype(dtype)
    bound = Binding(MIXED).bind(Matrix(names, values))
    assert [(one.name, one.type) for one in bound.columns] == [
        ("n", Type.INT),
        ("x", Type.DOUBLE),
        ("y", Type.DOUBLE),
    ]
    assert bound.columns[0].values.tolist() == [5, 0, 0]
    assert bound.columns[0].missing().tolist() == [False, True, False]
    assert bound.columns[1].values[:2].tolist() == [0.5, 1.0]
    assert bound.columns[1].missing().tolist() == [False, False, True]


@pytest.mark.parametrize("value", [0.5, 2.0**31, -(2.0**31), np.inf, -np.inf, 1e300])
def test_a_number_of_a_matrix_that_is_no_int_is_named_by_column_and_row(value: float) -> None:
    values = np.array([[1.0, 0.0, 0.0], [np.nan, 0.0, 0.0], [value, 0.0, 0.0]])
    with pytest.raises(InvalidRequest, match=r"^column 'n', row 2: not a whole number that fits int$"):
        Binding(MIXED).bind(Matrix((), values))


def test_a_matrix_without_names_has_as_many_columns_as_the_model() -> None:
    sentence = "^the matrix has 2 columns and no names; the model takes 3$"
    with pytest.raises(InvalidRequest, match=sentence) as raised:
        Binding(MIXED).bind(Matrix((), np.zeros((1, 2))))
    assert raised.value.limit == "3 columns"
    with pytest.raises(InvalidRequest, match=r"^missing column 'x'; the model does not know column 'z'$"):
        Binding(MIXED).bind(Matrix(("n", "z", "y"), np.zeros((1, 3))))
    with pytest.raises(InvalidRequest, match=r"^column 'x' is double, the model takes string$"):
        Binding([Feature("x", Type.STRING)]).bind(Matrix((), np.zeros((1, 1))))


FACTOR = Feature("x", Type.FACTOR, ("s", "l"))
DEFAULTED = replace(FACTOR, unknown_level="default")
FAULTS: list[tuple[Feature, Type, list[Any], str, DefaultReason]] = [
    (Feature("x", Type.INT), Type.INT, [7, INT_MIN, 8, INT_MIN], "outside +-(2^31 - 1)", DefaultReason.INVALID_VALUE),
    (Feature("x"), Type.INT, [7, INT_MIN, 8, INT_MIN], "outside +-(2^31 - 1)", DefaultReason.INVALID_VALUE),
    (Feature("x", Type.INT), Type.INT64, [7, 2**40, 8, -(2**63)], "outside +-(2^31 - 1)", DefaultReason.INVALID_VALUE),
    (Feature("x"), Type.INT64, [7, EXACT + 1, 8, -(2**63)], "outside +-2^53", DefaultReason.INVALID_VALUE),
    (FACTOR, Type.STRING, ["s", "xl", "l", "S"], "not one of its 2 levels", DefaultReason.UNKNOWN_LEVEL),
    (
        replace(FACTOR, unknown_level="default"),
        Type.STRING,
        ["s", "xl", "l", ""],
        "not one",
        DefaultReason.UNKNOWN_LEVEL,
    ),
]


@pytest.mark.parametrize(("feature", "sent", "values", "problem", "reason"), FAULTS)
def test_a_wrong_value_costs_its_own_row_where_that_is_wanted(
    feature: Feature, sent: Type, values: list[Any], problem: str, reason: DefaultReason
) -> None:
    rows = column(sent, values)
    bound = Binding([feature]).bind(Table((rows,), 4), alone=True)
    assert bound.unfit is not None
    assert sorted(bound.unfit) == [1, 3]
    error = bound.unfit[3].of(3)
    assert str(error).startswith(f"column 'x', row 3: {problem}")
    assert error.failed_reason is reason
    # The others are what they would be without it.
    others = bind(column(sent, values[::2]), feature)
    taken = take(bound, np.array([0, 2]))
    assert isinstance(taken, Table)
    (kept,) = taken.columns
    assert (kept.type, kept.levels, kept.values.tolist()) == (others.type, others.levels, others.values.tolist())
    assert not kept.any_missing()


@pytest.mark.parametrize("value", [0.5, 2.0**31, np.inf, -np.inf, 1e300])
def test_a_wrong_number_of_a_matrix_costs_its_own_row_likewise(value: float) -> None:
    values = np.array([[1.0, 0.0, 0.0], [value, 0.0, 0.0], [np.nan, 0.0, 0.0]])
    bound = Binding(MIXED).bind(Matrix((), values), alone=True)
    assert {row: str(unfit.of(row)) for row, unfit in (bound.unfit or {}).items()} == {
        1: "column 'n', row 1: not a whole number that fits int"
    }
    kept = take(bound, np.array([0, 2]))
    assert isinstance(kept, Table)
    assert kept.columns[0].values.tolist() == [1, 0]
    assert kept.columns[0].missing().tolist() == [False, True]


def test_what_is_wrong_with_the_whole_call_refuses_it_either_way() -> None:
    for sent in (column(Type.STRING, ["1"]), column(Type.DOUBLE, [1.0], name="y")):
        with pytest.raises(InvalidRequest):
            Binding([Feature("x", Type.INT)]).bind(Table((sent,), 1), alone=True)


def test_a_row_that_is_refused_gets_no_default_for_an_unknown_level_beside() -> None:
    level, number = DEFAULTED, Feature("n", Type.INT)
    sent = Table((column(Type.STRING, ["xl", "xl"]), column(Type.INT64, [2**40, 1], name="n")), 2)
    for features in ([level, number], [number, level]):
        unfit = Binding(features).bind(sent, alone=True).unfit or {}
        assert [type(unfit[row].of(row)) for row in (0, 1)] == [UnfitRow, UnknownLevel]


def test_only_so_many_rows_may_be_wrong_alone() -> None:
    for count in (10_000, 10_001):
        rows = column(Type.INT64, [2**40] * count + [1])
        binding = Binding([Feature("x", Type.INT)])
        if count == 10_000:
            assert len(binding.bind(Table((rows,), len(rows)), alone=True).unfit or {}) == count
            continue
        sentence = r"^column 'x', row 0: outside .*; a partial call may have at most 10000 such rows$"
        with pytest.raises(InvalidRequest, match=sentence) as raised:
            binding.bind(Table((rows,), len(rows)), alone=True)
        assert raised.value.limit == "10000 rows"
    # Those of several columns count together.
    halves = [[2**40] * 6000 + [1] * 6000, [1] * 6000 + [2**40] * 6000]
    columns = tuple(column(Type.INT64, values, name=name) for name, values in zip("xy", halves, strict=True))
    with pytest.raises(InvalidRequest, match=r"^column 'y', row 6000: "):
        Binding([Feature("x", Type.INT), Feature("y", Type.INT)]).bind(Table(columns, 12_000), alone=True)
