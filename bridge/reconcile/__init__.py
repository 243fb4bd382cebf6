"""Scores logged calls again by code that serving does not use, and compares the scores row by row.

Shared with serving are Pred.R, the output rules in shared_outputs.R, model.toml and the record format. Not shared are
the stack, the QAP protocol, the pool, the engine, and how a booster's file and rows are read: a fault in any of those
shows as a difference.
"""

__all__: list[str] = []
