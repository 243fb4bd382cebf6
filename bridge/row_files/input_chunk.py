"""A chunk of neighbouring rows that a run reads from one input file, and the rows of it that can not be used."""

from typing import Any

from bridge.columns import Array, Table
from bridge.values import value

__all__ = ["InputChunk", "Reject"]


@value
class Reject:
    """A row that gets no score, and why.

    Attributes:
        file: the path of the row's file, as it stands in the plan of the run; empty where rows come from no file.
        row: the row's number in its file, the first row of values being 1; the header of a CSV file does not count.
        key: the row's key; empty where rows have no keys, or this one has none that can be read.
        column: the name of the column that is wrong; empty if no single column is.
        reason: the UPPER_SNAKE name of the event, such as INVALID_VALUE.
        detail: the event in a sentence, without values of the row.
    """

    file: str
    row: int
    key: str
    column: str
    reason: str
    detail: str


@value
class InputChunk:
    """Neighbouring rows of one input file, as they are sent to a model.

    Attributes:
        number: the number of the chunk in the run, from 0; the chunks of all files are counted together, in order.
        file: the path of the file, as it stands in the plan of the run.
        first: the number of the chunk's first row in its file, from 0.
        rows: the number of rows of the file that the chunk covers, with its rejects.
        batch: the rows that could be read, with the columns to send to the model, not yet bound to its features.
        keys: the row keys of these rows; empty if the run has no key column.
        echoed: a `pyarrow.Table` of the columns to copy to the output, with an entry for each row of `batch`; the
            key column first. It has no columns, but the right number of rows, if none is to be copied.
        places: the number that each row of `batch` has in its file, from 0, shape (batch.rows,), int64, ascending.
        rejects: the rows that could not be read, ascending; none of them is in `batch`.
    """

    number: int
    file: str
    first: int
    rows: int
    batch: Table
    keys: tuple[str, ...]
    echoed: Any
    places: Array
    rejects: tuple[Reject, ...] = ()
