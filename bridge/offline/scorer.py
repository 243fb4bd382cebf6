"""Who scores the rows of a run: gateways, or the registry's own versions in this process, behind one interface."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from scorebridge.v1 import scoring_pb2 as pb

from bridge.columns import Column, Table
from bridge.errors import BridgeError
from bridge.values import value

__all__ = ["Answer", "CallFailed", "Ending", "Question", "RunScorer"]


class CallFailed(BridgeError):
    """A call of a run failed as a whole.

    Attributes:
        event: the UPPER_SNAKE reason that the gateway gave, or the name of the gRPC status where it gave none.
        column: the name of the column with a value that can't be taken; empty if no value is the cause.
        row: the number of the question's row with that value, from 0; None if the scorer has named none.
        rows: how many neighbouring rows, from this one on, can't be taken for the same reason.
    """

    reason = "CALL_FAILED"

    def __init__(self, event: str, message: str, *, column: str = "", row: int | None = None, rows: int = 1) -> None:
        super().__init__(message)
        self.event = event
        self.column = column
        self.row = row
        self.rows = rows


@value
class Question:
    """Rows to score in one call.

    Attributes:
        request_id: the id of the call.
        batch: the rows, not yet bound to the model's features.
        keys: the row keys; empty, or one a row.
        default: whether rows that can't be scored get default scores: False for none, True for the model's own, a
            number for this one.
        partial: whether rows that can be scored get their scores although others fail; only for a row-wise model.
    """

    request_id: str
    batch: Table
    keys: Sequence[str] = ()
    default: float | bool = False
    partial: bool = True


@value
class Ending:
    """Neighbouring rows of a question that did not get the model's score.

    Attributes:
        first: the number of the first row, from 0.
        count: the number of rows.
        reason: the name of a DefaultReason.
        detail: the event in a sentence, without values of the rows.
        column: the name of the column with a value that can't be taken; empty if no value is the cause.
    """

    first: int
    count: int
    reason: str
    detail: str
    column: str = ""


@value
class Answer:
    """The scores of a question.

    Attributes:
        columns: one column for each output, with an entry for each row; missing in failed rows.
        defaulted: the rows with default scores, ascending.
        failed: the rows without scores, ascending.
    """

    columns: tuple[Column, ...]
    defaulted: tuple[Ending, ...] = ()
    failed: tuple[Ending, ...] = ()


class RunScorer(Protocol):
    """Scores the calls of one run, all by the same version of the same model.

    Attributes:
        detail: the version, with its number, digest, features and outputs.
        max_batch_rows: the most rows that one call may have; a gateway may take fewer, and says so.
    """

    detail: pb.ModelDetail
    max_batch_rows: int

    async def score(self, question: Question) -> Answer:
        """Scores rows; may be called several times at once.

        Raises:
            CallFailed: the call failed as a whole. The `event` says whether it may succeed later, or with other rows.
        """

    async def close(self) -> None:
        """Frees everything; calls under way end. May be called more than once."""

    def told(self) -> Mapping[str, str]:
        """Returns facts for the run's summary by name, such as which engine computed the scores."""
