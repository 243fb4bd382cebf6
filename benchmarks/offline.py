"""Offline scoring beside plain scripts: python benchmarks/offline.py FOLDER [--rows N] [--r-rows N] [--curve-gb N].

Makes a Parquet file of 30 columns and two models in FOLDER, and scores the file in each of the ways, in turns: rows a
second, the most memory of all processes of a way (shared pages once), and how many scores are not the library's own.
R's plain script needs Debian's r-cran-data.table.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import xgboost
from offline_ways import EXACT_R, ON_SPARK, PLAIN, PLAIN_R

COLUMNS, TREES, GROUP = 30, 200, 100_000
NAMES = [f"x{place}" for place in range(COLUMNS)]
SCOREBRIDGE = Path(sys.executable).with_name("scorebridge")
SPARK = Path(sys.executable).parents[2] / ".spark" / "bin" / "python"


@dataclass
class Measured:
    """One way's run: its seconds, and the most memory that its processes had, in MB."""

    seconds: float
    memory_mb: float


@contextmanager
def watched(curve: list[tuple[float, float]], *more: psutil.Process) -> Iterator[None]:
    """Adds the seconds and the MB of all processes below this one, and of others, several times a second."""
    ended, began = threading.Event(), time.monotonic()

    def watch() -> None:
        while not ended.wait(0.2):
            total = 0
            for process in (*psutil.Process().children(recursive=True), *more):
                with suppress(psutil.Error):
                    total += process.memory_full_info().pss
            curve.append((time.monotonic() - began, total / 1e6))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def measure(command: list[Any]) -> Measured:
    """Runs a command to its end."""
    curve: list[tuple[float, float]] = []
    began = time.monotonic()
    with watched(curve):
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return Measured(time.monotonic() - began, max(memory for _, memory in curve))


def write_rows(path: Path, rows: int) -> None:
    """Writes numbers with 2 % nulls, and a key; a million rows, again and again with other keys."""
    rng = np.random.default_rng(18)
    most = min(rows, 1_000_000)
    values = [rng.normal(size=most) for _ in NAMES]
    arrays = [pa.array(one, mask=rng.random(most) < 0.02) for one in values]
    fields: list[Any] = [pa.field("id", pa.int64()), *(pa.field(name, pa.float64()) for name in NAMES)]
    schema = pa.schema(fields)
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for first in range(0, rows, most):
            ids = pa.array(np.arange(first, first + most))
            table = pa.table([ids, *arrays], schema=schema).slice(0, rows - first)
            writer.write_table(table, row_group_size=GROUP)


def deploy(folder: Path) -> None:
    """Trains and deploys a boosted model and a glm."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(20_000, COLUMNS))
    target = (rows[:, 0] + rows[:, 1] * rows[:, 2] + rng.normal(size=len(rows)) > 0).astype(float)
    boosted = folder / "boosted"
    boosted.mkdir(parents=True)
    (folder / "models").mkdir()
    training = xgboost.DMatrix(rows, target, feature_names=NAMES)
    xgboost.train({"objective": "binary:logistic", "max_depth": 6}, training, TREES).save_model(boosted / "model.ubj")
    glm = folder / "glm"
    glm.mkdir()
    np.savetxt(folder / "training.csv", np.column_stack([target, rows])[:5000], delimiter=",")
    formula = f"y ~ {' + '.join(NAMES)}"
    script = (
        f'd <- read.csv("{folder}/training.csv", header = FALSE); names(d) <- c("y", {json.dumps(NAMES)[1:-1]});'
        f' model <- glm({formula}, binomial, d); save(model, file = "{glm}/model.RData")'
    )
    subprocess.run(["Rscript", "--vanilla", "-e", script], check=True, stdout=subprocess.DEVNULL)
    given = ", ".join(NAMES)
    (glm / "Pred.R").write_text(
        f"Pred.R <- function({given})\n  unname(predict(model, data.frame({given}), type = 'response'))\n"
    )
    features = "\n".join(f'{name} = "double"' for name in NAMES)
    (glm / "model.toml").write_text(
        f'row_wise = true\nworkers = 2\n[features]\n{features}\n[outputs]\nscore = "double"\n'
    )
    for bundle in (boosted, glm):
        command = [
            SCOREBRIDGE,
            "deploy",
            bundle,
            "--model",
            bundle.name,
            "--repository",
            folder / "models",
            "--unproven",
        ]
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def gateway(models: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A gateway, with its address and its process."""
    port = 18_181
    command = [str(SCOREBRIDGE), "serve", "--repository", str(models), "--grpc-port", str(port), "--http-port", "18182"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ask = [str(SCOREBRIDGE), "models", "--url", f"127.0.0.1:{port}"]
        while subprocess.run(ask, check=False, capture_output=True).returncode:
            time.sleep(0.5)
        yield f"127.0.0.1:{port}", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def scores(path: Path) -> Any:
    """The scores of a file or folder, by ascending key, as their bits; missing ones are all alike."""
    if path.suffix == ".bits":
        found = np.fromfile(path)
    else:
        table = pcsv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path, columns=["id", "score"])
        order = np.argsort(table.column("id").cast(pa.int64()).to_numpy(), kind="stable")  # keys of CSV are text
        found = table.column("score").to_numpy()[order]
    found = np.where(np.isnan(found), found.dtype.type(np.nan), found)
    return found.view(np.uint32 if found.dtype == np.float32 else np.uint64)


