"""Nights as a team has them: rows by day, models in a repository, and examples/nightly/score-nightly.sh run on both."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from boosters import BINARY, NAMES, Model, some_rows, train, write
from fixtures import ROOT, SCOREBRIDGE, deploy, make_r_bundle

__all__ = ["DAY", "NEXT_DAY", "NIGHTLY", "Nights", "make_models", "small_rows", "wide_rows"]

NIGHTLY = ROOT / "examples" / "nightly"
SCRIPT = NIGHTLY / "score-nightly.sh"
DAY, NEXT_DAY = "2026-11-21", "2026-11-22"


def make_models(folder: Path) -> Path:
    """A repository of `tens`, an R model that raises at 13 and has a default score, and of a booster `xgb`."""
    repository = folder / "models"
    repository.mkdir()
    tens = make_r_bundle(
        folder / "tens",
        "Pred.R <- function(x) { if (any(x == 13, na.rm = TRUE)) stop('unlucky'); 10 * x }",
        settings='row_wise = true\ndefault_score = 0.25\n[features]\nx = "double"\n',
    )
    xgb = write(folder / "xgb", Model(train(BINARY)))
    for name, bundle in (("tens", tens), ("xgb", xgb)):
        asyncio.run(deploy(bundle, repository, name))
    return repository


@dataclass
class Nights:
    """The rows of some days, and the settings of the script that scores them.

    Attributes:
        folder: `features/` with the rows, and `scores/` with the scores of the days.
        repository: the models.
        settings: of the script; None takes one away.
    """

    folder: Path
    repository: Path
    settings: dict[str, str | None] = field(default_factory=dict)
    _started: list["subprocess.Popen[bytes]"] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        """Sets what every night needs."""
        needed: dict[str, str | None] = {
            "NIGHTLY_MODEL": "tens",
            "NIGHTLY_INPUT": f"{self.folder}/features/dt={{day}}",
            "NIGHTLY_OUTPUT": f"{self.folder}/scores",
            "NIGHTLY_OPTIONS": f"--key id --default model --repository {self.repository}",
        }
        self.settings = needed | self.settings

    def environment(self, settings: Mapping[str, str | None]) -> dict[str, str]:
        """What the script's process has in its environment."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("NIGHTLY_", "SCORES_", "PG"))
        }
        given = {"PATH": f"{SCOREBRIDGE.parent}:{os.environ['PATH']}", **self.settings, **settings}
        return inherited | {name: value for name, value in given.items() if value is not None}

    def run(self, *arguments: str, code: int = 0, command: Sequence[str | Path] = (SCRIPT,), **settings: str) -> str:
        """Runs the script to its end; returns what it says."""
        done = subprocess.run(
            [*command, *arguments], env=self.environment(settings), capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        return said

    def start(
        self, *arguments: str, command: Sequence[str | Path] = (SCRIPT,), **settings: str
    ) -> "subprocess.Popen[bytes]":
        """Starts the script in a process group of its own, with no signal ignored, as under nohup some are."""
        process = subprocess.Popen(
            ["env", "--default-signal=HUP,INT,TERM", *command, *arguments],
            env=self.environment(settings),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Ends what was started, with all that it has started, also where a test has failed in its midst."""
        for process in self._started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @property
    def scores(self) -> Path:
        """The folder of the published days."""
        return self.folder / "scores"


def small_rows(nights: Nights, day: str, values: Sequence[float | None]) -> None:
    """Writes rows of `tens` for a day, with ids from 1 on."""
    folder = nights.folder / "features" / f"dt={day}"
    folder.mkdir(parents=True, exist_ok=True)
    ids = pa.array(range(1, len(values) + 1), pa.int64())
    pq.write_table(pa.table({"id": ids, "x": pa.array(values, pa.float64())}), folder / "rows.parquet")


def wide_rows(nights: Nights, day: str, count: int) -> None:
    """Writes rows of `xgb` for a day, with ids from 0 on."""
    folder = nights.folder / "features" / f"dt={day}"
    folder.mkdir(parents=True, exist_ok=True)
    values = some_rows(count)
    columns: dict[str, Any] = {"id": np.arange(count), **{name: values[:, at] for at, name in enumerate(NAMES)}}
    pq.write_table(pa.table(columns), folder / "rows.parquet")
