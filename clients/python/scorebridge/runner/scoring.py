"""Calls the function for the rows of a call, and tells how it went."""

from __future__ import annotations

import os
import random
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from .arguments import arrays, frame
from .conditions import Malformed, class_name, place_in, told
from .outputs import joined, one_row, outputs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .load import Loaded
    from .vectors import Vector

__all__ = ["Failed", "Scoring"]

_MOST_WARNINGS = 20
_CHANGING = ("DataConversionWarning",)  # warnings that a library went on with other data than it was given


class Failed(Exception):
    """The function gave no scores.

    Attributes:
        kind: "malformed" for an answer that is not one score for each row, else "raised".
        raised: the class of the exception.
        memory: whether it was for lack of memory.
    """

    def __init__(self, kind: str, raised: str, said: str, *, memory: bool = False) -> None:
        super().__init__(said)
        self.kind, self.raised, self.memory = kind, raised, memory


class Scoring:
    """The function of a loaded bundle.

    Args:
        loaded: the bundle.
        folder: its folder, whose files are named where an exception was raised.
        seed: the seed of each call's random numbers.
        row_by_row: whether each row is scored by a call of the function of its own.
    """

    def __init__(self, loaded: Loaded, folder: str, seed: int, *, row_by_row: bool) -> None:
        self._predict = loaded.predict
        self._frame = loaded.frame
        self._folder = folder
        self._seed = seed
        self._row_by_row = row_by_row
        self._warned: list[tuple[str, bool]] = []
        self._faults_of_numbers = np.geterr()
        self._environment, self._variables = _environment(), dict(os.environ)

    @property
    def warned(self) -> list[tuple[str, bool]]:
        """The warnings of the last call, each with whether it says that other data were taken than were given."""
        return self._warned

    def score(self, rows: int, vectors: Sequence[Vector]) -> list[Vector]:
        """Returns the outputs for the rows of a call.

        Raises:
            Failed: the function raised, or returned something else than one score for each row.
        """
        self._warned = []
        self._begin()
        try:
            if not self._row_by_row:
                return outputs_of(self._called(rows, vectors), rows)
            parts = [self._one([_row(vector, row) for vector in vectors]) for row in range(rows)]
            return joined(parts)
        except Malformed as error:
            raise Failed("malformed", "", str(error)) from error
        except BaseException as error:
            place = place_in(self._folder, error)
            said = told(error) + (f" ({place})" if place else "")
            memory = isinstance(error, MemoryError)
            raise Failed(
                "raised", class_name(error), f"MemoryError: {said}" if memory else said, memory=memory
            ) from error

    def _called(self, rows: int, vectors: Sequence[Vector]) -> Any:
        assert self._predict is not None  # noqa: S101 - a bundle that did not load gets no calls
        self._seed_all()
        if self._frame is not None:
            return self._predict(**{self._frame: frame(vectors, rows)})
        return self._predict(**arrays(vectors))

    def _one(self, vectors: Sequence[Vector]) -> list[Vector]:
        return outputs_of(one_row(self._called(1, vectors)), 1)

    def _begin(self) -> None:
        """Puts back what the last call may have set: warnings, numpy's errors, the environment."""
        warnings.resetwarnings()
        warnings.simplefilter("always")
        warnings.showwarning = self._keep
        np.seterr(**self._faults_of_numbers)
        if _environment() != self._environment:
            os.environ.clear()
            os.environ.update(self._variables)

    def _seed_all(self) -> None:
        """Sets the seeds: for each row, where rows are scored one by one, so that its place in the call is nothing."""
        random.seed(self._seed)
        np.random.seed(self._seed)  # noqa: NPY002 - models use it
        torch = sys.modules.get("torch")  # a model that has not imported it has drawn nothing from it
        if torch is not None:
            torch.manual_seed(self._seed)

    def _keep(self, message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        text = f"{category.__name__}: {told(message)}"
        if len(self._warned) < _MOST_WARNINGS and all(text != known for known, _ in self._warned):
            self._warned.append((text, category.__name__ in _CHANGING))


def _environment() -> dict[Any, Any]:
    """Returns the environment variables as Python holds them: to decode them all takes longer than all that is set."""
    return dict(getattr(os.environ, "_data", os.environ))


def _row(vector: Vector, row: int) -> Vector:
    mask = None if vector.mask is None or not vector.mask[row] else vector.mask[row : row + 1]
    return vector._replace(values=vector.values[row : row + 1], mask=mask)
