"""By what a run recognises a file of its input: its size, its time of change, and how its rows are grouped."""

import os
import stat
from collections.abc import Mapping
from typing import Any, Self

from bridge.row_files.source_errors import InputChanged, SourceError
from bridge.values import value

__all__ = ["Stamp"]


@value
class Stamp:
    """What a file was when the run was planned.

    Attributes:
        path: the path of the file, as it was given; of a database also the query, behind `#`.
        bytes: its size.
        mtime_ns: the time of its last change, nanoseconds since 1970.
        row_groups: the rows of each row group of a Parquet file; empty for other formats.
    """

    path: str
    bytes: int
    mtime_ns: int
    row_groups: tuple[int, ...] = ()

    @classmethod
    def of(cls, path: str, name: str = "") -> Self:
        """Returns the stamp of a file as it is now, without row groups.

        Args:
            path: the path of the file.
            name: how the stamp names it; empty for its path.

        Raises:
            SourceError: there is no such file, or it is not a regular one.
        """
        try:
            found = os.stat(path)  # noqa: PTH116 - also for paths that pathlib would shorten
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or "the path can't be used"
            raise SourceError(f"input {path}: {said}") from error
        if not stat.S_ISREG(found.st_mode):
            raise SourceError(f"input {path} is not a regular file: a run reads files that it can read again")
        return cls(name or path, found.st_size, found.st_mtime_ns)

    def check(self, path: str) -> None:
        """Checks that the file still is what it was.

        Raises:
            InputChanged: its size or its time of change is another, or it can't be found.
        """
        try:
            now = type(self).of(path)
        except SourceError as error:
            raise InputChanged(f"input {path} has vanished since the run began: run again with --restart") from error
        self.check_size(path, now.bytes, now.mtime_ns)

    def check_size(self, path: str, size: int, mtime_ns: int) -> None:
        """Checks a size in bytes and a time of change, in nanoseconds, against those of the stamp.

        Raises:
            InputChanged: one of them is another.
        """
        if (size, mtime_ns) != (self.bytes, self.mtime_ns):
            how = "grown" if size > self.bytes else "shrunk" if size < self.bytes else "changed"
            raise InputChanged(
                f"input {path} has {how} since the run began: wait until it is written as a whole, and run again with"
                " --restart"
            )

    def to_json(self) -> dict[str, Any]:
        """Returns the stamp as an object of JSON."""
        return {
            "path": self.path,
            "bytes": self.bytes,
            "mtime_ns": self.mtime_ns,
            "row_groups": list(self.row_groups),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Returns the stamp that `to_json` wrote."""
        return cls(document["path"], document["bytes"], document["mtime_ns"], tuple(document["row_groups"]))
