"""What starts examples/nightly/score-nightly.sh every night, and Hive's loader: read as their own programs do."""

import configparser
import datetime as dt
import os
import re
import runpy
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Self
from zoneinfo import ZoneInfo

import jinja2
import pyarrow as pa
import pytest
from fixtures import ROOT, SCOREBRIDGE
from nights import DAY, NIGHTLY

from bridge.calls import Output
from bridge.columns import Type
from bridge.offline.output_rows import output_schema

ENVIRONMENT, PLACE = "/etc/scorebridge/nightly.env", "/opt/scorebridge/nightly"
SERVICE, TIMER = NIGHTLY / "scorebridge-nightly.service", NIGHTLY / "scorebridge-nightly.timer"
PROGRAMS = ["score-nightly.sh", "load_duckdb.py", "load_hive.sh", "load_postgresql.sh"]
EXIT_CODES = {"0", "1", "2", "3", "130"}


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    """A machine on which all is at its place, but what it calls only notes the model, the day and the command."""
    place = tmp_path / "nightly"
    place.mkdir()
    shutil.copy(NIGHTLY / "score-nightly.sh", place)
    for name in ("scorebridge", "load"):
        program = tmp_path / name
        program.write_text(f'#!/bin/bash\necho "{name} $@" >>{tmp_path}/noted\nexit "${{CODE:-0}}"\n')
        program.chmod(0o755)
    text = (NIGHTLY / "nightly.env").read_text()
    text = text.replace("/opt/scorebridge/bin", str(tmp_path)).replace("/var/lib/scorebridge/nightly", str(tmp_path))
    text = text.replace(f"{PLACE}/load_duckdb.py", f"{tmp_path}/load")
    (tmp_path / "nightly.env").write_text(text)
    return tmp_path


