"""Scores of Spark frames, in Spark's own environment: the gateway's bits, and its words."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures import ROOT, Cancer, StartGateway, make_r_bundle, put
from scorebridge import AsyncScoringClient, Scores

from bridge.gateway.server import Gateway
from bridge.private_folders import sweep

PYTHON = ROOT / ".spark" / "bin" / "python"
HERE = Path(__file__).parent
PATHS = f"{ROOT}:{ROOT / 'clients' / 'python'}:{ROOT / 'tests'}"
PEOPLE = """
Pred.R <- function(town, age, member, income) {
  if (any(income < 0, na.rm = TRUE)) stop("no such income")
  if (any(income == 99, na.rm = TRUE)) Sys.sleep(60)
  process <- rep(Sys.getpid(), length(town))
  list(label = paste0(town, ":", age), points = 2L * age, ok = !member, rate = income / 4, process = process)
}
"""
SETTINGS = """
row_wise = true
default_score = { label = "none", points = 0, ok = false, rate = -1, process = 0 }
[features]
town = { type = "factor", levels = ["north", "south"] }
age = "int"
member = "bool"
income = "double"
[outputs]
label = "string"
points = "int"
ok = "bool"
rate = "double"
process = "int"
"""
SLOW = """
Pred.R <- function(x, marker) {
  if (any(x >= 3000) && !file.exists(marker[1])) {
    writeLines(as.character(Sys.getpid()), paste0(marker[1], "-"))
    file.rename(paste0(marker[1], "-"), marker[1])
    Sys.sleep(20)
  }
  x / 3
}
"""
ROWS = 20_000
pytestmark = pytest.mark.timeout(900)  # four Java machines are started, one after the other


@dataclass
class Found:
    """What the session has written and said."""

    folder: Path
    said: dict[str, Any]

    def table(self, name: str) -> Any:
        """A frame that was scored."""
        return pq.read_table(self.folder / f"{name}.parquet")


def people_rows() -> Any:
    """Rows that are good, that R can't score, that no model could take, and at which R hangs."""
    count = 400
    rows: dict[str, Any] = {
        "id": pa.array([f"a{row}" for row in range(count)] + ["b0", "b1", "b2", "b3", None, "b5", "z0"], pa.string()),
        "town": pa.array([["north", "south", None][row % 3] for row in range(count)] + ["south"] * 7, pa.string()),
        "age": pa.array([row if row % 7 else None for row in range(count)] + [1] * 7, pa.int32()),
        "member": pa.array([bool(row % 2) for row in range(count)] + [True] * 7, pa.bool_()),
        "income": pa.array(
            [row / 8 if row % 5 else None for row in range(count)] + [-1.0, 8, -2, 9, 3, 4, 99], pa.float64()
        ),
        "good": pa.array([True] * count + [False] * 7),
        "hangs": pa.array([False] * (count + 6) + [True]),
    }
    towns = rows["town"].to_pylist()
    towns[count + 3] = "east"  # a level that the model does not know
    towns[count + 5] = "so\0uth"
    return pa.table(rows | {"town": pa.array(towns, pa.string())})


def cancer_rows(cancer: Cancer) -> pa.Table:
    rng = np.random.default_rng(7)
    rows = cancer.rows[rng.integers(0, len(cancer.rows), ROWS)].astype(np.float64)
    rows *= rng.uniform(0.8, 1.2, rows.shape)
    nulls = rng.random(rows.shape) < 0.02
    rows[rng.random(rows.shape) < 0.02] = np.nan
    columns = {name: pa.array(rows[:, at], mask=nulls[:, at]) for at, name in enumerate(cancer.names)}
    return pa.table(columns | {"id": pa.array(np.arange(ROWS))})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, cancer: Cancer) -> Path:
    folder = tmp_path_factory.mktemp("spark")
    models = folder / "models"
    models.mkdir()
    put(cancer.folder, models, "cancer")
    put(make_r_bundle(folder / "people", PEOPLE, settings=SETTINGS), models, "people")
    slow = 'row_wise = true\ntimeout_s = 30\n[features]\nx = "double"\nmarker = "string"\n[outputs]\nscore = "double"\n'
    put(make_r_bundle(folder / "slow", SLOW, settings=slow), models, "slow")
    whole = '[features]\nx = "double"\n[outputs]\nscore = "double"\n'
    put(make_r_bundle(folder / "whole", "Pred.R <- function(x) x - mean(x)", settings=whole), models, "whole")
    pq.write_table(people_rows(), folder / "people-rows.parquet")
    pq.write_table(cancer_rows(cancer), folder / "cancer-rows.parquet")
    return models


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Spark's Python, which finds our packages where they are; what it makes is made in the folder."""
    made = {"PYTHONPATH": PATHS, "PYSPARK_PYTHON": str(PYTHON), "SPARK_LOCAL_IP": "127.0.0.1", "TMPDIR": str(folder)}
    return os.environ | made | more


