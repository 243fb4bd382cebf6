"""The prediction log of a run that scores in this process: the same records as a gateway's."""

import asyncio
import os
import socket
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Self

from bridge.calls import Arrival, Call, ModelRef, Outcome, now
from bridge.codecs.scorebridge_v1.replies import write_reply
from bridge.config import LogSettings
from bridge.errors import BridgeError, LogUnavailable
from bridge.offline.durable import sentence_of
from bridge.prediction_log.environment import describe_environment
from bridge.prediction_log.record import record_of
from bridge.prediction_log.recorder import LogRecorder
from bridge.prediction_log.writer import PredictionLog
from bridge.services.status import code_of

__all__ = ["RunLog"]


class RunLog:
    """Puts the calls of a run on record; scores that can't be recorded are not used."""

    def __init__(self, log: PredictionLog, folder: Path) -> None:
        self._log = log
        self._folder = folder
        self._recorder = LogRecorder(log)
        self._closed = False

    @classmethod
    async def open(cls, folder: Path) -> Self:
        """Begins to write to a folder, behind what is in it.

        Raises:
            ConfigError: the folder can't be written to, or another process writes to it.
        """
        writer = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4()}"
        settings = LogSettings(log_dir=folder, log_on_failure="refuse")
        log = PredictionLog(folder, settings, writer, describe_environment())
        await asyncio.to_thread(log.open)
        log.start()
        return cls(log, folder)

    async def ended(
        self, arrival: Arrival, call: Call, outcome: Outcome, failure: BridgeError | None, engine: str
    ) -> None:
        """Puts a call on record that was scored, or that failed with `failure`.

        Raises:
            LogUnavailable: it could not be recorded.
        """
        if failure is not None:
            written = self._recorder.failed(arrival, call, failure, code_of(failure).value[0], engine)
        else:
            reply, record = await asyncio.to_thread(_written, arrival, call, outcome, engine, now())
            written = self._recorder.append(record, arrival.request, reply)
        if written is not None:
            await written

    async def refused(self, arrival: Arrival, error: BridgeError, request_id: str, ref: ModelRef) -> None:
        """Puts a call on record whose rows the model can't take.

        Raises:
            LogUnavailable: it could not be recorded.
        """
        await self._recorder.refused(arrival, error, code_of(error).value[0], (request_id, ref.model), ref)

    async def cancelled(self, arrival: Arrival, call: Call, engine: str) -> None:
        """Puts a call on record that the run gave up."""
        with suppress(LogUnavailable):  # the log has counted it, and there is nobody left to be told
            await self._recorder.cancelled(arrival, call, engine)

    def sentence_of(self, error: LogUnavailable) -> str:
        """Returns why a call could not be recorded, with the folder and the remedy."""
        cause = error.__cause__
        return sentence_of(self._folder, cause) if isinstance(cause, OSError) else f"{self._folder}: {error}"

    async def close(self) -> None:
        """Writes what is left, and lets others write to the folder; may be called more than once."""
        if self._closed:
            return
        self._closed = True
        await self._recorder.close()
        await self._log.close()


def _written(arrival: Arrival, call: Call, outcome: Outcome, engine: str, at: float) -> tuple[bytes, bytes]:
    return write_reply(call, outcome), record_of(arrival, call, outcome, engine, at)
