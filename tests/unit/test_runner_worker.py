"""A real parent and its workers, over their socket: greetings, calls, faults, and what a model does to its process."""

import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scorebridge
from scorebridge.runner import messages
from scorebridge.runner.decoding import decode, decode_head
from scorebridge.runner.environment import ONE_THREAD
from scorebridge.runner.vectors import Vector
from waiting import eventually_now

RUNNER = Path(scorebridge.__file__).with_name("runner")


class Worker:
    """A connection to a forked worker."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.greeting = self.received()[1]

    def received(self) -> tuple[bytes, dict[str, Any], list[Vector]]:
        """The next message."""
        kind, head_bytes, body_bytes = messages.PREFIX.unpack(self._bytes(messages.PREFIX.size))
        head, body = decode_head(self._bytes(head_bytes)), self._bytes(body_bytes)
        return kind, head, decode(head, memoryview(body))[1] if kind == messages.DONE else []

    def call(self, *columns: Vector, days: int = 0, trial: bool = False) -> tuple[bytes, dict[str, Any], list[Vector]]:
        """Sends rows, and returns the answer."""
        self.send(*columns, days=days, trial=trial)
        return self.received()

    def send(self, *columns: Vector, days: int = 0, trial: bool = False) -> None:
        """Sends rows, and doesn't wait for the answer."""
        head = {"rows": len(columns[0].values), "days": days}
        self._connection.sendall(b"".join(messages.encode(messages.TRIAL if trial else messages.CALL, head, columns)))

    def _bytes(self, count: int) -> bytearray:
        found = bytearray()
        while len(found) < count:
            part = self._connection.recv(count - len(found))
            if not part:
                raise ConnectionResetError
            found += part
        return found


class Parent:
    """A running parent of a bundle."""

    def __init__(self, folder: Path, stack: ExitStack, **how: str) -> None:
        self.folder = folder
        self._stack = stack
        environment = {
            **os.environ,
            **ONE_THREAD,
            "LC_ALL": "C.UTF-8",
            "SCOREBRIDGE_BUNDLE": str(folder),
            "SCOREBRIDGE_DIGEST": "d",
            "SCOREBRIDGE_SEED": "7",
            "SCOREBRIDGE_INPUT": "columns",
            "SCOREBRIDGE_ROW_BY_ROW": "",
            "SCOREBRIDGE_BEGUN": str(folder / "begun"),
            **{f"SCOREBRIDGE_{name.upper()}": value for name, value in how.items()},
        }
        environment.pop("PYTHONPATH", None)
        # A path to a socket must be short.
        self._work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, RUNNER / "start.py", self._work / "s"],
                cwd=self._work,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stack.enter_context((self._work / "out").open("wb")),
                process_group=0,
            )
        )
        stack.callback(os.killpg, self.process.pid, signal.SIGKILL)

    def worker(self) -> Worker:
        """A new worker."""
        eventually_now(lambda: (self._work / "s").exists() or self.process.poll() is not None)
        connection = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        connection.settimeout(30)
        connection.connect(str(self._work / "s"))
        return Worker(connection)

    def printed(self) -> bytes:
        """What all processes wrote to their standard output."""
        return (self._work / "out").read_bytes()


Starts = Callable[..., Parent]


@pytest.fixture
def starts(tmp_path: Path) -> Iterator[Starts]:
    """Starts the parent of a bundle with this Pred.py."""
    with ExitStack() as stack:

        def start(text: str, **how: str) -> Parent:
            (tmp_path / "Pred.py").write_text(text)
            return Parent(tmp_path, stack, **how)

        yield start


def doubles(*values: float, name: str = "x") -> Vector:
    return Vector(name, "double", np.array(values))


def scored(answer: tuple[bytes, dict[str, Any], list[Vector]]) -> list[Any]:
    """The only output of an answer."""
    kind, head, vectors = answer
    assert kind == messages.DONE, head
    values: list[Any] = vectors[0].values.tolist()
    return values


