"""What both clients do beside calling: give the caller's default where no gateway answers, spare dead ones."""

import json
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from scorebridge.arguments import check_count, check_hook, check_seconds
from scorebridge.circuit import Circuit
from scorebridge.errors import ScoringError, Unavailable
from scorebridge.forks import told_of_forks
from scorebridge.outputs import Outputs
from scorebridge.result import DefaultedRows, Scores, Source, read_scores
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["CallEvent", "Safety", "SafetyOptions", "event_name", "falls_back"]

_log = logging.getLogger(__name__)

_NAMES = {"DEADLINE_EXCEEDED": "DEADLINE"}  # as the gateway names the same event
_THROWN = frozenset(("INVALID_ARGUMENT", "NOT_FOUND", "UNAUTHENTICATED", "PERMISSION_DENIED", "CANCELLED"))
_SILENT = frozenset(("UNAVAILABLE", "DEADLINE_EXCEEDED"))


@dataclass(frozen=True)
class CallEvent:
    """One call that has ended, for metrics; a big batch ends once for each of its chunks.

    Attributes:
        request_id: the call's.
        model: the model's name.
        rows: how many it had.
        elapsed_s: from the call to its end, seconds.
        source: of the scores; None if the call ended with an error.
        reason: why the client gave its default or raised; None for an answer of the gateway.
    """

    request_id: str
    model: str
    rows: int
    elapsed_s: float
    source: Source | None
    reason: str | None


class SafetyOptions(TypedDict, total=False):
    """What a client does when no gateway answers, and how it finds out.

    Attributes:
        keepalive_s: a connection from which nothing came for so long is asked whether anybody is there, seconds (10);
            None for never. A gateway sends away who asks more often than its `min_ping_interval_s`, which is 5.
        keepalive_timeout_s: and is made anew if no answer comes within this, seconds (2).
        circuit_failures: so many failed connections or unanswered calls in a row, and gateways are left alone for a
            while (5); 0 for never.
        circuit_open_s: how long, until a single call is let through to see, seconds (1).
        defaults_log: a file that gets a line of JSON for each client default, for
            `scorebridge reconcile --client-defaults`; no input values.
        on_call: is told of every call, for metrics; must not block. What it raises is logged.
    """

    keepalive_s: float | None
    keepalive_timeout_s: float
    circuit_failures: int
    circuit_open_s: float
    defaults_log: str | os.PathLike[str]
    on_call: Callable[[CallEvent], None]


class Safety:
    """One client's.

    Attributes:
        outputs: what models answer with.
        defaults: how many rows got the client's default, by reason.
    """

    def __init__(self, options: SafetyOptions) -> None:
        self._circuit = Circuit(
            check_count("circuit_failures", options.get("circuit_failures", 5)),
            check_seconds("circuit_open_s", options.get("circuit_open_s", 1.0)),
        )
        told_of_forks(self._circuit)
        path = options.get("defaults_log")
        # Unbuffered and appending: each line is one write, so lines of several processes don't mix.
        self._file = None if path is None else Path(path).open("ab", buffering=0)  # noqa: SIM115 - as long as the client
        self._on_call = options.get("on_call")
        check_hook("on_call", self._on_call)
        self.outputs = Outputs()
        self.defaults: Counter[str] = Counter()

    def admit(self, timeout_s: float | None) -> None:
        """Returns if a gateway may be asked by a call that waits so long, seconds; None for one that waits for ever.

        Raises:
            Unavailable: none has answered lately.
        """
        if not self._circuit.allows(timeout_s):
            sentence = "no gateway has answered lately: none was asked"
            raise Unavailable(sentence, "CLIENT_CIRCUIT_OPEN", status="UNAVAILABLE", by_gateway=False)

    def connected(self) -> None:
        """There is a new connection, which a call should try."""
        self._circuit.invite()

    def answered(self) -> None:
        """A gateway answered."""
        self._circuit.answered()

    def failed(self, error: ScoringError, timeout_s: float | None) -> None:
        """A call that waited so long, seconds, ended with an error, of a gateway or without one."""
        if error.by_gateway or error.status not in _SILENT:
            self._circuit.answered()
        else:
            waits = timeout_s is not None and error.status == "DEADLINE_EXCEEDED"
            self._circuit.failed(timeout_s if waits and timeout_s is not None else math.inf)

    def scored(self, request: pb.ScoreRequest, rows: int, response: pb.ScoreResponse, began: float) -> Scores:
        """What the gateway answered; where that makes no sense, as if it had not."""
        try:
            scores = read_scores(response, rows)
        except ScoringError as error:
            return self.fall_back(request, rows, error, began)
        if scores.source is not Source.DEFAULT:
            self.outputs.answered(response)
        self._tell(request, rows, began, scores.source, None)
        return scores

    def fall_back(self, request: pb.ScoreRequest, rows: int, error: ScoringError, began: float) -> Scores:
        """The caller's default for every row.

        Raises:
            ScoringError: the one that was given, if no default may stand for it or there is none.
        """
        reason = event_name(error)
        never = request.default_policy == pb.DEFAULT_POLICY_NEVER
        if never or not request.HasField("default_score") or not falls_back(error):
            self._tell(request, rows, began, None, reason)
            raise error
        self.defaults[reason] += rows
        if self._file is not None:
            self._write(request, rows, reason)
        self._tell(request, rows, began, Source.CLIENT_DEFAULT, reason)
        return Scores(
            request_id=request.request_id,
            model=request.model,
            version=request.version,
            digest="",
            columns=self.outputs.defaults(request.model, rows, request.default_score),
            source=Source.CLIENT_DEFAULT,
            defaults=(DefaultedRows(0, rows, reason, str(error), by_client=True),) if rows else (),
            rows=rows,
            attempts=0,
            queue_s=0.0,
            backend_s=0.0,
        )

    def close(self) -> None:
        """Closes the file of defaults."""
        if self._file is not None:
            self._file.close()

    def _write(self, request: pb.ScoreRequest, rows: int, reason: str) -> None:
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
            assert self._file is not None  # noqa: S101 - asked before
            self._file.write(json.dumps(line).encode() + b"\n")
        except (OSError, ValueError):
            _log.exception("a client default was not written to the file of defaults")

    def _tell(
        self, request: pb.ScoreRequest, rows: int, began: float, source: Source | None, reason: str | None
    ) -> None:
        if self._on_call is None:
            return
        elapsed_s = time.monotonic() - began
        try:
            self._on_call(CallEvent(request.request_id, request.model, rows, elapsed_s, source, reason))
        except Exception:  # noqa: BLE001 - whatever the hook's bug, the caller gets its scores
            _log.exception("the hook for calls raised; the call goes on")


def event_name(error: ScoringError) -> str:
    """The error's event as rows are told it: the name that gateway and client have for it alike."""
    return _NAMES.get(error.reason, error.reason)


def falls_back(error: ScoringError) -> bool:
    """It is no fault of the caller."""
    if error.status == "RESOURCE_EXHAUSTED":
        return error.by_gateway  # without: a message that is too large for one of the libraries
    return error.status not in _THROWN
