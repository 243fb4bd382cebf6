"""A run that is killed before any one of its changes to the file system, and then started again."""

import asyncio
import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from doubled import Doubled

from bridge.offline.outputs import OutputExists
from bridge.offline.progress import Progress
from bridge.offline.run import score_input
from bridge.offline.run_options import RunOptions
from bridge.offline.summary import Summary

ROWS = "id,x\na,1\nb,2\nc,bad\nd,4\ne,5\n"
SCORES = '"id","score","source","reason","version"\n' + "".join(
    f'"{key}",{score},"MODEL",,1\n' for key, score in (("a", 2), ("b", 4), ("d", 8), ("e", 10))
)
FILE = 'RunOptions((f"{at}/rows.csv",), Path(f"{at}/o.csv"), key="id", chunk_rows=2, max_rejects=1)'
FOLDER = (
    'RunOptions((f"{at}/rows.csv",), Path(f"{at}/o"), {"dt": "1"}, key="id", chunk_rows=2, max_rejects=1,'
    " overwrite=True)"
)

# Makes a folder for each change that a run makes in it, and runs there until just before that change. Elsewhere Python
# itself renames files, such as those of compiled modules, in one of the processes and not in the next.
KILLED = """
import asyncio, io, os, signal, sys
from itertools import count
from pathlib import Path
from doubled import Doubled
from bridge.offline.progress import Progress
from bridge.offline.run import score_input
from bridge.offline.run_options import RunOptions

def killed(at):
    changes, here = [], Path(f"{at}").resolve()
    def hook(event, arguments):
        if event not in ("os.remove", "os.rename", "os.rmdir", "os.mkdir"):
            return
        if here not in Path(os.fspath(arguments[0])).absolute().parents:
            return
        if len(changes) == at:
            Path(f"{at}/killed").write_text(f"{event} {Path(os.fspath(arguments[0])).name}")
            os.kill(os.getpid(), signal.SIGKILL)
        changes.append(event)
    sys.addaudithook(hook)
    asyncio.run(score_input(eval(sys.argv[1]), Doubled(), Progress(io.StringIO())))

for at in count():
    Path(f"{at}").mkdir()
    Path(f"{at}/rows.csv").write_text(sys.argv[2])
    if sys.argv[3:]:
        (Path(f"{at}") / sys.argv[3]).mkdir(parents=True)
        (Path(f"{at}") / sys.argv[3] / "_SUCCESS").write_text("")
    child = os.fork()
    if not child:
        killed(at)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != -signal.SIGKILL:
        sys.exit(code)
"""


def killed_everywhere(folder: Path, options: str, *old: str) -> list[str]:
    """Returns before which change each run was killed, in order."""
    command = [sys.executable, "-c", KILLED, options, ROWS, *old]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, cwd=folder, env=paths, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    at = len(list(folder.iterdir())) - 1  # the last one was not killed
    assert not (folder / f"{at}" / "killed").exists()
    return [(folder / f"{step}" / "killed").read_text() for step in range(at)]


def again(options: RunOptions, scorer: Doubled | None = None) -> Summary:
    return asyncio.run(score_input(options, scorer or Doubled(), Progress(io.StringIO())))


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def counts(summary: Summary) -> tuple[int, ...]:
    return summary.exit_code, summary.rows, summary.scored, summary.rejects, summary.defaults


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_here")
def test_a_run_killed_at_any_step_ends_when_it_is_started_again(tmp_path: Path) -> None:
    steps = killed_everywhere(tmp_path, FILE)
    mark = len(steps) - 1 - steps[::-1].index("os.remove published")  # the first ones are of a run that begins
    assert steps[mark + 1 :] == ["os.remove lock", "os.rmdir o.csv.run"]
    assert len([one for one in steps if one.startswith("os.remove chunk")]) == 3
    for at in range(len(steps)):
        options = eval(FILE, {"RunOptions": RunOptions, "Path": Path, "at": at})  # noqa: S307 - it is ours
        if at > mark:  # then nothing is left of the run but an empty folder
            assert Path(f"{at}/o.csv").read_text() == SCORES
            with pytest.raises(OutputExists):
                again(options)
        else:
            summary = again(options)
            assert counts(summary) == (0, 5, 4, 1, 0), steps[at]
            assert (summary.output, summary.rejects_file) == (f"{at}/o.csv", f"{at}/o.csv.rejects.csv")
        assert Path(f"{at}/o.csv").read_text() == SCORES
        assert names(Path(f"{at}")) == ["killed", "o.csv", "o.csv.rejects.csv", "rows.csv"]


