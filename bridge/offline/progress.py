"""How far a run is: a bar on a terminal, else a line now and then."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

__all__ = ["Progress"]

_LINE_EVERY_S = 10.0


class Progress:
    """Tells how many rows are done, how many a second, and how long it will take; never stops the run."""

    def __init__(
        self, stream: TextIO, total_rows: int | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Tells nothing yet.

        Args:
            stream: where to tell it; a bar if it is a terminal, else at most a line every 10 s.
            total_rows: the rows of the input; None if they are not known.
            clock: gives seconds.
        """
        self._stream = stream
        self._total = total_rows
        self._clock = clock
        self._began = self._told = clock()
        self._rows_before = 0
        self._share_before: float | None = None
        self._bar: Bar | None = None
        self._task = TaskID(0)
        if stream.isatty():
            self._bar = Bar(
                BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=Console(file=stream)
            )
            self._task = self._bar.add_task("0 rows", total=1.0)
            self._bar.start()

    def begin(self, rows: int, share: float | None = None) -> None:
        """Notes what was done before, so that it does not count as quickly done.

        Args:
            rows: the rows that are finished.
            share: see `update`.
        """
        self._began, self._rows_before, self._share_before = self._clock(), rows, share

    def update(self, rows: int, rejects: int, share: float | None = None) -> None:
        """Tells how far the run is.

        Args:
            rows: the rows that are finished, with those without a score.
            rejects: how many of them have no score.
            share: the share of the input that is read, from 0 to 1; None if it is not known.
        """
        if share is None and self._total:
            share = rows / self._total
        said = self._said(rows, rejects, share)
        with suppress(OSError, ValueError):  # nobody reads it, which is no reason to stop
            if self._bar is not None:
                self._bar.update(self._task, completed=share or 0.0, description=said)
            elif self._clock() - self._told >= _LINE_EVERY_S:
                self._told = self._clock()
                print(said, file=self._stream, flush=True)

    def end(self) -> None:
        """Ends the bar; may be called more than once."""
        with suppress(OSError, ValueError):
            if self._bar is not None:
                self._bar.stop()

    def _said(self, rows: int, rejects: int, share: float | None) -> str:
        elapsed_s = self._clock() - self._began
        said = f"{rows:,} rows"
        if rejects:
            said += f", {rejects:,} without a score"
        if elapsed_s > 0:
            said += f", {(rows - self._rows_before) / elapsed_s:,.0f} rows/s"
        done = (share or 0.0) - (self._share_before or 0.0)
        if share is not None and done > 0:
            said += f", {share:.0%} of the input, {_clock_text(elapsed_s * max(0.0, 1 - share) / done)} left"
        return said


def _clock_text(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
