"""Rows, keys and answers as people hold them: dicts, series, decimals, ids; and a remedy for what is no rows."""

import dataclasses
import decimal
import re
import uuid
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scorebridge import Source
from scorebridge.batch import Batch
from scorebridge.result import DefaultedRows, FailedRows, Scores
from scorebridge.v1 import scoring_pb2 as pb


class Named(NamedTuple):
    """A row of a caller."""

    a: int
    b: int


def message(rows: Any, **options: Any) -> pb.ScoreRequest:
    return Batch("m", rows, None, options).message()  # type: ignore[arg-type]


def columns(rows: Any, **options: Any) -> dict[str, list[Any]]:
    """What is sent, None where it is missing."""
    found = {}
    for column in message(rows, **options).table.columns:
        kind = column.WhichOneof("values")
        values: list[Any] = list(getattr(column, kind).values) if kind else []
        for row in column.missing_rows:
            values[row] = None
        found[column.name] = values
    return found


@pytest.mark.parametrize(
    ("rows", "sent"),
    [
        ([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], {"a": [1, 2], "b": ["x", "y"]}),
        ([{"a": 1}, {"b": "y"}, {}], {"a": [1, None, None], "b": [None, "y", None]}),
        (({"a": True}, {"a": None}), {"a": [True, None]}),
        ([], {}),
        ([{}], {}),
        ({"a": 1.5, "b": "x", "c": None}, {"a": [1.5], "b": ["x"], "c": [None]}),
        ({"a": np.float32(0.5), "b": np.int64(7)}, {"a": [0.5], "b": [7]}),
        (pd.Series({"a": 1.5, "b": 2.0}), {"a": [1.5], "b": [2.0]}),
        (pd.Series({"a": 2**53 + 1, "b": "x"}), {"a": [2**53 + 1], "b": ["x"]}),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}).iloc[1], {"a": [2], "b": ["y"]}),
        (pl.DataFrame({"a": [1], "b": ["x"]}).row(0, named=True), {"a": [1], "b": ["x"]}),
        (pl.DataFrame({"a": [1, 2]}).to_dicts(), {"a": [1, 2]}),
        (pa.table({"a": [1, 2]}).to_pylist(), {"a": [1, 2]}),
        (pd.DataFrame({"a": [1, 2]}).to_dict("records"), {"a": [1, 2]}),
    ],
)
def test_rows_that_are_one_mapping_each(rows: Any, sent: dict[str, list[Any]]) -> None:
    assert columns(rows) == sent


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"a": 1}, [1]], "row 1 is a list: rows without names are a numpy array, with names a list of dicts"),
        ([[1, 2], [3, 4]], "row 0 is a list: rows without names are a numpy array, with names a list of dicts"),
        ([1, 2], "row 0 is a int: pass a frame"),
        ([{"a": 1}, None], "row 1 is a NoneType"),
        ([Named(1, 2)], "row 0 is a Named: pass a list of each row's ._asdict()"),
        ({"a": 1, "b": [1, 2]}, "column 'a' is a int and 'b' a list: pass columns, or single values for one row"),
        ({"a": [1], "b": "x"}, "column 'b' is a str and 'a' a list"),
        (pl.LazyFrame({"a": [1]}), "rows can't be a LazyFrame: pass its .collect()"),
        (pd.Series([1.0, 2.0]), "rows can't be a Series: pass its .to_frame() if it is a column"),
        (pl.Series("a", [1]), "rows can't be a Series: pass its .to_frame() if it is a column"),
        (pd.DataFrame({"a": [1]}).groupby("a"), "rows can't be a DataFrameGroupBy"),
    ],
)
def test_what_is_no_rows_has_a_remedy(rows: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}"):
        message(rows)


def test_a_dataclass_has_its_own_remedy() -> None:
    @dataclasses.dataclass
    class Row:
        """Of a caller."""

        a: int

    with pytest.raises(TypeError, match=r"^row 0 is a Row: pass a list of dataclasses.asdict\(row\) of each row$"):
        message([Row(1)])


SPARK = type("DataFrame", (), {"toPandas": None, "collect": None, "__module__": "pyspark.sql"})
DASK = type("DataFrame", (), {"compute": None, "dask": None})
DATASET = type("FileSystemDataset", (), {"to_table": None, "__module__": "pyarrow._dataset"})


