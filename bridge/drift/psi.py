"""The population stability index: one figure for how far the shares of bins have moved.

It is the sum over all bins of (a - e) ln(a / e), where e is the bin's share of the reference rows and a its share of
the logged rows: the divergence of Jeffreys, also known as symmetric Kullback-Leibler divergence (Kullback and Leibler,
"On Information and Sufficiency", 1951). Credit scoring uses it under this name; the reading of its values, from 0.1 on
and from 0.25 on, is that of Siddiqi, "Credit Risk Scorecards" (2006).
"""

from typing import Literal

import numpy as np

from bridge.columns import Array

__all__ = ["LEAST_ROWS", "LEAST_SHARE", "MUCH", "SOME", "Reading", "chance_of", "psi_of", "reading_of"]

LEAST_ROWS = 100  # with fewer rows chance alone gives figures that read as a shift
LEAST_SHARE = 0.0001  # ln(0) has no value, so an empty bin counts as this share
SOME, MUCH = 0.1, 0.25

Reading = Literal["little", "some", "much"]


def psi_of(rows: Array, against: Array) -> float:
    """Returns the index of two counts of the same bins; 0 for equal shares, never negative, the same if swapped.

    Args:
        rows: how many logged rows fell into each bin, shape (bins,); at least one fell into some bin.
        against: how many rows of the reference fell into each bin, shape (bins,); not all of them 0.
    """
    now, before = _shares(rows), _shares(against)
    return float(np.sum((now - before) * np.log(now / before)))


def chance_of(rows: Array, against: Array) -> float:
    """Returns the index that two samples of one population would have on average, by chance alone.

    It is (bins - 1) (1 / rows + 1 / reference rows), by the law of chi-squared (Yurdakul and Naranjo, "Statistical
    properties of the population stability index", 2020). Bins that are empty on both sides don't count.

    Args:
        rows: how many logged rows fell into each bin, shape (bins,); at least one fell into some bin.
        against: how many rows of the reference fell into each bin, shape (bins,); not all of them 0.
    """
    bins = int(np.count_nonzero(rows + against))
    return float((bins - 1) * (1 / int(rows.sum()) + 1 / int(against.sum())))


def reading_of(psi: float) -> Reading:
    """Returns the usual reading of the index: "little" below 0.1, "much" above 0.25, else "some"."""
    if psi < SOME:
        return "little"
    return "much" if psi > MUCH else "some"


def _shares(counts: Array) -> Array:
    return np.asarray(np.maximum(counts / counts.sum(), LEAST_SHARE))
