"""examples/nightly/score-nightly.sh and its loader for DuckDB, run as cron would: exit codes, reruns, kills."""

import asyncio
import datetime as dt
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest
from nights import DAY, NEXT_DAY, NIGHTLY, Nights, make_models, small_rows, wide_rows
from waiting import eventually

VALUES = [1.5, None, 13.0, 4.0]
LOADED = [
    (1, 15.0, "MODEL", None),
    (2, None, "MODEL", None),
    (3, 0.25, "DEFAULT", "MODEL_ERROR"),
    (4, 40.0, "MODEL", None),
]
MANY = 3000


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("nightly"))


def of_two_days(folder: Path, repository: Path, *, write: bool = True) -> Nights:
    """Two days of rows, and DuckDB's loader."""
    nights = Nights(
        folder,
        repository,
        {"NIGHTLY_LOADER": str(NIGHTLY / "load_duckdb.py"), "SCORES_DUCKDB": str(folder / "scores.duckdb")},
    )
    if write:
        small_rows(nights, DAY, VALUES)
        small_rows(nights, NEXT_DAY, [7.0])
    return nights


@pytest.fixture
def nights(repository: Path, tmp_path: Path) -> Iterator[Nights]:
    """Two days of rows, and DuckDB's loader."""
    nights = of_two_days(tmp_path, repository)
    yield nights
    nights.end()


