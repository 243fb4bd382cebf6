"""The gateway's watch: its child has the lowest priority, and may hang, be killed or lie without harming anybody."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest
import pytest_asyncio
from prediction_logs import DIGEST, record, write_log
from pydantic import ValidationError
from waiting import eventually, eventually_now, runs

from bridge.bundles.repository import StoredVersion
from bridge.calls import ModelRef
from bridge.config import GatewaySettings
from bridge.drift.shift import Shift
from bridge.gateway.drift import DriftWatch
from bridge.models.version import Version

Watch = Callable[..., DriftWatch]


class OneVersion:
    """A registry of one version that serves, `risk/3`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def models(self) -> list[str]:
        """`loading` has no version that serves."""
        return ["risk", "loading"]

    def serving(self, model: str) -> Version | None:
        """The version, with one feature."""
        if model == "loading":
            return None
        version = Version(StoredVersion(model, 3, self._folder))
        version.ref = ModelRef(model, 3, DIGEST)
        features = (SimpleNamespace(name="age"),)
        version.accepted = cast("Any", SimpleNamespace(description=SimpleNamespace(features=features)))
        return version


def program(code: str) -> tuple[str, ...]:
    """A child that does this instead; it gets what the real one gets."""
    return sys.executable, "-c", f"import os, signal, sys\n{code}"


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A bundle's folder with 200 golden rows: half of age 1, half of age 2."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "golden.csv").write_text("age,score.score\n" + "1,0.01\n2,0.02\n" * 100)
    return folder


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """200 rows of age 1, just now, and as many of age 2, the day before yesterday."""
    now = int(time.time())
    calls = [record("old", [2.0] * 200, seconds=now - 2 * 86_400), record("new", [1.0] * 200, seconds=now - 60)]
    write_log(tmp_path / "log", calls)
    return tmp_path / "log"


@pytest_asyncio.fixture
async def watch(golden: Path, log: Path) -> AsyncIterator[Watch]:
    """Makes watches that are closed at the end of the test."""
    made: list[DriftWatch] = []

    def make(command: Sequence[str] = (), **settings: Any) -> DriftWatch:
        most_s = settings.pop("most_s", 60.0)
        said = {"repository": golden.parent, "log_dir": log, "drift_interval_s": 0.02} | settings
        more: dict[str, Any] = {"command": command} if command else {}
        chosen = GatewaySettings.model_validate(said)
        made.append(DriftWatch(chosen, OneVersion(golden), most_s=most_s, **more))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        await one.close()
        await one.close()


def children() -> list[psutil.Process]:
    """The measuring children of this process that run now, without the shims around them and servers of the session."""
    family = psutil.Process().children(recursive=True)
    return [process for process in family if runs(process.pid) and process.name().startswith("python")]


async def test_only_the_last_day_counts(watch: Watch) -> None:
    one = watch()
    assert (one.latest, one.at, one.failure) == ((), None, "")
    await eventually(lambda: one.at or one.failure)
    (found,) = one.latest
    assert (found.model, found.version, found.rows, found.whole, found.why) == ("risk", 3, 200, True, "")
    assert (found.until - found.since).total_seconds() == 86_400
    assert found.until.tzinfo is not None
    age, score = found.shifts
    assert age.psi is not None
    assert age == Shift("age", "feature", age.psi, 200, 200, "", 0.01)
    assert age.psi == pytest.approx(4.605, abs=0.01)
    assert (score.name, score.kind, score.psi) == ("score", "score", age.psi)


@pytest.mark.parametrize("settings", [{"drift_interval_s": 0}, {"log_dir": None}])
async def test_nothing_runs_without_a_log_or_an_interval(watch: Watch, settings: dict[str, Any]) -> None:
    before = asyncio.all_tasks()
    one = watch(program("os.kill(os.getppid(), signal.SIGKILL)"), **settings)
    assert asyncio.all_tasks() == before
    assert (one.latest, one.at, one.failure) == ((), None, "")


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), "3600"])
def test_an_interval_is_a_number_of_seconds(seconds: object) -> None:
    with pytest.raises(ValidationError, match="drift_interval_s"):
        GatewaySettings.model_validate({"repository": "r", "drift_interval_s": seconds})


