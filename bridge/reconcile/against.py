"""Scores that were made elsewhere, from a file: joined to the log by the callers' row keys."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bridge.columns import Array, Column, Type
from bridge.errors import BridgeError
from bridge.reconcile.calls import Piece
from bridge.reconcile.compare import Failure, Rescored

__all__ = ["Against", "AgainstNotReadable"]

_PREFIX = "score."
_ONE = "score"


class AgainstNotReadable(BridgeError):
    """The file of other scores is not what it must be."""

    reason = "AGAINST_NOT_READABLE"


class Against:
    """A Parquet or CSV file with one row a key and the columns `score.<output>`, or `score` for one output.

    All of it is held in memory. Empty cells are missing scores.
    """

    engine = ""

    def __init__(self, path: Path, key: str) -> None:
        """Reads the file.

        Args:
            path: by its suffix, .parquet or .csv.
            key: the column that holds the row keys.

        Raises:
            AgainstNotReadable: the file or a column is missing, or a key is there twice.
        """
        table = _read(path, key)
        if key not in table.column_names:
            raise AgainstNotReadable(f"{path.name} has no column '{key}'")
        keys = [str(value) for value in table.column(key).to_pylist()]
        self._rows = {value: row for row, value in enumerate(keys)}
        if len(self._rows) != len(keys):
            raise AgainstNotReadable(f"{path.name}: a key in the column '{key}' is there twice")
        self._columns = {
            name: _column(name.removeprefix(_PREFIX), table.column(name))
            for name in table.column_names
            if name != key and (name.startswith(_PREFIX) or name == _ONE)
        }
        if not self._columns:
            raise AgainstNotReadable(f"{path.name} has no column 'score' or 'score.<output>'")

    def score(self, pieces: Sequence[Piece]) -> list[Rescored | Failure]:
        """See `Rescorer.score`; rows without a key, or whose key is not in the file, are unknown."""
        return [self._one(piece) for piece in pieces]

    def close(self) -> None:
        """See `Rescorer.close`."""

    def _one(self, piece: Piece) -> Rescored | Failure:
        keys = piece.call.request.row_keys
        wanted = [self._rows.get(keys[row], -1) if keys else -1 for row in piece.rows.tolist()]
        rows = np.array(wanted, np.int64)
        known = rows >= 0
        outputs = piece.call.scores()
        found = [
            _as_logged(column, output, np.where(known, rows, 0))
            for output in outputs
            if self._rows and (column := self._column_of(output.name, len(outputs))) is not None
        ]
        if known.any() and not found:
            return Failure("the file has no column for any output of the model")
        return Rescored(tuple(found) if known.any() else _outputs_of(piece), known)

    def _column_of(self, output: str, outputs: int) -> Column | None:
        column = self._columns.get(f"{_PREFIX}{output}")
        return self._columns.get(_ONE) if column is None and outputs == 1 else column


def _outputs_of(piece: Piece) -> tuple[Column, ...]:
    """What was answered: stands in where nothing is known, and is compared with nothing."""
    columns = piece.call.scores()
    return tuple(
        Column(c.name, c.type, c.values[piece.rows], None if c.mask is None else c.mask[piece.rows]) for c in columns
    )


def _as_logged(column: Column, output: Column, rows: Array) -> Column:
    """Some rows under the output's name; a double is what a file makes of a float, so it is made one again."""
    values, mask = column.values[rows], None if column.mask is None else column.mask[rows]
    if column.type is Type.DOUBLE and output.type is Type.FLOAT:
        return Column(output.name, Type.FLOAT, values.astype(np.float32))
    return Column(output.name, column.type, values, mask)


def _column(name: str, values: Any) -> Column:
    import pyarrow.types as kinds  # noqa: PLC0415 - `_read` has shown that it is there

    missing = np.array(values.is_null().to_pylist(), np.bool_)
    entries = values.to_pylist()
    kind = values.type
    if kinds.is_floating(kind):
        column_type = Type.FLOAT if kinds.is_float32(kind) else Type.DOUBLE
    elif kinds.is_integer(kind):
        column_type = Type.LONG
    elif kinds.is_boolean(kind):
        column_type = Type.BOOL
    else:
        column_type = Type.STRING
    placeholder: Any = "" if column_type is Type.STRING else np.nan if column_type.is_floating else 0
    array = np.empty(len(entries), column_type.dtype)
    array[:] = [placeholder if entry is None else entry for entry in entries]
    return Column(name, column_type, array, None if column_type.is_floating else missing)


def _read(path: Path, key: str) -> Any:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
        from pyarrow import csv  # noqa: PLC0415
    except ImportError as error:
        raise AgainstNotReadable("pyarrow is not installed: pip install 'scorebridge-gateway[log]'") from error
    try:
        if path.suffix.lower() == ".csv":
            options = csv.ConvertOptions(column_types={key: pa.string()}, strings_can_be_null=False)
            return csv.read_csv(path, convert_options=options)
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise AgainstNotReadable(f"{path.name} can't be read: {str(error).splitlines()[0]}") from error
