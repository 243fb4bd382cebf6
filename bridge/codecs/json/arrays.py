"""Writes columns as arrays of JSON."""

from typing import Any

import numpy as np
import orjson

from bridge.codecs.json.documents import name_text
from bridge.codecs.runs import RUN
from bridge.columns import Column
from bridge.errors import InvalidRequest

__all__ = ["write_array"]


def write_array(column: Column, *, nulls: bool = True) -> str:
    """Returns the values of an output as a JSON array, with the digits that give back their bits.

    A float is written as the double that it equals. It is written in runs, so that other threads get on.

    Args:
        column: the output.
        nulls: whether every missing value is null; if not, only missing numbers of floating types are, and others keep
            their placeholder.

    Raises:
        InvalidRequest: a score is infinite, which JSON can't say.
    """
    if column.type.is_floating and (infinite := np.isinf(column.values)).any():
        raise InvalidRequest(
            f"output {name_text(column.name)}, row {int(infinite.argmax())}: an infinite score, which JSON can't hold; "
            "ask by gRPC, or for binary data"
        )
    nulls = nulls or column.type.is_floating
    runs = (_run(column.slice(first, RUN), nulls=nulls) for first in range(0, len(column), RUN))
    return f"[{','.join(runs)}]"


def _run(column: Column, *, nulls: bool) -> str:
    values: list[Any] = column.values.tolist()
    if nulls and column.any_missing():
        for row in np.flatnonzero(column.missing()).tolist():
            values[row] = None
    return orjson.dumps(values)[1:-1].decode()
