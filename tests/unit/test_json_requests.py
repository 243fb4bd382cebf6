"""Bodies of the HTTP/JSON wire: what is taken keeps its bits, what is not is refused with words and never quoted."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codecs.json.arrays import write_array
from bridge.codecs.json.documents import read_document
from bridge.codecs.json.requests import ScoreBody, read_body
from bridge.codecs.json.runs import Shape
from bridge.codecs.scorebridge_v1.bounds import Bounds
from bridge.columns import Column, Table, Type
from bridge.errors import InvalidRequest

BOUNDS = Bounds(16_384, 1_000_000)


def read(body: str | bytes, bounds: Bounds = BOUNDS) -> ScoreBody:
    return read_body(body if isinstance(body, bytes) else body.encode(), bounds)


def built(body: str) -> Table:
    return read(body).table()


def column(values: str) -> Column:
    """The column that such an array becomes."""
    (one,) = built(f'{{"columns": {{"x": {values}}}}}').columns
    return one


def entries(kind: Type, rows: int) -> st.SearchStrategy[list[Any]]:
    values: dict[Type, st.SearchStrategy[Any]] = {
        Type.DOUBLE: st.floats(allow_infinity=False),
        Type.FLOAT: st.floats(allow_infinity=False, width=32),
        Type.INT: st.none() | st.integers(-(2**31), 2**31 - 1),
        Type.INT64: st.none() | st.integers(-(2**63), 2**63 - 1),
        Type.BOOL: st.none() | st.booleans(),
        Type.STRING: st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    }
    return st.lists(values[kind], min_size=rows, max_size=rows)


def made(name: str, kind: Type, values: Sequence[Any]) -> Column:
    placeholder = {Type.BOOL: False, Type.STRING: ""}.get(kind, 0)
    mask = np.array([value is None for value in values], np.bool_)
    array = np.empty(len(values), kind.dtype)
    array[:] = [placeholder if value is None else value for value in values]
    return Column(name, kind, array, mask if mask.any() else None)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    rows = draw(st.integers(1, 6))
    kinds = draw(st.lists(st.sampled_from([kind for kind in Type if kind is not Type.FACTOR]), min_size=1, max_size=5))
    names = draw(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
            min_size=len(kinds),
            max_size=len(kinds),
            unique=True,
        ).filter(lambda found: "\0" not in "".join(found))
    )
    columns = (made(name, kind, draw(entries(kind, rows))) for name, kind in zip(names, kinds, strict=True))
    return Table(tuple(columns), rows)


def bits(one: Column) -> list[Any]:
    """The values of a column as what tells every two apart, None where they are missing."""
    values: list[Any] = (
        one.values.astype(np.float64).view(np.uint64).tolist() if one.type.is_floating else one.values.tolist()
    )
    return [None if absent else value for value, absent in zip(values, one.missing().tolist(), strict=True)]


@given(table=tables(), by_row=st.booleans())
def test_every_table_keeps_its_bits_on_its_way_through_json(table: Table, *, by_row: bool) -> None:
    written = {one.name: json.loads(write_array(one)) for one in table.columns}
    rows = [dict(zip(written, row, strict=True)) for row in zip(*written.values(), strict=True)]
    body = {"rows": rows} if by_row else {"columns": written}
    back = built(json.dumps(body))
    assert back.rows == table.rows
    assert [one.name for one in back.columns] == [one.name for one in table.columns]
    for ours, theirs in zip(table.columns, back.columns, strict=True):
        assert bits(ours) == bits(theirs)
        if not ours.missing().all():
            widened = {Type.FLOAT: Type.DOUBLE, Type.INT: Type.INT64}
            assert theirs.type is widened.get(ours.type, ours.type)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_comes_back_as_the_same_float_whichever_way_it_is_read(number: float) -> None:
    (written,) = json.loads(write_array(Column("x", Type.FLOAT, np.array([number], np.float32))))
    text = json.dumps(written)
    assert np.float32(text).tobytes() == np.float32(number).tobytes()
    assert np.float64(text).tobytes() == np.float64(number).tobytes()


@pytest.mark.parametrize("kind", [Type.DOUBLE, Type.FLOAT])
def test_an_infinite_score_is_no_answer_in_json(kind: Type) -> None:
    with pytest.raises(
        InvalidRequest, match=r"^output 'x', row 1: an infinite score, which JSON can't hold; ask by gRPC"
    ):
        write_array(Column("x", kind, np.array([0, -np.inf], kind.dtype)))


@pytest.mark.parametrize(
    ("values", "kind", "read_as"),
    [
        ("[1, 2]", Type.INT64, [1, 2]),
        ("[1, null]", Type.INT64, [1, None]),
        ("[9223372036854775807, -9223372036854775808]", Type.INT64, [2**63 - 1, -(2**63)]),
        ("[9223372036854775808]", Type.DOUBLE, [2.0**63]),
        ("[1, 2.5]", Type.DOUBLE, [1.0, 2.5]),
        ("[1, 2.0]", Type.DOUBLE, [1.0, 2.0]),
        ("[1e3]", Type.DOUBLE, [1000.0]),
        ("[-0]", Type.DOUBLE, [-0.0]),
        ("[-0.0, 1]", Type.DOUBLE, [-0.0, 1.0]),
        ("[5e-324]", Type.DOUBLE, [5e-324]),
        ("[0.1]", Type.DOUBLE, [0.1]),
        ("[true, null, false]", Type.BOOL, [True, None, False]),
        ('["a", null, ""]', Type.STRING, ["a", None, ""]),
        (r'["\ud83d\ude00"]', Type.STRING, ["\U0001f600"]),
    ],
)
def test_the_values_of_a_column_say_its_type(values: str, kind: Type, read_as: list[Any]) -> None:
    found = column(values)
    assert found.type is kind
    assert bits(found) == bits(made("x", kind, read_as))


def test_a_column_without_values_is_missing_in_every_row() -> None:
    found = column("[null, null]")
    assert found.type is Type.DOUBLE
    assert found.missing().all()


REFUSED_COLUMNS = [
    ("[1, true]", "column 'x' holds a number in row 0 and true or false in row 1: send one kind in a column"),
    ('[null, "a", 1]', "column 'x' holds text in row 1 and a number in row 2: send one kind in a column"),
    ('[true, "a"]', "column 'x' holds true or false in row 0 and text in row 1: send one kind in a column"),
    ("[1, [2]]", "column 'x', row 1 is an array: a value is a number, true, false, text or null"),
    ('[{"a": 1}]', "column 'x', row 0 is an object: a value is a number, true, false, text or null"),
    ("[1e400]", "column 'x', row 0: a number that is too large for a double"),
    ("[1, -1e400]", "column 'x', row 1: a number that is too large for a double"),
    ("[9007199254740993, 0.5]", "column 'x', row 0: a whole number that no double holds exactly"),
    ("[9223372036854775809]", "column 'x', row 0: a whole number that no double holds exactly"),
    (f"[1{'0' * 400}]", "column 'x', row 0: a whole number that no double holds exactly"),
    (f"[0.5, 1{'0' * 400}]", "column 'x', row 1: a whole number that no double holds exactly"),
    (r'["a", "\u0000"]', "column 'x', row 1: holds a NUL character"),
    (r'["\ud800"]', "column 'x', row 0: holds half of a surrogate pair"),
    (r'["\udc00\ud800"]', "column 'x', row 0: holds half of a surrogate pair"),
    ("[]", "the columns have no rows"),
    ("5", "column 'x' is a number: it must be an array, with a value a row"),
    ("null", "column 'x' is null: it must be an array, with a value a row"),
    ('{"a": 1}', "column 'x' is an object: it must be an array, with a value a row"),
]


@pytest.mark.parametrize(("values", "message"), REFUSED_COLUMNS)
def test_a_value_that_no_column_holds_is_refused_with_its_column_and_row(values: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        column(values)
    assert str(raised.value) == message


REFUSED_ROWS = [
    ("[]", "'rows' has no rows"),
    ("[{}]", "row 0 has no columns"),
    ("[5]", "row 0 is a number: it must be an object, with a value for each column"),
    ('[{"a": 1}, [1]]', "row 1 is an array: it must be an object, with a value for each column"),
    ('[{"a": 1}, null]', "row 1 is null: it must be an object, with a value for each column"),
    ('[{"a": 1, "b": 2}, {"a": 1}]', "row 1 lacks 'b', which row 0 has: write null where it is missing"),
    ('[{"a": 1}, {"a": 1, "b": 2}]', "row 1 has 'b', which row 0 lacks: write null where it is missing"),
    ('[{"a": 1}, {"b": 1}]', "row 1 lacks 'a', which row 0 has: write null where it is missing"),
    ('[{"a": 1}, {}]', "row 1 lacks 'a', which row 0 has: write null where it is missing"),
    ('[{"a": 1}, {"a": "b"}]', "column 'a' holds a number in row 0 and text in row 1: send one kind in a column"),
]


@pytest.mark.parametrize(("rows", "message"), REFUSED_ROWS)
def test_rows_that_make_no_table_are_refused_with_the_row(rows: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        built(f'{{"rows": {rows}}}')
    assert str(raised.value) == message


def test_names_of_rows_may_come_in_any_order() -> None:
    table = built('{"rows": [{"a": 1, "b": "x"}, {"b": "y", "a": 2}, {"a": 3, "b": "z"}]}')
    assert [(one.name, one.values.tolist()) for one in table.columns] == [("a", [1, 2, 3]), ("b", ["x", "y", "z"])]


X = '"columns": {"x": [1]}'
REFUSED_BODIES = [
    ("", "the body is not JSON: Expecting value (line 1, column 1)"),
    ("{", "the body is nested deeper than 3 levels, or its brackets don't match"),
    ("5", "the body is a number: it must be an object with 'columns' or 'rows'"),
    ("[]", "the body is an array: it must be an object with 'columns' or 'rows'"),
    ("null", "the body is null: it must be an object with 'columns' or 'rows'"),
    ("{}", "the body must have 'columns' or 'rows', and has neither"),
    ('{"columns": null}', "the body must have 'columns' or 'rows', and has neither"),
    (f'{{{X}, "rows": [{{"x": 1}}]}}', "the body must have 'columns' or 'rows', and has both"),
    ('{"columns": {}}', "'columns' has no columns"),
    ('{"columns": []}', "'columns' is an array: it must be an object of arrays"),
    ('{"columns": "x"}', "'columns' is text: it must be an object of arrays"),
    ('{"rows": {"x": [1]}}', "'rows' is an object: it must be an array of objects"),
    ('{"columns": {"x": [1], "y": [1, 2]}}', "column 'y' has 2 rows, column 'x' has 1"),
    (f"{{{X}}} x", "the body is not JSON: Extra data (line 1, column 25)"),
    (f"{{{X},}}", "the body is not JSON: Expecting property name enclosed in double quotes (line 1, column 24)"),
    (f"\ufeff{{{X}}}", "the body begins with a byte order mark, which JSON does not have"),
    ('{"columns": {"x": [NaN]}}', "the body holds NaN, which JSON does not have: write null where a value is missing"),
    (
        '{"columns": {"x": [-Infinity]}}',
        "the body holds -Infinity, which JSON does not have: write null where a value is missing",
    ),
    (
        '{"columns": {"x": [Infinity]}}',
        "the body holds Infinity, which JSON does not have: write null where a value is missing",
    ),
    ('{"columns": {"x": [01]}}', "the body is not JSON: Expecting ',' delimiter (line 1, column 21)"),
    ('{"columns": {"x": [+1]}}', "the body is not JSON: Expecting value (line 1, column 20)"),
    ('{"columns": {"x": [1.]}}', "the body is not JSON: Expecting ',' delimiter (line 1, column 21)"),
    (
        "{'columns': {'x': [1]}}",
        "the body is not JSON: Expecting property name enclosed in double quotes (line 1, column 2)",
    ),
    ('{"columns": {"x": ["\t"]}}', "the body is not JSON: Invalid control character at (line 1, column 21)"),
    (f"{{{X}, {X}}}", "'columns' is there twice in one object"),
    ('{"columns": {"x": [1], "x": [1]}}', "'x' is there twice in one object"),
    ('{"rows": [{"x": 1}, {"x": 1, "x": 1}]}', "'x' is there twice in one object"),
    (r'{"columns": {"x": [1], "\u0078": [1]}}', "'x' is there twice in one object"),
    (r'{"columns": {"\ud800": [1]}}', "a name in the body holds a NUL character or half of a surrogate pair"),
    (r'{"columns": {"a\u0000": [1]}}', "a name in the body holds a NUL character or half of a surrogate pair"),
    (f'{{"columns": {{"x": [{"9" * 5000}]}}}}', "the body holds a whole number of more than 4300 digits"),
    (
        f'{{"columns": {{"x": {"[" * 5}{"]" * 5}}}}}',
        "the body is nested deeper than 3 levels, or its brackets don't match",
    ),
    ('{"columns": {"x": [1]]}}', "the body is nested deeper than 3 levels, or its brackets don't match"),
    (f'{{{X}, "model": "m"}}', "'model' does not belong into the body: it is in the path"),
    (f'{{{X}, "colums": 1}}', "the body has an unknown field 'colums': did you mean 'columns'?"),
    (f'{{{X}, "Row_Keys": 1}}', "the body has an unknown field 'Row_Keys': did you mean 'row_keys'?"),
    (f'{{{X}, "requestId": "a"}}', "the body has an unknown field 'requestId': did you mean 'request_id'?"),
    (f'{{{X}, "request_id": 5}}', "'request_id' is a number: it must be text"),
    (f'{{{X}, "row_keys": "a"}}', "'row_keys' is text: it must be an array of texts"),
    (f'{{{X}, "row_keys": [5]}}', "'row_keys', row 0 is a number: it must be text, so put it in quotes"),
    (f'{{{X}, "row_keys": [null]}}', "'row_keys', row 0 is null: it must be text, so put it in quotes"),
    (f'{{{X}, "default_score": "0"}}', "'default_score' is text: it must be a number"),
    (f'{{{X}, "default_score": true}}', "'default_score' is true or false: it must be a number"),
    (f'{{{X}, "default_score": 1e999}}', "'default_score' is a number that no double holds"),
    (f'{{{X}, "default_score": 9007199254740993}}', "'default_score' is a number that no double holds"),
    (
        f'{{{X}, "default_policy": "NEVER"}}',
        "'default_policy' must be one of DEFAULT_POLICY_UNSPECIFIED, DEFAULT_POLICY_NEVER",
    ),
    (
        f'{{{X}, "default_policy": 1}}',
        "'default_policy' must be one of DEFAULT_POLICY_UNSPECIFIED, DEFAULT_POLICY_NEVER",
    ),
    (f'{{{X}, "partial": 1}}', "'partial' is a number: it must be true or false"),
    (f'{{{X}, "ignore_extra": "true"}}', "'ignore_extra' is text: it must be true or false"),
    (f'{{{X}, "batch_id": []}}', "'batch_id' is an array: it must be text"),
    (f'{{{X}, "labels": ["a"]}}', "'labels' is an array: it must be an object of texts"),
    (f'{{{X}, "labels": {{"a": 1}}}}', "label 'a' is a number: it must be text"),
    (rf'{{{X}, "batch_id": "\ud800"}}', "'batch_id' holds half of a surrogate pair"),
    (f'{{{X}, "batch_id": "{"b" * 1025}"}}', "'batch_id' has 1025 bytes, and may have 1024"),
    (f'{{"columns": {{"{"n" * 1025}": [1]}}}}', "the name of a column has 1025 bytes, and may have 1024"),
]


@pytest.mark.parametrize(("body", "message"), REFUSED_BODIES)
def test_a_body_that_reads_two_ways_or_none_is_refused(body: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        built(body)
    assert str(raised.value) == message


@pytest.mark.parametrize("raw", [b'{"columns": {"x": ["\xff"]}}', b'{"columns": {"x": ["\xed\xa0\x80"]}}', b"\xc0\x80"])
def test_what_is_not_utf_8_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"^the body is not UTF-8: byte \d+$"):
        read(raw)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le"])
def test_another_encoding_is_not_guessed(encoding: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^the body is not "):
        read(f"{{{X}}}".encode(encoding))


def many(count: int, name: str, value: Any) -> dict[str, Any]:
    return {f"{name}{number}": value for number in range(count)}


LIMITS = [
    (json.dumps({"columns": many(20, "c", [1])}), "the body holds more than 11 arrays", "11 arrays"),
    (json.dumps({"columns": many(5, "c", [1])}), "the message has more than 3 columns", "3 columns"),
    (json.dumps({"rows": [{}] * 20}), "the body holds more than 12 objects", "12 objects"),
    (json.dumps({"rows": [1] * 5}), "the message has more than 4 rows", "4 rows"),
    (json.dumps({"columns": {"x": [1]}, "row_keys": ["k"] * 5}), "the message has more than 4 row_keys", "4 row_keys"),
    (
        json.dumps({"columns": {"x": [1]}, "labels": many(65, "l", "")}),
        "the message has more than 64 labels",
        "64 labels",
    ),
    ("[" * 10_000, "the body holds more than 11 arrays", "11 arrays"),
    ("[" * 100_000, "the body is nested deeper than 3 levels, or its brackets don't match", "3 levels"),
    (f"[{'[],' * 100_000}[]]", "the body holds more than 11 arrays", "11 arrays"),
    (f"[{'{},' * 100_000}{{}}]", "the body holds more than 12 objects", "12 objects"),
]


@pytest.mark.parametrize(("body", "message", "limit"), LIMITS)
def test_what_is_too_much_is_refused_with_its_limit(body: str, message: str, limit: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(body, Bounds(3, 4))
    assert str(raised.value) == message
    assert raised.value.limit == limit


def test_values_are_counted_before_they_are_built() -> None:
    with pytest.raises(InvalidRequest, match=r"^the body holds more than 5 values$"):
        read_document(b'{"x": [1,2,3,4,5,6,7]}', Shape(10, 10, 5, 3))


@pytest.mark.parametrize("text", ["[" * 50, "{}" * 50, '\\"[{', "]}],,,", "\\\\"])
def test_brackets_in_texts_are_not_counted(text: str) -> None:
    (found,) = read(json.dumps({"columns": {"x": [text]}}), Bounds(1, 1)).table().columns
    assert found.values.tolist() == [text]


def test_the_other_fields_are_those_of_a_score_request() -> None:
    others = {
        "request_id": "r",
        "row_keys": ["k"],
        "default_score": 0.5,
        "default_policy": "DEFAULT_POLICY_NEVER",
        "partial": True,
        "batch_id": "b",
        "labels": {"a": "1"},
        "ignore_extra": True,
    }
    body = read(json.dumps({"columns": {"x": [1]}, **others}))
    assert {name: getattr(body, name) for name in others} == others
    plain = read(json.dumps({"columns": {"x": [1]}, **dict.fromkeys(others)}))
    assert plain == read(f"{{{X}}}")


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_whatever_comes_is_taken_or_refused(raw: bytes) -> None:
    with suppress(InvalidRequest):
        assert read(raw).table().rows > 0
