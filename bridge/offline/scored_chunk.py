"""What became of a chunk of a run's input: the scores of its rows, and the rows that got none."""

from bridge.columns import Array, Column
from bridge.row_files.input_chunk import Reject
from bridge.values import value

__all__ = ["ScoredChunk"]


@value
class ScoredChunk:
    """The scores of a chunk.

    Attributes:
        kept: the positions in `InputChunk.batch` of the rows with a score, shape (n,), int64, ascending.
        columns: one column for each output of the model, with an entry for each of these rows.
        reasons: for each of these rows why it has a default score, by the names of DefaultReason; None for a model's.
        rejects: the rows of `InputChunk.batch` that got no score, ascending; those of `InputChunk.rejects` are not
            repeated.
    """

    kept: Array
    columns: tuple[Column, ...]
    reasons: tuple[str | None, ...]
    rejects: tuple[Reject, ...] = ()
