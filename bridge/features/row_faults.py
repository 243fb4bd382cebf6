"""Collects the rows of a batch that a model can't take, while the batch is bound to the model's features."""

import numpy as np

from bridge.columns import Mask, Unfit
from bridge.errors import InvalidRequest, RefusedLevel, UnfitRow, UnknownLevel
from bridge.features.feature import Feature

__all__ = ["RowFaults"]

_MOST_ALONE = 10_000  # the rows that clients send at once; each such row is work of its own on the event loop


class RowFaults:
    """Collects the rows of a batch that the model can't take, while the batch is bound.

    Args:
        alone: whether such a row only loses its own score; else the first one refuses the batch.
    """

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._found: dict[int, Unfit] = {}

    @property
    def found(self) -> dict[int, Unfit] | None:
        """For each unfit row, by number, what is wrong with it; None if there is no such row."""
        return self._found or None

    def refuse(
        self, column: str, rows: Mask, problem: str, *, error: type[UnfitRow] = UnfitRow, limit: str = ""
    ) -> bool:
        """Notes rows whose value the model can't take, and returns whether there are any.

        These rows are not scored, so the caller may put any value into them.

        Args:
            column: the name of the column.
            rows: shape (rows,), true where the model can't take the value.
            problem: what is wrong with the values, in words.
            error: the class of the rows' errors.
            limit: the limit that was passed, in words; empty if none was.

        Raises:
            InvalidRequest: there are such rows and they refuse the batch, or more than 10,000 rows are unfit.
        """
        if not rows.any():
            return False
        unfit = Unfit(column, problem, error, limit)
        if not self._alone:
            raise unfit.of(int(rows.argmax()))
        if np.count_nonzero(rows) <= _MOST_ALONE:
            for row in np.flatnonzero(rows).tolist():
                # A row with an unknown level may get a default score, but not if it also has a wrong value.
                if row not in self._found or self._found[row].error is UnknownLevel:
                    self._found[row] = unfit
            if len(self._found) <= _MOST_ALONE:
                return True
        row = int(rows.argmax())
        said = f"{unfit.of(row)}; a partial call may have at most {_MOST_ALONE} such rows"
        raise InvalidRequest(said, limit=f"{_MOST_ALONE} rows", column=column, row=row)

    def settle(self, feature: Feature, rows: Mask) -> None:
        """Applies a feature's `unknown_level` rule to rows with an unknown level.

        The caller of this method then makes these values missing.

        Args:
            feature: the feature, which has levels.
            rows: shape (rows,), true where the value is none of the levels.

        Raises:
            InvalidRequest: the rule is "refuse" and `refuse` raises.
        """
        if not rows.any():
            return
        if feature.unknown_level == "refuse":
            self.refuse(feature.name, rows, f"not one of its {len(feature.levels)} levels", error=RefusedLevel)
        elif feature.unknown_level == "default":
            unfit = Unfit(feature.name, "not one of its levels", UnknownLevel)
            for row in np.flatnonzero(rows).tolist():
                self._found.setdefault(row, unfit)
