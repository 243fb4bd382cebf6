"""Big batches: cut into calls of one `batch_id`, and their answers put together again in order."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorebridge.arrays import pack
from scorebridge.request import CallOptions, build_request
from scorebridge.result import DefaultedRows, Scores, Source
from scorebridge.rows import row_count
from scorebridge.v1 import scoring_pb2 as pb

__all__ = [
    "MOST_BYTES",
    "MOST_IN_FLIGHT",
    "MOST_ROWS",
    "batch_rows",
    "cut",
    "cut_array",
    "is_big",
    "is_big_array",
    "put_together",
    "row_wise_version",
]

MOST_BYTES = 1 << 20  # above it one message holds up the gateway's others, and 4 MiB are refused
MOST_ROWS = 10_000
MOST_IN_FLIGHT = 8


def batch_rows(request: pb.ScoreRequest) -> int:
    """How many rows it has."""
    return row_count(request.matrix if request.HasField("matrix") else request.table)


def is_big(request: pb.ScoreRequest) -> bool:
    """The request is better sent in several calls."""
    return request.ByteSize() > MOST_BYTES or batch_rows(request) > MOST_ROWS


def is_big_array(rows: Any) -> bool:
    """An array of numbers that is better sent in several calls, and need not become one message before."""
    if not isinstance(rows, np.ndarray) or rows.ndim != 2:  # noqa: PLR2004 - rows and columns
        return False
    return len(rows) > MOST_ROWS or rows.size * _array_bytes(rows) > MOST_BYTES


def _array_bytes(rows: NDArray[Any]) -> int:
    return 4 if rows.dtype == np.float32 else 8


def cut_array(
    model: str, rows: NDArray[Any], default: float | None, options: CallOptions, version: int
) -> tuple[str, list[Callable[[], pb.ScoreRequest]]]:
    """The same for an array: the batch's request id, and its pieces, each built when it is called for."""
    pieces = max(-(-rows.size * _array_bytes(rows) // MOST_BYTES), -(-len(rows) // MOST_ROWS))
    size = -(-len(rows) // pieces)
    request_id = options.get("request_id") or str(uuid.uuid4())
    keys = options.get("row_keys", ())
    whole = options.copy()
    whole.update({"version": version, "batch_id": options.get("batch_id") or str(uuid.uuid4())})

    def piece(first: int) -> pb.ScoreRequest:
        part = slice(first, first + size)
        own = whole.copy()
        own.update({"request_id": _piece_id(request_id, first), "row_keys": keys[part]})
        return build_request(model, rows[part], default, **own)

    return request_id, [partial(piece, first) for first in range(0, len(rows), size)]


def row_wise_version(details: Sequence[pb.ModelDetail], version: int) -> int | None:
    """The version that all pieces must name, so that none is scored by another; None if rows depend on each other."""
    chosen = [one for one in details if (one.version.version == version if version else one.version.serving)]
    return chosen[0].version.version if chosen and chosen[0].row_wise else None


def cut(request: pb.ScoreRequest, version: int) -> tuple[str, list[Callable[[], pb.ScoreRequest]]]:
    """The request's id, and it in pieces of about a MiB and `MOST_ROWS` rows at most, in order, all for one version.

    Each is built when it is called for.
    """
    rows = batch_rows(request)
    pieces = max(-(-request.ByteSize() // MOST_BYTES), -(-rows // MOST_ROWS))
    size = -(-rows // pieces)
    request.version = version
    request.batch_id = request.batch_id or str(uuid.uuid4())
    made: list[Callable[[], pb.ScoreRequest]] = [
        partial(_piece, request, first, min(size, rows - first)) for first in range(0, rows, size)
    ]
    return request.request_id, made


def put_together(answers: Sequence[Scores], request_id: str) -> Scores:
    """One answer for the whole batch; its times are the longest, its attempts the sum."""
    first = next((one for one in answers if one.source is not Source.CLIENT_DEFAULT), answers[0])
    defaults: list[DefaultedRows] = []
    rows = 0
    for answer in answers:
        defaults += [replace(part, first=rows + part.first) for part in answer.defaults]
        rows += answer.rows
    sources = {answer.source for answer in answers}
    return replace(
        first,
        request_id=request_id,
        columns={name: np.concatenate([_column(answer, name) for answer in answers]) for name in first.columns},
        source=sources.pop() if len(sources) == 1 else Source.MIXED,
        defaults=tuple(defaults),
        rows=rows,
        attempts=sum(answer.attempts for answer in answers),
        queue_s=max(answer.queue_s for answer in answers),
        backend_s=max(answer.backend_s for answer in answers),
    )


def _column(answer: Scores, name: str) -> NDArray[Any]:
    """A client default knows the names of the outputs only if the model has answered before."""
    return answer.columns[name] if name in answer.columns else next(iter(answer.columns.values()))


def _piece_id(request_id: str, first: int) -> str:
    return f"{request_id[:110]}/{first}"


def _piece(request: pb.ScoreRequest, first: int, count: int) -> pb.ScoreRequest:
    piece = pb.ScoreRequest(
        request_id=_piece_id(request.request_id, first),
        model=request.model,
        version=request.version,
        row_keys=request.row_keys[first : first + count],
        default_policy=request.default_policy,
        batch_id=request.batch_id,
        labels=request.labels,
    )
    if request.HasField("default_score"):
        piece.default_score = request.default_score
    if request.HasField("matrix"):
        piece.matrix.CopyFrom(_cut_matrix(request.matrix, first, count))
    else:
        piece.table.columns.extend(_cut_column(column, first, count) for column in request.table.columns)
    return piece


_ARRAYS: dict[str, tuple[Any, Any]] = {
    "doubles": (pb.DoubleArray, np.float64),
    "floats": (pb.FloatArray, np.float32),
    "int32s": (pb.Int32Array, np.int32),
    "int64s": (pb.Int64Array, np.int64),
}


def _cut_matrix(matrix: pb.Matrix, first: int, count: int) -> pb.Matrix:
    kind = matrix.WhichOneof("values") or "doubles"
    message, dtype = _ARRAYS[kind]
    values = np.array(getattr(matrix, kind).values, dtype).reshape(matrix.rows, -1)
    cut_matrix = pb.Matrix(columns=matrix.columns, rows=count)
    getattr(cut_matrix, kind).CopyFrom(pack(message, values[first : first + count]))
    return cut_matrix


def _cut_column(column: pb.Column, first: int, count: int) -> pb.Column:
    part = pb.Column(name=column.name)
    kind = column.WhichOneof("values")
    if kind is not None:
        values = getattr(column, kind).values[first : first + count]
        if kind in _ARRAYS:
            message, dtype = _ARRAYS[kind]
            getattr(part, kind).CopyFrom(pack(message, np.array(values, dtype)))
        else:
            getattr(part, kind).values.extend(values)
    missing = np.array(column.missing_rows, np.int64)
    part.missing_rows.extend((missing[(missing >= first) & (missing < first + count)] - first).tolist())
    return part
