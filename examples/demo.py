"""Trains four models, deploys them, starts a gateway, scores real rows over gRPC, and shows what came of it."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import train_cancer
import xgboost
from rich.console import Console
from rich.table import Table
from scorebridge import Scores, ScoringClient

HERE = Path(__file__).parent
SCOREBRIDGE = Path(sys.executable).with_name("scorebridge")
INPUTS = ["npreg", "glu", "bp", "skin", "bmi", "ped", "age"]
console = Console(width=120)


@dataclass
class Timed:
    """An answer, and how long the caller waited for it, milliseconds."""

    answer: Scores
    took_ms: float


def run(*command: object) -> None:
    """A step that must succeed; what it prints is shown if it does not."""
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode != 0:
        console.print(done.stdout + done.stderr)
        sys.exit(f"{Path(str(command[0])).name} failed")


@contextmanager
def gateway(repository: Path) -> Iterator[str]:
    """A gateway on free ports, stopped at the end; its address."""
    command = [SCOREBRIDGE, "serve", "--repository", repository, "--grpc-port", "0", "--http-port", "0"]
    with subprocess.Popen(  # noqa: S603 - our own
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            ready = next(line for line in process.stdout or () if line.startswith("ready "))
            yield ready.split()[1].removeprefix("grpc=")
        finally:
            process.terminate()


def timed(client: ScoringClient, model: str, rows: Any, timeout_s: float) -> Timed:
    """One call, after one that opens the connection."""
    began = time.perf_counter()
    answer = client.score(model, rows, timeout_s=timeout_s)
    return Timed(answer, (time.perf_counter() - began) * 1e3)


def difference(answer: Scores, direct: np.ndarray[Any, Any]) -> str:
    """The largest difference between two columns of scores."""
    return f"{np.max(np.abs(answer.scores - direct)):g}"


def show(results: list[tuple[str, str, Timed, str]]) -> None:
    """The table."""
    table = Table("model", "backend", "rows", "first scores", "time", "source", "largest difference\nto the library")
    for model, backend, call, largest in results:
        answer = call.answer
        reason = f" ({answer.defaults[0].reason})" if answer.defaults else ""
        table.add_row(
            f"{model} v{answer.version}",
            backend,
            f"{answer.rows:,}",
            " ".join(f"{score:.4f}" for score in answer.scores[:3]),
            f"{call.took_ms:.1f} ms",
            f"{answer.source}{reason}",
            largest,
        )
    console.print(table)


def main() -> None:
    """Everything, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="scorebridge-demo-") as folder:
        work, repository = Path(folder), Path(folder) / "repository"
        os.environ["XDG_CACHE_HOME"] = folder
        console.print("training: glm and randomForest in R, xgboost in Python …")
        run("Rscript", "--vanilla", HERE / "train_pima.R", work)
        booster, tumours = train_cancer.train(work)
        console.print("deploying, and starting a gateway …")
        for model in ("glm", "forest", "bootstrap", "cancer"):
            run(SCOREBRIDGE, "deploy", work / model, "--repository", repository, "--model", model)
        patients = pd.read_csv(work / "direct.csv", dtype=str).astype(float)  # each digit, in every pandas
        with gateway(repository) as url, ScoringClient(url) as client:
            client.models()
            results = []
            for model in ("glm", "forest"):
                call = timed(client, model, patients[INPUTS], 10.0)
                results.append((model, "R (Rserve)", call, difference(call.answer, patients[model].to_numpy())))
            cancer = timed(client, "cancer", tumours, 10.0)
            late = timed(client, "bootstrap", patients[INPUTS], 0.05)
        # Only now: xgboost's threads go on spinning for a while after a prediction, on the gateway's cores.
        direct = booster.predict(xgboost.DMatrix(tumours))
        results.append(("cancer", "xgboost", cancer, difference(cancer.answer, direct)))
        results.append(("bootstrap", "R (Rserve)", late, "-"))
        show(results)
        console.print(
            "The last model needs half a second for what it was given 50 ms for. "
            f"After {late.took_ms:.1f} ms each row had the default score {late.answer.scores[0]:g}, marked as one: "
            f"{late.answer.defaults[0].reason}."
        )


if __name__ == "__main__":
    main()
