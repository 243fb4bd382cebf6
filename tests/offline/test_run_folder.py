"""A run's folder: killed, damaged, full, taken by another run, or begun with something else."""

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bridge.offline.durable import NotWritten
from bridge.offline.plan import Plan
from bridge.offline.run_folder import RunFolder, RunRefused
from bridge.offline.run_lock import RunBusy
from bridge.row_files.input_chunk import Reject

STORING = """
import sys
from pathlib import Path
import pyarrow as pa
from bridge.offline.plan import Plan
from bridge.offline.run_folder import RunFolder
folder = RunFolder.open(Path(sys.argv[1]), restart=False)
folder.begin(Plan("m", 1, "d", (), {}, "run"))
print("ready", flush=True)
for number in range(int(sys.argv[2])):
    table = pa.table({"id": [number] * 2000, "reason": pa.nulls(2000, pa.string())})
    folder.store(number, table, (), 2000)
print("stored", flush=True)
sys.stdin.read()
"""
PLAN = Plan(
    "m", 1, "d", ({"path": "a.csv", "size": 5, "mtime_ns": 7}, {"path": "b.csv", "size": 1}), {"--key": "id"}, "one"
)


def table_of(*scores: float, reason: str | None = None) -> pa.Table:
    return pa.table({"score": list(scores), "reason": pa.array([reason] * len(scores), pa.string())})


def reject_of(row: int) -> Reject:
    return Reject("a.csv", row, f"k{row}", "x", "INVALID_VALUE", "it is no number")


def storing(path: Path, chunks: int, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", STORING, str(path), str(chunks)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_what_was_stored_comes_back_in_order_with_its_counts(tmp_path: Path) -> None:
    path = tmp_path / "o.run"
    folder = RunFolder.open(path, restart=False)
    folder.begin(PLAN)
    folder.store(1, table_of(3.0, reason="MODEL_ERROR"), (), 1)
    folder.store(0, table_of(1.0, 2.0), [reject_of(3), reject_of(4)], 4)
    folder.store(0, table_of(9.0), (), 1)
    folder.close()
    assert path.stat().st_mode & 0o777 == 0o700
    again = RunFolder.open(path, restart=False)
    assert again.begin(replace(PLAN, run_id="two")).run_id == "one"
    assert (again.finished_count, again.rows, again.rejected, again.defaulted) == (2, 5, 2, 1)
    assert [again.finished(number) for number in range(3)] == [True, True, False]
    assert [table["score"].to_pylist() for table in again.tables(2)] == [[1.0, 2.0], [3.0]]
    assert [(one.row, one.key, one.detail) for one in again.rejects(2)] == [
        (3, "k3", "it is no number"),
        (4, "k4", "it is no number"),
    ]
    again.remove()
    again.close()
    assert (again.rows, list(tmp_path.iterdir())) == (5, [])


def test_a_run_that_is_killed_at_any_moment_leaves_whole_chunks_only(tmp_path: Path) -> None:
    path, chance = tmp_path / "o.run", random.Random(18)  # noqa: S311 - the moments are to be the same each time
    finished = 0
    for _ in range(20):
        child = storing(path, 400)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        most = finished + chance.randrange(8)
        while len(list(path.glob("chunk-*"))) < most:
            pass
        child.send_signal(signal.SIGKILL)
        child.communicate()
        folder = RunFolder.open(path, restart=False)
        assert folder.begin(Plan("m", 1, "d", (), {}, "later")).run_id == "run"
        assert folder.finished_count >= finished
        finished = folder.finished_count
        assert folder.rows == 2000 * finished
        assert not list(path.glob("*.partial"))
        for number, table in enumerate(folder.tables(finished)):
            assert table["id"].to_pylist() == [number] * 2000
        folder.close()


def test_a_second_run_on_the_same_output_ends_at_once_and_names_the_first(tmp_path: Path) -> None:
    child = storing(tmp_path / "o.run", 1)
    assert child.stdout is not None
    assert [child.stdout.readline() for _ in range(2)] == ["ready\n", "stored\n"]
    with pytest.raises(RunBusy, match=f"process {child.pid}"):
        RunFolder.open(tmp_path / "o.run", restart=True)
    child.communicate("")
    folder = RunFolder.open(tmp_path / "o.run", restart=False)
    assert folder.finished_count == 1
    folder.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: replace(PLAN, digest="e"), "bundle of m/1"),
        (lambda: replace(PLAN, version=2), "it was 1, now it is 2"),
        (lambda: replace(PLAN, options={"--key": None}), "option --key"),
        (lambda: replace(PLAN, options={"--key": "id", "--default": True}), "option --default"),
        (lambda: replace(PLAN, inputs=PLAN.inputs[:1]), "number of input files"),
        (lambda: replace(PLAN, inputs=({**PLAN.inputs[0], "size": 6}, PLAN.inputs[1])), r"a\.csv \(its size\)"),
        (lambda: replace(PLAN, inputs=PLAN.inputs[::-1]), "where a.csv was, now b.csv is"),
    ],
)
def test_a_run_that_began_with_something_else_is_refused_until_restarted(
    tmp_path: Path, change: Callable[[], Plan], said: str
) -> None:
    folder = RunFolder.open(tmp_path / "o.run", restart=False)
    folder.begin(PLAN)
    folder.store(0, table_of(1.0), (), 1)
    with pytest.raises(RunRefused, match=f"{said}.*--restart"):
        folder.begin(change())
    folder.close()
    again = RunFolder.open(tmp_path / "o.run", restart=True)
    assert (again.finished_count, again.begin(change()).digest) == (0, change().digest)
    again.close()


