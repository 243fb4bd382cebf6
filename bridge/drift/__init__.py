"""Measures how far the logged inputs and scores of a version have moved away from reference rows.

`tally` counts the log's rows into the bins that `bins` makes of the reference, and `psi` turns the counts into a figure.
"""

__all__: list[str] = []
