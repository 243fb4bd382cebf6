"""Trains models, deploys them, starts a gateway, scores real rows over gRPC, and prints the results.

One of the models is asked by key: the gateway looks the features up, here in a Parquet file that it holds in memory.
"""

import os
import shutil
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
DEFAULTS = {"glm": 0.33, "forest": 0.33, "bootstrap": 0.33, "cancer": 0.5, "by-key": 0.5}
PATIENT_S, IMPATIENT_S = 5.0, 0.05  # the slow model needs half a second, the others some milliseconds
TRIAL_S = 900.0  # long, because a deploy or a start takes longer on a busy machine
console = Console(width=120)


@dataclass
class Timed:
    """An answer, and how long the caller waited for it, milliseconds."""

    answer: Scores
    took_ms: float


BY_KEY = """
[lookup.tumour]
group = "tumours"
key = "tumour_id"
"""
STORE = """
[stores.clinic]
url = "memory:{path}"
key = "tumour_id"
timeout_s = {timeout_s}
"""


def run(*command: object) -> None:
    """Runs a command that must succeed; if it fails, shows its output and ends the demonstration."""
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode != 0:
        console.print(done.stdout + done.stderr)
        sys.exit(f"{Path(str(command[0])).name} failed")


@contextmanager
def gateway(repository: Path, said: Path = Path(os.devnull), config: Path | None = None) -> Iterator[str]:
    """Runs a gateway on free ports and yields its address; the gateway's log goes to the file `said`."""
    command = [SCOREBRIDGE, "serve", "--repository", repository, "--grpc-port", "0", "--http-port", "0"]
    command += ["--config", config] if config else []
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
    """Scores rows in one call and times it. The client has a default score, so a busy machine answers too."""
    began = time.perf_counter()
    answer = client.score(model, rows, timeout_s=timeout_s, default=DEFAULTS[model])
    return Timed(answer, (time.perf_counter() - began) * 1e3)


def deploy(bundle: Path, repository: Path) -> None:
    """Deploys a bundle as a version of the model of its name, with enough time for its trial on a busy machine."""
    settings = bundle / "model.toml"
    settings.write_text(f"load_timeout_s = {TRIAL_S}\n{settings.read_text()}")
    run(SCOREBRIDGE, "deploy", bundle, "--repository", repository, "--model", bundle.name)


def difference(answer: Scores, direct: np.ndarray[Any, Any]) -> str:
    """Returns the largest difference between the gateway's scores and the library's; "-" if the model scored no row."""
    scored = ~answer.defaulted
    return f"{np.max(np.abs(answer.scores - direct)[scored]):g}" if scored.any() else "-"


def show(results: list[tuple[str, str, Timed, str]]) -> None:
    """Prints a table of the calls: their first scores, times, sources, and the differences to the library's scores."""
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
    """Returns sentences that say how the call with too little time ended."""
    answer = late.answer
    given = f"The last model needs half a second for what it was given {IMPATIENT_S * 1e3:g} ms for. "
    if not answer.defaults:
        return f"{given}Here it was done in {late.took_ms:.1f} ms."
    who = "the client" if answer.source is Source.CLIENT_DEFAULT else "the gateway"
    return (
        f"{given}After {late.took_ms:.1f} ms each row had the default score {answer.scores[0]:g} from {who}, marked as "
        f"one: {answer.defaults[0].reason}."
    )


def by_key(work: Path, tumours: pd.DataFrame) -> None:
    """Makes the bundle `by-key`, the cancer model whose features are looked up, and the gateway's settings for it.

    The features are in a Parquet file with a key for each row, as a nightly job would write it.
    """
    shutil.copytree(work / "cancer", work / "by-key")
    with (work / "by-key" / "model.toml").open("a") as settings:
        settings.write(BY_KEY)
    table = tumours.assign(tumour_id=[f"T{number:03}" for number in range(len(tumours))])
    table.to_parquet(work / "tumours.parquet", index=False)
    (work / "gateway.toml").write_text(STORE.format(path=work / "tumours.parquet", timeout_s=PATIENT_S))


def ask(repository: Path, patients: pd.DataFrame, booster: xgboost.Booster, tumours: pd.DataFrame) -> None:
    """Starts a gateway, scores the rows with each model, and prints the results."""
    inputs, work = patients[INPUTS], repository.parent
    with gateway(repository, work / "gateway.log", work / "gateway.toml") as url, ScoringClient(url) as client:
        timed(client, "glm", inputs[:1])  # opens the connection
        results = []
        for model in ("glm", "forest"):
            call = timed(client, model, inputs)
            results.append((model, "R (Rserve)", call, difference(call.answer, patients[model].to_numpy())))
        cancer = timed(client, "cancer", tumours)
        keyed = timed(client, "by-key", {"tumour_id": [f"T{number:03}" for number in range(len(tumours))]})
        late = timed(client, "bootstrap", inputs, IMPATIENT_S)
    # Predicted after the gateway's calls, because xgboost's threads keep the cores busy for a while after a prediction.
    direct = booster.predict(xgboost.DMatrix(tumours))
    results.append(("cancer", "xgboost", cancer, difference(cancer.answer, direct)))
    results.append(("by-key", "xgboost, by key", keyed, difference(keyed.answer, direct)))
    results.append(("bootstrap", "R (Rserve)", late, "-"))
    show(results)
    console.print(verdict(late))


def main() -> None:
    """Runs the whole demonstration in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="scorebridge-demo-") as folder:
        work, repository = Path(folder), Path(folder) / "repository"
        os.environ["XDG_CACHE_HOME"] = folder
        console.print("training: glm and randomForest in R, xgboost in Python …")
        run("Rscript", "--vanilla", HERE / "train_pima.R", work)
        booster, tumours = train_cancer.train(work)
        by_key(work, tumours)
        console.print("deploying, and starting a gateway …")
        for model in ("glm", "forest", "bootstrap", "cancer", "by-key"):
            deploy(work / model, repository)
        patients = pd.read_csv(work / "direct.csv", dtype=str).astype(float)  # each digit, in every pandas
        ask(repository, patients, booster, tumours)


if __name__ == "__main__":
    main()