def exact_scores(source: Path, folder: Path) -> Path:
    """R's own scores of the numbers themselves: fread rounds some of them, and fwrite keeps 15 digits."""
    table, values, target = pq.read_table(source), folder / "values.bin", folder / "exact.bits"
    np.concatenate([table.column(name).to_numpy() for name in NAMES]).tofile(values)
    (folder / "exact.R").write_text(EXACT_R)
    model = [folder / "glm" / "model.RData", folder / "glm" / "Pred.R"]
    command = ["Rscript", "--vanilla", folder / "exact.R", *model, values, table.num_rows, target]
    subprocess.run([str(part) for part in command], check=True)
    values.unlink()
    return target


def told(ways: dict[str, list[Measured]], differing: dict[str, str], rows: int) -> None:
    """Prints a table; the ratio is that to the first way, of the same round."""
    first = next(iter(ways.values()))
    print(f"{'way':24}{'seconds':>9}{'rows/s':>10}{'to plain':>10}{'MB':>8}  scores that differ")
    for name, runs in ways.items():
        best = min(run.seconds for run in runs)
        ratio = float(np.median([one.seconds / run.seconds for one, run in zip(first, runs, strict=True)]))
        memory = max(run.memory_mb for run in runs)
        print(f"{name:24}{best:9.1f}{rows / best:10,.0f}{ratio:10.2f}{memory:8,.0f}  {differing.get(name, '')}")


def compare(commands: dict[str, tuple[list[Any], Path]], rows: int, rounds: int, exact: Path | None = None) -> None:
    """Runs each way in turns, and compares their scores with those of a file, or with the first way's."""
    runs: dict[str, list[Measured]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, (command, _) in commands.items():
            runs[name].append(measure(command))
    expected = scores(exact or next(iter(commands.values()))[1])
    differing = {
        name: f"{np.count_nonzero(scores(target) != expected):,} of {len(expected):,}"
        for name, (_, target) in commands.items()
    }
    told(runs, differing, rows)


def boosted(folder: Path, rows: int, rounds: int) -> None:
    """xgboost: a plain script, a run in its own process, and one through a gateway."""
    source = folder / f"rows-{rows}.parquet"
    write_rows(source, rows)
    with gateway(folder / "models") as (url, process):
        given = ["--input", source, "--key", "id", "--overwrite", "--output"]
        ways: dict[str, tuple[list[Any], Path]] = {}
        plain, inside, outside = (folder / f"{name}.parquet" for name in ("plain", "in-process", "gateway"))
        script = [sys.executable, "-c", PLAIN, folder / "boosted" / "model.ubj", source, plain]
        ways["plain pyarrow + xgboost"] = script, plain
        batch = [SCOREBRIDGE, "batch", "boosted"]
        ways["batch --repository"] = [*batch, *given, inside, "--repository", folder / "models"], inside
        ways["batch --url"] = [*batch, *given, outside, "--url", url], outside
        spark = folder / "spark"
        ways["Spark, local[2]"] = [SPARK, "-c", ON_SPARK, folder / "models", source, spark], spark
        if rows > 1_000_000:
            del ways["Spark, local[2]"]
        compare(ways, rows, rounds)
        print(f"the gateway has {process.memory_full_info().pss / 1e6:,.0f} MB afterwards")


def by_r(folder: Path, rows: int, rounds: int) -> None:
    """R: a plain script with fread, and runs with two R processes, from the same CSV file and from Parquet."""
    source, text = folder / "r-rows.parquet", folder / "r-rows.csv"
    write_rows(source, rows)
    pcsv.write_csv(pq.read_table(source), text)
    plain = folder / "plain-r.csv"
    (folder / "plain.R").write_text(PLAIN_R)
    glm = folder / "glm"
    script = ["Rscript", "--vanilla", folder / "plain.R", glm / "model.RData", glm / "Pred.R", text, plain]
    ways: dict[str, tuple[list[Any], Path]] = {"Rscript, fread": (script, plain)}
    for r in ("rserve", "embedded"):
        for given in (text, source):
            target = folder / f"{r}{given.suffix}.parquet"
            command = [SCOREBRIDGE, "batch", "glm", "--input", given, "--key", "id", "--overwrite", "--output", target]
            command += ["--repository", folder / "models", "--r", r]
            ways[f"batch --r {r}, {given.suffix[1:]}"] = command, target
    compare(ways, rows, rounds, exact_scores(source, folder))


def memory_curve(folder: Path, size_gb: float) -> None:
    """The memory of a run over an input that is larger than the memory it may use."""
    source, rows = folder / "large.parquet", int(size_gb * 1e9 / 8 / (COLUMNS + 1))
    write_rows(source, rows)
    curve: list[tuple[float, float]] = []
    command = [SCOREBRIDGE, "batch", "boosted", "--input", source, "--key", "id", "--overwrite", "--output"]
    command += [folder / "large-scores.parquet", "--repository", folder / "models", "--json"]
    with watched(curve):
        done = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
    print(f"{source.stat().st_size / 1e9:.1f} GB, {rows:,} rows: {done.stdout}")
    for part in np.array_split(np.array(curve), 12):
        print(f"  until {part[-1, 0]:6.0f} s: {part[:, 1].min():6.0f} to {part[:, 1].max():6.0f} MB")
    source.unlink()


def main() -> None:
    """The script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=0, help="of the boosted model's file")
    parser.add_argument("--r-rows", type=int, default=0, help="of the R model's file")
    parser.add_argument("--curve-gb", type=float, default=0, help="of the file for the memory curve")
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    deploy(asked.folder)
    if asked.rows:
        boosted(asked.folder, asked.rows, asked.rounds)
    if asked.r_rows:
        by_r(asked.folder, asked.r_rows, asked.rounds)
    if asked.curve_gb:
        memory_curve(asked.folder, asked.curve_gb)


if __name__ == "__main__":
    main()
