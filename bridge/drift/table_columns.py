"""Files of reference rows: Parquet, Arrow, CSV, JSON lines, and folders of them, such as an exported log."""

from pathlib import Path
from typing import Any

import numpy as np

from bridge.drift.bins import Family
from bridge.drift.reference import CountedColumn, ReferenceNotReadable
from bridge.drift.shift import Kind
from bridge.files import size_text
from bridge.row_files.other_tables import AgainstNotReadable, OtherTables

__all__ = ["TableColumns"]

_MOST_BYTES = 2 << 30
_MOST_ROWS = 20_000_000
_MISSING = ("", "NA", "\\N")
_MARKS = ("source", "reason", "version")  # what `batch` and `log export` write beside the scores
_SOURCES = frozenset({"MODEL", "DEFAULT", "FAILED", "CLIENT_DEFAULT", None})
_TOGETHER = 16  # columns of a CSV file, which has to be read as a whole for each of them else
_SAMPLE = "take a sample of its rows"


class TableColumns:
    """The columns of a file or folder of rows; one column at a time is in memory, of CSV files 16.

    In a file that `scorebridge batch` or `scorebridge log export` wrote, rows of failed calls don't count, and rows
    with a default score have no score.

    Attributes:
        name: the name of the file or folder, for messages.
        names: the names of its columns, in order; without those that say where a score comes from.
        rows: the number of its rows.
    """

    def __init__(self, path: Path) -> None:
        """Finds the files and the names of their columns.

        Raises:
            ReferenceNotReadable: a file can't be read, is too large or has no columns, a name is there twice, or
                pyarrow is not installed.
        """
        if not path.exists():
            raise ReferenceNotReadable(f"there is no file or folder {path}")
        self.name = path.name
        try:
            self._tables = OtherTables(path, _MISSING, _TOGETHER)
            names = self._tables.names
            self._check_size()
            self._answered, self._scored = self._marks(names)
        except AgainstNotReadable as error:
            raise ReferenceNotReadable(str(error)) from error
        if not names or len(set(names)) < len(names):
            raise ReferenceNotReadable(f"{self.name} has {'two columns of one name' if names else 'no columns'}")
        self.names = [name for name in names if self._scored is None or name not in _MARKS]
        rows = len(self._tables.column(names[0])) if self._answered is None else int(self._answered.sum())
        self.rows = rows

    def column(self, name: str, kind: Kind) -> CountedColumn:
        """Returns a column; of scores only those that the model gave, where the file says so.

        Raises:
            ReferenceNotReadable: the column can't be read, or has a type that no feature or score has.
        """
        import pyarrow as pa  # noqa: PLC0415 - `OtherTables` has shown that it is there

        try:
            column = self._tables.column(name)
        except AgainstNotReadable as error:
            raise ReferenceNotReadable(str(error)) from error
        kept = self._scored if kind == "score" else self._answered
        if kept is not None:
            column = column.filter(pa.array(kept))
        return _counted(column, f"{self.name}: the column '{name}'")

    def _check_size(self) -> None:
        paths = self._tables.paths
        size = sum(path.stat().st_size for path in paths)
        if size > _MOST_BYTES:
            raise ReferenceNotReadable(f"{self.name} is larger than {size_text(_MOST_BYTES)}: {_SAMPLE}")
        if self._tables.stored_rows() > _MOST_ROWS:
            raise ReferenceNotReadable(f"{self.name} has more than {_MOST_ROWS} rows: {_SAMPLE}")

    def _marks(self, names: list[str]) -> tuple[Any, Any]:
        """Returns which rows were answered and which the model scored, shape (rows,); None where all count."""
        if not set(_MARKS) <= set(names):
            return None, None
        sources = self._tables.column(_MARKS[0]).to_pylist()
        if not set(sources) <= _SOURCES:
            return None, None  # columns of the user's own that are named so
        answered = np.array([source is not None and source != "FAILED" for source in sources], np.bool_)
        return answered, np.array([source == "MODEL" for source in sources], np.bool_)


def _counted(column: Any, place: str) -> CountedColumn:
    import pyarrow as pa  # noqa: PLC0415 - `OtherTables` has shown that it is there
    import pyarrow.types as kinds  # noqa: PLC0415

    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    rows, column = len(column), column.drop_null()
    kind = column.type
    if kinds.is_integer(kind) or kinds.is_floating(kind):
        numbers = column.cast(pa.float64(), safe=False).to_numpy()
        values, weights = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
        return CountedColumn(Family.NUMBERS, values, weights, rows - int(weights.sum()), typed=True)
    if not (kinds.is_boolean(kind) or kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_null(kind)):
        raise ReferenceNotReadable(f"{place} is {kind}: features and scores are numbers, truth values or text")
    counted = column.value_counts()
    values, weights = counted.field("values").to_pylist(), counted.field("counts").to_numpy()
    if kinds.is_boolean(kind):
        texts = ["true" if value else "false" for value in values]
        return CountedColumn(Family.TRUTHS, texts, weights, rows - len(column), typed=True)
    return CountedColumn(Family.TEXTS, values, weights, rows - len(column), typed=False)
