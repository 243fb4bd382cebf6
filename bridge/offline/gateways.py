"""Scores the calls of a run at one or several gateways."""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Self

import grpc
from scorebridge.v1 import scoring_pb2 as pb

from bridge.bundles.settings import MAX_BATCH_ROWS
from bridge.calls import now
from bridge.errors import InvalidRequest
from bridge.offline.call_events import TOO_LARGE
from bridge.offline.call_messages import read_answer, write_request
from bridge.offline.channels import Channels
from bridge.offline.scorer import Answer, CallFailed, Question, RunScorer

__all__ = ["Gateways"]

_MOST_BYTES = 3 << 20  # of a call that can be divided; a gateway takes messages of 4 MiB if it is not told otherwise
_FIRST_PAUSE_S, _MOST_PAUSE_S = 0.05, 2.0
_LOADING = frozenset({pb.VERSION_STATE_LOADING, pb.VERSION_STATE_WAITING})
_AWAY = frozenset({"UNAVAILABLE", "DEADLINE", "MODEL_NOT_READY"})


class Gateways(RunScorer):
    """Scores with one version of a model, which all gateways must have with the same digest.

    Attributes:
        detail: the version, as the first gateway described it.
        max_batch_rows: the most rows of one call where gateways say nothing else.
        failures: the number of calls that failed so far.
    """

    def __init__(self, channels: Channels, detail: pb.ModelDetail, timeout_s: float, answer_s: float) -> None:
        self._channels = channels
        self._timeout_s = timeout_s
        self._answer_s = answer_s
        self.failures = 0
        self.detail = detail
        self.max_batch_rows = MAX_BATCH_ROWS

    @classmethod
    async def open(
        cls,
        target: str,
        credentials: grpc.ChannelCredentials | None,
        token: Callable[[], str] | None,
        model: str,
        version: int = 0,
        *,
        timeout_s: float = 30.0,
        patience_s: float = 600.0,
        digest: str | None = None,
        answer_s: float = 10.0,
    ) -> Self:
        """Connects, and waits until the version can score.

        Args:
            target: "host:port" of a gateway, or several of them between commas.
            credentials: TLS credentials; None for plain text.
            token: a function that returns the token; None for no token.
            model: the model's name.
            version: the version's number; 0 for the one that serves.
            timeout_s: the most seconds that a call may take; the model's `max_timeout_s` if that is less.
            patience_s: seconds to wait for a gateway that is away or a model that loads.
            digest: the digest that the version must have; None for any.
            answer_s: seconds in which a gateway that is there tells of a model.

        Raises:
            CallFailed, ValueError: no version can score, or a token would go to another machine in plain text.
        """
        channels = Channels(target, credentials, token)
        async with AsyncExitStack() as opened:
            opened.push_async_callback(channels.close)
            detail = await _described(channels, model, version, digest, patience_s=patience_s, answer_s=answer_s)
            opened.pop_all()
        return cls(channels, detail, timeout_s, answer_s)

    async def score(self, question: Question) -> Answer:
        """Scores rows; may be called several times at once.

        Raises:
            CallFailed: the call failed as a whole; VERSION_REPLACED if another bundle has answered.
        """
        about = self.detail.version
        request = await asyncio.to_thread(write_request, question, about.model, about.version)
        if question.partial and len(request) > _MOST_BYTES and question.batch.rows > 1:
            raise CallFailed(TOO_LARGE, f"the request has {len(request)} bytes, over {_MOST_BYTES}")
        try:
            raw = await self._channels.score(request, self._timeout_s)
        except CallFailed as error:
            self.failures += 1
            raise await self._judged(error) from None
        return await asyncio.to_thread(self._read, raw, question.batch.rows)

    async def close(self) -> None:
        """Closes the connections; calls under way end. May be called more than once."""
        await self._channels.close()

    def told(self) -> Mapping[str, str]:
        """Returns how the scores were computed, for the run's summary."""
        told = {"scored_by": f"gateways at {self._channels.target}", "engine_reason": self.detail.engine_reason}
        return {name: text for name, text in told.items() if text}

    def _read(self, raw: bytes, rows: int) -> Answer:
        response = pb.ScoreResponse.FromString(raw)
        _check_digest(self.detail.version, response.digest, self.detail.version.digest)
        try:
            answer = read_answer(response)
        except InvalidRequest as error:
            raise CallFailed("INTERNAL", f"the gateway's answer makes no sense: {error}") from error
        if not answer.columns or any(len(column) != rows for column in answer.columns):
            raise CallFailed("INTERNAL", f"the gateway's answer has not one score for each of {rows} rows")
        return answer

    async def _judged(self, error: CallFailed) -> CallFailed:
        """Returns the failure of a call under the event that tells what to do about it."""
        about = self.detail.version
        if error.event == "NO_ANSWER":
            # Nobody said that the model needed the time: only a gateway that still answers has spent it on the rows.
            alive = await self._described_soon(about.model, about.version)
            return CallFailed("UNAVAILABLE" if isinstance(alive, CallFailed) else "DEADLINE", str(error))
        if error.event != "MODEL_NOT_FOUND":
            return error
        # A gateway that starts again knows its versions before it loads them.
        found = await self._described_soon(about.model, 0)
        if isinstance(found, CallFailed):
            return error if found.event == "MODEL_NOT_FOUND" else CallFailed("MODEL_NOT_READY", str(error))
        states = {one.version.state for one in found.versions}
        starting = pb.VERSION_STATE_READY not in states and pb.VERSION_STATE_NOT_RESIDENT in states
        return CallFailed("MODEL_NOT_READY", str(error)) if starting or states & _LOADING else error

    async def _described_soon(self, model: str, version: int) -> pb.GetModelResponse | CallFailed:
        try:
            return await self._channels.describe(pb.GetModelRequest(model=model, version=version), self._answer_s)
        except CallFailed as error:
            return error