def run(command: Sequence[object], folder: Path, **more: str) -> str:
    """What a program of Spark's environment printed."""
    done = subprocess.run(
        list(map(str, command)),
        env=environment(folder, **more),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-10_000:]
    return done.stdout


@pytest.fixture(scope="module")
def forked(models: Path) -> Found:
    """Of Spark's processes that were forked from one with loaded models."""
    run([PYTHON, HERE / "forked_session.py", models.parent], models.parent, PYTHONPATH=f"{PATHS}:{HERE}")
    return Found(models.parent, {})


@pytest.fixture(scope="module")
def tables(models: Path) -> Found:
    """Of the example, which is run for two days, and for the second once more on two executors, by spark-submit."""
    folder, example = models.parent, ROOT / "examples" / "spark" / "score_table.py"
    metastore = f"jdbc:derby:;databaseName={folder / 'metastore'};create=true"
    conf = {
        "spark.ui.enabled": "false",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": metastore,
    }
    given = [f"{name}={value}" for name, value in conf.items()]
    days = run([PYTHON, HERE / "hive_session.py", folder, example, *given], folder).splitlines()
    submit = [
        PYTHON.with_name("spark-submit"),
        "--master",
        "local-cluster[2,1,1024]",
        *(part for one in given for part in ("--conf", one)),
        example,
    ]
    asked = {"--model": "cancer", "--repository": models, "--input": "bank.rows", "--output": "bank.scores"}
    more = {"--where": "dt = '2026-11-22'", "--key": "id", "--partition-by": "dt"}
    options = [part for pair in (asked | more).items() for part in pair]
    again = run([*submit, *options], folder).splitlines()[-1]
    return Found(folder, {"days": [json.loads(day) for day in days], "again": json.loads(again)})


@pytest.fixture(scope="module")
def found(models: Path, forked: Found, tables: Found) -> Found:
    """Of the session that removes a model in the end, so that it comes after the others."""
    del forked, tables
    printed = run([PYTHON, HERE / "session.py", models.parent], models.parent)
    return Found(models.parent, json.loads(printed.splitlines()[-1]))


def bits(column: Any) -> bytes:
    return bytes(column.combine_chunks().to_numpy(zero_copy_only=False).tobytes())


async def answer(gateway: Gateway, model: str, rows: pa.Table, **options: Any) -> Scores:
    async with AsyncScoringClient(gateway.grpc_address, timeout_s=30) as client:
        return await client.score(model, rows, **options)


def test_the_example_scores_hives_table_a_partition_at_a_time(tables: Found, found: Found) -> None:
    assert tables.said["days"] == [
        {"output": "bank.scores", "rows": {"MODEL": 300}},
        {"output": "bank.scores", "rows": {"MODEL": 200}},
    ]
    assert tables.said["again"] == tables.said["days"][1]
    days = sorted((tables.folder / "warehouse" / "bank.db" / "scores").glob("dt=*"))
    assert [day.name for day in days] == ["dt=2026-11-21", "dt=2026-11-22"]
    written = pa.concat_tables([pq.ParquetFile(file).read() for day in days for file in sorted(day.glob("*.parquet"))])
    assert written.column_names == ["id", "score", "source", "reason", "version"]
    expected = found.table("cancer").sort_by("id").slice(0, 500)
    assert bits(written.sort_by("id").column("score")) == bits(expected.column("score"))


