"""A minute of everything at once: callers of all kinds, killed workers and parents, versions swapped under them.

`make soak` runs it. A diary on the callers' side holds every answer against its version's own scores, bit for bit, and
counts the late ones by the callers' clock. Exit code 1 if an answer was wrong, lost or failed, or anything was left.
"""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import train_cancer
import xgboost
from fixtures import ROOT, SCOREBRIDGE, put
from rich.console import Console
from rich.table import Table
from scorebridge import AsyncScoringClient, ScoringError, Unavailable
from waiting import eventually, runs

from bridge.bundles.repository import Repository

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
CALLERS = 32
PAUSE_S = 0.05
SEED = int(os.environ.get("SOAK_SEED", "1"))
MODELS = ("glm", "forest")  # version N of `pima` is MODELS[N % 2]


@dataclass
class Diary:
    """What the callers saw."""

    calls: int = 0
    answers: int = 0
    model_rows: int = 0
    default_rows: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)
    tight_calls: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)


@dataclass
class Oracle:
    """The rows, and what each model's own library says of them."""

    pima: np.ndarray[Any, Any]
    direct: dict[str, np.ndarray[Any, Any]]
    cancer: np.ndarray[Any, Any]
    cancer_direct: np.ndarray[Any, Any]

    def right(self, model: str, version: int, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The scores of these rows."""
        scores = self.cancer_direct if model == "cancer" else self.direct[MODELS[version % 2]]
        return np.asarray(scores[rows])


def prepare(folder: Path) -> Oracle:
    """Trains the models."""
    subprocess.run(
        ["Rscript", "--vanilla", str(ROOT / "examples" / "train_pima.R"), str(folder)], check=True, capture_output=True
    )
    booster, rows = train_cancer.train(folder)
    values = np.genfromtxt(folder / "direct.csv", delimiter=",", skip_header=1)
    direct = {"glm": values[:, 7], "forest": values[:, 8]}
    return Oracle(values[:, :7], direct, rows.to_numpy(), booster.predict(xgboost.DMatrix(rows)))


async def caller(client: AsyncScoringClient, oracle: Oracle, diary: Diary, number: int, end: float) -> None:
    """Calls again and again; a third of the callers give 50 ms, the others a second."""
    chance = random.Random(SEED * 1000 + number)
    tight = number % 3 == 0
    while time.monotonic() < end:
        # A pause, so that what is measured is the gateway and not a machine that has no core left for its client.
        await asyncio.sleep(chance.expovariate(1 / PAUSE_S))
        model = chance.choice(("pima", "pima", "cancer"))
        data = oracle.cancer if model == "cancer" else oracle.pima
        rows = np.array([chance.randrange(len(data)) for _ in range(chance.choice((1, 1, 1, 10, 100, 1000)))])
        batch = data[rows]
        timeout_s = 0.05 if tight else 1.0
        diary.calls += 1
        diary.tight_calls += tight
        began = time.monotonic()
        try:
            answer = await client.score(model, batch, timeout_s=timeout_s)
        except ScoringError as error:
            diary.refused[error.reason] += 1
            answer = None
        took_s = time.monotonic() - began
        if took_s > timeout_s:
            diary.late.append(took_s - timeout_s)
        if answer is not None:
            note(diary, oracle, model, rows, answer)


def note(diary: Diary, oracle: Oracle, model: str, rows: np.ndarray[Any, Any], answer: Any) -> None:
    """Holds an answer against its version's own scores."""
    diary.answers += 1
    diary.versions[f"{model}/{answer.version}"] += 1
    by_model = ~answer.defaulted
    diary.model_rows += int(by_model.sum())
    diary.default_rows.update(reason for reason in answer.reasons if reason)
    right = oracle.right(model, answer.version, rows)
    default = 0.5 if model == "cancer" else 0.33
    wrong = answer.scores[by_model] != right[by_model]
    diary.wrong += int(wrong.sum()) + int((answer.scores[answer.defaulted] != default).sum())
    diary.wrong += int(len(answer.scores) != len(rows))


def chaos(pid: int, folder: Path, repository: Path, end: float) -> Counter[str]:
    """Every half second something is killed, deployed or promoted; until `end` of the machine's clock, seconds."""
    chance, done = random.Random(SEED), Counter[str]()
    gateway, version = psutil.Process(pid), 2
    while time.monotonic() < end - 2:
        time.sleep(0.5)
        event = chance.choice(("worker", "worker", "worker", "parent", "deploy", "promote"))
        if event in ("worker", "parent"):
            with suppress(psutil.NoSuchProcess):
                found = [one for one in gateway.children(recursive=True) if one.name() == "Rserve"]
                parents = [one for one in found if any(child.name() == "Rserve" for child in one.children())]
                chosen = parents if event == "parent" else [one for one in found if one not in parents]
                if chosen:
                    chance.choice(chosen).send_signal(signal.SIGKILL)
                    done[event] += 1
        elif event == "deploy":
            version += 1
            put(folder / MODELS[version % 2], repository, "pima", version)
            done["deployed"] += 1
        else:
            Repository(repository).promote("pima", chance.randint(max(1, version - 1), version))
            done["promoted"] += 1
    return done


def start(repository: Path) -> tuple[subprocess.Popen[str], str]:
    """A gateway process, and its address."""
    process = subprocess.Popen(
        [str(SCOREBRIDGE), "serve", "--repository", str(repository), "--grpc-port", "0", "--http-port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().split()[1].removeprefix("grpc=")


async def soak(folder: Path) -> int:
    """The minute, and what is left after it."""
    console = Console(width=110)
    oracle, repository, diary = prepare(folder), folder / "repository", Diary()
    for version in (1, 2):
        put(folder / MODELS[version % 2], repository, "pima", version)
    put(folder / "cancer", repository, "cancer")
    process, url = start(repository)
    try:
        grown, family = await storm(process.pid, url, oracle, diary, folder)
        process.terminate()
        code = await asyncio.to_thread(process.wait, 30)
    finally:
        process.kill()
    with suppress(AssertionError):
        await eventually(lambda: not any(runs(pid) for pid in family))
    left = [pid for pid in family if runs(pid)]
    folders = leftovers()
    show(console, diary, {"exit code": code, "processes left": len(left), "folders left": len(folders)}, grown)
    bad = diary.wrong or diary.refused or diary.answers != diary.calls or code or left or folders
    return 1 if bad else 0


async def storm(pid: int, url: str, oracle: Oracle, diary: Diary, folder: Path) -> tuple[int, set[int]]:
    """The minute itself; how many file descriptors the gateway has more than before, and its processes."""
    gateway = psutil.Process(pid)
    # A process of its own: walking /proc takes milliseconds, for which the callers' clock would blame the gateway.
    loop, aside = asyncio.get_running_loop(), ProcessPoolExecutor(1, get_context("spawn"))
    async with AsyncScoringClient(url) as client:
        for model, data in (("pima", oracle.pima), ("cancer", oracle.cancer)):
            await client.score(model, data[:1])
        files = gateway.num_fds()
        end = time.monotonic() + SECONDS
        callers = [caller(client, oracle, diary, number, end) for number in range(CALLERS)]
        events = loop.run_in_executor(aside, chaos, pid, folder, folder / "repository", end)
        await asyncio.gather(*callers)
        diary.kills = await events
        with suppress(Unavailable, AssertionError):
            await eventually(lambda: gateway.num_fds() <= files + 40)
        grown = gateway.num_fds() - files
    aside.shutdown()
    return grown, {child.pid for child in gateway.children(recursive=True)}


def leftovers() -> list[Path]:
    """Folders of R processes that are still there."""
    return list(Path(tempfile.gettempdir()).glob("scorebridge-rserve-*"))


def show(console: Console, diary: Diary, after: dict[str, int], grown: int) -> None:
    """The figures."""
    table = Table("figure", "count", title=f"soak: {CALLERS} callers, {SECONDS:g} s, seed {SEED}")
    worst = f", worst by {max(diary.late) * 1e3:.1f} ms" if diary.late else ""
    lines: dict[str, object] = {
        "calls": diary.calls,
        "answers": diary.answers,
        "errors instead of an answer": dict(diary.refused) or 0,
        "rows scored by their model": diary.model_rows,
        "rows with the default score, by reason": dict(diary.default_rows) or 0,
        "wrong rows": diary.wrong,
        "calls with a deadline of 50 ms": diary.tight_calls,
        "late answers by the callers' clock": f"{len(diary.late)}{worst}",
        "killed, deployed, promoted": dict(diary.kills),
        "versions that answered": len(diary.versions),
        "file descriptors more than at first": grown,
        **after,
    }
    for name, value in lines.items():
        table.add_row(name, str(value))
    console.print(table)


def main() -> None:
    """The script."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    try:
        sys.exit(asyncio.run(soak(folder)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
