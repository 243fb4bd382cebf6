"""Batches: checked whole before anything is sent; the chunks of a big one hold all its rows, and all it says."""

import uuid
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scorebridge import (
    DeadlineExceeded,
    FailedRows,
    InvalidRequest,
    Lookup,
    LookupFailed,
    Scores,
    ScoringError,
    Source,
    Unavailable,
)
from scorebridge.batch import MOST_BYTES, MOST_ROWS, Batch, CallOptions
from scorebridge.chunks import Chunk, answers_of, cut, put_together
from scorebridge.v1 import scoring_pb2 as pb

BIG = MOST_ROWS + 5000
KINDS = {"doubles": np.float64, "floats": np.float32, "int32s": np.int32}


def array_of(message: pb.ScoreRequest) -> np.ndarray[Any, Any]:
    """The values in their own type, shape (rows, columns)."""
    if message.HasField("matrix"):
        kind = message.matrix.WhichOneof("values")
        sent = getattr(message.matrix, str(kind))
        return np.array(sent.values, KINDS[str(kind)]).reshape(message.matrix.rows, -1)
    kinds = [str(column.WhichOneof("values")) for column in message.table.columns]
    parts = zip(message.table.columns, kinds, strict=True)
    return np.column_stack([np.array(getattr(column, kind).values, KINDS[kind]) for column, kind in parts])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("shape", [(MOST_ROWS + 1, 2), (3000, 100), (25_000, 30)])
@pytest.mark.parametrize("as_table", [False, True])
def test_the_chunks_hold_all_rows_in_order(shape: tuple[int, int], dtype: type, as_table: bool) -> None:
    array: np.ndarray[tuple[int, ...], np.dtype[Any]] = np.random.default_rng(0).normal(0, 1000, shape).astype(dtype)
    keys = [str(number) for number in range(shape[0])]
    rows = {str(at): array[:, at] for at in range(shape[1])} if as_table else array
    batch = Batch("m", rows, None, {"row_keys": keys})
    assert batch.is_big
    chunks = [chunk.message() for chunk in cut(batch, 3)]
    assert len(chunks) > 1
    assert np.array_equal(np.concatenate([array_of(chunk) for chunk in chunks]), array)
    assert np.array_equal(array_of(batch.message()), array)
    assert [key for chunk in chunks for key in chunk.row_keys] == list(batch.message().row_keys) == keys
    assert all(len(chunk.row_keys) <= MOST_ROWS and chunk.ByteSize() < 1.5 * MOST_BYTES for chunk in chunks)


@pytest.mark.parametrize("rows", [np.zeros((BIG, 2)), {"x": np.zeros(BIG), "y": ["a"] * BIG}])
def test_a_chunk_says_what_the_batch_says(rows: Any) -> None:
    options: CallOptions = {"request_id": "whole", "labels": {"a": "b"}, "allow_default": False, "partial": True}
    if not isinstance(rows, dict):
        options["columns"] = ["x", "y"]
    chunks = [chunk.message() for chunk in cut(Batch("m", rows, 0.5, options), 3)]
    assert [chunk.request_id for chunk in chunks] == ["whole/0", "whole/7500"]
    assert len({chunk.batch_id for chunk in chunks}) == 1
    assert uuid.UUID(chunks[0].batch_id)
    for chunk in chunks:
        assert (chunk.model, chunk.version, dict(chunk.labels), chunk.default_score) == ("m", 3, {"a": "b"}, 0.5)
        assert (chunk.default_policy, chunk.partial) == (pb.DEFAULT_POLICY_NEVER, True)
        assert (list(chunk.matrix.columns) or [column.name for column in chunk.table.columns]) == ["x", "y"]
    plain = cut(Batch("m", rows, None, {"batch_id": "own"}), 3)[0].message()
    assert (plain.batch_id, plain.HasField("default_score")) == ("own", False)
    assert (plain.default_policy, plain.partial) == (pb.DEFAULT_POLICY_UNSPECIFIED, False)


@pytest.mark.parametrize("rows", [0, 1])
def test_what_can_not_be_cut_is_not_big(rows: int) -> None:
    assert not Batch("m", np.zeros((rows, MOST_BYTES)), None, {}).is_big
    assert not Batch("m", {"x" * MOST_BYTES: [1.0] * rows}, None, {}).is_big