@pytest.mark.parametrize("front", ["native"], indirect=True)
async def test_no_bit_differs_from_the_gateways(
    found: Found, cancer: Cancer, repository: Path, start_gateway: StartGateway
) -> None:
    """The bundle was packed before the job began: by then the repository had it no more."""
    scored, rows = found.table("cancer").sort_by("id"), pq.read_table(found.folder / "cancer-rows.parquet")
    assert not (found.folder / "models" / "cancer").exists()
    put(cancer.folder, repository, "cancer")
    expected = await answer(await start_gateway(repository), "cancer", rows.select(cancer.names))
    assert scored.column("id").to_pylist() == list(range(ROWS))
    assert bits(scored.column("score")) == expected.scores.tobytes()
    assert set(scored.column("source").to_pylist()) == {"MODEL"}
    assert set(scored.column("version").to_pylist()) == {1}
    assert scored.column("reason").null_count == ROWS


def test_columns_that_are_only_copied_are_what_they_were(found: Found) -> None:
    scored = found.table("cancer").sort_by("id")
    assert scored.column("Tags").to_pylist() == [[row, 1] for row in range(ROWS)]
    assert set(scored.column("day").to_pylist()) == {date(2026, 11, 22)}
    assert found.said["cancer"] == (
        "struct<id:bigint,day:date,Tags:array<bigint>,score:float,source:string,reason:string,version:bigint>"
    )


@pytest.mark.parametrize("front", ["native"], indirect=True)
@pytest.mark.parametrize("r", ["rserve", "embedded"])
async def test_r_gives_the_gateways_scores_and_missing_values(
    r: str, found: Found, start_gateway: StartGateway, repository: Path
) -> None:
    scored = found.table(f"people-{r}").sort_by("id")
    shutil.copytree(found.folder / "models" / "people", repository / "people")
    rows = people_rows().sort_by("id")
    rows = rows.filter(rows.column("good"))
    features = rows.select(["town", "age", "member", "income"])
    expected = await answer(await start_gateway(repository), "people", features, allow_default=False)
    assert scored.column("id").to_pylist() == rows.column("id").to_pylist()
    np.testing.assert_array_equal(scored.column("rate").to_numpy(), expected.columns["rate"])
    for name in ("label", "ok"):
        assert scored.column(name).to_pylist() == list(expected.columns[name])
    points = [None if value is None else 2 * value for value in rows.column("age").to_pylist()]
    assert scored.column("points").to_pylist() == points
    assert found.said[f"people-{r}"] == (
        "struct<id:string,label:string,points:int,ok:boolean,rate:double,process:int,source:string,reason:string,"
        "version:bigint>"
    )


@pytest.mark.parametrize("r", ["rserve", "embedded"])
def test_each_of_sparks_processes_loads_a_bundle_once(r: str, found: Found) -> None:
    """Eight partitions are scored by at most as many R processes as tasks run at once."""
    processes = set(found.table(f"people-{r}").column("process").to_pylist())
    assert 1 <= len(processes) <= 2


def test_rows_stay_in_their_order_and_those_without_a_score_are_marked(found: Found) -> None:
    kept, rows = found.table("kept"), people_rows().slice(0, 406)
    assert kept.column("id").to_pylist() == rows.column("id").to_pylist()
    failed = [row for row in kept.to_pylist() if row["source"] == "FAILED"]
    assert [(row["id"], row["reason"]) for row in failed] == [
        ("b0", "MODEL_ERROR"),
        ("b2", "MODEL_ERROR"),
        ("b3", "UNKNOWN_LEVEL"),
        (None, "NO_KEY"),
        ("b5", "INVALID_VALUE"),
    ]
    assert all(row[name] is None for row in failed for name in ("label", "points", "ok", "rate", "process"))
    assert [row["detail"] for row in failed if row["id"] == "b5"] == [
        "column 'town': the text holds a NUL character, which R's texts can't"
    ]
    assert [row["detail"].count("column 'town': ") for row in failed if row["id"] == "b3"] == [1]
    assert failed[0]["detail"] == "people/1: the predict function raised a condition of class 'simpleError'"
    scored = [row for row in kept.to_pylist() if row["source"] == "MODEL"]
    assert len(scored) == rows.num_rows - len(failed)
    assert {row["detail"] for row in scored} == {None}