async def _described(
    channels: Channels, model: str, number: int, digest: str | None, *, patience_s: float, answer_s: float
) -> pb.ModelDetail:
    """Returns the version to score with, as soon as it can."""
    until, pause_s = now() + patience_s, _FIRST_PAUSE_S
    while True:
        try:
            response = await channels.describe(pb.GetModelRequest(model=model, version=number), answer_s)
            detail = _ready(response, model, number)
        except CallFailed as error:
            if error.event not in _AWAY and error.event != "NO_ANSWER":
                raise
            if now() >= until:
                raise CallFailed(
                    error.event, f"{channels.target} can't score after {patience_s:g} s (--patience): {error}"
                ) from None
        else:
            _check_digest(detail.version, detail.version.digest, digest)
            return detail
        await asyncio.sleep(min(max(0.0, until - now()), pause_s * random.uniform(0.5, 1.0)))  # noqa: S311 - no secret
        pause_s = min(2 * pause_s, _MOST_PAUSE_S)


def _ready(response: pb.GetModelResponse, model: str, number: int) -> pb.ModelDetail:
    """Returns the version that can score calls.

    Raises:
        CallFailed: there is none; MODEL_NOT_READY if there may be one soon.
    """
    versions = list(response.versions)
    if not number:
        for one in versions:
            if one.version.serving:
                return one
        versions = [one for one in versions if one.version.state != pb.VERSION_STATE_NOT_DEPLOYED]
    refused = [one.version for one in versions if one.version.state == pb.VERSION_STATE_REFUSED]
    if not number and versions and len(refused) < len(versions):
        raise CallFailed("MODEL_NOT_READY", f"no version of '{model}' serves yet")
    if refused:
        raise CallFailed("VERSION_REFUSED", f"{model}/{refused[-1].version} was refused: {refused[-1].state_reason}")
    if not versions:
        raise CallFailed("MODEL_NOT_FOUND", f"no version of '{model}' is deployed")
    about = versions[0].version
    if about.state == pb.VERSION_STATE_READY:
        return versions[0]
    if about.state in _LOADING:
        raise CallFailed("MODEL_NOT_READY", f"{model}/{number} is still loading: {about.state_reason}")
    state = pb.VersionState.Name(about.state).removeprefix("VERSION_STATE_")
    raise CallFailed(
        "MODEL_NOT_FOUND",
        f"{model}/{number} is {state} at the gateway: promote it, or score with --repository, which takes any version",
    )


def _check_digest(about: pb.ModelVersion, found: str, wanted: str | None) -> None:
    if wanted is not None and found != wanted:
        raise CallFailed(
            "VERSION_REPLACED",
            f"{about.model}/{about.version} is another bundle than the one that the run began with: it has the digest"
            f" {found}, and not {wanted}; --restart begins anew",
        )