def test_text_and_missing_rows_are_cut_with_their_rows() -> None:
    text = [None if row % 3 == 0 else str(row) for row in range(BIG)]
    first, second = [chunk.message().table.columns[0] for chunk in cut(Batch("m", {"s": text}, None, {}), 1)]
    sent = [*first.strings.values, *second.strings.values]  # noqa: PD011 - no frame's
    assert sent == [value or "" for value in text]
    assert list(first.missing_rows) == list(second.missing_rows) == list(range(0, 7500, 3))


def test_an_error_of_a_chunk_says_which_rows_it_is_about() -> None:
    chunk = cut(Batch("m", np.zeros((BIG, 2)), None, {}), 3)[1]
    error = InvalidRequest("column 'x', row 6500: infinite", "INVALID_REQUEST", status="X", by_gateway=True)
    with pytest.raises(InvalidRequest) as raised, chunk.naming_rows():
        raise error
    assert raised.value is error
    assert str(error) == "rows 7500 to 14999 of the batch: column 'x', row 6500: infinite"


def chunks_of(*, partial: bool) -> list[Chunk]:
    return cut(Batch("m", np.zeros((BIG, 2)), None, {"request_id": "whole", "partial": partial}), 3)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([0.5, 0.25], np.float32), np.float32),
        (np.array([0.5, 0.25]), np.float64),
        (np.array([1, 2], np.int32), np.float64),
        (np.array([True, False]), object),
        (np.array(["a", "b"], object), object),
    ],
)
def test_a_chunk_that_failed_alone_is_missing_in_the_others_types(values: Any, dtype: Any) -> None:
    chunks = chunks_of(partial=True)
    rows = chunks[0].rows
    own = np.resize(values, rows)
    scored = Scores("id", "m", 3, "sha256:0", {"score": own}, Source.MODEL, (), rows, 1, 0.0, 0.0)
    error = DeadlineExceeded("late", "DEADLINE_EXCEEDED", status="DEADLINE_EXCEEDED", by_gateway=False)
    orders: list[list[Scores | ScoringError]] = [[error, scored], [scored, error]]
    for outcomes in orders:
        first = outcomes.index(error) * rows
        whole = put_together(answers_of(chunks, outcomes), "whole")
        assert (whole.source, whole.rows, whole.digest) == (Source.MIXED, BIG, "sha256:0")
        assert whole.failed_rows == (FailedRows(first, rows, "DEADLINE", "late"),)
        column = whole.columns["score"]
        assert column.dtype == dtype
        assert column[~whole.failed].tolist() == own.tolist()
        assert pd.isna(column[whole.failed]).all()


def test_chunks_that_all_failed_raise_the_first_error() -> None:
    chunks = chunks_of(partial=True)
    errors = [Unavailable(str(at), "UNAVAILABLE", status="UNAVAILABLE", by_gateway=True) for at in range(2)]
    with pytest.raises(Unavailable, match=r"^0$"):
        answers_of(chunks, errors)


@pytest.mark.parametrize(
    ("status", "by_gateway", "alone"),
    [
        ("INTERNAL", True, True),
        ("INVALID_ARGUMENT", True, True),
        ("DEADLINE_EXCEEDED", False, True),
        ("UNAVAILABLE", False, True),
        ("RESOURCE_EXHAUSTED", True, True),
        ("RESOURCE_EXHAUSTED", False, False),
        ("NOT_FOUND", True, False),
        ("PERMISSION_DENIED", False, False),
        ("UNAUTHENTICATED", False, False),
        ("FAILED_PRECONDITION", True, False),
        ("CANCELLED", False, False),
    ],
)
def test_an_error_that_is_no_row_s_costs_the_whole_batch(status: str, by_gateway: bool, alone: bool) -> None:
    error = ScoringError("x", status, status=status, by_gateway=by_gateway)
    for partial in (True, False):
        chunk = chunks_of(partial=partial)[0]
        if partial and alone:
            assert chunk.alone(error) is error
            continue
        with pytest.raises(ScoringError) as raised:
            chunk.alone(error)
        assert raised.value is error


def test_a_chunk_without_features_fails_alone() -> None:
    error = LookupFailed("x", "FEATURES_MISSING", status="FAILED_PRECONDITION", by_gateway=True)
    assert chunks_of(partial=True)[0].alone(error) is error
    with pytest.raises(LookupFailed):
        chunks_of(partial=False)[0].alone(error)


