"""What each kind of saved model is trained on and predicts: rows, targets and parameters.

All numbers come from whole-number arithmetic, so that every library trains on the same rows on any machine.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["KINDS", "ROWS", "Kind"]

Numbers = npt.NDArray[np.float64]
Levels = tuple[str, ...] | tuple[int, ...]

ROWS = 72
_CLASSES = 3
_BINARY = {"objective": "binary:logistic"}
_WEEKDAYS = tuple(range(1, 8))
_LONG = tuple(1_234_567_890_123_456_789 + 7 * step for step in range(6))
_WORDS = ("low", "mid", "high", "top", "none", "other")
_COLOURS = ("grün", "rot", "weiß", "blau", "cafe\u0301", "緑")


@dataclass(frozen=True)
class Kind:
    """One kind of model; the columns are `x`, `y`, `z` and, where there are codes, `c` in the middle.

    Attributes:
        name: of the model's file, without its ending.
        parameters: of the training.
        codes: how many categories the column `c` has; 0 for models without it.
        levels: what the categories stand for; nothing where callers know codes alone.
        missing: the number that stands for missing beside NaN.
        named: the columns' names are in the file.
        by: what trains it: `xgboost.train`, the same with early stopping, or an `XGBClassifier`.
        rounds: how many at most.
        since: the first version of xgboost that makes this kind.
    """

    name: str
    parameters: dict[str, Any] = field(default_factory=lambda: dict(_BINARY))
    codes: int = 0
    levels: Levels = ()
    missing: float = np.nan
    named: bool = True
    by: str = "train"
    rounds: int = 3
    since: tuple[int, ...] = (1, 7)

    @property
    def names(self) -> list[str]:
        """The columns in the file's order."""
        return ["x", "c", "y", "z"] if self.codes else ["x", "y", "z"]

    @property
    def types(self) -> list[str]:
        """What xgboost calls feature types: `q` for numbers, `c` for codes."""
        return ["c" if name == "c" else "q" for name in self.names]

    @property
    def rows(self) -> Numbers:
        """All columns as numbers, categories as codes; some are NaN, some the number that stands for missing."""
        columns = [_codes(self.codes) if name == "c" else _numbers(ord(name), self.missing) for name in self.names]
        return np.column_stack(columns)

    @property
    def target(self) -> Numbers:
        """What is learned."""
        x, y = (np.nan_to_num(_numbers(ord(name), np.nan)) for name in "xy")
        odd = np.nan_to_num(_codes(self.codes)) % 2 * 64 if self.codes else np.zeros(ROWS)
        objective = self.parameters.get("objective", "")
        if self.parameters.get("multi_strategy"):
            return np.column_stack([x + odd, x - y])
        if objective == "count:poisson":
            return np.rint(x) * 8.0 + 3000.0
        if objective.startswith("multi:"):
            return np.array([_mixed(row, 7) % _CLASSES for row in range(ROWS)], np.float64)
        return (x + y + odd > 16).astype(float)

    def frame(self) -> pd.DataFrame:
        """The rows with categories instead of codes, in the order of the levels."""
        rows = self.rows
        columns: dict[str, Any] = {name: rows[:, place] for place, name in enumerate(self.names)}
        codes = np.nan_to_num(columns["c"], nan=-1).astype(np.int8)
        columns["c"] = pd.Categorical.from_codes(codes, categories=pd.Index(self.levels))
        return pd.DataFrame(columns)


def _mixed(row: int, column: int) -> int:
    """A number from 0 to 65535 that nobody can guess from its neighbours."""
    number = (row * 7919 + column * 104729 + 1) * 2654435761 % 2**32
    number = (number ^ number >> 15) * 2246822519 % 2**32
    return (number ^ number >> 13) & 0xFFFF


def _numbers(column: int, missing: float) -> Numbers:
    numbers = np.array([_mixed(row, column) % 1024 / 8 - 64 for row in range(ROWS)])
    numbers[column % 5 :: 11] = np.nan
    numbers[column % 7 :: 13] = missing
    return numbers


def _codes(count: int) -> Numbers:
    codes = np.array([_mixed(row, 3) % count for row in range(ROWS)], float)
    codes[5::17] = np.nan
    return codes


KINDS = (
    Kind("numeric"),
    Kind("nameless", named=False),
    Kind("categories_by_code", codes=7),
    Kind("int_categories", codes=len(_WEEKDAYS), levels=_WEEKDAYS),
    Kind("int64_categories", codes=len(_LONG), levels=_LONG),
    Kind("text_categories", codes=len(_WORDS), levels=_WORDS),
    Kind("text_categories_beyond_ascii", codes=len(_COLOURS), levels=_COLOURS),
    Kind("missing_sentinel", missing=-999.0),
    Kind("base_score", {"objective": "count:poisson", "base_score": 3000.0}),
    Kind("dart", _BINARY | {"booster": "dart", "rate_drop": 0.5, "one_drop": 1, "seed": 3}, rounds=4),
    Kind("multiclass", {"objective": "multi:softprob", "num_class": _CLASSES, "max_depth": 2}, rounds=2),
    Kind("gblinear", _BINARY | {"booster": "gblinear", "updater": "coord_descent"}),
    Kind("early_stopped", _BINARY | {"eta": 0.9}, by="early stopping", rounds=8),
    Kind("sklearn", named=False, missing=-1.0, by="XGBClassifier"),
    Kind("multi_output_tree", {"multi_strategy": "multi_output_tree"}, since=(2, 0)),
)
