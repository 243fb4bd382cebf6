"""examples/nightly/load_postgresql.sh against a PostgreSQL of the tests' own, on a socket in a folder of theirs."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from nights import DAY, NEXT_DAY, NIGHTLY, Nights, make_models, small_rows
from other_user import USER, make_open

LOADER = NIGHTLY / "load_postgresql.sh"
VALUES = [1.5, None, 13.0, 1 / 3]
THIRD = 10 * (1 / 3)
TABLE = [f"{DAY}|1|15|MODEL||1", f"{DAY}|2||MODEL||1", f"{DAY}|3|0.25|DEFAULT|MODEL_ERROR|1"]
TABLE += [f"{DAY}|4|{THIRD}|MODEL||1"]
ROWS = "SELECT dt, id, score, source, reason, version FROM {} ORDER BY dt, id"


def programs() -> Path:
    """The folder of PostgreSQL's own programs, which Debian keeps off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parents[1].name))
    on_path = shutil.which("initdb")
    assert found or on_path, "PostgreSQL is not installed: see .ci/setup"
    return found[-1].parent if found else Path(str(on_path)).parent


class Server:
    """A cluster in a short-named folder, because the path of a socket may not be long."""

    def __init__(self, folder: Path) -> None:
        """Makes and starts it; PostgreSQL refuses to be root."""
        self.folder = folder
        self._bin = programs()
        self._who: dict[str, Any] = {}
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
            make_open(folder)
            self._who = {"user": USER, "group": folder.stat().st_gid, "extra_groups": []}
        self._run("initdb", "-D", "data", "-U", "owner", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", options)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        # pg_ctl leaves its server behind, which would keep a pipe open.
        subprocess.run(command, cwd=self.folder, stdout=subprocess.DEVNULL, check=True, **self._who)

    def stop(self) -> None:
        """Ends it, whoever is connected."""
        self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", "data")

    def sql(self, text: str, *options: str) -> str:
        """What psql prints, without decoration."""
        command = ["psql", "-X", "-q", "-A", "-t", "-h", str(self.folder), "-U", "owner", "-d", "postgres", *options]
        return subprocess.run([*command, "-c", text], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pg-")))
        server = Server(folder)
        stack.callback(server.stop)
        yield server


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("nightly"))


@pytest.fixture
def nights(repository: Path, server: Server, tmp_path: Path) -> Iterator[Nights]:
    """Two days of rows, the loader, and an empty table."""
    settings = {
        "NIGHTLY_OUTPUT": f"{tmp_path}/{{day}}.csv",
        "NIGHTLY_LOADER": str(LOADER),
        "PGHOST": str(server.folder),
        "PGUSER": "owner",
        "PGDATABASE": "postgres",
    }
    nights = Nights(tmp_path, repository, dict(settings))
    server.sql("DROP TABLE IF EXISTS scores")
    server.sql((NIGHTLY / "create_postgresql.sql").read_text())
    yield nights
    nights.end()


def load(nights: Nights, lines: list[str], code: int = 0, day: str = DAY, **settings: str) -> str:
    """Runs the loader alone, on a file as a run writes it."""
    header = '"id","score","source","reason","version","dt"'
    file = nights.folder / f"{day}.csv"
    file.write_text("\n".join([header, *lines]) + "\n")
    return nights.run(str(file), day, command=[LOADER], code=code, **settings)


def rows(server: Server, table: str = "scores") -> list[str]:
    return server.sql(ROWS.format(table)).splitlines()


def test_a_night_is_in_the_table_once_however_often_it_is_loaded(nights: Nights, server: Server) -> None:
    small_rows(nights, DAY, VALUES)
    assert f"{nights.folder}/{DAY}.csv is loaded" in nights.run(DAY)
    assert rows(server) == TABLE
    assert server.sql("SELECT score IS NULL, reason IS NULL FROM scores WHERE id = 2") == "t|t\n"
    assert float(server.sql("SELECT score FROM scores WHERE id = 4")) == THIRD
    assert "is scored already" in nights.run(DAY)
    small_rows(nights, NEXT_DAY, [7.0])
    nights.run(NEXT_DAY)
    assert rows(server) == [*TABLE, f"{NEXT_DAY}|1|70|MODEL||1"]


def test_the_rows_of_the_day_are_replaced_and_no_others(nights: Nights, server: Server) -> None:
    load(nights, [f'1,1.5,"MODEL",,1,"{DAY}"', f'2,,"MODEL",,1,"{DAY}"'])
    load(nights, [f'1,3,"MODEL",,1,"{NEXT_DAY}"'], day=NEXT_DAY)
    load(nights, [f'3,inf,"DEFAULT","a ""b"", c",2,"{DAY}"'])
    assert rows(server) == [f'{DAY}|3|Infinity|DEFAULT|a "b", c|2', f"{NEXT_DAY}|1|3|MODEL||1"]
    load(nights, [])
    assert rows(server) == [f"{NEXT_DAY}|1|3|MODEL||1"]


@pytest.mark.parametrize(
    "line",
    [
        f'1,9,"MODEL",,1,"{NEXT_DAY}"',
        f'1,9,"MODEL",,1,"{DAY}"\n1,8,"MODEL",,1,"{DAY}"',
        f'77,much,"MODEL",,1,"{DAY}"',
        f'77,9,,,1,"{DAY}"',
        '77,9,"MODEL"',
    ],
    ids=["another day", "an id twice", "no number", "no source", "cut off"],
)
def test_a_load_that_fails_leaves_the_old_rows(nights: Nights, server: Server, line: str) -> None:
    load(nights, [f'5,1.5,"MODEL",,1,"{DAY}"'])
    said = load(nights, [f'6,1.5,"MODEL",,1,"{DAY}"', line], code=3)
    assert "ERROR" in said
    assert "77" not in said
    assert rows(server) == [f"{DAY}|5|1.5|MODEL||1"]


def test_other_columns_than_the_loader_s_are_refused(nights: Nights, server: Server) -> None:
    file = nights.folder / f"{DAY}.csv"
    file.write_text(f'"id","points","source","reason","version","dt"\n1,2,"MODEL",,1,"{DAY}"\n')
    assert "header" in nights.run(str(file), DAY, command=[LOADER], code=3)
    assert rows(server) == []


def test_names_and_days_are_values_and_never_sql(nights: Nights, server: Server) -> None:
    odd = 'odd "t"; DROP TABLE scores; --'
    server.sql("CREATE TABLE {} (LIKE scores INCLUDING ALL)".format('"odd ""t""; DROP TABLE scores; --"'))
    load(nights, [f'1,1.5,"MODEL",,1,"{DAY}"'], SCORES_TABLE=odd)
    assert rows(server, '"odd ""t""; DROP TABLE scores; --"') == [f"{DAY}|1|1.5|MODEL||1"]
    load(nights, [], code=3, day="2026-11-21'; DROP TABLE scores; --")
    assert rows(server) == []


def test_where_there_is_no_server_the_night_ends_with_3_and_is_loaded_later(nights: Nights, server: Server) -> None:
    small_rows(nights, DAY, VALUES)
    assert "is not loaded" in nights.run(DAY, code=3, PGHOST=str(nights.folder))
    assert "is scored already" in nights.run(DAY)
    assert rows(server) == TABLE


def test_two_loads_of_a_day_at_once_are_one_after_the_other(nights: Nights, server: Server) -> None:
    lines = [f'{row},1.5,"MODEL",,1,"{DAY}"' for row in range(1000)]
    load(nights, lines)
    file = nights.folder / f"{DAY}.csv"
    both = [nights.start(str(file), DAY, command=[LOADER]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(rows(server)) == 1000


def test_a_folder_is_refused_with_what_to_set(nights: Nights) -> None:
    said = nights.run(str(nights.folder), DAY, command=[LOADER], code=2)
    assert "set NIGHTLY_OUTPUT to a name such as /data/scores/{day}.csv" in said