@pytest.mark.usefixtures("_here")
def test_a_folder_that_is_replaced_is_the_old_or_the_new_one_wherever_the_run_is_killed(tmp_path: Path) -> None:
    steps = killed_everywhere(tmp_path, FOLDER, "o/dt=1")
    assert {"os.rename dt=1", "os.rename publishing", "os.remove published"} <= set(steps)
    for at in range(len(steps)):
        options = eval(FOLDER, {"RunOptions": RunOptions, "Path": Path, "at": at})  # noqa: S307 - it is ours
        assert counts(again(options)) == (0, 5, 4, 1, 0), steps[at]
        table = pq.read_table(f"{at}/o/dt=1/part-00000.parquet")
        assert table.column("score").to_pylist() == [2.0, 4.0, 8.0, 10.0]
        assert names(Path(f"{at}")) == ["killed", "o", "o.dt=1.rejects.csv", "rows.csv"]


def published_but_not_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> RunOptions:
    """Runs until the output is in place and the run's folder is about to be removed."""
    (folder / "rows.csv").write_text(ROWS)
    options = RunOptions((str(folder / "rows.csv"),), folder / "o.csv", key="id", max_rejects=1)
    with monkeypatch.context() as stopped:
        stopped.setattr("bridge.offline.run_folder.RunFolder.remove", lambda _: None)
        again(options)
    assert sorted(file.name.split("-")[0] for file in options.run_folder.iterdir()) == [
        "chunk",
        "lock",
        "plan.json",
        "publishing",
    ]
    return options


def test_what_is_finished_is_not_scored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = published_but_not_removed(tmp_path, monkeypatch)
    before = options.output.stat()
    scorer = Doubled()
    summary = again(options, scorer)
    assert (counts(summary), summary.resumed_chunks, summary.resumed_rows) == ((0, 5, 4, 1, 0), 1, 5)
    assert (scorer.asked, options.output.stat().st_mtime_ns) == (0, before.st_mtime_ns)
    assert not options.run_folder.exists()


def test_what_an_earlier_run_left_never_stops_one_with_another_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = published_but_not_removed(tmp_path, monkeypatch)
    (tmp_path / "rows.csv").write_text("id,x\nz,7\n")
    with pytest.raises(OutputExists, match="--overwrite"):
        again(options)
    assert options.output.read_text() == SCORES
    assert counts(again(replace(options, overwrite=True))) == (0, 1, 1, 0, 0)
    assert '"z",14' in options.output.read_text()
    assert names(tmp_path) == ["o.csv", "rows.csv"]


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_an_output_that_is_no_longer_there_is_written_again_and_another_one_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    options = published_but_not_removed(tmp_path, monkeypatch)
    options.output.unlink()
    if change == "replaced":
        options.output.write_text("mine")
        with pytest.raises(OutputExists, match="--overwrite"):
            again(options)
        assert options.output.read_text() == "mine"
        options.output.unlink()
    assert counts(again(options)) == (0, 5, 4, 1, 0)
    assert options.output.read_text() == SCORES


def test_an_output_that_was_moved_away_behind_its_run_does_not_stop_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = published_but_not_removed(tmp_path, monkeypatch)
    (options.run_folder / "publishing").rename(options.run_folder / "published")
    options.output.rename(tmp_path / "archived.csv")
    (tmp_path / "rows.csv").write_text("id,x\nz,7\n")
    assert counts(again(options)) == (0, 1, 1, 0, 0)
    assert not options.run_folder.exists()


@pytest.mark.parametrize("text", ["", "{}", '{"plan": "", "output": [1, 2], "counts": [1, 2, 3, 4]}'])
def test_a_mark_that_is_damaged_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    options = published_but_not_removed(tmp_path, monkeypatch)
    (options.run_folder / "publishing").write_text(text)
    with pytest.raises(OutputExists):
        again(options)
    options.output.unlink()
    assert counts(again(options)) == (0, 5, 4, 1, 0)
    assert options.output.read_text() == SCORES
    assert not options.run_folder.exists()
