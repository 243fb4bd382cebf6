"""Sparse rows: what they do not hold is missing, what they hold is sent, and only what is sent is made dense."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp  # type: ignore[import-untyped]
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from row_messages import to_features
from scorebridge.batch import Batch
from scorebridge.chunks import cut
from scorebridge.rows import read_rows
from scorebridge.v1 import scoring_pb2 as pb

FORMS = [sp.csr_matrix, sp.csr_array, sp.csc_matrix, sp.csc_array, sp.coo_matrix, sp.coo_array]
PLACES = (
    np.array([0, 0, 2]),
    np.array([2, 0, 1]),
)  # of the values 0, 1.5 and -2: the rows are (1.5, , 0), none, ( , -2, )


def sparse(form: Any, dtype: Any = np.float64, values: tuple[float, ...] = (0.0, 1.5, -2.0)) -> Any:
    return form((np.array(values, dtype), PLACES), shape=(3, 3))


def array_of(message: pb.Matrix | pb.Table) -> np.ndarray[Any, Any]:
    assert isinstance(message, pb.Matrix)
    kind = message.WhichOneof("values")
    dtype = {"doubles": np.float64, "floats": np.float32}[str(kind)]
    return np.array(getattr(message, str(kind)).values, dtype).reshape(message.rows, -1)


def arrays_of(rows: Any) -> list[np.ndarray[Any, Any]]:
    return [rows.data, rows.row, rows.col] if rows.format == "coo" else [rows.data, rows.indices, rows.indptr]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("dtype", "kind"), [(np.float64, "doubles"), (np.float32, "floats")])
def test_what_is_not_there_is_missing_and_a_zero_is_a_zero(form: Any, dtype: type, kind: str) -> None:
    rows = sparse(form, dtype)
    message = to_features(rows, ["a", "b", "c"])
    assert isinstance(message, pb.Matrix)
    assert (message.WhichOneof("values"), message.rows, list(message.columns)) == (kind, 3, ["a", "b", "c"])
    nan = np.nan
    assert np.array_equal(array_of(message), [[1.5, nan, 0.0], [nan] * 3, [nan, -2.0, nan]], equal_nan=True)
    assert list(array_of(to_features(rows)).shape) == [3, 3]


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint16, np.int32, np.uint64])
def test_whole_numbers_are_sent_as_doubles(dtype: type) -> None:
    message = to_features(sparse(sp.csr_array, dtype, (0, 1, 1)))
    assert array_of(message).dtype == np.float64
    assert np.nansum(array_of(message)) == 2


@given(st.integers(0, 2**32), st.sampled_from(FORMS), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=40, deadline=None)
def test_xgboost_is_given_what_it_would_have_read_itself(seed: int, form: Any, dtype: type) -> None:
    numbers = np.random.default_rng(seed)
    height, width = int(numbers.integers(1, 6)), int(numbers.integers(1, 6))
    held = numbers.random((height, width)) < 0.4
    values = numbers.normal(size=held.sum()).astype(dtype)
    values[::3] = 0
    order = numbers.permutation(held.sum())
    places = tuple(axis[order] for axis in np.nonzero(held))
    rows = form((values, places), shape=held.shape)
    own, sent = xgboost.DMatrix(rows).get_data(), xgboost.DMatrix(array_of(to_features(rows))).get_data()
    own.sort_indices()
    assert (own.indptr.tolist(), own.indices.tolist()) == (sent.indptr.tolist(), sent.indices.tolist())
    assert own.data.tobytes() == sent.data.tobytes()


def test_entries_in_any_order_keep_their_places() -> None:
    rows = sp.csr_matrix((np.array([3.0, 1.0, 2.0]), np.array([2, 0, 1]), np.array([0, 3])), shape=(1, 3))
    assert not rows.has_sorted_indices
    assert array_of(to_features(rows)).tolist() == [[1.0, 2.0, 3.0]]


def test_what_is_behind_the_last_row_is_not_sent() -> None:
    rows = sp.csr_array((np.array([1.0, 9.0]), np.array([0, 7]), np.array([0, 1])), shape=(1, 1))
    assert array_of(to_features(rows)).tolist() == [[1.0]]


@pytest.mark.parametrize("form", FORMS)
def test_the_chunks_hold_all_rows_in_order_and_the_caller_s_matrix_is_not_changed(form: Any) -> None:
    numbers = np.random.default_rng(0)
    rows = form(numbers.normal(size=(3000, 100)) * (numbers.random((3000, 100)) < 0.05))
    rows.data[::5] = 0
    before = [array.copy() for array in arrays_of(rows)]
    batch = Batch("m", rows, None, {})
    chunks = [chunk.message() for chunk in cut(batch, 1)]
    assert len(chunks) > 1
    whole = np.concatenate([array_of(chunk.matrix) for chunk in chunks])
    expected = np.full(rows.shape, np.nan)
    expected[rows.tocoo().row, rows.tocoo().col] = rows.tocoo().data
    assert np.array_equal(whole, expected, equal_nan=True)
    assert all(np.array_equal(one, other) for one, other in zip(before, arrays_of(rows), strict=True))


def test_no_more_is_made_dense_than_is_asked_for() -> None:
    rows = sp.eye_array(20_000, 20_000, format="csr")
    tracemalloc.start()
    try:
        read = read_rows(rows)
        request = pb.ScoreRequest()
        read.fill(request, 10_000, 2)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (request.matrix.rows, len(request.matrix.doubles.values)) == (2, 40_000)
    assert np.flatnonzero(~np.isnan(request.matrix.doubles.values)).tolist() == [10_000, 30_001]
    assert read.size == 20_000 * 20_000 * 8
    assert most < 20 << 20


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 3)])
def test_matrices_that_hold_nothing_have_their_rows(shape: tuple[int, int]) -> None:
    read = read_rows(sp.csr_array(shape))
    assert (read.count, read.size) == (shape[0], shape[0] * shape[1] * 8)
    message = to_features(sp.csr_array(shape))
    assert isinstance(message, pb.Matrix)
    assert (message.rows, len(message.doubles.values)) == (shape[0], shape[0] * shape[1])


TWO = (np.array([1, 1, 0]), np.array([2, 2, 0]))
UNSORTED = sp.csr_matrix((np.ones(3), np.array([2, 0, 2]), np.array([0, 0, 3])), shape=(2, 3))
NAMED = "^column 'c', row 1: the sparse matrix has two values; its sum_duplicates.. adds them up$"


@pytest.mark.parametrize(
    "rows",
    [
        sp.csr_matrix((np.ones(2), np.array([2, 2]), np.array([0, 0, 2])), shape=(2, 3)),
        sp.csc_array((np.ones(2), np.array([1, 1]), np.array([0, 0, 0, 2])), shape=(2, 3)),
        sp.coo_matrix((np.ones(3), TWO), shape=(2, 3)),
        sp.coo_array((np.ones(3), TWO), shape=(2, 3)),
        UNSORTED,
    ],
)
def test_two_values_of_one_place_are_refused_because_xgboost_adds_them_only_if_it_is_coo(rows: Any) -> None:
    before = [array.copy() for array in arrays_of(rows)]
    with pytest.raises(ValueError, match=NAMED):
        to_features(rows, ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"^column 2, row 1: the sparse matrix has two values"):
        to_features(rows)
    assert all(np.array_equal(one, other) for one, other in zip(before, arrays_of(rows), strict=True))
    rows.sum_duplicates()
    assert np.nanmax(array_of(to_features(rows))) == 2


def outside(place: int) -> Any:
    rows = sp.csr_array(np.eye(2))
    rows.indices[1] = place
    return rows


@pytest.mark.parametrize(
    ("rows", "columns", "kind", "sentence"),
    [
        (sparse(sp.csr_array), ["a"], ValueError, "columns has 1 names, but the rows have 3 columns"),
        (sparse(sp.coo_array, np.complex128), None, TypeError, "an array of rows holds numbers, not complex128"),
        (sp.coo_array(np.ones(3)), None, ValueError, r"an array of rows has shape \(rows, columns\), not \(3,\)"),
        (
            sp.dok_array((2, 3)),
            None,
            TypeError,
            r"a sparse matrix of rows is CSR, CSC or COO, not DOK: pass its .tocsr\(\)",
        ),
        (sp.lil_matrix((2, 3)), None, TypeError, "a sparse matrix of rows is CSR, CSC or COO, not LIL"),
        (outside(2), None, ValueError, r"the sparse matrix has an entry outside its shape \(2, 2\)"),
        (outside(-1), None, ValueError, "the sparse matrix has an entry outside its shape"),
        (
            sparse(sp.csr_array, np.int64, (1, 2, 2**53 + 1)),
            ["a", "b", "c"],
            ValueError,
            "column 'b', row 2: a number that",
        ),
        (
            sparse(sp.coo_array, np.uint64, (2**63 + 1, 1, 1)),
            None,
            ValueError,
            "column 2, row 0: a number that no double",
        ),
        ({"x": sparse(sp.csr_array)}, None, TypeError, "column 'x' is a csr_array: pass a list, an array or a series"),
    ],
)
def test_sparse_rows_that_can_not_be_sent_are_refused(
    rows: Any, columns: list[str] | None, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind, match=f"^{sentence}"):
        to_features(rows, columns)
