"""What a gateway and its versions hold in memory, as the kernel counts it: python benchmarks/memory.py.

Prints a table. `private` is what would be free if the processes ended (USS); `all` counts a page that several processes
share in equal parts (PSS), so that sums are what the machine spends. Files that R and Python map are counted too. The
load of the machine doesn't matter; Linux only.
"""

import asyncio
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import joblib
import numpy as np
import psutil
import xgboost
from demo import run
from load import SCOREBRIDGE
from scorebridge import AsyncScoringClient
from sklearn.ensemble import RandomForestRegressor

_COLUMNS, _ROWS, _CALLS, _IN_FLIGHT = 10, 1000, 200, 8
_BIG_TREES = 360  # some 100 MB
_MODELS = """
set.seed(1)
folder <- commandArgs(trailingOnly = TRUE)[1L]
rows <- as.data.frame(matrix(rnorm(5000 * 10), ncol = 10, dimnames = list(NULL, paste0("x", 1:10))))
rows$y <- rowSums(rows[1:3]) + rnorm(5000)
fits <- list(
  glm = glm(y > 0 ~ ., binomial, rows[1:300, ], model = FALSE),
  forest = randomForest::randomForest(y ~ ., rows, ntree = 160)
)
for (name in names(fits)) {
  fit <- fits[[name]]
  dir.create(file.path(folder, name))
  save(fit, file = file.path(folder, name, "model.RData"))
  cat(name, format(object.size(fit), units = "MiB"), "\\n")
}
"""
_PREDICT = "library(randomForest)\nPred.R <- function(data) predict(fit, data, type = 'response')\n"
_PREDICT_PYTHON = """
import joblib

model = joblib.load("model.joblib")


def predict(frame):
    return model.predict(frame.to_numpy())
"""
_SETTINGS = (
    "input = 'frame'\nrow_wise = true\nworkers = {workers}\ntimeout_s = 60\nload_timeout_s = 600\n\n[features]\n"
)


@dataclass(frozen=True)
class Memory:
    """Of some processes: how many, and MiB that are theirs alone, and with their part of what they share."""

    processes: int
    private_mib: float
    all_mib: float

    def __sub__(self, other: "Memory") -> "Memory":
        return Memory(
            self.processes - other.processes, self.private_mib - other.private_mib, self.all_mib - other.all_mib
        )


def memory_of(processes: list[psutil.Process]) -> Memory:
    """What the kernel counts for them."""
    private = shared = 0
    for process in processes:
        counted = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        kib = {name: int(value) for name, value in re.findall(r"^(\w+): +(\d+) kB$", counted, re.MULTILINE)}
        private += kib["Private_Clean"] + kib["Private_Dirty"]
        shared += kib["Pss"]
    return Memory(len(processes), private / 1024, shared / 1024)


@contextmanager
def gateway(repository: Path) -> Iterator[tuple[psutil.Process, str]]:
    """A gateway that has loaded all there is, and its address."""
    command = [SCOREBRIDGE, "serve", "--repository", repository, "--grpc-port", "0", "--http-port", "0"]
    with subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            assert line.startswith("ready "), line
            yield psutil.Process(process.pid), line.split()[1].removeprefix("grpc=")
        finally:
            process.terminate()


