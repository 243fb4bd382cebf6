"""The file of a run's rejects: the rows that got no score, and why."""

from collections.abc import Iterable
from pathlib import Path

from bridge.offline.durable import durable_file, rename_durably, said_of, sync_folder
from bridge.row_files.csv_cells import Cell, format_cells
from bridge.row_files.input_chunk import Reject

__all__ = ["write_rejects"]

_NAMES = ("key", "file", "row", "column", "reason", "detail")


def write_rejects(path: Path, rejects: Iterable[Reject]) -> None:
    """Writes a CSV file with a line for each reject, whole or not at all; without rejects, an old one is removed.

    Args:
        path: the file; an old one is replaced.
        rejects: the rows without a score, in the order in which they are listed.

    Raises:
        NotWritten: the file can't be written or removed.
    """
    aside = path.with_name(f".{path.name}.partial")
    count = 0
    with said_of(path):
        with durable_file(aside) as file:
            file.write(format_cells([[Cell(name, quoted=True) for name in _NAMES]]).encode())
            for reject in rejects:
                row = [Cell.of(getattr(reject, name)) for name in _NAMES]
                file.write(format_cells([row]).encode())
                count += 1
        if count:
            rename_durably(aside, path)
            return
        aside.unlink()
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
