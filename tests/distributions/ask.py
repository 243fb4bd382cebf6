"""Asks a gateway for the scores of a CSV file's rows with the Python client, blocking and asyncio.

Arguments: HOST:PORT and the file. Prints the scores that both got, one a line.
"""

import asyncio
import sys
from pathlib import Path

import numpy as np
from scorebridge import AsyncScoringClient, ScoringClient, Source


async def _ask_async(url: str, rows: dict[str, list[float]]) -> list[float]:
    async with AsyncScoringClient(url) as client:
        answer = await client.score("risk", rows, timeout_s=30)
    return [float(score) for score in answer.scores]


def _main(url: str, source: Path) -> None:
    names, *lines = [line.split(",") for line in source.read_text().splitlines()]
    cells = np.array([[float(cell) for cell in line] for line in lines])
    with ScoringClient(url) as client:
        by_columns = client.score("risk", {name: cells[:, at] for at, name in enumerate(names)}, timeout_s=30)
        by_rows = client.score("risk", cells, columns=names, timeout_s=30)
    assert by_columns.source is by_rows.source is Source.MODEL
    assert by_columns.scores.tolist() == by_rows.scores.tolist()
    again = asyncio.run(_ask_async(url, {name: cells[:, at].tolist() for at, name in enumerate(names)}))
    assert by_columns.scores.tolist() == again
    sys.stdout.write("".join(f"{score!r}\n" for score in again))


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