def test_a_worker_greets_and_answers_one_call_after_the_other(starts: Starts) -> None:
    parent = starts("import numpy\ndef predict(x, y=1.0): return x * 2 + y")
    worker = parent.worker()
    greeting = worker.greeting
    assert greeting["digest"] == "d"
    assert greeting["error"] is None
    assert greeting["features"] == [["x", True], ["y", False]]
    assert greeting["version"] == ".".join(map(str, sys.version_info[:3]))
    assert scored(worker.call(doubles(1.0, -0.5))) == [3.0, 0.0]
    kind, head, _ = worker.call(doubles(1.0), doubles(0.25, name="y"))
    assert (kind, head["rows"], head["changed"]) == (messages.DONE, 1, "")
    assert "warnings" not in head
    other = parent.worker()
    assert other.greeting["pid"] != greeting["pid"]
    assert scored(other.call(doubles(math.inf))) == [math.inf]
    assert (parent.folder / "begun").exists()


def test_a_bundle_that_does_not_load_is_told_in_the_greeting(starts: Starts) -> None:
    assert starts("import nothing_of_this_name").worker().greeting["error"].startswith("Pred.py needs the module 'not")


FAILURES = {
    "raises": ("raise ValueError('no')", "raised", "ValueError", "no (Pred.py, line 6)"),
    "exits": ("sys.exit(3)", "raised", "SystemExit", "3 (Pred.py, line 6)"),
    "reads its standard input": ("input()", "raised", "EOFError", "EOF when reading a line (Pred.py, line 6)"),
    "nothing": ("pass", "malformed", "", "predict returned nothing (None)"),
    "half a surrogate pair": ("return ['\\ud800']", "malformed", "", "the output 'score' has a text with half"),
    "far too much": ("return ['a' * ((1 << 28) + 1)]", "malformed", "", "predict returned scores of 268435457 bytes"),
    "no memory": ("raise MemoryError", "raised", "MemoryError", "MemoryError: "),
    "an error that can't be told": ("raise _Odd", "raised", "Pred._Odd", "its message can't be made (Pred.py, line 6)"),
}


@pytest.mark.parametrize(("body", "kind", "raised", "said"), FAILURES.values(), ids=FAILURES)
def test_a_call_without_scores_says_why_and_the_next_one_is_answered(
    body: str, kind: str, raised: str, said: str, starts: Starts
) -> None:
    text = (
        "import sys\nclass _Odd(Exception):\n    def __str__(self): raise SystemExit\n"
        f"def predict(x, ok=None):\n    if ok is not None: return x\n    {body}"
    )
    worker = starts(text).worker()
    answer, head, _ = worker.call(doubles(1.0))
    assert answer == messages.FAILED
    assert (head["kind"], head["class"]) == (kind, raised)
    assert head["said"].startswith(said)
    assert head["changed"] == ("it ran out of memory" if raised == "MemoryError" else "")
    assert scored(worker.call(doubles(1.0), doubles(1.0, name="ok"))) == [1.0]


def test_what_a_call_sets_does_not_reach_the_next_one(starts: Starts) -> None:
    text = (
        "import warnings, random, os, numpy as np\n"
        "def predict(x):\n"
        "    score = random.random() + np.random.rand() + np.log(np.zeros(1)) * 0 + len(os.getcwd())\n"
        "    score += os.environ.pop('LC_ALL') == 'C.UTF-8' and 'A_NEW_ONE' not in os.environ\n"
        "    os.environ['A_NEW_ONE'] = 'x'\n"
        "    warnings.warn('once')\n"
        "    warnings.simplefilter('error')\n"
        "    np.seterr(all='raise')\n"
        "    os.chdir('/')\n"
        "    return np.nan_to_num(score)\n"
    )
    worker = starts(text).worker()
    first, second = worker.call(doubles(1.0), trial=True), worker.call(doubles(1.0), trial=True)
    assert scored(first) == scored(second)
    assert first[1]["warnings"] == second[1]["warnings"]
    assert ["UserWarning: once", False] in first[1]["warnings"]
    assert ["RuntimeWarning: divide by zero encountered in log", False] in first[1]["warnings"]
    assert first[1]["changed"] == second[1]["changed"] == ""


