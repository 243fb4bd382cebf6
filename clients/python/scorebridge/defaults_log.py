"""The default scores that a client gave itself: counted, and written to a file if the caller wants one."""

import json
import logging
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["DefaultsLog"]

_log = logging.getLogger(__name__)


class DefaultsLog:
    """Counts rows with client defaults, and writes a line of JSON for each call that got them.

    Args:
        path: the file, to which lines are appended; None for none.

    Attributes:
        rows: how many rows got the client's default, by reason.

    Raises:
        OSError: the file can't be opened.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        # Unbuffered and appending: each line is one write, so lines of several processes don't mix.
        self._file = None if path is None else Path(path).open("ab", buffering=0)  # noqa: SIM115 - as long as the client
        self.rows: Counter[str] = Counter()

    def add(self, request: pb.ScoreRequest, rows: int, reason: str) -> None:
        """Counts and writes a call whose rows all get its default score.

        A file that can't be written costs its line, never the call: it is told to the logger of this module.
        """
        self.rows[reason] += rows
        if self._file is None:
            return
        line = {
            "time": datetime.now(UTC).isoformat(),
            "request_id": request.request_id,
            "model": request.model,
            "version": request.version,
            "rows": rows,
            "reason": reason,
            "default_score": request.default_score,
        }
        try:
            self._file.write(json.dumps(line).encode() + b"\n")
        except (OSError, ValueError):
            _log.exception("a client default was not written to the file of defaults")

    def close(self) -> None:
        """Closes the file; counting goes on."""
        if self._file is not None:
            self._file.close()
