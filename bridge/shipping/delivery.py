"""Delivers documents in bulks: reads what became of each, sends again what may pass later, and counts the rest."""

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay
from tenacity.stop import stop_never
from tenacity.wait import wait_random_exponential

from bridge.errors import BridgeError
from bridge.shipping.documents import Action
from bridge.shipping.target import Answer, SearchTarget, TargetUnavailable

__all__ = ["Delivery", "DocumentRefused", "Sent", "Stopped", "UnexpectedAnswer"]

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 30.0
_SUCCESS, _SERVER = range(200, 300), 500
_BAD, _CONFLICT, _TOO_LARGE, _TOO_MANY = 400, 409, 413, 429


class DocumentRefused(BridgeError):
    """The search engine does not take a document, and there is no file for those that it refuses."""

    reason = "DOCUMENT_REFUSED"


class UnexpectedAnswer(BridgeError):
    """The answer to a bulk does not tell what became of each document: nothing can be said to be there."""

    reason = "UNEXPECTED_ANSWER"


class Stopped(BridgeError):
    """The process was asked to end while the search engine was not available."""

    reason = "STOPPED"


@dataclass
class Sent:
    """What was delivered so far.

    Attributes:
        documents: the number of documents that the search engine has.
        unindexed: how many of them are there with values that can't be searched, because it refused them as fields.
        rejected: how many documents the search engine refused; they are in the file for that.
    """

    documents: int = 0
    unindexed: int = 0
    rejected: int = 0


@dataclass
class _Load:
    """Documents on their way.

    Attributes:
        left: those that were not sent, or are to be sent in another form.
        later: those for which the search engine had no room.
        plain: the ids of those whose values can't be searched.
        most: how many of them are sent at a time.
    """

    left: list[Action]
    later: list[Action] = field(default_factory=list)
    plain: set[str] = field(default_factory=set)
    most: int = 1 << 20


class Delivery:
    """Delivers documents to one search engine.

    Args:
        target: the search engine.
        stop: set when the process is to end; then nothing is tried again.
        reject: the file for documents that are refused, one JSON object a line; None ends at the first one.
        patience_s: for how many seconds a search engine that is not available is tried again; None for ever.
        tell: called with a sentence when the search engine becomes unavailable, and when it is back.

    Attributes:
        sent: what was delivered so far.
    """

    def __init__(
        self,
        target: SearchTarget,
        stop: threading.Event,
        *,
        reject: Path | None = None,
        patience_s: float | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.sent = Sent()
        self._target, self._stop, self._reject, self._tell = target, stop, reject, tell
        self._patience_s = patience_s
        self._said = ""

    def persistently(self, step: Callable[[], Any]) -> Any:
        """Calls `step` again, with pauses, as long as it raises TargetUnavailable; returns what it returns.

        Raises:
            TargetUnavailable: the patience is over.
            Stopped: the process is to end.
        """
        patience = stop_never if self._patience_s is None else stop_after_delay(self._patience_s)
        attempts = Retrying(
            retry=retry_if_exception_type(TargetUnavailable),
            wait=_pause,
            stop=patience,
            sleep=self._sleep,
            before_sleep=self._say,
            reraise=True,
        )
        found = attempts(step)
        if self._said:
            self._said = ""
            self._tell("the search engine is available again")
        return found

    def deliver(self, actions: Sequence[Action]) -> None:
        """Returns when the search engine has each document, or it is in the file of rejected ones.

        Raises:
            DocumentRefused: the search engine does not take one of them, and there is no such file.
            UnexpectedAnswer: an answer does not fit what was sent.
            TargetUnavailable, TargetRefused, Stopped: the search engine takes none of them.
            OSError: the file of rejected documents can't be written.
        """
        load = _Load(list(actions))
        self.persistently(lambda: self._round(load))

    def _round(self, load: "_Load") -> None:
        """Sends what is left once, and raises TargetUnavailable if some of it is worth another try."""
        load.left, load.later = load.left + load.later, []
        while load.left:
            part = load.left[: load.most]
            answer = self._target.bulk(b"".join(piece for one in part for piece in (one.line, b"\n", one.raw, b"\n")))
            if answer.status == _TOO_LARGE and len(part) > 1:
                load.most = len(part) // 2
                continue
            load.left = load.left[len(part) :]
            for action, (status, error) in zip(part, _results(answer, part), strict=True):
                self._settle(load, action, status, error)
        if load.later:
            raise TargetUnavailable("it has no room for some documents at the moment")

    def _settle(self, load: "_Load", action: Action, status: int, error: dict[str, str]) -> None:
        if status in _SUCCESS or (status == _CONFLICT and action.verb == "create"):
            self.sent.documents += 1
            self.sent.unindexed += action.identity in load.plain
        elif status == _TOO_MANY or status >= _SERVER:
            load.later.append(action)
        elif status == _BAD and (plain := action.without_fields()) is not None:
            # The index has another type or shape for a field, or no room for one more: searching it is what is lost.
            load.plain.add(action.identity)
            load.left.append(plain)
        elif status in {_BAD, _TOO_LARGE} and self._reject is not None:
            line = {"id": action.identity, "index": action.index, "status": status, "error": error}
            _append(self._reject, orjson.dumps(line | {"document": orjson.loads(action.raw)}) + b"\n")
            self.sent.rejected += 1
        else:
            remedy = "see its log, or name a file for such documents" if status == _BAD else "see its log"
            raise DocumentRefused(
                f"record {action.sequence} (document {action.identity} of {action.index}) was refused with status "
                f"{status}, {error['type'] or 'no reason'}: {remedy}"
            )

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped("the search engine was not available when the process was asked to end")

    def _say(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if str(error) != self._said:
            self._said = str(error)
            self._tell(f"the search engine is not available, and is tried again: {error}")


def _pause(state: RetryCallState) -> float:
    """Returns how long to wait in seconds: as the search engine says, else ever longer, at random up to 30."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, TargetUnavailable) and error.retry_after_s is not None:
        return max(error.retry_after_s, _SHORTEST_PAUSE_S)
    return wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE_S)(state)


def _results(answer: Answer, actions: Sequence[Action]) -> list[tuple[int, dict[str, str]]]:
    """Returns status and error of each action.

    Raises:
        UnexpectedAnswer: the answer has not one result for each action, in their order.
    """
    if answer.status == _TOO_LARGE:
        return [(_TOO_LARGE, {"type": "too_large"})] * len(actions)
    items = answer.content.get("items") if isinstance(answer.content, dict) else None
    if answer.status not in _SUCCESS or not isinstance(items, list) or len(items) != len(actions):
        raise UnexpectedAnswer(
            f"a bulk of {len(actions)} documents was answered with status {answer.status} and "
            f"{len(items) if isinstance(items, list) else 'no'} results: what answers is no search engine that we know"
        )
    return [_result(item, action) for item, action in zip(items, actions, strict=True)]


def _result(item: Any, action: Action) -> tuple[int, dict[str, str]]:
    result = item.get(action.verb) if isinstance(item, dict) else None
    if not isinstance(result, dict) or result.get("_id") != action.identity or type(result.get("status")) is not int:
        raise UnexpectedAnswer(
            f"the results of a bulk are not in the order of its documents: none for {action.identity} where it is due"
        )
    error = result.get("error")
    told = error if isinstance(error, dict) else {}
    return result["status"], {name: str(told.get(name, "")) for name in ("type", "reason")}


def _append(path: Path, line: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags, 0o600), "ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # an error of writing names no file