def test_warnings_are_few_and_each_is_told_once(starts: Starts) -> None:
    text = (
        "import warnings\nclass DataConversionWarning(UserWarning): pass\ndef predict(x):\n"
        "    warnings.warn('cut', DataConversionWarning)\n"
        "    for n in range(10_000): warnings.warn(f'w{n // 2}' + 'x' * 10_000)\n    raise ValueError\n"
    )
    kind, head, _ = starts(text).worker().call(doubles(1.0), trial=True)
    assert kind == messages.FAILED
    assert head["warned"].startswith("DataConversionWarning: cut; UserWarning: w0x")
    assert head["warned"].count("Warning: ") == 20
    assert len(head["warned"]) < 13_000


def test_a_trial_with_the_clock_moved_serves_nothing_else(starts: Starts) -> None:
    text = "from datetime import date\ndef predict(x): return [date.today().toordinal()]"
    worker = starts(text).worker()
    today = scored(worker.call(doubles(1.0), trial=True))[0]
    _, head, _ = answer = worker.call(doubles(1.0), days=400, trial=True)
    assert scored(answer)[0] - today in {400, 401}
    assert head["changed"] == "its clock was moved"


def test_rows_one_by_one(starts: Starts) -> None:
    text = (
        "def predict(x):\n    assert x.shape == (1,)\n    return {'p': float(x[0]), 'label': None if x[0] < 0 else 'a'}"
    )
    kind, _, (p, label) = starts(text, row_by_row="1").worker().call(doubles(-1.0, 2.0, -3.0))
    assert kind == messages.DONE
    assert p.values.tolist() == [-1.0, 2.0, -3.0]
    assert (label.values.tolist(), label.mask.tolist()) == (["", "a", ""], [True, False, True])


def test_a_frame(starts: Starts) -> None:
    text = "def predict(rows, threshold=0.5):\n    return (rows['x'] > threshold) & (rows.index < 5)"
    worker = starts(text, input="frame").worker()
    assert worker.greeting["features"] == [["rows", True], ["threshold", False]]
    assert scored(worker.call(doubles(0.25, 0.75))) == [False, True]


@pytest.mark.parametrize("close", ["os.closerange(3, 256)", "[os.close(fd) for fd in (0, 1, 2)]"])
@pytest.mark.parametrize("when", ["load", "call"])
def test_a_model_that_closes_descriptors_does_not_take_the_connection(close: str, when: str, starts: Starts) -> None:
    text = f"import os\n{close if when == 'load' else ''}\ndef predict(x):\n"
    text += f"    {close if when == 'call' else 'pass'}\n"
    text += "    try: os.write(1, b'printed')\n    except OSError: pass\n    return x"
    worker = starts(text).worker()
    assert scored(worker.call(doubles(1.0))) == [1.0]


def test_a_model_that_closes_every_descriptor_ends_its_worker(starts: Starts) -> None:
    parent = starts("import os\ndef predict(x):\n    os.closerange(3, 100_000)\n    return x")
    worker = parent.worker()
    with pytest.raises(ConnectionError):
        worker.call(doubles(1.0))
    assert parent.worker().greeting["error"] is None


def test_the_signals_that_a_model_takes_do_not_reach_the_parent(starts: Starts) -> None:
    text = (
        "import signal, os\ndef _ended(*_): raise RuntimeError\nsignal.signal(signal.SIGCHLD, _ended)\n"
        "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\ndef predict(x): os._exit(3)"
    )
    parent = starts(text)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            parent.worker().call(doubles(1.0))
    assert parent.process.poll() is None


def test_what_was_printed_while_loading_is_not_printed_by_each_worker(starts: Starts) -> None:
    parent = starts(
        "import sys\nsys.stdout.write('loaded')\ndef predict(x):\n    print(x[0], flush=True)\n    return x"
    )
    for number in (1.0, 2.0):
        parent.worker().call(doubles(number))
    assert parent.printed() == b"loaded1.0\n2.0\n"


def test_a_model_that_removes_its_working_folder(starts: Starts) -> None:
    worker = starts("import os\ndef predict(x):\n    os.rmdir(os.getcwd())\n    return x").worker()
    kind, head, _ = worker.call(doubles(1.0))
    assert (kind, head["changed"]) == (messages.DONE, "predict removed its working folder")


def test_large_calls_and_answers(starts: Starts) -> None:
    worker = starts("def predict(x): return x[::-1]").worker()
    values = np.arange(2_000_000.0)
    _, _, (vector,) = worker.call(Vector("x", "double", values))
    assert np.array_equal(vector.values, values[::-1])
