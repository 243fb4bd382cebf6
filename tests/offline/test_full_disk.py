"""A disk that is full or can only be read: what a run says, what it leaves, and that it goes on when there is room."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from batch_commands import batch_doubled, reference, rows_with
from boosters import BINARY, NAMES, Model, some_rows, train, write
from fixtures import deploy
from small_disks import SmallDisk, mounted
from typer.testing import CliRunner, Result

from bridge.cli.app import app

FULL = "No space left on device: free some space; the same command then goes on behind what is finished"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A small disk for the output and the run's folder; the input is elsewhere."""
    with mounted(tmp_path / "disk") as small:
        yield small


def names(disk: SmallDisk) -> list[str]:
    return sorted(file.name for file in disk.path.iterdir() if file.name != "filler")


def finished_but_not_published(disk: SmallDisk, rows: Path) -> Path:
    """Runs until all chunks are finished and the list of rejects is there, which has more than are allowed."""
    output = disk.path / "o.csv"
    code, summary = batch_doubled(rows, output)
    assert (code, summary["rejects"]) == (1, 3)
    assert names(disk) == ["o.csv.rejects.csv", "o.csv.run"]
    return output


def goes_on(disk: SmallDisk, rows: Path, output: Path, tmp_path: Path) -> int:
    """Runs again, with room; returns how many chunks were finished before."""
    code, summary = batch_doubled(rows, output, 3)
    assert (code, summary["scored"], summary["rejects"]) == (0, 3000, 3)
    listed = disk.path / "o.csv.rejects.csv"
    assert (output.read_bytes(), listed.read_bytes()) == reference(rows, tmp_path / "again", 3)
    assert names(disk) == ["o.csv", "o.csv.rejects.csv"]
    return int(summary["resumed_chunks"])


def test_a_disk_that_gets_full_while_chunks_are_stored_keeps_those_that_are_finished(
    disk: SmallDisk, tmp_path: Path
) -> None:
    rows = rows_with(tmp_path / "rows.csv", 3)
    disk.fill(16 * 4096)
    output = disk.path / "o.csv"
    assert batch_doubled(rows, output, 3) == (2, [f"{output}.run: {FULL}"])
    assert names(disk) == ["o.csv.run"]
    assert not list(disk.path.rglob("*.partial"))
    disk.empty()
    assert 0 < goes_on(disk, rows, output, tmp_path) < 16


def test_a_disk_that_is_full_when_the_run_begins_is_said_and_nothing_is_left(disk: SmallDisk, tmp_path: Path) -> None:
    rows = rows_with(tmp_path / "rows.csv", 3)
    disk.fill(0)
    output = disk.path / "o.csv"
    code, said = batch_doubled(rows, output, 3)
    assert (code, len(said)) == (2, 1)
    assert said[0].startswith(f"{output}.run")
    assert said[0].endswith(FULL)
    assert names(disk) == []
    disk.empty()
    assert goes_on(disk, rows, output, tmp_path) == 0


@pytest.mark.parametrize(
    ("left", "named"), [(0, "o.csv.rejects.csv"), (4 * 4096, "o.csv.run/output.partial")], ids=["rejects", "output"]
)
def test_a_disk_that_gets_full_when_all_is_scored_leaves_nothing_half_written(
    disk: SmallDisk, tmp_path: Path, left: int, named: str
) -> None:
    rows = rows_with(tmp_path / "rows.csv", 3)
    output = finished_but_not_published(disk, rows)
    listed = (disk.path / "o.csv.rejects.csv").read_bytes()
    disk.fill(left)
    assert batch_doubled(rows, output, 3) == (2, [f"{disk.path}/{named}: {FULL}"])
    assert names(disk) == ["o.csv.rejects.csv", "o.csv.run"]
    assert (disk.path / "o.csv.rejects.csv").read_bytes() == listed
    assert not list(disk.path.rglob("*.partial"))
    disk.empty()
    assert goes_on(disk, rows, output, tmp_path) == 16


def test_a_disk_that_can_only_be_read_is_said_and_the_run_goes_on_when_it_can_be_written(
    disk: SmallDisk, tmp_path: Path
) -> None:
    rows = rows_with(tmp_path / "rows.csv", 3)
    output = finished_but_not_published(disk, rows)
    before = sorted(disk.path.rglob("*"))
    disk.protect()
    said = f"{output}.run: Read-only file system: choose a place where this process may write"
    assert batch_doubled(rows, output, 3) == (2, [said])
    assert sorted(disk.path.rglob("*")) == before
    disk.protect(writable=True)
    assert goes_on(disk, rows, output, tmp_path) == 16


def test_a_log_that_can_not_be_written_ends_the_run_with_its_folder_and_the_run_goes_on(
    disk: SmallDisk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "models").mkdir()
    asyncio.run(deploy(write(tmp_path / "xgb", Model(train(BINARY))), tmp_path / "models", "xgb"))
    values = some_rows(500)
    pq.write_table(
        pa.table({name: pa.array(values[:, at]) for at, name in enumerate(NAMES)}), tmp_path / "rows.parquet"
    )

    def batch(name: str, *more: str) -> Result:
        where = ["--input", tmp_path / "rows.parquet", "--output", tmp_path / name, "--repository", tmp_path / "models"]
        options = ["--batch-size", "100", "--patience", "0.2", *more]
        return CliRunner().invoke(app, ["batch", "xgb", *map(str, where), *options])

    logged = ["--log-dir", str(disk.path / "log")]
    disk.fill(4 * 4096)
    done = batch("o.csv", *logged)
    assert (done.exit_code, done.stderr) == (
        2,
        f"no call has succeeded for 0.2 s (--patience): {disk.path}/log: {FULL}\n",
    )
    assert not (tmp_path / "o.csv").exists()
    caplog.clear()  # each record that was lost
    disk.empty()
    assert (batch("o.csv", *logged).exit_code, batch("again.csv").exit_code) == (0, 0)
    assert (tmp_path / "o.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()
    assert CliRunner().invoke(app, ["log", "verify", str(disk.path / "log")]).exit_code == 0
