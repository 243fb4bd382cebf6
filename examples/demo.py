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
from scorebridge import Scores, ScoringClient, Source

HERE = Path(__file__).parent
SCOREBRIDGE = Path(sys.executable).with_name("scorebridge")
INPUTS = ["npreg", "glu", "bp", "skin", "bmi", "ped", "age"]
DEFAULTS = {"glm": 0.33, "forest": 0.33, "bootstrap": 0.33, "cancer": 0.5}
PATIENT_S, IMPATIENT_S = 5.0, 0.05  # the slow model needs half a second, the others some milliseconds
TRIAL_S = 900.0  # a deploy or a start gives way to whatever else the machine does
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
def gateway(repository: Path, said: Path = Path(os.devnull)) -> Iterator[str]:
    """A gateway on free ports, stopped at the end; its address. What it says for itself is written to `said`."""
    command = [SCOREBRIDGE, "serve", "--repository", repository, "--grpc-port", "0", "--http-port", "0"]
    with (
        said.open("w") as errors,
        subprocess.Popen(  # noqa: S603 - our own
            [str(part) for part in command], stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            ready = next((line for line in process.stdout or () if line.startswith("ready ")), None)
            if ready is None:
                sys.exit(f"the gateway did not start\n{said.read_text()}")
            yield ready.split()[1].removeprefix("grpc=")
        finally:
            process.terminate()


def timed(client: ScoringClient, model: str, rows: Any, timeout_s: float = PATIENT_S) -> Timed:
    """One call. The client has a default too, so that an answer comes however busy the machine is."""
    began = time.perf_counter()
    answer = client.score(model, rows, timeout_s=timeout_s, default=DEFAULTS[model])
    return Timed(answer, (time.perf_counter() - began) * 1e3)


def deploy(bundle: Path, repository: Path) -> None:
    """Makes a bundle a version of the model of its name, however long a busy machine takes to try it."""
    settings = bundle / "model.toml"
    settings.write_text(f"load_timeout_s = {TRIAL_S}\n{settings.read_text()}")
    run(SCOREBRIDGE, "deploy", bundle, "--repository", repository, "--model", bundle.name)


def difference(answer: Scores, direct: np.ndarray[Any, Any]) -> str:
    """The largest difference between the model's scores and the library's; "-" where there are none."""
    scored = ~answer.defaulted
    return f"{np.max(np.abs(answer.scores - direct)[scored]):g}" if scored.any() else "-"


def show(results: list[tuple[str, str, Timed, str]]) -> None:
    """The table."""
    table = Table("model", "backend", "rows", "first scores", "time", "source", "largest difference\nto the library")
    for model, backend, call, largest in results:
        answer = call.answer
        reason = f" ({answer.defaults[0].reason})" if answer.defaults else ""
        table.add_row(
            f"{model} v{answer.version}" if answer.version else model,
            backend,
            f"{answer.rows:,}",
            " ".join(f"{score:.4f}" for score in answer.scores[:3]),
            f"{call.took_ms:.1f} ms",
            f"{answer.source}{reason}",
            largest,
        )
    console.print(table)


def verdict(late: Timed) -> str:
    """What became of the call that was given too little time."""
    answer = late.answer
    given = f"The last model needs half a second for what it was given {IMPATIENT_S * 1e3:g} ms for. "
    if not answer.defaults:
        return f"{given}Here it was done in {late.took_ms:.1f} ms."
    who = "the client" if answer.source is Source.CLIENT_DEFAULT else "the gateway"
    return (
        f"{given}After {late.took_ms:.1f} ms each row had the default score {answer.scores[0]:g} from {who}, marked as "
        f"one: {answer.defaults[0].reason}."
    )


def ask(repository: Path, patients: pd.DataFrame, booster: xgboost.Booster, tumours: pd.DataFrame) -> None:
    """Starts a gateway, scores the rows, and prints what came."""
    inputs = patients[INPUTS]
    with gateway(repository, repository.parent / "gateway.log") as url, ScoringClient(url) as client:
        timed(client, "glm", inputs[:1])  # opens the connection
        results = []
        for model in ("glm", "forest"):
            call = timed(client, model, inputs)
            results.append((model, "R (Rserve)", call, difference(call.answer, patients[model].to_numpy())))
        cancer = timed(client, "cancer", tumours)
        late = timed(client, "bootstrap", inputs, IMPATIENT_S)
    # Only now: xgboost's threads go on spinning for a while after a prediction, on the gateway's cores.
    direct = booster.predict(xgboost.DMatrix(tumours))
    results.append(("cancer", "xgboost", cancer, difference(cancer.answer, direct)))
    results.append(("bootstrap", "R (Rserve)", late, "-"))
    show(results)
    console.print(verdict(late))


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
            deploy(work / model, repository)
        patients = pd.read_csv(work / "direct.csv", dtype=str).astype(float)  # each digit, in every pandas
        ask(repository, patients, booster, tumours)


if __name__ == "__main__":
    main()
