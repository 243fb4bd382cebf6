"""Big batches: the pieces of an array hold all its rows in order, however the batch is cut."""

from typing import Any

import numpy as np
import pytest
from scorebridge.batches import MOST_BYTES, MOST_ROWS, cut, cut_array, is_big, is_big_array
from scorebridge.request import CallOptions, build_request
from scorebridge.v1 import scoring_pb2 as pb


def values_of(pieces: list[pb.ScoreRequest]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    parts = [getattr(piece.matrix, piece.matrix.WhichOneof("values") or "").values for piece in pieces]
    return np.concatenate([np.array(part) for part in parts])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("shape", [(MOST_ROWS + 1, 2), (3000, 100), (25_000, 30)])
def test_the_pieces_of_an_array_are_those_of_its_message(shape: tuple[int, int], dtype: type) -> None:
    rows: np.ndarray[tuple[int, ...], np.dtype[Any]] = np.random.default_rng(0).normal(0, 1000, shape).astype(dtype)
    keys = [str(number) for number in range(shape[0])]
    options: CallOptions = {"request_id": "whole", "batch_id": "batch", "row_keys": keys, "labels": {"a": "b"}}
    assert is_big_array(rows)
    request_id, built = cut_array("m", rows, 0.5, options, 3)
    pieces = [build() for build in built]
    assert request_id == "whole"
    request = build_request("m", rows, 0.5, **options)
    assert is_big(request)
    assert np.array_equal(values_of(pieces), values_of([build() for build in cut(request, 3)[1]]))
    assert np.array_equal(values_of(pieces), rows.ravel().astype(np.float32 if dtype is np.float32 else np.float64))
    assert [key for piece in pieces for key in piece.row_keys] == keys
    assert {(piece.version, piece.batch_id, piece.default_score) for piece in pieces} == {(3, "batch", 0.5)}
    assert all(piece.matrix.rows <= MOST_ROWS and piece.ByteSize() < 1.5 * MOST_BYTES for piece in pieces)


def test_what_is_no_big_array_of_numbers_is_left_to_the_message() -> None:
    assert not is_big_array(np.zeros((10, 3)))
    assert not is_big_array({"x": np.zeros(100_000)})
    assert not is_big_array(np.zeros(100_000))
