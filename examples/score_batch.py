"""Scores two rows: python examples/score_batch.py HOST:PORT MODEL FEATURE..."""

import sys

import numpy as np
from scorebridge import ScoringClient


def main() -> None:
    """Runs the example."""
    target, model, *features = sys.argv[1:]
    rows = {
        name: np.array([number + 1.0, number + 3.0]) for number, name in enumerate(features)
    }  # your own values here
    # One client for the whole service; it may be shared by threads.
    with ScoringClient(target, timeout_s=2, default=0.5) as client:
        answer = client.score(model, rows, request_id="order-4711")
    print(f"{answer.source} by version {answer.version}, call {answer.request_id}")
    for row, (score, reason) in enumerate(zip(answer.scores, answer.reasons, strict=True)):
        print(f"row {row}: {score}" + (f" ({reason})" if reason else ""))


if __name__ == "__main__":
    main()
