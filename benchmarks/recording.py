"""What recording costs: calls a second with the prediction log on and off, interleaved, medians of ratios."""

import shutil
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import train_cancer
import xgboost
from demo import console, run
from load import SCORE, SCOREBRIDGE, calls_per_second, pinned_gateway, require_tools
from rich.table import Table
from scorebridge import ScoringClient
from scorebridge.request import build_request

ROUNDS, SECONDS = 5, 3


def main() -> None:
    """The script."""
    require_tools()
    work = Path(tempfile.mkdtemp(prefix="recording-"))
    try:
        measure(work)
    finally:
        shutil.rmtree(work)


def measure(work: Path) -> None:
    """Two gateways at a time, one with a log, asked in turns."""
    booster, rows = train_cancer.train(work)
    repository = work / "repository"
    run(SCOREBRIDGE, "deploy", work / "cancer", "--repository", repository, "--model", "cancer")
    table = Table("rows a call", "in flight", "off, calls/s", "on, calls/s", "on / off (min to max)")
    with (
        pinned_gateway(repository) as off,
        pinned_gateway(repository, "--log-dir", str(work / "log")) as on,
    ):
        for count, in_flight in ((1, 32), (1000, 8)):
            batch = np.resize(rows.to_numpy(), (count, 30))
            for url in (off, on):
                with ScoringClient(url) as client:
                    assert np.array_equal(
                        client.score("cancer", batch).scores,
                        booster.predict(xgboost.DMatrix(batch, feature_names=list(rows.columns))),
                    )
            request = build_request("cancer", batch, None)
            rounds = [
                tuple(calls_per_second(url, SCORE, request, in_flight, SECONDS) for url in (off, on))
                for _ in range(ROUNDS)
            ]
            ratios = [with_log / without for without, with_log in rounds]
            table.add_row(
                str(count),
                str(in_flight),
                f"{median(without for without, _ in rounds):,.0f}",
                f"{median(with_log for _, with_log in rounds):,.0f}",
                f"{median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})",
            )
    console.print(f"cancer (xgboost, 200 trees), fsync = interval, {ROUNDS} interleaved rounds of {SECONDS:g} s")
    console.print(table)


if __name__ == "__main__":
    main()
