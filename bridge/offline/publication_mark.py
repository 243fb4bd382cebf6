"""What a run notes before its output gets its name, so that the output is recognised whatever happens then."""

import json
from pathlib import Path
from typing import Self

from bridge.offline.plan import Plan, PlanNotReadable
from bridge.values import value

__all__ = ["OutputStamp", "PublicationMark"]

OutputStamp = tuple[int, int]  # the size, and the time of the last change in nanoseconds, which no rename changes


@value
class PublicationMark:
    """A run whose output is complete.

    Attributes:
        plan: its plan.
        output: by what its output is recognised.
        chunks: how many chunks it had.
        rows: the rows of the input.
        rejected: how many of them have no score.
        defaulted: how many of them have default scores.
    """

    plan: Plan
    output: OutputStamp
    chunks: int
    rows: int
    rejected: int
    defaulted: int

    def to_json(self) -> str:
        """Returns the mark as a JSON text."""
        counts = [self.chunks, self.rows, self.rejected, self.defaulted]
        return json.dumps({"plan": self.plan.to_json(), "output": self.output, "counts": counts})

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Returns the mark in a file; None if there is none, or another version of scorebridge wrote it.

        Raises:
            OSError: the file can't be read.
        """
        try:
            read = json.loads(file.read_bytes())
            size, mtime_ns = map(int, read["output"])
            chunks, rows, rejected, defaulted = map(int, read["counts"])
            return cls(Plan.from_json(read["plan"]), (size, mtime_ns), chunks, rows, rejected, defaulted)
        except (FileNotFoundError, ValueError, KeyError, TypeError, PlanNotReadable):
            return None