@pytest.fixture(scope="module")
def first_night(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the first day is scored and loaded."""
    nights = of_two_days(tmp_path_factory.mktemp("first"), repository)
    assert f"{nights.scores}/dt={DAY} is loaded" in nights.run(DAY)
    return nights.folder


@pytest.fixture
def scored(repository: Path, first_night: Path, tmp_path: Path) -> Iterator[Nights]:
    """The morning after the first night."""
    shutil.copytree(first_night, tmp_path, dirs_exist_ok=True)
    (tmp_path / "scores" / f"dt={DAY}" / "_SUCCESS").touch()  # the copied rows are no newer than the scores
    nights = of_two_days(tmp_path, repository, write=False)
    yield nights
    nights.end()


@pytest.fixture
def many(repository: Path, tmp_path: Path) -> Iterator[Nights]:
    """A day of so many chunks that it can be stopped in their midst."""
    options = f"--key id --repository {repository} --batch-size 10 --workers 1"
    nights = Nights(tmp_path, repository, {"NIGHTLY_MODEL": "xgb", "NIGHTLY_OPTIONS": options})
    wide_rows(nights, DAY, MANY)
    yield nights
    nights.end()


def query(nights: Nights, sql: str) -> list[Any]:
    with duckdb.connect(str(nights.folder / "scores.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def loaded(nights: Nights, day: str = DAY) -> list[Any]:
    return query(nights, f"SELECT id, score, source, reason FROM scores WHERE dt = '{day}' ORDER BY id")  # noqa: S608


def recorder(nights: Nights) -> Path:
    """Makes a loader that notes what it is called with."""
    program = nights.folder / "recorder"
    program.write_text(f'#!/bin/bash\necho "$@" >>{nights.folder}/calls\n')
    program.chmod(0o755)
    nights.settings["NIGHTLY_LOADER"] = str(program)
    return nights.folder / "calls"


def stamp(nights: Nights, day: str = DAY) -> int:
    return (nights.scores / f"dt={day}" / "_SUCCESS").stat().st_mtime_ns


def test_a_day_is_in_the_table_with_its_types_missing_scores_and_defaults(scored: Nights) -> None:
    assert loaded(scored) == LOADED
    types = query(scored, "SELECT column_name, column_type FROM (DESCRIBE scores)")
    assert types == [
        *(("dt", "DATE"), ("id", "BIGINT"), ("score", "DOUBLE"), ("source", "VARCHAR")),
        *(("reason", "VARCHAR"), ("version", "BIGINT")),
    ]


def test_a_day_that_is_loaded_twice_is_there_once_beside_other_days(scored: Nights) -> None:
    scored.run(NEXT_DAY)
    before = stamp(scored)
    assert "is scored already" in scored.run(DAY)
    assert stamp(scored) == before
    assert loaded(scored) == LOADED
    assert loaded(scored, NEXT_DAY) == [(1, 70.0, "MODEL", None)]


def test_a_day_is_scored_again_where_its_input_has_changed_or_with_restart(scored: Nights) -> None:
    # As rsync or mv put a corrected file in place: with an old time.
    small_rows(scored, DAY, [2.0])
    os.utime(scored.folder / "features" / f"dt={DAY}" / "rows.parquet", (0, 0))
    assert "is scored already" not in scored.run(DAY)
    assert loaded(scored) == [(1, 20.0, "MODEL", None)]
    before = stamp(scored)
    scored.run(DAY, "--restart")
    assert stamp(scored) > before


def test_an_input_that_is_gone_leaves_the_scores_and_their_load(scored: Nights) -> None:
    shutil.rmtree(scored.folder / "features")
    (scored.folder / "scores.duckdb").unlink()
    scored.run(DAY)
    assert loaded(scored) == LOADED


def test_without_a_day_it_is_yesterday(nights: Nights) -> None:
    calls = recorder(nights)
    today = dt.datetime.now().astimezone().date()
    days = [str(today - dt.timedelta(days=1)), str(today)]  # midnight may pass meanwhile
    for day in days:
        small_rows(nights, day, [1.0])
    nights.run()
    assert calls.read_text() in [f"{nights.scores}/dt={day} {day}\n" for day in days]


def test_a_file_gets_the_day_into_its_name_and_a_column(nights: Nights) -> None:
    calls = recorder(nights)
    nights.run(DAY, NIGHTLY_OUTPUT=f"{nights.folder}/{{day}}.csv")
    assert calls.read_text() == f"{nights.folder}/{DAY}.csv {DAY}\n"
    lines = (nights.folder / f"{DAY}.csv").read_text().splitlines()
    assert lines[:3] == [
        '"id","score","source","reason","version","dt"',
        f'1,15,"MODEL",,1,"{DAY}"',
        f'2,,"MODEL",,1,"{DAY}"',
    ]


def test_rows_without_a_score_end_it_with_1_and_are_told_where_they_are(scored: Nights) -> None:
    small_rows(scored, DAY, [13.0, 5.0])
    scored.settings["NIGHTLY_OPTIONS"] = f"--key id --repository {scored.repository}"
    said = scored.run(DAY, code=1)
    rejects = Path(f"{scored.scores}.dt={DAY}.rejects.csv")
    assert f"are listed in {rejects}" in said
    assert f"is kept in {scored.scores}.run/dt={DAY}" in said
    assert '"1",' in rejects.read_text()
    assert loaded(scored) == LOADED
    assert "1 chunks were finished before" in scored.run(DAY, "--max-rejects", "1")
    assert loaded(scored) == [(2, 50.0, "MODEL", None)]


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        ([""], {}, "'' is no day"),
        (["22.11.2026"], {}, "is no day"),
        (["2026-02-30"], {}, "is no day"),
        (["2026-01-01"], {}, "No such file or directory"),
        ([DAY, "--nonsense"], {}, "No such option"),
        ([DAY], {"NIGHTLY_MODEL": ""}, "NIGHTLY_MODEL is not set"),
        ([DAY], {"NIGHTLY_MODEL": "nothing"}, "nothing"),
        ([DAY], {"NIGHTLY_OUTPUT": "/tmp/scores.csv"}, "put {day} into its name"),  # noqa: S108 - nothing is written
        ([DAY], {"NIGHTLY_LOADER": "/nowhere/load"}, "is no program that can be run: /nowhere/load"),
        ([DAY], {"PATH": "/usr/bin:/bin"}, "scorebridge is not on the PATH"),
    ],
)
def test_what_can_not_run_ends_with_2_and_loads_nothing(
    nights: Nights, arguments: list[str], settings: dict[str, str], said: str
) -> None:
    assert said in nights.run(*arguments, code=2, **settings)
    assert not (nights.folder / "scores.duckdb").exists()


def test_its_help_names_every_setting_and_exit_code(nights: Nights) -> None:
    said = nights.run("--help")
    for name in ("MODEL", "INPUT", "OUTPUT", "OPTIONS", "LOADER"):
        assert f"NIGHTLY_{name} " in said
    assert "130 interrupted" in said
    assert "pipefail" not in said


def test_a_load_that_fails_leaves_the_old_rows_and_is_all_that_is_done_again(scored: Nights) -> None:
    small_rows(scored, DAY, [3.0])
    scored.run(DAY, NIGHTLY_LOADER="")
    part = scored.scores / f"dt={DAY}" / "part-00000.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[:-20])
    assert f"{scored.scores}/dt={DAY} is not loaded" in scored.run(DAY, code=3)
    assert loaded(scored) == LOADED
    part.write_bytes(whole)
    assert "is scored already" in scored.run(DAY)
    assert loaded(scored) == [(1, 30.0, "MODEL", None)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_night_that_is_stopped_goes_on_and_gives_the_same_table(many: Nights, number: signal.Signals) -> None:
    calls = recorder(many)
    process = many.start(DAY, NIGHTLY_OUTPUT=f"{many.folder}/{{day}}.csv")
    run = many.folder / f"{DAY}.csv.run" / f"dt={DAY}"
    asyncio.run(eventually(lambda: run.is_dir() and len(list(run.iterdir())) > 20))
    if number is signal.SIGKILL:  # as of a machine that goes off
        os.killpg(process.pid, number)
        assert process.wait(30) == -number
    else:
        process.send_signal(number)
        assert process.wait(30) == 130
    assert not (many.folder / f"{DAY}.csv").exists()
    assert not calls.exists()
    said = many.run(DAY, NIGHTLY_OUTPUT=f"{many.folder}/{{day}}.csv")
    assert "chunks were finished before" in said
    many.run(DAY, NIGHTLY_OUTPUT=f"{many.folder}/whole.{{day}}.csv", NIGHTLY_LOADER="")
    assert (many.folder / f"{DAY}.csv").read_bytes() == (many.folder / f"whole.{DAY}.csv").read_bytes()
    assert calls.read_text() == f"{many.folder}/{DAY}.csv {DAY}\n"


def test_a_second_night_on_the_same_day_ends_with_2_and_harms_nothing(many: Nights) -> None:
    process = many.start(DAY)
    run = many.folder / "scores.run" / f"dt={DAY}"
    asyncio.run(eventually(lambda: run.is_dir() and len(list(run.iterdir())) > 20))
    os.killpg(process.pid, signal.SIGSTOP)  # so that it is still under way
    try:
        assert "another run on the same output is under way" in many.run(DAY, code=2)
    finally:
        os.killpg(process.pid, signal.SIGCONT)
    assert process.wait(60) == 0
    assert (many.scores / f"dt={DAY}" / "_SUCCESS").is_file()


def stuck(nights: Nights, name: str) -> Path:
    """Makes a program that notes that it runs, and then never ends by itself."""
    os.mkfifo(nights.folder / "never")
    program = nights.folder / "bin" / name
    program.parent.mkdir()
    program.write_text(f"#!/bin/bash\n: >{nights.folder}/begun\nexec cat {nights.folder}/never\n")
    program.chmod(0o755)
    return program


def test_a_load_that_is_stopped_ends_with_130_and_is_done_again(scored: Nights) -> None:
    (scored.folder / "scores.duckdb").unlink()
    process = scored.start(DAY, NIGHTLY_LOADER=str(stuck(scored, "load")))
    asyncio.run(eventually((scored.folder / "begun").exists))
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 130
    assert "is scored already" in scored.run(DAY)
    assert loaded(scored) == LOADED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_whatever_stops_the_script_stops_what_it_runs(nights: Nights, number: signal.Signals) -> None:
    calls = recorder(nights)
    program = stuck(nights, "scorebridge")
    process = nights.start(DAY, PATH=f"{program.parent}:{os.environ['PATH']}")
    asyncio.run(eventually((nights.folder / "begun").exists))
    (running,) = psutil.Process(process.pid).children()
    process.send_signal(number)
    assert process.wait(30) == 130
    assert not running.is_running()
    assert not calls.exists()
