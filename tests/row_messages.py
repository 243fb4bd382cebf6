"""Rows as the message that a client would send of them."""

from collections.abc import Sequence
from typing import Any

from scorebridge.rows import read_rows
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["to_features"]


def to_features(rows: Any, columns: Sequence[str] | None = None) -> pb.Matrix | pb.Table:
    """The rows of a request."""
    request, read = pb.ScoreRequest(), read_rows(rows, columns)
    read.fill(request, 0, read.count)
    return request.matrix if request.HasField("matrix") else request.table
