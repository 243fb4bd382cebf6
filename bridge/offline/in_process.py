"""Scores the calls of a run in this process, with one version of a repository: no gateway, no port."""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

from bridge.bundles.repository import Repository
from bridge.calls import Arrival, Call, Deadline, Outcome, now
from bridge.config import default_cache_dir
from bridge.defaults import default_scores
from bridge.errors import BridgeError, DeadlineExceeded, DefaultReason, InvalidRequest, LogUnavailable
from bridge.layers.drain import Drain
from bridge.offline.call_events import TOO_LARGE
from bridge.offline.call_messages import answer_of, without_row, write_request
from bridge.offline.run_log import RunLog
from bridge.offline.scorer import Answer, CallFailed, Question, RunScorer
from bridge.offline.stored_models import LoadedVersion, Loading, load_version
from bridge.services.answer import let_go
from bridge.services.models import write_detail
from bridge.workers.programs import Programs

__all__ = ["InProcess"]

_CALLER = "batch"
_METHOD = "/scorebridge.v1.ScoringService/Score"  # what the log's readers know how to read


class InProcess(RunScorer):
    """Scores with one loaded version, through the same layers as a gateway does.

    The version stays as it was loaded, whatever happens to the repository.

    Attributes:
        detail: the version, with its number, digest, features and outputs.
        max_batch_rows: the most rows of one call.
    """

    def __init__(self, loaded: LoadedVersion, drain: Drain, log: RunLog | None, timeout_s: float) -> None:
        self._loaded = loaded
        self._version = version = loaded.version
        self._drain = drain
        self._log = log
        self._timeout_s = timeout_s
        self.detail = write_detail(version, serving=True)
        self.max_batch_rows = version.settings.max_batch_rows

    @classmethod
    async def open(
        cls,
        repository: Path,
        model: str,
        version: int = 0,
        *,
        timeout_s: float = 30.0,
        programs: Programs = Programs(),
        log_dir: Path | None = None,
        workers: int | None = None,
    ) -> Self:
        """Loads a version, after the trial that a gateway makes.

        Args:
            repository: the folder of bundles.
            model: the model's name.
            version: the version's number; 0 for the promoted one, else the highest that may serve.
            timeout_s: the most seconds that a call may take; the model's `max_timeout_s` if that is less.
            programs: the programs that compute scores.
            log_dir: the folder of the prediction log to write; None writes none.
            workers: how many calls are scored at once, each by a thread or process; None for the model's setting.

        Raises:
            BridgeError: there is no such version, it may not serve, or the log can't be written; the message says why.
        """
        drain = Drain()
        how = Loading(default_cache_dir(), programs, workers)
        loaded = await load_version(Repository(repository), model, version, drain, how)
        try:
            log = None if log_dir is None else await RunLog.open(log_dir)
        except BaseException:
            await loaded.close()
            raise
        return cls(loaded, drain, log, timeout_s)

    async def score(self, question: Question) -> Answer:
        """Scores rows; may be called several times at once.

        Raises:
            CallFailed: the call failed as a whole.
        """
        arrival = await self._arrival(question)
        try:
            call = await self._bound(question, arrival)
        except BridgeError as error:
            if self._log is not None:
                writing = self._log.refused(arrival, error, question.request_id, self._version.ref)
                await _recorded(self._log, writing)
            raise _failed(error) from None
        try:
            outcome = await self._version.score(call)
        except asyncio.CancelledError:
            if self._log is not None:
                await self._log.cancelled(arrival, call, self._version.engine)
            raise
        except BridgeError as error:
            outcome = Outcome.failed(call.rows, let_go(error))
        failure = outcome.first_failure()
        if self._log is not None:
            await _recorded(self._log, self._log.ended(arrival, call, outcome, failure, self._version.engine))
        # A call of which no row has a score fails, but where rows are scored apart, each of them has an end of its own.
        if failure is not None and not (call.partial and all(_is_of_rows(part.error) for part in outcome.ranges)):
            raise _failed(failure)
        return answer_of(outcome)

    async def close(self) -> None:
        """Ends the calls under way and frees the model; may be called more than once."""
        self._drain.end()
        await self._loaded.close()
        if self._log is not None:
            await self._log.close()

    def told(self) -> Mapping[str, str]:
        """Returns how the scores were computed, and which version was passed over, for the run's summary."""
        told = {
            "scored_by": "this process",
            "engine_reason": self.detail.engine_reason,
            "passed_over": self._loaded.note,
        }
        return {name: text for name, text in told.items() if text}

    async def _arrival(self, question: Question) -> Arrival:
        request = b""
        if self._log is not None:
            ref = self._version.ref
            request = await asyncio.to_thread(write_request, question, ref.model, ref.version)
        return Arrival(_METHOD, request, "", _CALLER, now(), time.time_ns())

    async def _bound(self, question: Question, arrival: Arrival) -> Call:
        version, batch = self._version, question.batch
        if batch.rows > self.max_batch_rows:
            most = f"{self.max_batch_rows} rows"
            raise InvalidRequest(f"{batch.rows} rows; {version.ref} takes at most {most} a call", limit=most)
        apart = question.partial and version.row_wise
        deadline = Deadline.after(self._timeout_s)
        bound = await asyncio.to_thread(partial(version.bind, batch, alone=apart))
        if deadline.expired():
            raise DeadlineExceeded(f"{version.ref}: the time was over before the rows were bound to the features")
        return Call(
            request_id=question.request_id,
            model=version.ref,
            batch=bound,
            arrived=arrival.at,
            deadline=deadline,
            defaults=self._defaults(question.default),
            caller=_CALLER,
            partial=apart,
        )

    def _defaults(self, asked: float | bool) -> Any:
        if asked is False:
            return ()
        return self._version.defaults if asked is True else default_scores(asked, self._version.outputs)


async def _recorded(log: RunLog, writing: Coroutine[Any, Any, None]) -> None:
    try:
        await writing
    except LogUnavailable as error:
        raise CallFailed(error.reason, log.sentence_of(error)) from None


def _is_of_rows(error: BridgeError | None) -> bool:
    return error is not None and error.failed_reason is not None


def _failed(error: BridgeError) -> CallFailed:
    if not isinstance(error, InvalidRequest):
        return CallFailed(error.reason, str(error))
    if error.limit.endswith(" rows"):
        return CallFailed(TOO_LARGE, str(error))
    if error.row is None:
        return CallFailed(error.reason, str(error))
    event = str(error.failed_reason or DefaultReason.INVALID_VALUE)
    said = without_row(str(error), error.column, error.row)
    return CallFailed(event, said, column=error.column, row=error.row, rows=error.rows)
