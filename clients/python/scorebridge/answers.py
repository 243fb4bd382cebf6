"""How a client's calls end: with the gateway's answer, with the caller's default score, or with an error."""

from collections.abc import Iterable

from scorebridge.call_events import CallHook
from scorebridge.client_options import ClientOptions
from scorebridge.defaults_log import DefaultsLog
from scorebridge.errors import ScoringError
from scorebridge.fallback import default_answer, event_name, may_fall_back
from scorebridge.models import ModelDetail
from scorebridge.outputs import Outputs
from scorebridge.result import Scores, Source, read_scores
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["Answers"]


class Answers:
    """Makes the answers to one client's calls, counts and logs its client defaults, and calls the hook for each call.

    Args:
        options: the client's options, of which `defaults_log` and `on_call` are used.

    Raises:
        TypeError: `on_call` is not a function.
        OSError: the file of client defaults can't be opened.
    """

    def __init__(self, options: ClientOptions) -> None:
        self._hook = CallHook(options.get("on_call"))
        self._defaults = DefaultsLog(options.get("defaults_log"))
        self._outputs = Outputs()

    @property
    def defaulted_rows(self) -> dict[str, int]:
        """The number of rows that got a client default so far, by reason."""
        return dict(self._defaults.rows)

    def described(self, details: Iterable[ModelDetail]) -> None:
        """Remembers the outputs in a gateway's description of versions, for later client defaults."""
        self._outputs.described(details)

    def scored(self, request: pb.ScoreRequest, rows: int, response: pb.ScoreResponse, began: float) -> Scores:
        """Returns the scores in a gateway's answer, or the client default if the answer makes no sense.

        Args:
            request: the request that was sent.
            rows: the number of rows in the request.
            response: the gateway's answer.
            began: when the call began, on the monotonic clock, seconds.

        Raises:
            PredictionFailed: the answer makes no sense, and no client default may stand for it.
        """
        try:
            scores = read_scores(response, rows)
        except ScoringError as error:
            return self.fall_back(request, rows, error, began)
        if scores.source is not Source.DEFAULT:
            self._outputs.answered(response)
        self._hook.tell(request, rows, began, scores.source, None)
        return scores

    def fall_back(self, request: pb.ScoreRequest, rows: int, error: ScoringError, began: float) -> Scores:
        """Returns the caller's default score for every row of a call that ended with an error, or raises the error.

        Args:
            request: the request that was sent.
            rows: the number of rows in the request.
            error: the error with which the call ended.
            began: when the call began, on the monotonic clock, seconds.

        Raises:
            ScoringError: `error` itself, if the call has no default score or none may stand for this error.
        """
        reason = event_name(error)
        if not may_fall_back(request, error):
            self._hook.tell(request, rows, began, None, reason)
            raise error
        self._defaults.add(request, rows, reason)
        self._hook.tell(request, rows, began, Source.CLIENT_DEFAULT, reason)
        columns = self._outputs.defaults(request.model, rows, request.default_score)
        return default_answer(request, rows, error, columns)

    def close(self) -> None:
        """Closes the file of client defaults."""
        self._defaults.close()
