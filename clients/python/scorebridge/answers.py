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
    """Makes one client's answers, counts and records its own defaults, and tells the hook of every end.

    Args:
        options: of the client; `defaults_log` and `on_call` of them.

    Raises:
        TypeError: `on_call` can't be called.
        OSError: the file of defaults can't be opened.
    """

    def __init__(self, options: ClientOptions) -> None:
        self._hook = CallHook(options.get("on_call"))
        self._defaults = DefaultsLog(options.get("defaults_log"))
        self._outputs = Outputs()

    @property
    def defaulted_rows(self) -> dict[str, int]:
        """How many rows got the client's own default score so far, by reason."""
        return dict(self._defaults.rows)

    def described(self, details: Iterable[ModelDetail]) -> None:
        """Learns the outputs that later defaults have, from what a gateway told of versions."""
        self._outputs.described(details)

    def scored(self, request: pb.ScoreRequest, rows: int, response: pb.ScoreResponse, began: float) -> Scores:
        """The answer to a call that a gateway answered; where its answer makes no sense, as if it had not.

        Args:
            request: what was asked.
            rows: how many it had.
            response: what the gateway answered.
            began: when the call did, on the monotonic clock.

        Raises:
            PredictionFailed: the answer makes no sense, and no default may stand for it.
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
        """The answer to a call that ended with an error: the caller's default score for every row.

        Args:
            request: what was asked.
            rows: how many it had.
            error: what the call ended with.
            began: when the call did, on the monotonic clock.

        Raises:
            ScoringError: the one that was given, if no default may stand for it or there is none.
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
        """Closes the file of defaults."""
        self._defaults.close()
