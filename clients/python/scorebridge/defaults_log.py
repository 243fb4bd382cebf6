"""Counts a client's default scores, and writes them to a file of client defaults if the caller wants one."""

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
    """Counts rows with client defaults, and writes a line of JSON for each call that was answered with them.

    Args:
        path: the file, to which lines are appended; None for no file.

    Attributes:
        rows: the number of rows that got a client default, by reason.

    Raises:
        OSError: the file can't be opened.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        # Unbuffered and appending: each line is one write, so the lines of several processes don't mix.
        self._file = None if path is None else Path(path).open("ab", buffering=0)  # noqa: SIM115 - as long as the client
        self.rows: Counter[str] = Counter()

    def add(self, request: pb.ScoreRequest, rows: int, reason: str) -> None:
        """Counts a call that is answered with its default score, and writes its line to the file.

        If the line can't be written, the call is answered all the same, and the error is logged by this module.
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
            _log.exception(
                "the client default of call %s was not written to the file of client defaults", request.request_id
            )

    def close(self) -> None:
        """Closes the file. Later calls are counted, but not written."""
        if self._file is not None:
            self._file.close()
