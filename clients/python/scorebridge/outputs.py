"""The outputs of models that a client has seen, so that its client defaults come in the same columns."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorebridge.models import ModelDetail
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["Outputs"]

_TEXT = ("STRING", "FACTOR")


class _Output(NamedTuple):
    """One column of a model's answers.

    Attributes:
        name: the name of the column.
        text: whether the column holds text, rather than numbers or truth values.
        additional: whether the column explains the scores, and is missing in rows that have a default score.
    """

    name: str
    text: bool
    additional: bool


class Outputs:
    """The outputs of the models that have answered this client or were described to it."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Output, ...]] = {}

    def answered(self, response: pb.ScoreResponse) -> None:
        """Remembers a model's outputs from an answer. Which of them are additional, only a description tells."""
        additional = {one.name for one in self._known.get(response.model, ()) if one.additional}
        self._known[response.model] = tuple(
            _Output(column.name, column.WhichOneof("values") == "strings", column.name in additional)
            for column in response.scores
        )

    def described(self, details: Iterable[ModelDetail]) -> None:
        """Remembers the outputs of the serving versions among those that a gateway described."""
        for detail in details:
            if detail.version.serving and detail.outputs:
                self._known[detail.version.model] = tuple(
                    _Output(one.name, one.type in _TEXT, one.additional) for one in detail.outputs
                )

    def defaults(self, model: str, rows: int, score: float) -> dict[str, NDArray[Any]]:
        """Returns one default score for every row and output of a model, by the name of the output.

        A model that is not known has the one output "score". Additional outputs are missing (NaN), and so is an output
        of text beside numeric ones (None), because the default score is a number.
        """
        known = self._known.get(model) or (_Output("score", text=False, additional=False),)
        numbers = not all(one.text for one in known)
        columns: dict[str, NDArray[Any]] = {}
        for one in known:
            if one.text and numbers:
                columns[one.name] = np.full(rows, None, object)
            else:
                columns[one.name] = np.full(rows, np.nan if one.additional else score)
        return columns
