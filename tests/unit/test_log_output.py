"""Writing the gateway's own log: whoever reads it can't hold anybody up, and no line goes missing without a word."""

import fcntl
import json
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from waiting import eventually_now

from bridge import events, model_events
from bridge.gateway.log_output import LineWriter, own_log_lines
from bridge.own_log import OwnLog

LOG = OwnLog("bridge.test")


class _Pipe:
    """A pipe whose reader reads when it is told to."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 1 << 20)
        self.text = b""

    def read(self) -> list[dict[str, Any]]:
        """What was written since the last time, and is whole."""
        os.set_blocking(self.reader, False)
        with suppress(BlockingIOError):
            while part := os.read(self.reader, 1 << 20):
                self.text += part
        whole, _, self.text = self.text.rpartition(b"\n")
        return [json.loads(line) for line in whole.splitlines() if line]

    def fill(self) -> None:
        """Makes it so full that whoever writes another byte has to wait."""
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 4096)
        os.write(self.writer, b"{}\n" * 1365 + b"\n")


@pytest.fixture
def pipe() -> Iterator[_Pipe]:
    made = _Pipe()
    yield made
    for end in (made.reader, made.writer):
        with suppress(OSError):
            os.close(end)


@contextmanager
def writing(pipe: _Pipe, **options: Any) -> Iterator[LineWriter]:
    writer, root = LineWriter("json", pipe.writer, **options), logging.getLogger()
    root.addHandler(writer)
    writer.start()
    try:
        yield writer
    finally:
        root.removeHandler(writer)
        with suppress(OSError):
            os.close(pipe.reader)  # a thread that still waits for room ends by this
        writer.stop()
        writer.close()


def say_unlimited(number: int) -> None:
    LOG.say(
        model_events.MODEL_FAILED, version="m/1", request_id=str(number), rows="row 0", condition_class="e", said="x"
    )


def say_fifty() -> None:
    for number in range(50):
        say_unlimited(number)


def test_lines_are_written_in_order_and_the_last_ones_before_the_end(pipe: _Pipe) -> None:
    with own_log_lines("json", pipe.writer):
        for number in range(100):
            say_unlimited(number)
    assert [line["request_id"] for line in pipe.read()] == [str(number) for number in range(100)]


def test_what_is_logged_later_is_no_longer_written_and_all_is_as_before(pipe: _Pipe) -> None:
    root = logging.getLogger()
    before = root.level, list(root.handlers), warnings.showwarning
    with own_log_lines("json", pipe.writer):
        assert root.level == logging.INFO
    say_unlimited(1)
    assert (root.level, list(root.handlers), warnings.showwarning) == before
    assert pipe.read() == []


def test_warnings_are_lines_too(pipe: _Pipe) -> None:
    with own_log_lines("json", pipe.writer), warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old\nways", DeprecationWarning, stacklevel=1)
    (line,) = pipe.read()
    assert (line["event"], line["logger"]) == ("library_message", "py.warnings")


def test_a_reader_that_hangs_holds_nobody_up_and_what_is_dropped_is_counted(pipe: _Pipe) -> None:
    pipe.fill()
    with writing(pipe, most_waiting=50) as writer:
        say_unlimited(0)
        eventually_now(writer._waiting.empty)  # the thread has it, and waits for room
        for number in range(1, 5000):
            say_unlimited(number)  # would wait for ever, if it waited
        assert writer._waiting.qsize() == 50
        found: list[dict[str, Any]] = []

        def told() -> bool:
            found.extend(line for line in pipe.read() if line)
            return any(line["event"] == "lines_lost" for line in found)

        eventually_now(told)
    written = [line for line in found if line["event"] == "model_failed"]
    lost = sum(line["lines"] for line in found if line["event"] == "lines_lost")
    assert len(written) + lost == 5000
    assert [line["request_id"] for line in written] == [str(number) for number in range(51)]


def test_the_end_does_not_wait_for_a_reader_that_hangs(pipe: _Pipe) -> None:
    pipe.fill()
    with writing(pipe) as writer:
        say_unlimited(1)
        began = time.monotonic()
        assert not writer.stop(0.05)
        assert time.monotonic() - began < 5
        say_unlimited(2)  # is dropped
        assert writer._lost == 1


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: _Pipe) -> None:
    pipe.fill()
    os.set_blocking(pipe.writer, False)
    with writing(pipe):
        say_unlimited(7)
        found: list[dict[str, Any]] = []

        def told() -> bool:
            found.extend(line for line in pipe.read() if line)
            return bool(found)

        eventually_now(told)
    assert [line["request_id"] for line in found] == ["7"]


def test_a_line_longer_than_the_pipe_is_whole(pipe: _Pipe) -> None:
    fcntl.fcntl(pipe.writer, fcntl.F_SETPIPE_SZ, 4096)
    found: list[dict[str, Any]] = []
    with writing(pipe):
        LOG.say(model_events.VERSION_REFUSED, version="m/1", reason="é\n" * 2000)
        LOG.say(model_events.VERSION_REFUSED, version="m/1", reason="é\n" * 2000)

        def told() -> bool:
            found.extend(pipe.read())
            return len(found) == 2

        eventually_now(told)
    assert found[0]["reason"] == found[1]["reason"]


def test_a_reader_that_has_gone_costs_lines_and_nothing_else(pipe: _Pipe) -> None:
    with writing(pipe) as writer:
        os.close(pipe.reader)
        say_unlimited(1)
        eventually_now(lambda: writer._lost >= 1)
        say_unlimited(2)
        eventually_now(lambda: writer._lost >= 2)


def test_a_storm_is_ten_lines_and_a_count_of_the_rest(pipe: _Pipe) -> None:
    with own_log_lines("json", pipe.writer):
        for _ in range(1000):
            LOG.say(events.RECORDS_NOT_WRITTEN, records=1, error="No space left on device")
            LOG.say(model_events.WORKER_NOT_STARTED, version="m/1", error="no memory")
            LOG.say(model_events.WORKER_NOT_STARTED, version="m/2", error="no memory")
            logging.getLogger("a.library").warning("it rains %d", 4711)
    lines = pipe.read()
    assert len(lines) == 44
    left_out = {(line["event_name"], line["subject"]): line["lines"] for line in lines[-4:]}
    assert left_out == {
        ("records_not_written", "the gateway"): 990,
        ("worker_not_started", "m/1"): 990,
        ("worker_not_started", "m/2"): 990,
        ("a.library", "it rains %d"): 990,
    }


def test_what_was_left_out_is_told_while_the_gateway_runs(pipe: _Pipe) -> None:
    found: list[dict[str, Any]] = []
    with writing(pipe, summary_s=0.01):
        for _ in range(11):
            LOG.say(model_events.VERSION_SERVES, version="m/1")
            logging.getLogger("bridge.test").warning("x")

        def told() -> bool:
            found.extend(pipe.read())
            return any(line["event"] == "lines_left_out" for line in found)

        eventually_now(told)
    assert found[-1]["lines"] == 1


def test_a_record_that_can_t_be_formatted_is_counted_and_harms_nobody(pipe: _Pipe) -> None:
    with own_log_lines("json", pipe.writer) as writer:
        writer.handle(logging.LogRecord("a.library", logging.ERROR, "a.py", 1, "%d", ("one",), None))
    assert [(line["event"], line["lines"]) for line in pipe.read()] == [("lines_lost", 1)]


def test_threads_that_log_at_once_write_whole_lines(pipe: _Pipe) -> None:
    with own_log_lines("json", pipe.writer):
        threads = [threading.Thread(target=say_fifty) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(pipe.read()) == 200


CHILD = """
import os, sys
from bridge import model_events
from bridge.gateway.log_output import own_log_lines
from bridge.own_log import OwnLog
log = OwnLog("bridge.test")
with own_log_lines("json"):
    for number in range(20):
        fields = dict(version="m/1", rows="", condition_class="", said="")
        log.say(model_events.MODEL_FAILED, request_id=f"before-{number}", **fields)
    child = os.fork()
    log.say(model_events.VERSION_SERVES, version="m/1" if child else "m/2")
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    if sys.argv[1] == "raises":
        raise SystemExit(3)
"""


@pytest.mark.parametrize(("how", "code"), [("returns", 0), ("raises", 3)])
def test_no_line_is_lost_or_doubled_by_a_fork_or_at_the_end(how: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, how], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    failed = [line["request_id"] for line in lines if line["event"] == "model_failed"]
    assert failed == [f"before-{number}" for number in range(20)]
    assert sorted(line["version"] for line in lines if line["event"] == "version_serves") == [1, 2]
    assert len(lines) == 22


def test_a_file_as_standard_error_is_written_too(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file, own_log_lines("console", file.fileno()):
        LOG.say(events.DRAINING, seconds=10)
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.endswith("[info] draining: no new calls are taken, calls under way have 10 s to finish")
