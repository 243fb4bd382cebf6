"""A caller's rows as xgboost takes them: its order, float32, codes of categories, and nothing infinite."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.backends.xgboost.facts import Category, ModelFacts
from bridge.backends.xgboost.features import features_of, proposed_lines
from bridge.backends.xgboost.matrix import Matrices
from bridge.bundles.declaration import toml_line
from bridge.bundles.settings import ModelSettings
from bridge.columns import Array, Batch, Column, Matrix, Table, Type, take
from bridge.errors import BundleError, InvalidRequest
from bridge.features.feature import Feature


def facts_of(
    *names: str, types: list[str] | None = None, categories: dict[str, list[Category]] | None = None, count: int = 0
) -> ModelFacts:
    return ModelFacts(
        list(names), types or [], categories or {}, count or len(names), 1, None, "3.2.0", "reg:squarederror"
    )


NUMBERS = facts_of("a", "b", "c")
MIXED = facts_of("x", "text", "number", types=["q", "c", "c"], categories={"1": ["lo", "hi"], "2": [10, 20, -1]})
CODES_ONLY = facts_of("x", "code", types=["q", "c"])
BY_CODES = ModelSettings.model_validate({"features": {"code": {"levels": "codes"}}})


def column(name: str, column_type: Type, values: list[Any], missing: list[int] | None = None) -> Column:
    array = np.empty(len(values), column_type.dtype)
    array[:] = values
    mask = None
    if missing is not None:
        mask = np.zeros(len(values), np.bool_)
        mask[missing] = True
    return Column(name, column_type, array, mask)


def table(*columns: Column) -> Table:
    return Table(columns, len(columns[0]))


def matrix_of(batch: Batch, facts: ModelFacts, missing: float = np.nan, settings: ModelSettings | None = None) -> Array:
    facts = replace(facts, missing=missing)
    features = features_of(facts, settings or ModelSettings())
    matrix = Matrices(facts, features).bind(batch)
    assert matrix.names == tuple(feature.name for feature in features)
    assert matrix.values.dtype == np.float32
    assert matrix.values.flags.c_contiguous
    return matrix.values


@given(st.permutations(["a", "b", "c"]), st.booleans(), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=30, deadline=None)
def test_columns_come_in_the_booster_s_order_wherever_they_were(
    names: list[str], as_table: bool, dtype: type[np.floating[Any]]
) -> None:
    by_name = {"a": [1.1, np.nan], "b": [-0.0, 2.2], "c": [1e-45, 3.3]}
    matrix = Matrix(tuple(names), np.column_stack([by_name[name] for name in names]).astype(dtype))
    got = matrix_of(matrix.table(names) if as_table else matrix, NUMBERS)
    assert got.tobytes() == np.column_stack([by_name[name] for name in "abc"]).astype(np.float32).tobytes()


def test_a_matrix_without_names_is_taken_as_it_is() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert matrix_of(Matrix((), values), NUMBERS) is values
    assert matrix_of(Matrix((), values[:, ::-1]), NUMBERS).tolist() == values[:, ::-1].tolist()
    assert matrix_of(Matrix((), np.empty((0, 3))), NUMBERS).shape == (0, 3)
    with pytest.raises(InvalidRequest, match=r"^the matrix has 2 columns and no names; the model takes 3$"):
        matrix_of(Matrix((), values[:, :2]), NUMBERS)


def test_a_booster_without_names_calls_them_as_xgboost_does() -> None:
    assert features_of(facts_of(count=2), ModelSettings()) == (Feature("f0", Type.DOUBLE), Feature("f1", Type.DOUBLE))
    assert matrix_of(Matrix(("f1", "f0"), np.array([[1.0, 2.0]])), facts_of(count=2)).tolist() == [[2.0, 1.0]]


@pytest.mark.parametrize("as_table", [False, True])
@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("ab", "missing column 'c'"),
        ("abcd", "the model does not know column 'd'"),
        ("abca", "column 'a' is there twice"),
    ],
)
def test_wrong_columns_are_named(names: str, sentence: str, as_table: bool) -> None:
    matrix = Matrix(tuple(names), np.zeros((1, len(names))))
    with pytest.raises(InvalidRequest, match=f"^{sentence}$"):
        matrix_of(matrix.table(names) if as_table else matrix, NUMBERS)


FLOAT_MAX = float(np.finfo(np.float32).max)
TOO_LARGE = 2.0**128 - 2.0**103  # the least double that is rounded to an infinite float32


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39, -1e300, TOO_LARGE])
@pytest.mark.parametrize("as_table", [False, True])
def test_what_is_or_becomes_infinite_is_named_by_column_and_row(value: float, as_table: bool) -> None:
    values = np.zeros((4, 3))
    values[1] = np.nan
    values[2, 1] = value
    matrix = Matrix(("c", "b", "a"), values)
    sentence = "^column 'b', row 2: infinite, or too large for xgboost's float32$"
    with pytest.raises(InvalidRequest, match=sentence):
        matrix_of(matrix.table(matrix.names) if as_table else matrix, NUMBERS)


@pytest.mark.parametrize("as_table", [False, True])
def test_the_largest_float32_is_taken(as_table: bool) -> None:
    matrix = Matrix(("a", "b", "c"), np.array([[FLOAT_MAX, -FLOAT_MAX, np.nextafter(TOO_LARGE, 0)]]))
    got = matrix_of(matrix.table(matrix.names) if as_table else matrix, NUMBERS)
    assert got.tolist() == [[FLOAT_MAX, -FLOAT_MAX, FLOAT_MAX]]


@pytest.mark.parametrize(
    ("column_type", "values", "expected"),
    [
        (Type.DOUBLE, [0.1, 7.0], [np.float32(0.1), 7]),
        (Type.FLOAT, [0.1, 7.0], [np.float32(0.1), 7]),
        (Type.INT, [-(2**31), 7], [-(2.0**31), 7]),
        (Type.INT64, [2**40, 7], [2.0**40, 7]),
        (Type.BOOL, [True, False], [1, 0]),
    ],
)
def test_numbers_of_every_type_are_taken_with_their_missing_rows(
    column_type: Type, values: list[Any], expected: list[float]
) -> None:
    b, c = column("b", Type.DOUBLE, [0.0, 0.0]), column("c", Type.DOUBLE, [0.0, 0.0])
    assert matrix_of(table(column("a", column_type, values), b, c), NUMBERS)[:, 0].tolist() == expected
    if not column_type.is_floating:
        got = matrix_of(table(column("a", column_type, values, [1]), b, c), NUMBERS)
        assert np.array_equal(got[:, 0], [expected[0], np.nan], equal_nan=True)


@pytest.mark.parametrize("facts", [NUMBERS, MIXED])
@pytest.mark.parametrize("column_type", [Type.STRING, Type.BOOL, Type.INT64])
def test_a_column_without_any_value_may_be_of_any_type(facts: ModelFacts, column_type: Type) -> None:
    values = ["" if column_type is Type.STRING else 0] * 2
    got = matrix_of(table(*(column(name, column_type, values, [0, 1]) for name in facts.names)), facts)
    assert np.isnan(got).all()
    assert got.shape == (2, 3)


def test_text_for_a_number_and_a_number_for_text_are_refused() -> None:
    zeros = [column(name, Type.DOUBLE, [0.0]) for name in "bc"]
    with pytest.raises(InvalidRequest, match=r"^column 'a' is string, the model takes numbers$"):
        matrix_of(table(column("a", Type.STRING, ["1"]), *zeros), NUMBERS)
    rest = column("x", Type.DOUBLE, [0.0]), column("number", Type.DOUBLE, [10.0])
    with pytest.raises(InvalidRequest, match=r"^column 'text' is int64, the model takes strings: it is a factor$"):
        matrix_of(table(column("text", Type.INT64, [1]), *rest), MIXED)


def test_texts_and_numbers_of_a_table_become_the_codes_of_their_categories() -> None:
    batch = table(
        column("number", Type.INT64, [20, -1, 0, 10], [2]),
        column("text", Type.STRING, ["hi", "", "lo", "hi"], [1]),
        column("x", Type.DOUBLE, [20.0, 0.5, np.nan, 3.0]),
    )
    expected = [[20, 1, 1], [0.5, np.nan, 2], [np.nan, 0, np.nan], [3, 1, 0]]
    assert np.array_equal(matrix_of(batch, MIXED), np.array(expected), equal_nan=True)


@pytest.mark.parametrize(
    ("text", "number", "sentence"),
    [
        (["lo", "Hi"], [10.0, 10.0], "column 'text', row 1: not one of its 2 levels"),
        (["lo", ""], [10.0, 10.0], "column 'text', row 1: not one of its 2 levels"),
        (["lo", "hi"], [10.0, 10.5], "column 'number', row 1: not one of its 3 levels"),
        (["lo", "hi"], [0.0, 10.0], "column 'number', row 0: not one of its 3 levels"),
    ],
)
def test_an_unknown_category_is_named_by_column_and_row(text: list[str], number: list[float], sentence: str) -> None:
    x = column("x", Type.DOUBLE, [0.0, 0.0])
    with pytest.raises(InvalidRequest, match=f"^{re.escape(sentence)}$"):
        matrix_of(table(x, column("text", Type.STRING, text), column("number", Type.DOUBLE, number)), MIXED)


@pytest.mark.parametrize(("facts", "codes"), [(MIXED, [-1.0, 0.5]), (CODES_ONLY, [-1.0, 0.5]), (CODES_ONLY, [1.0001])])
def test_a_matrix_holds_codes_and_what_is_none_is_named(facts: ModelFacts, codes: list[float]) -> None:
    width = len(facts.names)
    good = np.ones((3, width))
    good[1] = np.nan
    assert np.array_equal(matrix_of(Matrix((), good), facts), good, equal_nan=True)
    for code in codes:
        bad = good.copy()
        bad[2, 1] = code
        with pytest.raises(InvalidRequest, match=f"^column '{facts.names[1]}', row 2: not the code of a category$"):
            matrix_of(Matrix((), bad), facts)


@pytest.mark.parametrize("code", [2.0, 1e6])
def test_the_code_of_no_level_is_named(code: float) -> None:
    with pytest.raises(InvalidRequest, match=r"^column 'text', row 1: not one of its 2 levels$"):
        matrix_of(Matrix((), np.array([[0.0, 1.0, 1.0], [0.0, code, 1.0]])), MIXED)


IDS = [1111111111111111111, 1111111111111111112, 1111111111111111113]
SHOPS = facts_of("shop", types=["c"], categories={"0": list(IDS)})


def test_ids_are_found_as_what_they_are_and_never_through_floats() -> None:
    assert matrix_of(table(column("shop", Type.INT64, IDS[::-1])), SHOPS)[:, 0].tolist() == [2, 1, 0]
    with pytest.raises(InvalidRequest, match=r"^column 'shop', row 1: not one of its 3 levels$"):
        matrix_of(table(column("shop", Type.INT64, [IDS[0], IDS[2] + 1])), SHOPS)


@pytest.mark.parametrize(("column_type", "value"), [(Type.DOUBLE, 2.0**53 + 2), (Type.FLOAT, 2.0**24 + 2)])
def test_a_float_that_may_have_rounded_an_id_is_refused(column_type: Type, value: float) -> None:
    sentence = f"^column 'shop', row 1: not held exactly by a {column_type}, send int64$"
    with pytest.raises(InvalidRequest, match=sentence):
        matrix_of(table(column("shop", column_type, [1.0, value])), SHOPS)


def test_truth_values_and_text_are_no_ids() -> None:
    for column_type, value in ((Type.BOOL, True), (Type.STRING, "1111111111111111111")):
        with pytest.raises(InvalidRequest, match=rf"^column 'shop' is {column_type}, the model takes whole numbers"):
            matrix_of(table(column("shop", column_type, [value])), SHOPS)


def test_a_sentinel_is_no_neighbouring_id() -> None:
    near = facts_of("shop", types=["c"], categories={"0": [2**24 + 1]})
    got = matrix_of(table(column("shop", Type.INT64, [2**24 + 1, 2**24])), near, missing=2.0**24)
    assert np.array_equal(got[:, 0], [0, np.nan], equal_nan=True)


@pytest.mark.parametrize("as_table", [False, True])
def test_an_unknown_level_does_what_its_rule_says(as_table: bool) -> None:
    texts, numbers = ["lo", "up", "hi", "up"], [10, 10, 30, 20]
    rows: Batch = table(
        column("x", Type.DOUBLE, [0.0] * 4), column("text", Type.STRING, texts), column("number", Type.INT64, numbers)
    )
    if not as_table:
        rows = Matrix((), np.array([[0, 0, 0], [0, 2, 0], [0, 1, 3], [0, 7, 1]], np.float64))
    lines = {"text": {"unknown_level": "default"}, "number": {"unknown_level": "missing"}}
    settings = ModelSettings.model_validate({"default_score": 0.5, "features": lines})
    bound = Matrices(MIXED, features_of(MIXED, settings)).bind(rows)
    assert {row: unfit.column for row, unfit in (bound.unfit or {}).items()} == {1: "text", 3: "text"}
    expected = np.array([[0, 0, 0], [0, np.nan, 0], [0, 1, np.nan], [0, np.nan, 1]])
    assert np.array_equal(bound.values, expected, equal_nan=True)
    with pytest.raises(InvalidRequest, match=r"^column 'text', row 1: not one of its 2 levels$"):
        matrix_of(rows, MIXED)


def test_a_table_is_refused_where_nobody_states_the_levels() -> None:
    sentence = r"^column 'code' is a category whose levels the model file does not store: state them in model\.toml"
    rows = table(column("x", Type.DOUBLE, [0.5]), column("code", Type.INT, [1]))
    with pytest.raises(InvalidRequest, match=sentence):
        matrix_of(rows, CODES_ONLY)
    line = {"type": "int", "levels": [3, 1, 2]}
    stated = ModelSettings.model_validate({"features": {"code": line}})
    assert matrix_of(rows, CODES_ONLY, settings=stated).tolist() == [[0.5, 1.0]]


@pytest.mark.parametrize(
    ("count", "line"), [(3, '"code" = {type = "int", levels = [0, 1, 2]}'), (2**31, '"code" = {levels = "codes"}')]
)
def test_lines_are_proposed_for_categories_that_nobody_names(count: int, line: str) -> None:
    facts = replace(CODES_ONLY, codes={"1": count})
    (proposed,) = proposed_lines(facts, features_of(facts, ModelSettings()))
    assert toml_line(proposed) == line


CUT = ["\u00c3\u00bc", "1", "2"]  # of "ü1", "2", "1": bytes in Latin-1, three letters short by one


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (None, "state the levels that it was trained with"),
        ({"type": "factor", "levels": ["ü", "1", "2"]}, "the levels in model.toml are not those"),
        ({"type": "factor", "levels": ["2", "ü1", "1"]}, "the levels in model.toml are not those"),
        ({"type": "int", "levels": [1, 2, 3]}, "the levels in model.toml are not those"),
        ({"unknown_level": "missing"}, "state the levels that it was trained with"),
        ({"type": "factor", "levels": ["ü1", "2", "1"]}, None),
    ],
)
def test_categories_that_are_stored_cut_need_the_author_s_word(
    line: dict[str, Any] | None, sentence: str | None
) -> None:
    facts = replace(facts_of("g", types=["c"]), cut_categories={"0": CUT}, codes={"0": 3}, saved_by="3.2.0")
    settings = ModelSettings.model_validate({"features": {} if line is None else {"g": line}})
    if sentence is None:
        assert features_of(facts, settings)[0].levels == ("ü1", "2", "1")
        return
    with pytest.raises(BundleError, match=rf"^xgboost 3\.2\.0 stored the categories of 'g' cut, .*{sentence}"):
        features_of(facts, settings)


MARGIN = ModelSettings.model_validate({"xgboost": {"base_margin": "exposure"}})


def test_the_margin_of_a_row_comes_last_and_is_never_missing() -> None:
    got = Matrices(NUMBERS, features_of(NUMBERS, MARGIN)).bind(
        Matrix(("exposure", "c", "b", "a"), np.array([[0.5, 3, 2, 1]]))
    )
    assert got.names == ("a", "b", "c", "exposure")
    assert got.values.tolist() == [[1, 2, 3, 0.5]]
    with pytest.raises(InvalidRequest, match=r"^column 'exposure', row 0: missing, but every row needs a margin$"):
        Matrices(NUMBERS, features_of(NUMBERS, MARGIN)).bind(Matrix((), np.array([[1, 2, 3, np.nan]])))
    with pytest.raises(BundleError, match="which is a feature of the booster"):
        features_of(NUMBERS, ModelSettings.model_validate({"xgboost": {"base_margin": "a"}}))


@pytest.mark.parametrize("missing", [-1.0, 0.1, -999.0])
@pytest.mark.parametrize("facts", [MIXED, CODES_ONLY])
def test_what_stands_for_missing_need_be_no_code(facts: ModelFacts, missing: float) -> None:
    good = np.ones((3, len(facts.names)))
    good[1] = missing
    for values in (good, good.astype(np.float32)):
        assert matrix_of(Matrix((), values), facts, missing).tobytes() == good.astype(np.float32).tobytes()
    good[2, 1] = -2.0
    with pytest.raises(InvalidRequest, match=f"^column '{facts.names[1]}', row 2: not the code of a category$"):
        matrix_of(Matrix((), good), facts, missing)


def test_a_number_that_stands_for_missing_is_missing_in_a_table_but_where_it_is_a_category() -> None:
    x, text = column("x", Type.DOUBLE, [0.5, 0.5]), column("text", Type.STRING, ["lo", "lo"])
    for kind, missing, code in ((Type.INT64, -7.0, np.nan), (Type.DOUBLE, 0.1, np.nan), (Type.INT64, -1.0, 2.0)):
        batch = table(x, text, column("number", kind, [20, missing]))
        assert np.array_equal(matrix_of(batch, MIXED, missing)[:, 2], [1.0, code], equal_nan=True)
        with pytest.raises(InvalidRequest, match=r"^column 'number', row 1: not one of its 3 levels$"):
            matrix_of(table(x, text, column("number", kind, [20, 30])), MIXED, missing)


def test_codes_are_taken_from_a_table_where_the_author_says_so() -> None:
    x = column("x", Type.DOUBLE, [0.5])
    assert matrix_of(table(column("code", Type.INT, [7]), x), CODES_ONLY, settings=BY_CODES).tolist() == [[0.5, 7.0]]
    with pytest.raises(InvalidRequest, match=r"^column 'code', row 0: not the code of a category$"):
        matrix_of(table(column("code", Type.INT, [-7]), x), CODES_ONLY, settings=BY_CODES)


def test_stored_categories_make_a_factor_if_they_are_text_and_ids_if_they_are_numbers() -> None:
    assert features_of(MIXED, ModelSettings()) == (
        Feature("x", Type.DOUBLE),
        Feature("text", Type.FACTOR, ("lo", "hi")),
        Feature("number", Type.INT64, ("10", "20", "-1")),
    )


LEVELS = {"type": "factor", "levels": ["lo", "hi"]}
CORRECT = ": correct the line or remove it"


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"y": "double"}, "names 'y', which is no feature of the booster"),
        ({"x": "string"}, f"contradicts the model file in 'x'{CORRECT}"),
        ({"x": LEVELS}, f"contradicts the model file in 'x'{CORRECT}"),
        ({"text": "int"}, f"contradicts the model file in 'text'{CORRECT}"),
        ({"text": "string"}, f"contradicts the model file in 'text'{CORRECT}"),
        ({"text": LEVELS | {"levels": ["hi", "lo"]}}, f"contradicts the model file in 'text'{CORRECT}"),
        ({"text": LEVELS | {"ordered": True}}, f"contradicts the model file in 'text'{CORRECT}"),
        ({"number": {"type": "int", "levels": [10, 20]}}, f"contradicts the model file in 'number'{CORRECT}"),
        ({"number": {"levels": "codes"}}, f"contradicts the model file in 'number'{CORRECT}"),
        (
            {"number": {"type": "factor", "levels": ["10", "20", "-1"]}},
            f"contradicts the model file in 'number'{CORRECT}",
        ),
        ({"x": {"type": "int", "levels": [1]}}, f"contradicts the model file in 'x'{CORRECT}"),
        ({"x": "int", "text": LEVELS, "number": {"type": "int64", "levels": [10, 20, -1]}}, None),
        ({"x": "bool", "number": "double"}, None),
    ],
)
def test_declared_features_are_held_against_the_booster(declared: dict[str, Any], sentence: str | None) -> None:
    chosen = ModelSettings.model_validate({"features": declared})
    if sentence is None:
        assert features_of(MIXED, chosen) == features_of(MIXED, ModelSettings())
        return
    with pytest.raises(BundleError, match=re.escape(f"model.toml: [features] {sentence}") + "$"):
        features_of(MIXED, chosen)


ALONE: list[tuple[ModelFacts, ModelSettings, Batch, dict[int, str]]] = [
    (
        NUMBERS,
        ModelSettings(),
        Matrix((), np.array([[1, 2, 3], [4, np.inf, 6], [7, 8, -np.inf], [1e39, 1, 1], [0, 0, 0]])),
        {
            1: "column 'b', row 1: infinite, or too large for xgboost's float32",
            2: "column 'c', row 2: infinite, or too large for xgboost's float32",
            3: "column 'a', row 3: infinite, or too large for xgboost's float32",
        },
    ),
    (
        NUMBERS,
        MARGIN,
        Matrix((), np.array([[1, 2, 3, 0.5], [1, 2, 3, np.nan], [np.inf, 2, 3, np.nan]])),
        {
            1: "column 'exposure', row 1: missing, but every row needs a margin",
            2: "column 'a', row 2: infinite, or too large for xgboost's float32",
        },
    ),
    (
        MIXED,
        ModelSettings(),
        Matrix((), np.array([[0, 0, 0], [0, 0.5, 0], [0, -1, 0], [0, 0, 3], [0, np.inf, 0], [0, 1, 2]])),
        {
            1: "column 'text', row 1: not the code of a category",
            2: "column 'text', row 2: not the code of a category",
            3: "column 'number', row 3: not one of its 3 levels",
            4: "column 'text', row 4: infinite, or too large for xgboost's float32",
        },
    ),
    (
        MIXED,
        ModelSettings(),
        table(
            column("x", Type.DOUBLE, [0.0] * 4),
            column("text", Type.STRING, ["lo", "up", "hi", "lo"]),
            column("number", Type.DOUBLE, [10.0, 20.0, 2.0**53 + 2, -1.0]),
        ),
        {
            1: "column 'text', row 1: not one of its 2 levels",
            2: "column 'number', row 2: not held exactly by a double, send int64",
        },
    ),
    (
        CODES_ONLY,
        BY_CODES,
        table(column("code", Type.INT, [7, -7, 0]), column("x", Type.DOUBLE, [0.5, 0.5, np.nan])),
        {1: "column 'code', row 1: not the code of a category"},
    ),
]


@pytest.mark.parametrize(("facts", "settings", "batch", "expected"), ALONE)
def test_a_wrong_value_costs_its_own_row_where_that_is_wanted(
    facts: ModelFacts, settings: ModelSettings, batch: Batch, expected: dict[int, str]
) -> None:
    matrices = Matrices(facts, features_of(facts, settings))
    bound = matrices.bind(batch, alone=True)
    assert {row: str(unfit.of(row)) for row, unfit in (bound.unfit or {}).items()} == expected
    others = np.array([row for row in range(batch.rows) if row not in expected])
    assert matrices.bind(take(batch, others)).values.tobytes() == bound.values[others].tobytes()
    # Without that wish it is one of these that refuses the call.
    with pytest.raises(InvalidRequest) as raised:
        matrices.bind(batch)
    assert str(raised.value) in expected.values()


def test_columns_that_are_none_of_the_model_s_refuse_the_call_either_way() -> None:
    matrices = Matrices(MIXED, features_of(MIXED, ModelSettings()))
    for batch in (Matrix((), np.zeros((1, 2))), table(column("x", Type.DOUBLE, [0.0]))):
        with pytest.raises(InvalidRequest):
            matrices.bind(batch, alone=True)
