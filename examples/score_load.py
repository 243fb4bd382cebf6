"""Keeps a number of calls in flight for a while, and prints their rate, times and sources.

python examples/score_load.py HOST:PORT MODEL COLUMNS ROWS IN_FLIGHT SECONDS [TIMEOUT_MS]
"""

import asyncio
import sys
import time

import numpy as np
from scorebridge import AsyncScoringClient, Source


async def main() -> None:
    """Runs the example."""
    target, model, *numbers = sys.argv[1:]
    columns, rows, in_flight = map(int, numbers[:3])
    seconds, timeout_s = float(numbers[3]), float((*numbers[4:], "1000")[0]) / 1000
    batch = np.random.default_rng(1).random((rows, columns))
    times: list[float] = []
    by_model = 0

    async def caller(client: AsyncScoringClient, end: float) -> None:
        nonlocal by_model
        while (began := time.perf_counter()) < end:
            answer = await client.score(model, batch)
            times.append(time.perf_counter() - began)
            by_model += answer.source is Source.MODEL

    async with AsyncScoringClient(target, timeout_s=timeout_s, default=0.0) as client:
        began = time.perf_counter()
        await asyncio.gather(*(caller(client, began + seconds) for _ in range(in_flight)))
        took_s = time.perf_counter() - began
        defaults = client.client_defaults
    p50, p99 = np.quantile(times, [0.5, 0.99]) * 1e3
    print(
        f"{len(times) / took_s:,.0f} calls/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms, {len(times):,} calls, "
        f"{by_model:,} scored by the model, defaults {defaults}"
    )


if __name__ == "__main__":
    asyncio.run(main())