@pytest.mark.parametrize(("kind", "remedy"), [(SPARK, "toPandas()"), (DASK, "compute()"), (DATASET, "to_table()")])
def test_what_is_computed_later_says_how(kind: type[Any], remedy: str) -> None:
    with pytest.raises(TypeError, match=rf"^rows can't be a {kind.__name__}: pass its \.{re.escape(remedy)}"):
        message(kind())


@pytest.mark.parametrize(
    ("values", "sent"),
    [
        ([Decimal("0.1"), Decimal(2)], [0.1, 2.0]),
        ([Decimal("0.1"), None, 3], [0.1, None, 3.0]),
        ([Decimal("NaN"), Decimal("-0.30")], [None, -0.3]),
        ([Decimal("9007199254740993.5")], [9007199254740994.0]),
        ([Decimal(2**53 + 2)], [float(2**53 + 2)]),
        (pl.Series([Decimal("1.25"), None]), [1.25, None]),
        (pa.array([Decimal("1.25"), None]), [1.25, None]),
    ],
)
def test_decimals_are_the_doubles_nearest_to_them(values: Any, sent: list[Any]) -> None:
    assert columns({"x": values}) == {"x": sent}


NO_DOUBLE = "a number that no double holds exactly"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([0.5, Decimal(2**53 + 1)], f"column 'x', row 1: {NO_DOUBLE}"),
        ([Decimal("1e400")], f"column 'x', row 0: {NO_DOUBLE}"),
        ([Decimal("-1e400"), 1], f"column 'x', row 0: {NO_DOUBLE}"),
        ([Decimal("1e308") * 10 + Decimal("0.5")], f"column 'x', row 0: {NO_DOUBLE}"),
        ([0.5, 2**53 + 1], f"column 'x', row 1: {NO_DOUBLE}"),
        ([0.5, None, -(2**53) - 1], f"column 'x', row 2: {NO_DOUBLE}"),
        ([2**63 + 1, 0.5], f"column 'x', row 0: {NO_DOUBLE}"),
        ([np.uint64(2**64 - 1), 0.5], f"column 'x', row 0: {NO_DOUBLE}"),
        ([10**400, 0.5], f"column 'x', row 0: {NO_DOUBLE}"),
        ([np.longdouble("1e400"), 1.0], f"column 'x', row 0: {NO_DOUBLE}"),
        (np.array(["0.1"], np.longdouble), f"column 'x', row 0: {NO_DOUBLE}"),
    ],
)
def test_what_would_be_rounded_or_infinite_is_refused(values: Any, sentence: str) -> None:
    with decimal.localcontext(prec=400), pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        message({"x": values})