def lookup(name: str, batch: str, age_s: float | None, rows: int, failure: str | None = None) -> Lookup:
    return Lookup(name, "users", batch, age_s, previous_rows=rows, missing_rows=10 * rows, failure=failure)


def test_lookups_of_chunks_add_up_for_each_batch_and_each_failure() -> None:
    chunks = [
        (lookup("history", "1", 2.0, 1), lookup("today", "2", None, 1)),
        (),
        (lookup("history", "2", 0.5, 2), lookup("today", "2", None, 2)),
        (lookup("history", "", None, 0, "STORE_UNAVAILABLE"), lookup("today", "2", None, 3)),
        (lookup("history", "1", 4.0, 4), lookup("other", "1", 3.0, 1)),
        (lookup("history", "1", 3.0, 8), lookup("history", "", None, 0, "DEADLINE")),
    ]
    scored = [
        Scores("id", "m", 3, "", {"score": np.zeros(1)}, Source.MODEL, (), 1, 1, 0.0, 0.0, lookups=lookups)
        for lookups in chunks
    ]
    assert put_together(scored, "whole").lookups == (
        lookup("history", "1", 4.0, 13),
        lookup("history", "2", 0.5, 2),
        lookup("history", "", None, 0, "STORE_UNAVAILABLE"),
        lookup("history", "", None, 0, "DEADLINE"),
        lookup("today", "2", None, 6),
        lookup("other", "1", 3.0, 1),
    )


@pytest.mark.parametrize("rows", [3, BIG])
@pytest.mark.parametrize("other", [1, -1])
def test_columns_of_unequal_lengths_are_named(rows: int, other: int) -> None:
    expected = f"^column 'b' has {rows + other} rows, 'a' has {rows}$"
    with pytest.raises(ValueError, match=expected):
        Batch("m", {"a": np.zeros(rows), "b": np.zeros(rows + other), "c": np.zeros(rows)}, 0.5, {})


@pytest.mark.parametrize("rows", [3, BIG])
@pytest.mark.parametrize("as_table", [False, True])
@pytest.mark.parametrize("other", [1, -1, 7500])
def test_too_many_or_too_few_keys_are_refused(rows: int, as_table: bool, other: int) -> None:
    given: Any = {"a": np.zeros(rows)} if as_table else np.zeros((rows, 1))
    with pytest.raises(ValueError, match=f"^{rows + other} row_keys for {rows} rows$"):
        Batch("m", given, 0.5, {"row_keys": ["key"] * (rows + other)})


@pytest.mark.parametrize("form", [list, tuple, np.array, pd.Index, pd.Series, iter])
def test_names_and_keys_may_be_any_iterable_of_texts(form: Any) -> None:
    names, keys = form(["a", "b"]), form(["k", "l"])
    message = Batch("m", np.zeros((2, 2)), None, {"columns": names, "row_keys": keys}).message()
    assert (list(message.matrix.columns), list(message.row_keys)) == (["a", "b"], ["k", "l"])


@pytest.mark.parametrize(
    ("names", "entry"), [("ab", ""), (b"ab", ""), ([0, 1], "0 is a int"), (["a", None], "1 is a"), (2, "")]
)
def test_names_that_are_no_texts_are_refused(names: Any, entry: str) -> None:
    with pytest.raises(TypeError, match=f"^columns must be a list of texts, or an array or index of them.*{entry}"):
        Batch("m", np.zeros((2, 2)), None, {"columns": names})


@pytest.mark.parametrize(("rows", "longest"), [(3, 128), (BIG, 110)])
def test_an_id_that_the_gateway_would_not_take_is_refused(rows: int, longest: int) -> None:
    given = np.zeros((rows, 2))
    batch = Batch("m", given, None, {"request_id": "x" * longest})
    sent = cut(batch, 1) if batch.is_big else [batch]
    assert all(len(one.message().request_id) <= 128 for one in sent)
    for wrong in ("x" * (longest + 1), "tab\t", "é"):
        with pytest.raises(ValueError, match=rf"^the request_id.* must be 1 to {longest} printable ASCII characters$"):
            Batch("m", given, None, {"request_id": wrong})
    assert uuid.UUID(Batch("m", given, None, {}).head.request_id)
