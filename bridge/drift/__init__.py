"""Measures how far the logged inputs and scores of a version have moved away from reference rows.

`bins` makes bins of the reference, `tally` counts logged rows into them, and `psi` turns the counts into a figure.
"""

__all__: list[str] = []
