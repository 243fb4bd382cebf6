"""The calls of a run as messages of scorebridge.v1: writes requests, reads answers."""

from scorebridge.v1 import scoring_pb2 as pb

from bridge.calls import Outcome
from bridge.codecs.protobuf import delimited, tag
from bridge.codecs.scorebridge_v1.replies import scores_of, write_column
from bridge.codecs.scorebridge_v1.requests import read_batch
from bridge.columns import Column, Type
from bridge.errors import BridgeError, DefaultReason, InvalidRequest
from bridge.offline.scorer import Answer, Ending, Question

__all__ = ["answer_of", "read_answer", "without_row", "write_request"]

_TABLE = tag(pb.ScoreRequest.TABLE_FIELD_NUMBER)
_COLUMNS = tag(pb.Table.COLUMNS_FIELD_NUMBER)
_VALUES = tag(pb.DoubleArray.VALUES_FIELD_NUMBER)
_FLOATING = {
    Type.DOUBLE: tag(pb.Column.DOUBLES_FIELD_NUMBER),
    Type.FLOAT: tag(pb.Column.FLOATS_FIELD_NUMBER),
}


def write_request(question: Question, model: str, version: int) -> bytes:
    """Returns the bytes of the ScoreRequest that asks a version for scores; the run is its batch."""
    default = question.default
    head = pb.ScoreRequest(
        request_id=question.request_id,
        model=model,
        version=version,
        row_keys=question.keys,
        batch_id=question.request_id.rsplit("/", 2)[0],
        partial=question.partial,
        default_policy=pb.DEFAULT_POLICY_NEVER if default is False else pb.DEFAULT_POLICY_UNSPECIFIED,
    )
    if not isinstance(default, bool):
        head.default_score = default
    table = b"".join(delimited(_COLUMNS, _column(column)) for column in question.batch.columns)
    return head.SerializeToString() + delimited(_TABLE, table)


def _column(column: Column) -> bytes:
    if column.type not in _FLOATING:
        return write_column(column)
    # NaN is missing on the wire too. Listed as missing, it would reach the model with other bits than in process.
    raw = column.values.tobytes()
    return pb.Column(name=column.name).SerializeToString() + delimited(_FLOATING[column.type], delimited(_VALUES, raw))


def read_answer(response: pb.ScoreResponse) -> Answer:
    """Reads the answer to a question from a gateway's response.

    Raises:
        InvalidRequest: the scores are not columns of one length.
    """
    columns: tuple[Column, ...] = ()
    if response.scores:
        batch = read_batch(pb.ScoreRequest(table=pb.Table(columns=response.scores)))
        columns = getattr(batch, "columns", ())
    return Answer(
        columns,
        tuple(map(_read_ending, response.defaulted_rows)),
        tuple(map(_read_ending, response.failed_rows)),
    )


def _read_ending(rows: pb.DefaultedRows | pb.FailedRows) -> Ending:
    # The message has no field for the column: the sentence names the first of the rows, and in front of it the column.
    behind = f"', row {rows.first}: "
    column = ""
    if behind in rows.detail:
        column = rows.detail[: rows.detail.index(behind)].partition("column '")[2]
    return Ending(rows.first, rows.count, _reason(rows.reason), without_row(rows.detail, column, rows.first), column)


def without_row(sentence: str, column: str, row: int) -> str:
    """Returns a sentence on a value without the number of its row, which counts within one call."""
    return sentence.replace(f"column '{column}', row {row}: ", f"column '{column}': ", 1)


def _reason(number: int) -> str:
    # A newer gateway may send a reason that has no name here.
    known = number in pb.DefaultReason.values()
    return pb.DefaultReason.Name(number).removeprefix("DEFAULT_REASON_") if known else f"REASON_{number}"


def answer_of(outcome: Outcome) -> Answer:
    """Returns the answer to a question from the outcome of its call, which must not fail it but by single rows."""
    ranges = outcome.ranges
    failed = [(part, part.error) for part in ranges if part.failed and part.error is not None]
    nothing = len(failed) == len(ranges)
    return Answer(
        () if nothing else tuple(scores_of(outcome)),
        tuple(
            _ending(part.first, part.count, part.error, part.error.default_reason)
            for part in ranges
            if part.defaulted and part.error is not None
        ),
        tuple(_ending(part.first, part.count, error, error.failed_reason) for part, error in failed),
    )


def _ending(first: int, count: int, error: BridgeError, reason: DefaultReason | None) -> Ending:
    column, said = "", str(error)
    if isinstance(error, InvalidRequest) and error.row is not None:
        column, said = error.column, without_row(said, error.column, error.row)
    return Ending(first, count, str(reason or error.reason), said, column)
