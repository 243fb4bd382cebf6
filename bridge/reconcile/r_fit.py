"""Finds logged rows that can't be given to R: with whole numbers that it would round, or take for its NA."""

import numpy as np

from bridge.columns import DOUBLE_EXACT, INT_MIN, Batch, Matrix, Type

__all__ = ["why_unfit"]


def why_unfit(batch: Batch) -> str:
    """Returns why R can't be given the rows unchanged, naming the column; empty if it can.

    Serving refuses such rows, so none of them has a logged score of the model.
    """
    if isinstance(batch, Matrix):
        return ""
    for column in batch.columns:
        if column.type is Type.INT64:
            lost = (column.values < -DOUBLE_EXACT) | (column.values > DOUBLE_EXACT)
        elif column.type is Type.INT:
            lost = column.values == INT_MIN
        else:
            continue
        if np.any(lost & ~column.missing()):
            return f"the column '{column.name}' has a whole number that R can't hold exactly"
    return ""