def rows_of(model: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Rows for a model; the same each time."""
    return np.random.default_rng(len(model)).normal(size=(_ROWS, _COLUMNS))


async def score(url: str, models: list[str]) -> None:
    """Calls of 1,000 rows, several at a time, so that every worker has some."""
    free = asyncio.Semaphore(_IN_FLIGHT)
    async with AsyncScoringClient(url, timeout_s=60) as client:

        async def one(model: str) -> None:
            async with free:
                columns = {f"x{at + 1}": values for at, values in enumerate(rows_of(model).T)}
                await client.score(model, columns)

        await asyncio.gather(*(one(model) for model in models for _ in range(_CALLS // len(models))))


def measured(repository: Path) -> tuple[Memory, Memory, Memory, Memory]:
    """Of a repository's gateway: itself and its models' processes once loaded, and both after the calls."""
    models = sorted(path.name for path in repository.iterdir() if path.is_dir() and not path.name.startswith("."))
    with gateway(repository) as (process, url):

        def now() -> tuple[Memory, Memory]:
            return memory_of([process]), memory_of(
                [child for child in process.children(recursive=True) if works(child)]
            )

        loaded = now()
        if models:
            asyncio.run(score(url, models))
        return *loaded, *now()


def works(process: psutil.Process) -> bool:
    """Whether it is a worker's or their parent's."""
    return "Rserve" in process.name() or any(part.endswith("runner/start.py") for part in process.cmdline())


def write_r(folder: Path, fits: Path, model: str, workers: int) -> None:
    """An R bundle with so many workers."""
    folder.mkdir()
    (folder / "model.RData").write_bytes((fits / model / "model.RData").read_bytes())
    (folder / "Pred.R").write_text(_PREDICT if model == "forest" else _PREDICT.split("\n", 1)[1])
    features = "".join(f'x{at + 1} = "double"\n' for at in range(_COLUMNS))
    (folder / "model.toml").write_text(_SETTINGS.format(workers=workers) + features)


def write_python(folder: Path, workers: int) -> None:
    """A bundle of a forest of scikit-learn with so many workers."""
    folder.mkdir()
    numbers = np.random.default_rng(7)
    values = numbers.normal(size=(5000, _COLUMNS))
    forest = RandomForestRegressor(160, random_state=1).fit(values, values[:, :3].sum(1) + numbers.normal(size=5000))
    joblib.dump(forest, folder / "model.joblib")
    (folder / "Pred.py").write_text(_PREDICT_PYTHON)
    features = "".join(f'x{at + 1} = "double"\n' for at in range(_COLUMNS))
    (folder / "model.toml").write_text(_SETTINGS.format(workers=workers) + features)


def write_xgboost(folder: Path, *, rows: int = _ROWS, leaves: int = 64, trees: int = 50) -> float:
    """A booster, small unless told otherwise; the size of its file, MB."""
    folder.mkdir()
    numbers = np.random.default_rng(7)
    values = numbers.normal(size=(rows, _COLUMNS))
    names = [f"x{at + 1}" for at in range(_COLUMNS)]
    matrix = xgboost.DMatrix(values, numbers.normal(size=rows), feature_names=names)
    told = {"nthread": 1, "max_depth": 0, "max_leaves": leaves, "grow_policy": "lossguide", "tree_method": "hist"}
    xgboost.train(told | {"eta": 0.05}, matrix, trees).save_model(folder / "model.ubj")
    (folder / "model.toml").write_text("load_timeout_s = 600\n")
    return (folder / "model.ubj").stat().st_size / 1e6


def deployed(work: Path, name: str, bundle: Path, *, models: int = 1, versions: int = 1) -> Path:
    """A repository with a bundle, under so many names and as so many versions of each."""
    repository = work / f"{name} repository"
    for at in range(models):
        for _ in range(versions):
            run(SCOREBRIDGE, "deploy", bundle, "--repository", repository, "--model", f"m{at}")
    return repository


def xgboost_lines(work: Path) -> Iterator[str]:
    """A gateway's own memory, and what xgboost versions add to it."""
    (work / "empty").mkdir()
    alone, *_ = measured(work / "empty")
    yield f"| a gateway without models | | {alone.private_mib:.0f} | {alone.all_mib:.0f} | |"
    bundle = work / "booster"
    write_xgboost(bundle)
    loaded, _, called, _ = measured(deployed(work, "one", bundle))
    first = loaded - alone
    figures = (first.private_mib, first.all_mib, (called - alone).all_mib)
    yield f"| the first xgboost version | | {' | '.join(f'{figure:.0f}' for figure in figures)} |"
    more = 9
    loaded_all, _, called_all, _ = measured(deployed(work, "all", bundle, models=1 + more))
    added, added_called = loaded_all - loaded, called_all - called
    figures = (added.private_mib / more, added.all_mib / more, added_called.all_mib / more)
    yield f"| each further one | | {' | '.join(f'{figure:.1f}' for figure in figures)} |"
    yield from big_lines(work, loaded, called)


def big_lines(work: Path, small: Memory, small_called: Memory) -> Iterator[str]:
    """What a big booster takes: one alone, against a small one alone, and each further one."""
    bundle = work / "big booster"
    size = write_xgboost(bundle, rows=40_000, leaves=4096, trees=_BIG_TREES)
    loaded, _, called, _ = measured(deployed(work, "big", bundle))
    added, added_called = loaded - small, called - small_called
    figures = (added.private_mib, added.all_mib, added_called.all_mib)
    yield f"| a model file of {size:.0f} MB, more than a small one | | {' | '.join(f'{one:.0f}' for one in figures)} |"
    more = 2
    loaded_all, _, called_all, _ = measured(deployed(work, "bigs", bundle, models=1 + more))
    added, added_called = loaded_all - loaded, called_all - called
    figures = (added.private_mib / more, added.all_mib / more, added_called.all_mib / more)
    yield f"| each further one of {size:.0f} MB | | {' | '.join(f'{one:.0f}' for one in figures)} |"


def worker_lines(work: Path, model: str, write: Callable[[Path, int], None]) -> Iterator[str]:
    """What the processes of a model hold, beside the gateway."""
    for workers, versions in ((1, 1), (2, 1), (4, 1), (2, 2)):
        name = f"{model}, {workers} worker{'s' if workers > 1 else ''}"
        name += ", and the version before it" if versions > 1 else ""
        bundle = work / name
        write(bundle, workers)
        _, loaded, _, called = measured(deployed(work, name, bundle, versions=versions))
        figures = (loaded.private_mib, loaded.all_mib, called.all_mib)
        yield f"| {name} | {loaded.processes} | {' | '.join(f'{figure:.0f}' for figure in figures)} |"


def main() -> None:
    """Everything, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="memory-") as folder:
        work = Path(folder)
        fits = work / "fits"
        fits.mkdir()
        script = work / "models.R"
        script.write_text(_MODELS)
        done = subprocess.run(
            ["Rscript", "--vanilla", str(script), str(fits)], check=True, capture_output=True, text=True
        )
        print(done.stdout)
        print("| what | R or Python processes | private, MiB | all, MiB | all after 200 calls of 1,000 rows, MiB |")
        print("|---|---|---|---|---|")
        lines = [
            xgboost_lines(work),
            worker_lines(work, "glm", lambda folder, workers: write_r(folder, fits, "glm", workers)),
            worker_lines(work, "forest", lambda folder, workers: write_r(folder, fits, "forest", workers)),
            worker_lines(work, "Python forest", write_python),
        ]
        for line in chain.from_iterable(lines):
            print(line, flush=True)


if __name__ == "__main__":
    main()
