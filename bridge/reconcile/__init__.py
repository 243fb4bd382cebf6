"""Scoring again what was logged, on a path of its own, and comparing row by row.

Shared with serving are Pred.R, the output rules in shared_outputs.R, model.toml and the record format; not the
stack, the QAP wire, the pool, the engine, or how a booster's file and rows are read. So a fault of any of those shows
as a difference.
"""

__all__: list[str] = []
