"""Which logged rows R can be given at all: whole numbers that it would round, or take for its NA, are none of them."""

import numpy as np

from bridge.columns import DOUBLE_EXACT, INT_MIN, Batch, Matrix, Type

__all__ = ["why_unfit"]


def why_unfit(batch: Batch) -> str:
    """Why R can't be given the rows as they came, naming the column; empty if it can. No such row had a score."""
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
            return f"the column '{column.name}' has a whole number that R does not"
    return ""
