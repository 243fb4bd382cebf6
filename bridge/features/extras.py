"""Drops columns that a model does not get: for callers that set `ignore_extra`, and keys of features."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from scorebridge.v1 import scoring_pb2 as pb

from bridge.columns import Batch, Matrix
from bridge.errors import InvalidRequest

__all__ = ["drop_columns", "without_extras"]


def without_extras(batch: Batch, known: Collection[str]) -> tuple[Batch, tuple[int, ...]]:
    """Returns the batch with only the columns named in `known`, and the 0-based places of the dropped ones, ascending.

    The columns keep the caller's order. A matrix without names is returned unchanged: its columns are the model's own.
    """
    names = batch.names if isinstance(batch, Matrix) else [column.name for column in batch.columns]
    extra = tuple(place for place, name in enumerate(names) if name not in known)
    if not extra:
        return batch, ()
    kept = [place for place, name in enumerate(names) if name in known]
    if isinstance(batch, Matrix):
        values = np.ascontiguousarray(batch.values[:, kept])
        return replace(batch, names=tuple(batch.names[place] for place in kept), values=values), extra
    return replace(batch, columns=tuple(batch.columns[place] for place in kept)), extra


def drop_columns(request: pb.ScoreRequest, places: Collection[int]) -> None:
    """Removes columns from a request by their 0-based places, as if they had not been sent.

    Raises:
        InvalidRequest: there is no column at one of the places.
    """
    if not places:
        return
    places = frozenset(places)
    is_table = request.WhichOneof("features") == "table"
    if max(places) >= len(request.table.columns if is_table else request.matrix.columns):
        raise InvalidRequest(f"column {max(places)} is on record as ignored or a key, but the request lacks it")
    if is_table:
        for place in sorted(places, reverse=True):
            del request.table.columns[place]
        return
    matrix = request.matrix
    kept = [place for place in range(len(matrix.columns)) if place not in places]
    values = matrix.floats.values if matrix.WhichOneof("values") == "floats" else matrix.doubles.values
    rows = np.array(values).reshape(matrix.rows, len(matrix.columns))[:, kept]
    names = [matrix.columns[place] for place in kept]
    del values[:], matrix.columns[:]
    values.extend(rows.reshape(-1).tolist())
    matrix.columns.extend(names)
