"""Scores rows one by one, with many calls at a time: python examples/score_async.py HOST:PORT MODEL FEATURE..."""

import asyncio
import sys

import numpy as np
from scorebridge import AsyncScoringClient, Scores


async def main() -> None:
    """Runs the example."""
    target, model, *features = sys.argv[1:]
    async with AsyncScoringClient(target, timeout_s=2, default=0.5) as client:

        async def score(customer: int) -> Scores:
            rows = {name: np.array([customer + number + 1.0]) for number, name in enumerate(features)}
            return await client.score(model, rows, row_keys=[f"customer-{customer}"])

        answers = await asyncio.gather(*(score(customer) for customer in range(10)))
        for customer, answer in enumerate(answers):
            print(f"customer {customer}: {answer.scores[0]} {answer.source}")
        print(f"defaults by this client: {client.client_defaults}")


if __name__ == "__main__":
    asyncio.run(main())