@pytest.mark.parametrize(("total", "rows"), [(1, 4), (3, 4), (2, 5)])
def test_chunks_that_are_not_those_of_the_input_are_refused(tmp_path: Path, total: int, rows: int) -> None:
    folder = RunFolder.open(tmp_path / "o.run", restart=False)
    folder.begin(PLAN)
    for number in (0, 1):
        folder.store(number, table_of(1.0, 2.0), (), 2)
    folder.check(2, 4)
    with pytest.raises(RunRefused, match="--restart"):
        folder.check(total, rows)
    folder.close()


def test_a_default_of_one_is_not_that_of_the_model() -> None:
    assert replace(PLAN, options={"--default": 1}).difference(replace(PLAN, options={"--default": True}))
    assert not PLAN.difference(Plan.from_json(replace(PLAN, run_id="two").to_json()))


@pytest.mark.parametrize("damage", ["cut", "changed", "removed"])
def test_a_chunk_that_is_damaged_is_dropped_and_scored_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "o.run"
    folder = RunFolder.open(path, restart=False)
    folder.begin(PLAN)
    for number in range(2):
        folder.store(number, table_of(1.0), (), 1)
    file = next(path.glob("chunk-1-*"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(content[:-9] if damage == "cut" else content)
    with pytest.raises(RunRefused, match="run the same command again"):
        list(folder.tables(2))
    assert (folder.finished(0), folder.finished(1), folder.rows) == (True, False, 1)
    folder.store(1, table_of(2.0), (), 1)
    assert [table["score"].to_pylist() for table in folder.tables(2)] == [[1.0], [2.0]]
    folder.close()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"model": "m"}'])
def test_a_plan_that_is_damaged_is_refused(tmp_path: Path, text: str) -> None:
    folder = RunFolder.open(tmp_path / "o.run", restart=False)
    folder.begin(PLAN)
    (tmp_path / "o.run" / "plan.json").write_text(text)
    with pytest.raises(RunRefused, match="--restart"):
        folder.begin(PLAN)
    folder.close()


def test_partitions_have_folders_side_by_side_and_the_last_removes_the_one_above(tmp_path: Path) -> None:
    folders = [RunFolder.open(tmp_path / "o.run" / f"dt={day}", restart=False) for day in ("1", "2.run")]
    for folder in folders:
        folder.begin(PLAN)
    for folder in folders:
        assert (tmp_path / "o.run").exists()
        folder.close()
    assert not list(tmp_path.iterdir())


def test_a_run_with_nothing_finished_leaves_no_folder(tmp_path: Path) -> None:
    folder = RunFolder.open(tmp_path / "o.run", restart=False)
    folder.begin(PLAN)
    folder.close()
    folder.close()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_can_not_be_made_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritten, match=r"none/o\.run: No such file.*make the folder first"):
        RunFolder.open(tmp_path / "none" / "o.run", restart=False)
    with pytest.raises(NotWritten, match="Not a directory"):
        RunFolder.open(tmp_path / "file" / "o.run", restart=False)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_chunk_that_does_not_fit_is_not_finished_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "o.run"
    folder = RunFolder.open(path, restart=False)
    folder.begin(PLAN)
    folder.store(0, table_of(1.0), (), 1)
    folder.close()
    child = subprocess.run(
        ["prlimit", "--fsize=20000", sys.executable, "-c", TOO_LARGE, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert f"{path}: File too large: allow larger files" in child.stdout
    again = RunFolder.open(path, restart=False)
    assert (again.finished_count, sorted(file.name for file in path.iterdir())[1:]) == (1, ["lock", "plan.json"])
    again.close()


TOO_LARGE = """
import sys
from pathlib import Path
import pyarrow as pa
from bridge.offline.durable import NotWritten
from bridge.offline.run_folder import RunFolder
folder = RunFolder.open(Path(sys.argv[1]), restart=False)
try:
    folder.store(1, pa.table({"id": list(range(20000))}), (), 20000)
except NotWritten as error:
    assert not folder.finished(1)
    print(error)
"""


def test_runs_that_end_and_begin_at_once_never_have_the_folder_together(tmp_path: Path) -> None:
    path = tmp_path / "o.run"
    children = [subprocess.Popen([sys.executable, "-c", TAKING, str(path)]) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]


TAKING = """
import sys
from pathlib import Path
from bridge.offline.plan import Plan
from bridge.offline.run_folder import RunFolder
from bridge.offline.run_lock import RunBusy
path, taken = Path(sys.argv[1]), 0
while taken < 50:
    try:
        folder = RunFolder.open(path, restart=False)
    except RunBusy:
        continue
    folder.begin(Plan("m", 1, "d", (), {}, "one"))
    (path.parent / "alone").touch(exist_ok=False)
    (path.parent / "alone").unlink()
    folder.close()
    taken += 1
"""
