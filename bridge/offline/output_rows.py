"""The rows of a run's output: the columns copied from the input, the scores, and what is said of each score."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bridge.calls import Output
from bridge.columns import Column, Type
from bridge.errors import BridgeError
from bridge.offline.scored_chunk import ScoredChunk
from bridge.row_files.input_chunk import InputChunk

__all__ = ["OutputError", "output_schema", "output_table"]

_MARKS = (("source", pa.string()), ("reason", pa.string()), ("version", pa.int64()))
_TYPES: dict[Type, pa.DataType] = {
    Type.DOUBLE: pa.float64(),
    Type.FLOAT: pa.float32(),
    Type.INT: pa.int32(),
    Type.INT64: pa.int64(),
    Type.BOOL: pa.bool_(),
    Type.STRING: pa.string(),
    Type.FACTOR: pa.string(),
}


class OutputError(BridgeError):
    """The output can't be what was asked for; the message names the column or the path, and the remedy."""

    reason = "OUTPUT_REFUSED"


def output_schema(
    echo_schema: pa.Schema, outputs: Sequence[Output], partition: Mapping[str, str], *, constant: bool = True
) -> pa.Schema:
    """Returns the columns of the output: those copied, the outputs, `source`, `reason`, `version`, the partition's.

    Columns that are copied keep their types, but dictionaries become the values that they stand for.

    Args:
        echo_schema: the columns to copy, the key first.
        outputs: the model's outputs.
        partition: the partition columns and their values.
        constant: whether the partition columns are written into the file, as text.

    Raises:
        OutputError: a name would occur twice; the message says which and how to avoid it.
    """
    scores = [pa.field(output.name, _TYPES[output.type]) for output in outputs]
    marks = [pa.field(name, kind) for name, kind in _MARKS]
    parts = [pa.field(name, pa.string()) for name in partition]
    _check_names(echo_schema.names, [one.name for one in scores], [one.name for one in parts])
    echoed = [pa.field(field.name, _plain(field.type)) for field in echo_schema]
    return pa.schema([*echoed, *scores, *marks, *(parts if constant else ())])


def output_table(
    schema: pa.Schema, chunk: InputChunk, scored: ScoredChunk, version: int, partition: Mapping[str, str]
) -> pa.Table:
    """Returns the rows of a chunk that have scores; a missing score is null.

    Args:
        schema: the columns, as `output_schema` gives them.
        chunk: the rows that were read.
        scored: what became of them.
        version: the number of the version that scored them.
        partition: the partition columns that `schema` has, with their values.

    Raises:
        OutputError: the scores are not of the outputs and types of the schema.
    """
    rows = len(scored.kept)
    if not rows:
        return schema.empty_table()
    echoed = chunk.echoed.take(pa.array(scored.kept)) if chunk.echoed.num_columns else chunk.echoed
    arrays = [column.cast(schema.field(name).type) for name, column in zip(echoed.column_names, echoed, strict=True)]
    found = {column.name: column for column in scored.columns}
    scores = list(schema)[len(arrays) : len(schema) - len(_MARKS) - len(partition)]
    if set(found) != {field.name for field in scores}:
        raise OutputError("the scores have other outputs than the version says: --restart begins anew")
    arrays += [_scores(found[field.name], field) for field in scores]
    arrays += [
        pa.array(["MODEL" if reason is None else "DEFAULT" for reason in scored.reasons], pa.string()),
        pa.array(scored.reasons, pa.string()),
        pa.array(np.full(rows, version, np.int64)),
        *(pa.array([value] * rows, pa.string()) for value in partition.values()),
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _scores(column: Column, field: Any) -> Any:
    missing = column.missing()
    if missing.all():  # R's plain NA is logical, whatever the output's type is
        return pa.nulls(len(column), field.type)
    kind = _TYPES[column.type]
    if kind != field.type:
        raise OutputError(
            f"the output '{column.name}' came as {kind}, and the version says that it is {field.type}: give the bundle"
            " golden rows or a section [outputs]"
        )
    values = column.values
    if column.type is Type.FACTOR:
        values = np.array([*column.levels, ""], object)[np.where(missing, -1, values)]
    return pa.array(values, kind, mask=missing)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Returns the type of the values; a file can't hold a dictionary that differs from chunk to chunk."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _check_names(echoed: Sequence[str], outputs: Sequence[str], parts: Sequence[str]) -> None:
    marks = [name for name, _ in _MARKS]
    if twice := next((name for name in echoed if echoed.count(name) > 1), None):
        raise OutputError(f"column '{twice}' is named twice: name each column once, by --key or by --keep")
    if taken := next((name for name in echoed if name in (*outputs, *marks)), None):
        raise OutputError(
            f"column '{taken}' can't be copied, because the output has a column of its own with that name: rename the"
            " column in the input"
        )
    if taken := next((name for name in outputs if name in marks or outputs.count(name) > 1), None):
        raise OutputError(f"the model has an output '{taken}', and a run's output has another column of that name")
    if taken := next((name for name in parts if name in (*echoed, *outputs, *marks)), None):
        raise OutputError(
            f"--partition can't have the name '{taken}', because the output has another column of that name: choose"
            " another name"
        )