def run(noted: Path, command: str, code: int = 0, **variables: str) -> str:
    """Runs a shell command of somebody whose PATH has nothing, as cron does; returns what it prints."""
    command = command.replace(ENVIRONMENT, str(noted / "nightly.env")).replace(PLACE, str(noted / "nightly"))
    done = subprocess.run(
        ["/bin/bash", "-c", command],
        env={"PATH": "/usr/bin:/bin"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def calls(noted: Path, day: str) -> list[str]:
    """What the night of a day calls, by the settings of nightly.env."""
    options = f"--partition dt={day} --overwrite --key id --ignore-extra --max-rejects 100"
    return [
        f"scorebridge batch cancer --input /data/features/dt={day} --output {noted}/scores {options}",
        f"load {noted}/scores/dt={day} {day}",
    ]


def yesterdays() -> list[str]:
    """Yesterday, and today, which is yesterday as soon as midnight passes."""
    today = dt.datetime.now().astimezone().date()
    return [str(today - dt.timedelta(days=1)), str(today)]


def test_the_line_for_cron_scores_yesterday_and_prints_only_what_failed(noted: Path) -> None:
    lines = [line for line in (NIGHTLY / "crontab").read_text().splitlines() if line and not line.startswith("#")]
    variables = dict(line.split("=", 1) for line in lines[:-1])
    assert set(variables) == {"SHELL", "PATH", "MAILTO", "LOG"}
    assert variables["SHELL"] == "/bin/bash"
    *when, user, command = lines[-1].split(None, 6)
    assert re.fullmatch(r"\d+ \d+ \* \* \*", " ".join(when))
    assert user == "scorebridge"
    assert "%" not in command
    log = str(noted / "nightly.log")
    assert run(noted, command, LOG=log) == ""
    assert (noted / "noted").read_text().splitlines() in [calls(noted, day) for day in yesterdays()]
    assert "is not scored" in run(noted, command, code=2, LOG=log, CODE="2")


def unit(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names of systemd are case-sensitive
    parser.read_string(path.read_text())
    return parser


def test_the_service_can_be_started_again_and_writes_only_where_its_output_is() -> None:
    service = unit(SERVICE)["Service"]
    assert service["ExecStart"] == f"{PLACE}/score-nightly.sh"
    assert service["EnvironmentFile"] == ENVIRONMENT
    # systemd knows no other Restart= for oneshot than by failure; always would start a finished night again.
    assert (service["Type"], service["Restart"]) == ("oneshot", "on-failure")
    assert service["RestartPreventExitStatus"] == "1"
    assert service["SuccessExitStatus"] == "130"
    assert f"NIGHTLY_OUTPUT='/var/lib/{service['StateDirectory']}/" in (NIGHTLY / "nightly.env").read_text()
    timer = unit(TIMER)
    assert (timer["Timer"]["Persistent"], timer["Install"]["WantedBy"]) == ("true", "timers.target")
    assert TIMER.stem == SERVICE.stem


def test_systemd_finds_nothing_wrong_in_the_units(tmp_path: Path) -> None:
    text = SERVICE.read_text().replace(PLACE, str(NIGHTLY))
    (tmp_path / SERVICE.name).write_text(text)
    shutil.copy(TIMER, tmp_path)
    if shutil.which("systemd-analyze") is None:  # without it only the commands that a unit names are looked at
        assert os.access(re.findall("ExecStart=(.*)", text)[0], os.X_OK)
        return
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / TIMER.name), str(tmp_path / SERVICE.name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


class Operator:
    """Notes what Airflow's BashOperator is given."""

    given: dict[str, Any]

    def __init__(self, **given: Any) -> None:
        type(self).given = given


class Dag(Operator):
    """Notes what a DAG is given."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Timetable:
    """What a schedule is."""

    def __init__(self, cron: str, timezone: str) -> None:
        self.cron, self.timezone = cron, timezone


class Moment(dt.datetime):
    """What Airflow gives: pendulum's datetime."""

    def in_timezone(self, name: str) -> dt.datetime:
        """The same moment on the clocks of a time zone."""
        return self.astimezone(ZoneInfo(name))


MODULES: dict[str, dict[str, dict[str, Any]]] = {
    "2": {
        "airflow": {"DAG": Dag},
        "airflow.operators": {},
        "airflow.operators.bash": {"BashOperator": Operator},
    },
    "3": {
        "airflow": {},
        "airflow.sdk": {"DAG": Dag},
        "airflow.providers": {},
        "airflow.providers.standard": {},
        "airflow.providers.standard.operators": {},
        "airflow.providers.standard.operators.bash": {"BashOperator": Operator},
    },
}
TIMETABLES: dict[str, dict[str, Any]] = {
    "airflow.timetables": {},
    "airflow.timetables.interval": {"CronDataIntervalTimetable": Timetable},
}


@pytest.mark.parametrize("release", MODULES)
def test_airflow_s_task_scores_the_day_of_its_interval_and_is_tried_again(
    noted: Path, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in (MODULES[release] | TIMETABLES).items():
        module = ModuleType(name)
        module.__dict__.update(content, __path__=[])
        monkeypatch.setitem(sys.modules, name, module)
    runpy.run_path(str(NIGHTLY / "airflow_dag.py"))
    schedule = Dag.given["schedule"]
    assert (schedule.cron, schedule.timezone) == ("30 2 * * *", "UTC")
    assert (Dag.given["catchup"], Dag.given["max_active_runs"]) == (False, 1)
    assert Operator.given["retries"] > 0
    # Airflow takes a command with this ending for the name of a file.
    assert not Operator.given["bash_command"].endswith((".sh", ".bash"))
    template = jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined).from_string(  # noqa: S701 - shell
        Operator.given["bash_command"]
    )
    begin = Moment(2026, 11, 21, 2, 30, tzinfo=ZoneInfo("UTC"))
    command = template.render(data_interval_start=begin)
    run(noted, command)
    assert (noted / "noted").read_text().splitlines() == calls(noted, DAY)
    run(noted, command, code=1, CODE="1")


def test_the_options_in_the_settings_are_options_of_batch() -> None:
    text = (NIGHTLY / "nightly.env").read_text()
    used = set(
        re.findall(
            r"--[a-z][a-z-]*", text + (NIGHTLY / "score-nightly.sh").read_text() + (NIGHTLY / "README.md").read_text()
        )
    )
    done = subprocess.run(
        [SCOREBRIDGE, "batch", "--help"],
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"--key", "--max-rejects", "--restart", "--partition"} <= used
    assert used - set(re.findall(r"--[a-z][a-z-]*", done.stdout)) <= {"--now", "--help"}


def test_hive_s_table_has_the_columns_of_a_booster_s_output_and_its_day_as_partition() -> None:
    text = (NIGHTLY / "load_hive.sql").read_text()
    table = re.search(
        r"CREATE TABLE IF NOT EXISTS scores \((.*?)\)\nPARTITIONED BY \(dt STRING\)\nSTORED AS PARQUET", text, re.DOTALL
    )
    assert table is not None
    columns = [tuple(line.strip(" ,").split()) for line in table.group(1).strip().splitlines()]
    kinds = {"int64": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "string": "STRING"}
    echo = pa.schema([pa.field("id", pa.int64())])
    schema = output_schema(echo, [Output("score", Type.FLOAT)], {"dt": DAY}, constant=False)
    assert columns == [(field.name, kinds[str(field.type)]) for field in schema]
    assert (
        "LOAD DATA LOCAL INPATH '${hivevar:scores}' OVERWRITE INTO TABLE scores PARTITION (dt = '${hivevar:dt}');"
        in text
    )


def test_hive_s_loader_calls_spark_with_the_folder_and_the_day(tmp_path: Path) -> None:
    spark = tmp_path / "spark-sql"
    spark.write_text(f'#!/bin/bash\nprintf "%s\\n" "$@" >{tmp_path}/noted\n')
    spark.chmod(0o755)
    command, environment = [str(NIGHTLY / "load_hive.sh"), str(tmp_path), DAY], os.environ | {"SPARK_SQL": str(spark)}
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (refused.returncode, "set NIGHTLY_OUTPUT to a folder" in refused.stderr) == (2, True)
    (tmp_path / "_SUCCESS").touch()
    subprocess.run(command, env=environment, check=True)
    assert (tmp_path / "noted").read_text().splitlines() == [
        *("--hivevar", f"scores={tmp_path}", "--hivevar", f"dt={DAY}"),
        *("-f", str(NIGHTLY / "load_hive.sql")),
    ]


def test_the_readme_names_every_file_and_exit_code() -> None:
    text = (NIGHTLY / "README.md").read_text()
    for path in NIGHTLY.iterdir():
        assert (
            path.name == "README.md"
            or path.name.startswith("__")
            or f"`{path.name}`" in text
            or f"[{path.name}]" in text
        )
    assert set(re.findall(r"^\| (\d+) \|", text, re.MULTILINE)) == EXIT_CODES
    assert "(../examples/nightly/README.md)" in (ROOT / "docs" / "offline.md").read_text()


def test_the_programs_can_be_run() -> None:
    assert {path.name for path in NIGHTLY.iterdir() if path.stat().st_mode & stat.S_IXUSR and path.is_file()} == set(
        PROGRAMS
    )
