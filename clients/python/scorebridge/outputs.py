"""What models answer with, as far as a client has seen: its own defaults come in the same columns."""

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
        name: of the column.
        text: it holds text, not numbers or truth values.
        additional: it explains the scores, as the gateway says of it: none where a score is a default.
    """

    name: str
    text: bool
    additional: bool


class Outputs:
    """The outputs of the models that a client knows: of those that have answered or were described."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Output, ...]] = {}

    def answered(self, response: pb.ScoreResponse) -> None:
        """Learns a model's outputs from an answer. Which are additional it does not say: a description holds on."""
        additional = {one.name for one in self._known.get(response.model, ()) if one.additional}
        self._known[response.model] = tuple(
            _Output(column.name, column.WhichOneof("values") == "strings", column.name in additional)
            for column in response.scores
        )

    def described(self, details: Iterable[ModelDetail]) -> None:
        """Learns the outputs of versions that a gateway told of: of those that serve, which calls are answered by."""
        for detail in details:
            if detail.version.serving and detail.outputs:
                self._known[detail.version.model] = tuple(
                    _Output(one.name, one.type in _TEXT, one.additional) for one in detail.outputs
                )

    def defaults(self, model: str, rows: int, score: float) -> dict[str, NDArray[Any]]:
        """A default score for every row and output of a model, by name; of one that is not known for "score" alone.

        Missing, NaN or None, are additional outputs, and text beside numbers: a number is no text.
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