def test_default_scores_are_marked_and_rows_that_no_model_could_take_get_none(found: Found) -> None:
    by_id = {row["id"]: row for row in found.table("defaulted").to_pylist()}
    sources = {name: by_id[name]["source"] for name in ("a0", "b0", "b1", "b2", "b3", None, "b5")}
    assert sources == {
        "a0": "MODEL",
        "b0": "DEFAULT",
        "b1": "MODEL",
        "b2": "DEFAULT",
        "b3": "FAILED",
        None: "FAILED",
        "b5": "FAILED",
    }
    assert [by_id["b2"][name] for name in ("label", "points", "ok", "rate", "reason")] == [
        "none",
        0,
        False,
        -1.0,
        "MODEL_ERROR",
    ]


def test_a_job_ends_with_a_sentence_about_the_first_row_without_a_score(found: Found) -> None:
    said = found.said["failed"]
    assert "people/1: partition 0, row 401: " in said
    assert "condition of class 'simpleError' (MODEL_ERROR); 5 of the 406 rows of its chunk got no score: mend" in said


def test_a_row_at_which_r_hangs_costs_itself(found: Found) -> None:
    hung = {row["id"]: (row["source"], row["reason"]) for row in found.table("hung").to_pylist()}
    assert hung == dict.fromkeys(("a0", "a1", "a2"), ("MODEL", None)) | {"z0": ("FAILED", "DEADLINE")}


def test_a_task_whose_process_was_killed_is_scored_by_another(found: Found) -> None:
    lost = found.table("lost")
    assert lost.column("id").to_pylist() == list(range(4000))
    assert bits(lost.column("score")) == (np.arange(4000) / 3).tobytes()


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("missing", "SourceError: the frame: there is no column 'town', which the model needs"),
        ("extra", "SourceError: the frame: the model does not know the column 'good', 'hangs': "),
        ("time", "ArrowRefused: column 'income' is of the Arrow type timestamp[us, tz=UTC], which no model takes: "),
        ("interval", "FrameRefused: column 'income' is of Spark's type interval, which Arrow does not bring: cast it"),
        ("twice", "SourceError: the frame: two columns have the name 'town': rename one of them"),
        ("no key", "SourceError: the frame: there is no column 'nothing': "),
        ("key type", "FrameRefused: the key column 'id' is of "),
        ("copied", "OutputError: column 'rate' can't be copied, because the output has a column of its own"),
        (
            "detail",
            "FrameRefused: rejects are kept with a column 'detail', and there is another of that name",
        ),
        ("rejects", 'ValueError: rejects must be "fail" or "keep"'),
        ("model", "ModelNotFound: "),
        ("version", "ModelNotFound: "),
        ("whole", "FrameRefused: whole/1 is not row-wise ("),
    ],
)
def test_what_does_not_fit_is_refused_before_a_job_begins(case: str, sentence: str, found: Found) -> None:
    assert found.said[f"refused {case}"].startswith(sentence)


def test_nothing_is_left_after_the_session(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spark kills its processes, so that the next process of ours removes their folders."""
    monkeypatch.setattr(tempfile, "tempdir", str(found.folder))
    assert found.said["left"] == []
    sweep()
    assert list(found.folder.glob("scorebridge-*")) == []


def test_processes_that_were_forked_with_live_threads_load_their_own(forked: Found, found: Found) -> None:
    assert (forked.folder / "preload" / "preloaded").exists()
    scored, expected = forked.table("forked-cancer").sort_by("id"), found.table("cancer").sort_by("id")
    assert scored.num_rows == ROWS
    assert bits(scored.column("score")) == bits(expected.column("score"))
    people, expected = forked.table("forked-people").sort_by("id"), found.table("people-rserve").sort_by("id")
    assert people.column("label").to_pylist() == expected.column("label").to_pylist()
    assert len(set(people.column("process").to_pylist())) <= 2
