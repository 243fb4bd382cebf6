"""`scorebridge batch` as a user runs it: the same bits both ways, exit codes, limits, and what is left behind."""

import asyncio
import csv
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from boosters import BINARY, NAMES, Model, some_rows, train, write
from fixtures import SCOREBRIDGE, deploy, make_r_bundle
from gateways import GatewayProcess
from typer.testing import CliRunner
from waiting import eventually

from bridge.cli.app import app

ROWS = 3000


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of a booster, an R model that raises at a value, and one whose rows depend on each other."""
    folder = tmp_path_factory.mktemp("batch")
    repository = folder / "models"
    repository.mkdir()
    typed = '[features]\nx = "double"\n'
    raising = make_r_bundle(
        folder / "raising",
        "Pred.R <- function(x) { if (any(x == 13, na.rm = TRUE)) stop('unlucky'); x * k }",
        settings=f"row_wise = true\ndefault_score = 0.25\n{typed}",
    )
    joint = make_r_bundle(folder / "joint", "Pred.R <- function(x) x / sum(x)", settings=f"row_wise = false\n{typed}")
    xgb = write(folder / "xgb", BOOSTER)
    for name, bundle in (("raising", raising), ("joint", joint), ("xgb", xgb)):
        asyncio.run(deploy(bundle, repository, name))
    return repository


BOOSTER = Model(train(BINARY))


@pytest.fixture(scope="module")
def gateway(models: Path) -> Iterator[GatewayProcess]:
    """A gateway that serves them."""
    process = GatewayProcess(models)
    yield process
    assert process.end(signal.SIGTERM) == 0


def batch(*arguments: object, code: int = 0) -> Any:
    """Runs the command; its JSON summary, or what it said on standard error where it has none."""
    command = [str(part) for part in (SCOREBRIDGE, "batch", *arguments, "--json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


def rows_file(path: Path, rows: int = ROWS) -> np.ndarray[Any, Any]:
    """Writes rows of the booster with an id, in row groups of 1,000."""
    values = some_rows(rows)
    columns: dict[str, Any] = {"id": np.arange(rows), **{name: values[:, at] for at, name in enumerate(NAMES)}}
    pq.write_table(pa.table(columns), path, row_group_size=1000)
    return values


def test_both_ways_give_the_boosters_bits_in_the_inputs_order(
    models: Path, gateway: GatewayProcess, tmp_path: Path
) -> None:
    values = rows_file(tmp_path / "rows.parquet")
    expected = BOOSTER.direct(values.astype(np.float32))
    common = ["xgb", "--input", tmp_path / "rows.parquet", "--key", "id", "--batch-size", 700]
    here = batch(*common, "--output", tmp_path / "here.parquet", "--repository", models)
    there = batch(*common, "--output", tmp_path / "there.parquet", "--url", gateway.url)
    assert here["rows"] == here["scored"] == there["scored"] == ROWS
    first, second = pq.read_table(tmp_path / "here.parquet"), pq.read_table(tmp_path / "there.parquet")
    assert first.equals(second)
    assert first.column_names == ["id", "score", "source", "reason", "version"]
    assert first["id"].to_pylist() == list(range(ROWS))
    assert first["score"].to_numpy().view(np.uint32).tolist() == expected.view(np.uint32).tolist()
    assert not list(tmp_path.glob("*.run"))


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.arrow", "out.parquet", "out"])
def test_every_form_of_output_has_the_same_rows(models: Path, tmp_path: Path, name: str) -> None:
    values = rows_file(tmp_path / "rows.parquet", 50)
    batch(
        "xgb", "--input", tmp_path / "rows.parquet", "--output", tmp_path / name, "--key", "id", "--repository", models
    )
    expected = [float(score) for score in BOOSTER.direct(values.astype(np.float32))]
    assert scores_in(tmp_path / name) == expected


def scores_in(path: Path) -> list[float]:
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return [float(row["score"]) for row in csv.DictReader(file)]
    if path.suffix == ".jsonl":
        return [json.loads(line)["score"] for line in path.read_text().splitlines()]
    if path.suffix == ".arrow":
        with pa.ipc.open_file(str(path)) as file:
            return [float(score) for score in file.read_all()["score"].to_numpy()]
    assert path.suffix == ".parquet" or (path / "_SUCCESS").is_file()
    return [float(score) for score in pq.read_table(path)["score"].to_numpy()]


def test_a_partition_is_a_folder_of_its_own(models: Path, tmp_path: Path) -> None:
    rows_file(tmp_path / "rows.parquet", 50)
    for day in ("2026-11-21", "2026-11-22"):
        batch(
            *("xgb", "--input", tmp_path / "rows.parquet", "--output", tmp_path / "scores", "--repository", models),
            *("--ignore-extra", "--partition", f"dt={day}"),
        )
    assert sorted(one.name for one in (tmp_path / "scores").iterdir()) == ["dt=2026-11-21", "dt=2026-11-22"]
    assert (tmp_path / "scores" / "dt=2026-11-22" / "_SUCCESS").is_file()
    read = pq.read_table(tmp_path / "scores", partitioning="hive")
    assert read.num_rows == 100
    assert set(read["dt"].to_pylist()) == {"2026-11-21", "2026-11-22"}


def unlucky(path: Path) -> None:
    path.write_text("id,x\n" + "".join(f"k{row},{row}\n" for row in range(40)) + "k40,broken\n")


def test_rows_without_a_score_are_rejects_and_nothing_is_published_above_the_limit(
    models: Path, tmp_path: Path
) -> None:
    unlucky(tmp_path / "rows.csv")
    common = [
        *("raising", "--input", tmp_path / "rows.csv", "--output", tmp_path / "out.csv", "--key", "id"),
        *("--repository", models),
    ]
    summary = batch(*common, code=1)
    assert (summary["rows"], summary["rejects"], summary["output"]) == (41, 2, "")
    assert not (tmp_path / "out.csv").exists()
    with (tmp_path / "out.csv.rejects.csv").open(newline="") as file:
        rejects = list(csv.DictReader(file))
    assert [(one["key"], one["row"], one["column"], one["reason"]) for one in rejects] == [
        ("k13", "14", "", "MODEL_ERROR"),
        ("k40", "41", "x", "INVALID_VALUE"),
    ]
    assert "broken" not in (tmp_path / "out.csv.rejects.csv").read_text()
    again = batch(*common, "--max-rejects", 2)
    assert (again["scored"], again["rejects"], again["resumed_chunks"]) == (39, 2, 1)
    assert len(scores_in(tmp_path / "out.csv")) == 39


def test_default_scores_are_given_only_if_asked_for_and_are_marked(models: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("x\n" + "".join(f"{row}\n" for row in range(40)))
    common = ["raising", "--input", tmp_path / "rows.csv", "--repository", models]
    own = batch(*common, "--output", tmp_path / "own.csv", "--default", "model")
    given = batch(*common, "--output", tmp_path / "given.csv", "--default", "7.5")
    assert own["defaults"] == given["defaults"] == 1
    assert scores_in(tmp_path / "own.csv")[13] == 0.25
    assert scores_in(tmp_path / "given.csv")[13] == 7.5
    with (tmp_path / "given.csv").open(newline="") as file:
        marked = [(one["source"], one["reason"]) for one in csv.DictReader(file) if one["source"] != "MODEL"]
    assert marked == [("DEFAULT", "MODEL_ERROR")]
    over = batch(*common, "--output", tmp_path / "over.csv", "--default", "model", "--max-defaults", 0, code=1)
    assert over["output"] == ""
    assert not (tmp_path / "over.csv").exists()


def test_rows_that_depend_on_each_other_are_scored_in_one_call(models: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("x\n1\n3\n")
    (tmp_path / "more.csv").write_text("x\n4\n")
    inputs = ["--input", tmp_path / "rows.csv", "--input", tmp_path / "more.csv"]
    batch("joint", *inputs, "--output", tmp_path / "out.csv", "--repository", models, "--batch-size", 1)
    assert scores_in(tmp_path / "out.csv") == [0.125, 0.375, 0.5]
    (tmp_path / "more.csv").write_text("x\nbad\n")
    said = batch("joint", *inputs, "--output", tmp_path / "no.csv", "--repository", models, code=2)
    assert "not row-wise" in said


def test_an_empty_input_gives_an_empty_output_with_the_right_columns(models: Path, tmp_path: Path) -> None:
    rows_file(tmp_path / "rows.parquet", 0)
    batch(
        "xgb",
        "--input",
        tmp_path / "rows.parquet",
        "--output",
        tmp_path / "o.parquet",
        "--key",
        "id",
        "--repository",
        models,
    )
    table = pq.read_table(tmp_path / "o.parquet")
    assert (table.num_rows, table.column_names) == (0, ["id", "score", "source", "reason", "version"])


def test_an_output_that_exists_is_replaced_only_with_overwrite(models: Path, tmp_path: Path) -> None:
    rows_file(tmp_path / "rows.parquet", 50)
    (tmp_path / "o.parquet").write_text("mine")
    common = ["xgb", "--input", tmp_path / "rows.parquet", "--output", tmp_path / "o.parquet", "--ignore-extra"]
    assert "--overwrite" in batch(*common, "--repository", models, code=2)
    assert (tmp_path / "o.parquet").read_text() == "mine"
    batch(*common, "--repository", models, "--overwrite")
    assert pq.read_table(tmp_path / "o.parquet").num_rows == 50


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "nothing"),
        (["xgb", "--version", "7"], "7"),
        (["xgb", "--key", "none"], "none"),
        (["xgb", "--keep", "a", "--keep", "a"], "twice"),
    ],
    ids=["model", "version", "key", "keep"],
)
def test_what_can_not_run_ends_with_exit_code_2_and_a_sentence(
    models: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    rows_file(tmp_path / "rows.parquet", 10)
    where = ["--input", tmp_path / "rows.parquet", "--output", tmp_path / "o.csv", "--repository", models]
    told = batch(*arguments, *where, "--ignore-extra", code=2)
    assert said in told
    assert "Traceback" not in told
    assert not (tmp_path / "o.csv").exists()


def test_an_interrupted_run_ends_with_130_and_goes_on_behind_what_is_finished(models: Path, tmp_path: Path) -> None:
    values = rows_file(tmp_path / "rows.parquet")
    common = [
        *("xgb", "--input", tmp_path / "rows.parquet", "--output", tmp_path / "o.parquet", "--ignore-extra"),
        *("--repository", models, "--batch-size", 10, "--workers", 1),
    ]
    process = subprocess.Popen([str(part) for part in (SCOREBRIDGE, "batch", *common)], stderr=subprocess.DEVNULL)
    run = tmp_path / "o.parquet.run"
    asyncio.run(eventually(lambda: len(list(run.rglob("*"))) > 20))
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert not (tmp_path / "o.parquet").exists()
    summary = batch(*common)
    assert 0 < summary["resumed_chunks"] < 300
    expected = BOOSTER.direct(values.astype(np.float32))
    assert pq.read_table(tmp_path / "o.parquet")["score"].to_pylist() == [float(one) for one in expected]


def test_a_run_on_record_has_each_row_once_and_can_be_reconciled(models: Path, tmp_path: Path) -> None:
    rows_file(tmp_path / "rows.parquet", 500)
    batch(
        *("xgb", "--input", tmp_path / "rows.parquet", "--output", tmp_path / "o.parquet", "--key", "id"),
        *("--repository", models, "--log-dir", tmp_path / "log", "--batch-size", 100),
    )
    command = [SCOREBRIDGE, "reconcile", tmp_path / "log", "--repository", models]
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=False)
    assert (done.returncode, "all 500 rows are equal" in done.stdout) == (0, True), done.stdout + done.stderr
    against = ["--against", tmp_path / "o.parquet", "--key", "id"]
    done = subprocess.run([str(one) for one in (*command, *against)], capture_output=True, text=True, check=False)
    assert (done.returncode, "all 500 rows are equal" in done.stdout) == (0, True), done.stdout + done.stderr


def test_an_output_that_is_also_an_input_is_refused(models: Path, tmp_path: Path) -> None:
    rows_file(tmp_path / "rows.parquet", 10)
    path = tmp_path / "rows.parquet"
    said = batch("xgb", "--input", path, "--output", path, "--repository", models, "--overwrite", code=2)
    assert "is also an input" in said
    assert pq.read_table(path).num_rows == 10


def test_a_bug_is_never_taken_for_rows_without_a_score(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr("bridge.offline.run.score_input", broken)
    rows_file(tmp_path / "rows.parquet", 10)
    arguments = ["batch", "xgb", "--input", tmp_path / "rows.parquet", "--output", tmp_path / "o.csv"]
    done = CliRunner().invoke(app, [str(one) for one in (*arguments, "--repository", models)])
    assert done.exit_code == 2
    assert "because of a bug in scorebridge (KeyError): please report it" in done.stderr
    assert len(caplog.records) == 1
    caplog.clear()