async def test_the_child_has_the_lowest_priority_and_little_memory(watch: Watch, tmp_path: Path) -> None:
    told = tmp_path / "told"
    code = "import resource, json\n"
    code += "said = [os.nice(0), resource.getrlimit(resource.RLIMIT_AS)[0], os.getcwd()]\n"
    code += f"open({str(told)!r}, 'w').write(json.dumps(said))"
    one = watch(program(code))
    await eventually(lambda: one.failure)
    assert json.loads(told.read_text()) == [19, 2 << 30, "/"]
    assert one.failure == "the process that measures it gave no whole answer"


async def test_a_child_that_hangs_is_stopped(watch: Watch) -> None:
    one = watch(program("os.fork()\nsignal.pause()"), most_s=0.5)
    await eventually(lambda: children() or one.failure)
    await eventually(lambda: one.failure)
    assert one.failure == "it took longer than 0.5 s and was stopped"
    assert one.at is None


async def test_a_child_that_is_killed_is_told_and_the_next_one_comes(watch: Watch) -> None:
    one = watch(program("signal.pause()"))
    await eventually(lambda: [child for child in children() if child.nice() == 19])
    for child in children():
        child.kill()
    await eventually(lambda: one.failure)
    assert one.failure == "the process that measures it was killed by SIGKILL"
    await eventually(children)  # the next


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("sys.exit(3)", "the process that measures it ended with exit code 3"),
        ("os.write(int(sys.argv[2]), b'[]')", "the process that measures it gave no whole answer"),
        ("os.write(int(sys.argv[2]), b'{\"versions\": [{}]}')", "the process that measures it gave no whole answer"),
        ('os.write(int(sys.argv[2]), b\'{"failed": "no room"}\')', "no room"),
    ],
)
async def test_a_child_that_fails_is_told(watch: Watch, code: str, said: str) -> None:
    one = watch(program(code))
    await eventually(lambda: one.failure)
    assert one.failure == said


async def test_a_program_that_is_not_there_is_told(watch: Watch) -> None:
    one = watch(("/nowhere/python",))
    await eventually(lambda: one.failure)
    assert one.failure == "the process that measures it ended with exit code 127"


def remove_segments(log: Path) -> None:
    for path in log.glob("*.sblog"):
        path.unlink()


async def test_what_was_measured_stays_when_the_next_attempt_fails(watch: Watch, log: Path) -> None:
    one = watch()
    await eventually(lambda: one.at)
    before = one.latest
    remove_segments(log)
    await eventually(lambda: one.failure)
    assert one.failure.startswith("there is no prediction log in ")
    assert one.latest == before
    write_log(log, [record("again", [1.0])])
    await eventually(lambda: not one.failure)


async def test_golden_rows_that_can_not_be_read_are_told_for_their_version(watch: Watch, golden: Path) -> None:
    (golden / "golden.csv").write_text('age,score.score\n1,"')
    one = watch()
    await eventually(lambda: one.at or one.failure)
    (found,) = one.latest
    assert (found.shifts, one.failure) == ((), "")
    assert found.why.startswith("golden.csv: row 2 (the header is row 1): a quote is out of place")
    os.truncate(golden / "golden.csv", (16 << 20) + 1)
    at = one.at
    await eventually(lambda: one.at != at)
    assert one.latest[0].why == "golden.csv is larger than 16 MiB"


async def test_closing_ends_a_child_that_hangs(watch: Watch) -> None:
    one = watch(program("signal.pause()"))
    await eventually(children)
    found = children()
    await one.close()
    assert not any(runs(child.pid) for child in found)


_HERE = Path(__file__).parent
_GATEWAY = """
import asyncio, sys
sys.path[:0] = sys.argv[1].split(":")
from test_drift_watch import OneVersion, program
from pathlib import Path
from bridge.config import GatewaySettings
from bridge.gateway.drift import DriftWatch

async def main():
    folder = Path(sys.argv[2])
    settings = GatewaySettings.model_validate({"repository": folder, "log_dir": folder, "drift_interval_s": 0.01})
    DriftWatch(settings, OneVersion(folder), command=program("signal.pause()")).start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_the_child_ends_with_a_gateway_that_is_killed(tmp_path: Path) -> None:
    gateway = subprocess.Popen([sys.executable, "-c", _GATEWAY, f"{_HERE}:{_HERE.parent}", str(tmp_path)])
    try:
        eventually_now(lambda: any("signal.pause" in " ".join(one.cmdline()) for one in _family(gateway.pid)))
        family = _family(gateway.pid)
        assert len(family) >= 2  # the shim and the child
    finally:
        gateway.kill()
        gateway.wait()
    eventually_now(lambda: not any(runs(one.pid) for one in family))


def _family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)
