"""Chunks of a run, made by hand, and what became of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bridge.columns import Column, Table, Type
from bridge.offline.scored_chunk import ScoredChunk
from bridge.offline.scorer import Question
from bridge.row_files.input_chunk import InputChunk

__all__ = ["bits", "chunk_of", "question_of", "table_of"]


def table_of(columns: Mapping[str, Any]) -> Table:
    """Columns of doubles, or of text where a value is text; None is missing."""
    made = []
    for name, values in columns.items():
        if any(isinstance(value, str) for value in values):
            missing = np.array([value is None for value in values])
            texts = np.array(["" if value is None else value for value in values], object)
            made.append(Column(name, Type.STRING, texts, missing if missing.any() else None))
        else:
            made.append(Column(name, Type.DOUBLE, np.array(values, np.float64)))
    return Table(tuple(made), len(made[0]))


def chunk_of(batch: Table, *, number: int = 0, first: int = 0, keys: bool = True) -> InputChunk:
    """A chunk with keys k0, k1 ... whose rows are all there."""
    places = np.arange(first, first + batch.rows)
    named = tuple(f"k{place}" for place in places) if keys else ()
    return InputChunk(number, "rows.csv", first, batch.rows, batch, named, None, places)


def question_of(batch: Table, **more: Any) -> Question:
    return Question("run/0/0", batch, **more)


def bits(scored: ScoredChunk) -> list[tuple[int, bytes]]:
    """The rows with a score, each with the bytes of its scores."""
    columns = scored.columns
    return [
        (int(row), b"".join(column.values[place].tobytes() for column in columns))
        for place, row in enumerate(scored.kept)
    ]
