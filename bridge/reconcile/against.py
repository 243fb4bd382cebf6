"""Scores that were made elsewhere as something to compare with: joined to the log by the callers' row keys."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bridge.reconcile.calls import LoggedBatch
from bridge.reconcile.compare import Failure, Rescored
from bridge.reconcile.other_file import OtherFile

__all__ = ["Against"]


class Against:
    """The scores in a file, and which of its keys were met."""

    engine = ""

    def __init__(self, path: Path, key: str) -> None:
        """Reads a file of scores by its keys."""
        self._file = OtherFile(path, key)
        self._met = np.zeros(len(self._file.rows) + self._file.without_key, np.bool_)
        self._without_key = 0

    def score(self, logged_batches: Sequence[LoggedBatch]) -> list[Rescored | Failure]:
        """The file's scores of each batch's rows; those without a key, or whose key is not in the file, are unknown.

        Raises:
            AgainstNotReadable: a score in the file is not of the type of the model's output.
        """
        return [self._one(logged_batch) for logged_batch in logged_batches]

    def close(self) -> None:
        """Nothing is held open."""

    def notes(self) -> list[str]:
        """How the file and the log met, in words."""
        keys = len(self._file.rows)
        said = f"{self._file.name}: {keys - int(self._met.sum())} of its {keys} keys were never met"
        said += f", {self._file.without_key} of its rows have no key" if self._file.without_key else ""
        return [f"{said}; rows of the log that found no key in it: {self._without_key}"]

    def _one(self, logged_batch: LoggedBatch) -> Rescored:
        keys = logged_batch.call.request.row_keys
        rows = np.array(
            [self._file.rows.get(keys[row], -1) if keys else -1 for row in logged_batch.rows.tolist()], np.int64
        )
        known = rows >= 0
        self._met[rows[known]] = True
        self._without_key += int((~known).sum())
        outputs = logged_batch.call.scores()
        columns = {output.name: self._file.column(output.name, alone=len(outputs) == 1) for output in outputs}
        found = tuple(column.scores(rows, output) for output in outputs if (column := columns[output.name]) is not None)
        left_out = frozenset(name for name, column in columns.items() if column is None)
        return Rescored(found, known if found else np.zeros(len(rows), np.bool_), left_out)
