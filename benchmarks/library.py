"""A 1,000-row call through the gateway beside the same call made directly in the model's own library.

python benchmarks/library.py; rounds of both are interleaved, and the medians of all calls are compared.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import train_cancer
import xgboost
from demo import HERE, INPUTS, console, gateway, run
from rich.table import Table
from scorebridge import ScoringClient

ROWS, ROUNDS, CALLS = 1000, 5, 40
SCOREBRIDGE = Path(sys.executable).with_name("scorebridge")

# Times the bundle's own Pred.R in a plain R session, once for each line on standard input.
DIRECT = """
arguments <- commandArgs(TRUE)
bundle <- arguments[1]; rows <- readRDS(arguments[2])
load(file.path(bundle, "model.RData")); source(file.path(bundle, "Pred.R"))
input <- file("stdin", "r")
while (length(readLines(input, 1))) {
  times <- replicate(%d, { began <- Sys.time(); do.call(Pred.R, rows); as.numeric(Sys.time() - began, units = "secs") })
  cat(times, "\\n"); flush(stdout())
}
"""


def timed(call: Callable[[], Any]) -> list[float]:
    """Seconds of each of some calls."""
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return times


def r_session(bundle: Path, rows: Path) -> Callable[[], list[float]]:
    """A round of calls in an R session of its own."""
    script = bundle.parent / "direct.R"
    script.write_text(DIRECT % CALLS)
    process = subprocess.Popen(
        ["Rscript", "--vanilla", str(script), str(bundle), str(rows)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def measure() -> list[float]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        return [float(number) for number in process.stdout.readline().split()]

    return measure


def compare(name: str, direct: Callable[[], list[float]], bridged: Callable[[], list[float]], table: Table) -> None:
    """One row of the table."""
    direct(), bridged()
    rounds = [(direct(), bridged()) for _ in range(ROUNDS)]
    library_s = median(one for times, _ in rounds for one in times)
    gateway_s = median(one for _, times in rounds for one in times)
    ratios = [median(through) / median(alone) for alone, through in rounds]
    table.add_row(
        name,
        f"{library_s * 1e3:.2f} ms",
        f"{gateway_s * 1e3:.2f} ms",
        f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
    )


def measure(work: Path) -> None:
    """Trains, serves and compares."""
    run("Rscript", "--vanilla", HERE / "train_pima.R", work)
    booster, tumours = train_cancer.train(work)
    repository = work / "repository"
    for model in ("glm", "forest", "cancer"):
        run(SCOREBRIDGE, "deploy", work / model, "--repository", repository, "--model", model)
    pima = np.genfromtxt(work / "direct.csv", delimiter=",", skip_header=1)[:, :7]
    pima = np.ascontiguousarray(np.resize(pima, (ROWS, 7)))
    cancer = np.ascontiguousarray(np.resize(tumours.to_numpy(), (ROWS, 30)))
    columns = ", ".join(f"{name} = rep_len(d${name}, {ROWS})" for name in INPUTS)
    source = f'd <- read.csv("{work}/direct.csv"); saveRDS(list({columns}), "{work}/rows.rds")'
    run("Rscript", "--vanilla", "-e", source)
    table = Table("model", "in the library, p50", "through the gateway, p50", "ratio of medians (min to max)")
    by_name = {name: np.ascontiguousarray(pima[:, at]) for at, name in enumerate(INPUTS)}
    with gateway(repository) as url, ScoringClient(url) as client:
        for model in ("glm", "forest"):
            direct = r_session(work / model, work / "rows.rds")
            compare(model, direct, lambda model=model: timed(lambda: client.score(model, by_name)), table)  # type: ignore[misc]
        compare(
            "cancer",
            lambda: timed(lambda: booster.predict(xgboost.DMatrix(cancer, feature_names=list(tumours.columns)))),
            lambda: timed(lambda: client.score("cancer", cancer)),
            table,
        )
    console.print(f"{ROWS} rows a call, {ROUNDS} interleaved rounds of {CALLS} calls each, one caller")
    console.print(table)


def main() -> None:
    """The script."""
    work = Path(tempfile.mkdtemp(prefix="library-"))
    try:
        measure(work)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
