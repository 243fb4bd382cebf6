"""Finds the codes that stand for a feature's levels in R and in xgboost: 0-based, in the model's order."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bridge.columns import Type
from bridge.features.feature import Feature

__all__ = ["LevelCodes"]


class LevelCodes:
    """Finds the codes of values among the levels of one feature.

    The values must be texts for a factor, and whole numbers for any other feature.

    Args:
        feature: a feature with levels.
    """

    def __init__(self, feature: Feature) -> None:
        kind: Callable[[str], object] = str if feature.type is Type.FACTOR else int
        self._codes = {kind(level): code for code, level in enumerate(feature.levels)}

    def of(self, values: Sequence[object]) -> NDArray[np.int32]:
        """Returns the code of each value, shape (rows,); -1 where the value is not a level."""
        return np.fromiter((self._codes.get(value, -1) for value in values), np.int32, len(values))
