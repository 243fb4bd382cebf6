"""Compares the log with a file of scores that were made elsewhere, joined by the callers' row keys."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bridge.reconcile.calls import LoggedBatch
from bridge.reconcile.compare import Failure, Rescored
from bridge.reconcile.other_file import OtherFile

__all__ = ["Against"]


class Against:
    """The scores in a file as a rescorer; counts the keys that the log and the file have in common.

    Attributes:
        engine: empty, because nobody knows what computed the scores in the file.
    """

    engine = ""

    def __init__(self, path: Path, key: str) -> None:
        """Reads the file.

        Args:
            path: the file or folder of scores.
            key: the name of its column of row keys.

        Raises:
            AgainstNotReadable: the file can't be read, or the keys are missing, of another type, or there twice.
        """
        self._file = OtherFile(path, key)
        self._met = np.zeros(len(self._file.rows) + self._file.without_key, np.bool_)
        self._without_key = 0

    def score(self, logged_batches: Sequence[LoggedBatch]) -> list[Rescored | Failure]:
        """Returns the file's scores for each batch; rows without a key, or with a key not in the file, are unknown.

        Raises:
            AgainstNotReadable: a column can't be read, or a score is not of the type of the model's output.
        """
        return [self._one(logged_batch) for logged_batch in logged_batches]

    def close(self) -> None:
        """Does nothing: the file is not held open."""

    def notes(self) -> list[str]:
        """Returns sentences on how many keys and rows of the file and of the log have no counterpart."""
        keys = len(self._file.rows)
        said = f"{self._file.name}: {keys - int(self._met.sum())} of its {keys} keys are not in the log"
        said += f", {self._file.without_key} of its rows have no key" if self._file.without_key else ""
        return [f"{said}; rows of the log without a row in the file: {self._without_key}"]

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
