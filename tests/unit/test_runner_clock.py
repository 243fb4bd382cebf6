"""The clock of a process that tries a bundle: everything that tells the day tells another one, once."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import scorebridge

CLIENT = Path(scorebridge.__file__).parents[1]
DAY_S = 86400

SCRIPT = """
import json, sys, time, datetime, pickle, copy, types
from datetime import datetime as by_name, date
import pandas as pd

class Odd:  # as objects of a model may be
    def __eq__(self, other): raise OSError
    def __hash__(self): raise OSError

odd, before, day = Odd(), datetime.datetime(2020, 1, 2, 3), datetime.date(2020, 1, 2)
sys.modules["absent"] = None
sys.modules["no module"] = Odd()
model = types.ModuleType("model")
exec("from datetime import datetime, date; from time import time as now", model.__dict__)
sys.modules["model"] = model
system, epoch = [time.time], datetime.datetime(1970, 1, 1)  # a name of its own would be moved

def since_epoch(moment): return (moment - epoch).total_seconds()

TELLERS = {
    "time.time": lambda: time.time(),
    "time.time_ns": lambda: time.time_ns() / 1e9,
    "time.gmtime": lambda: time.mktime(time.gmtime()),
    "time.localtime": lambda: time.mktime(time.localtime()),
    "time.strftime": lambda: time.mktime(time.strptime(time.strftime("%Y-%m-%d %H:%M:%S"), "%Y-%m-%d %H:%M:%S")),
    "datetime.now": lambda: since_epoch(datetime.datetime.now()),
    "datetime.now of a zone": lambda: datetime.datetime.now(datetime.timezone.utc).timestamp(),
    "datetime.today": lambda: since_epoch(datetime.datetime.today()),
    "datetime.utcnow": lambda: since_epoch(datetime.datetime.utcnow()),
    "datetime.timestamp": lambda: datetime.datetime.now().timestamp(),
    "date.today": lambda: since_epoch(datetime.datetime.combine(datetime.date.today(), datetime.time())),
    "datetime by its name": lambda: since_epoch(by_name.now()),
    "date by its name": lambda: since_epoch(datetime.datetime.combine(date.today(), datetime.time())),
    "another module's datetime": lambda: since_epoch(model.datetime.now()),
    "another module's time": lambda: model.now(),
    "Timestamp.now": lambda: pd.Timestamp.now().timestamp(),
    "Timestamp.now of a zone": lambda: pd.Timestamp.now("Europe/Berlin").timestamp(),
    "Timestamp.today": lambda: pd.Timestamp.today().timestamp(),
}

from scorebridge.runner.clock import move_clock
for days in json.loads(sys.argv[1]):
    move_clock(days)
told = {name: tell() - system[0]() for name, tell in TELLERS.items()}
moved = datetime.datetime.now()

class Own(datetime.datetime): pass

told["kept"] = [
    time.localtime(0)[:3] == (1970, 1, 1), time.gmtime(0)[:3] == (1970, 1, 1),
    time.strftime("%Y", time.gmtime(0)) == "1970", datetime.datetime(2020, 1, 2, 3) == before, before == before,
    isinstance(before, datetime.datetime), isinstance(day, datetime.date), isinstance(before, datetime.date),
    isinstance(moved, datetime.datetime), isinstance(moved, datetime.date), isinstance(pd.Timestamp(0), by_name),
    issubclass(pd.Timestamp, datetime.datetime), not isinstance(before, Own), isinstance(Own.now(), Own),
    not isinstance(day, datetime.datetime), not isinstance(1, datetime.date),
    type(moved) is datetime.datetime, type(datetime.date.today()) is datetime.date,
    *(pickle.loads(pickle.dumps(one)) == one == copy.deepcopy(one) for one in (before, day, moved, date.today())),
]
print(json.dumps(told))
"""


def told_after(*moves: int) -> dict[str, Any]:
    """How far each way to tell the time is from the system's, seconds, after these moves in days."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, json.dumps(moves)],
        env={"PYTHONPATH": str(CLIENT), "TZ": "UTC"},
        check=True,
        capture_output=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("moves", [(400,), (400, -30), (-1,)])
def test_what_tells_the_day_is_moved_once(moves: tuple[int, ...]) -> None:
    told = told_after(*moves)
    kept = told.pop("kept")
    for name, seconds in told.items():
        late = sum(moves) * DAY_S - seconds
        # Days have no time of day, and some tell whole seconds.
        assert -60 < late < (DAY_S if "date " in name or "date." in name else 60), (name, late)
    assert len(told) == 18
    assert kept == [True] * len(kept)