def test_whole_numbers_that_doubles_hold_may_stand_beside_fractions() -> None:
    assert columns({"x": [2**63, 0.5, 2**53 + 2]}) == {"x": [2.0**63, 0.5, 2.0**53 + 2]}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (["a", None, 1], "column 'x' holds text in row 0 and numbers in row 2: pass one of them"),
        ([None, 1, 2, "a"], "column 'x' holds numbers in row 1 and text in row 3: pass one of them"),
        ([True, 1], "column 'x' holds truth values in row 0 and numbers in row 1: pass one of them"),
        (["a", True], "column 'x' holds text in row 0 and truth values in row 1: pass one of them"),
        ([1, b"a"], "column 'x', row 1 is a bytes: pass numbers, truth values or text"),
        ([1, [2]], "column 'x', row 1 is a list: pass numbers, truth values or text"),
    ],
)
def test_a_mixed_column_is_told_with_the_first_row_of_another_kind(values: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        message({"x": values})


IDS = [uuid.UUID(int=1), uuid.UUID(int=2)]


@pytest.mark.parametrize(
    "rows",
    [
        pd.DataFrame({"id": [7, 8], "a": [1.0, 2.0]}),
        pd.DataFrame({"a": [1.0, 2.0]}, index=pd.Index([7, 8], name="id")),
        pl.DataFrame({"id": [7, 8], "a": [1.0, 2.0]}),
        pa.table({"id": [7, 8], "a": [1.0, 2.0]}),
        {"id": [7, 8], "a": [1.0, 2.0]},
        [{"id": 7, "a": 1.0}, {"id": 8, "a": 2.0}],
        {"id": ["7", "8"], "a": np.array([1.0, 2.0])},
    ],
)
def test_a_column_of_ids_goes_along_as_keys_and_is_no_feature(rows: Any) -> None:
    sent = message(rows, row_keys="id")
    assert list(sent.row_keys) == ["7", "8"]
    assert [column.name for column in sent.table.columns] == ["a"]


def test_ids_of_a_big_batch_go_with_their_rows() -> None:
    rows = pd.DataFrame({"id": np.arange(20_001), "a": np.zeros(20_001)})
    batch = Batch("m", rows, None, {"row_keys": "id"})
    assert batch.is_big
    assert list(batch.chunk(20_000, 1).row_keys) == ["20000"]


@pytest.mark.parametrize(
    ("rows", "error", "sentence"),
    [
        ({"a": [1.0]}, ValueError, "row_keys names the column 'id', but the rows have no such column"),
        ({"id": [1.5], "a": [1.0]}, TypeError, "row_keys, row 0 is a float"),
        ({"id": [None], "a": [1.0]}, TypeError, "row_keys, row 0 is a NoneType"),
        (pd.DataFrame({"id": [1, None], "a": [1.0, 2.0]}), TypeError, "row_keys, row 0 is a float"),
        ({"id": ["x", "y"], "a": [1.0]}, ValueError, "2 row_keys for 1 rows"),
    ],
)
def test_a_column_that_is_no_ids(rows: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(sentence)}"):
        message(rows, row_keys="id")


def test_a_single_row_may_have_its_id() -> None:
    sent = message({"id": IDS[0], "a": 1.0}, row_keys="id")
    assert list(sent.row_keys) == [str(IDS[0])]


def test_what_no_model_takes_is_left_out_where_extras_are_ignored() -> None:
    rows = pd.DataFrame({"a": [1.0], "when": pd.to_datetime(["2026-01-01"]), "note": ["x"]})
    sent = message(rows, ignore_extra=True)
    assert sent.ignore_extra
    assert [column.name for column in sent.table.columns] == ["a", "note"]
    assert not message({"a": [1.0]}).ignore_extra


def answer() -> Scores:
    return Scores(
        request_id="id",
        model="m",
        version=3,
        digest="",
        columns={"score": np.array([0.1, 0.5, 0.5, np.nan]), "reason_1": np.array(["x", None, None, None], object)},
        source=Source.MIXED,
        defaults=(DefaultedRows(1, 1, "DEADLINE", ""), DefaultedRows(2, 1, "UNAVAILABLE", "", by_client=True)),
        rows=4,
        attempts=1,
        queue_s=0.0,
        backend_s=0.0,
        failed_rows=(FailedRows(3, 1, "INVALID_VALUE", ""),),
    )


def test_an_answer_as_a_frame() -> None:
    frame = answer().to_pandas(index=pd.Index(list("wxyz"), name="id"))
    assert list(frame.columns) == ["score", "reason_1", "source", "reason", "version"]
    assert list(frame.index) == list("wxyz")
    assert frame["source"].tolist() == ["MODEL", "DEFAULT", "CLIENT_DEFAULT", "FAILED"]
    assert frame["reason"].isna().tolist() == [True, False, False, False]
    assert frame["reason"].tolist()[1:] == ["DEADLINE", "UNAVAILABLE", "INVALID_VALUE"]
    assert frame["version"].tolist() == [3] * 4
    assert frame["score"].tolist()[:3] == [0.1, 0.5, 0.5]
    assert list(answer().to_pandas().index) == [0, 1, 2, 3]


def test_a_frame_needs_one_label_a_row_and_names_of_its_own() -> None:
    with pytest.raises(ValueError, match=r"^index has 3 labels for 4 rows: pass one label for each row$"):
        answer().to_pandas(index=[1, 2, 3])
    clash = dataclasses.replace(answer(), columns={"source": np.zeros(4)})
    with pytest.raises(ValueError, match=r"^the model has an output named 'source', as this frame has"):
        clash.to_pandas()
