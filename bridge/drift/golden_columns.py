"""The golden rows of a bundle as reference rows."""

from collections import Counter
from pathlib import Path

import numpy as np

from bridge.drift.bins import Family
from bridge.drift.reference import CountedColumn, ReferenceNotReadable
from bridge.drift.shift import Kind
from bridge.errors import BundleError
from bridge.files import read_regular
from bridge.row_files.csv_cells import CellError, column_names, read_cells

__all__ = ["GoldenColumns"]

_MOST_BYTES = 64 << 20  # as many as a bundle may have


class GoldenColumns:
    """The columns of a golden.csv, in which only an empty cell without quotes is missing.

    Attributes:
        name: the name of the file, for messages.
        names: the names of its columns, in order.
        rows: the number of its rows.
    """

    def __init__(self, path: Path, most_bytes: int = _MOST_BYTES) -> None:
        """Reads the file.

        Args:
            path: the path of a golden.csv.
            most_bytes: the most bytes that it may have.

        Raises:
            ReferenceNotReadable: it is not a regular file, too large or not CSV, or can't be read.
        """
        self.name = path.name
        try:
            header, *rows = read_cells(read_regular(path, most_bytes).decode("utf-8-sig"))
            self.names = column_names(header)
        except BundleError as error:
            raise ReferenceNotReadable(str(error)) from error
        except (CellError, UnicodeDecodeError) as error:
            said = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
            raise ReferenceNotReadable(f"{path.name}: {said}") from error
        except ValueError as error:
            raise ReferenceNotReadable(f"{path.name} is empty") from error
        except OSError as error:
            raise ReferenceNotReadable(f"{path.name} can't be read: {error.strerror}") from error
        self.rows = len(rows)
        # Cells of equal text are counted together, so that the file need not stay in memory cell by cell.
        cells = [Counter(row[place] for row in rows) for place in range(len(header))]
        self._cells = dict(zip(self.names, cells, strict=True))

    def column(self, name: str, kind: Kind) -> CountedColumn:
        """Returns a column as texts, which the logged values tell how to read."""
        del kind  # every golden row is scored by the model
        counts: Counter[str] = Counter()
        missing = 0
        for cell, count in self._cells[name].items():
            if cell.missing:
                missing += count
            else:
                counts[cell.text] += count
        weights = np.array(list(counts.values()), np.int64)
        return CountedColumn(Family.TEXTS, list(counts), weights, missing, typed=False)
