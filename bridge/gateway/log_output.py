"""Writes the gateway's own log to standard error, in a thread, so that whoever reads it can't hold the gateway up.

A pipe that nobody empties, or a journald that hangs, blocks whoever writes into it. So lines wait in a queue of bounded
length for a thread that writes them. Where it is full, lines are dropped, counted, and told once there is room.
"""

import logging
import os
import select
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from bridge.events import LINES_LEFT_OUT, LINES_LOST
from bridge.gateway.log_lines import Form, formatter_of
from bridge.gateway.log_rate import LineRate
from bridge.own_log import EVENT_KEY, Event

__all__ = ["LineWriter", "own_log_lines"]

_MOST_WAITING = 1000  # lines, of up to 20 KB each
_SUMMARY_S = 10.0
_LAST_LINES_S = 2.0  # for the lines that wait at the end
_STANDARD_ERROR = 2
_MOST_SUBJECT = 100  # characters
_SUBJECTS = ("version", "model", "store", "segment", "path", "folder")


class LineWriter(logging.Handler):
    """Takes the records of the standard library's logging, and writes a line for each that may be written.

    Args:
        form: how a line looks.
        descriptor: the file descriptor to write to.
        rate: says which lines are written and which are only counted.
        summary_s: the seconds between two looks for what was left out.
        most_waiting: the most lines that wait to be written.
    """

    def __init__(
        self,
        form: Form,
        descriptor: int = _STANDARD_ERROR,
        *,
        rate: LineRate | None = None,
        summary_s: float = _SUMMARY_S,
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        super().__init__()
        self.setFormatter(formatter_of(form))
        self._descriptor = descriptor
        self._rate = rate or LineRate()
        self._summary_s = summary_s
        self._most_waiting = most_waiting
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._lost = 0
        self._thread: threading.Thread | None = None
        _writers.add(self)

    def start(self) -> None:
        """Begins to write in a thread; before that, and after a fork in the child, lines are written at once."""
        self._thread = threading.Thread(target=self._write_all, name="own log", daemon=True)
        self._thread.start()

    def stop(self, within_s: float = _LAST_LINES_S) -> bool:
        """Writes what waits, for up to `within_s` seconds; returns whether all of it was written.

        Later lines are written at once, or dropped where the thread is still held up.
        """
        thread = self._thread
        if thread is None:
            return True
        self._waiting.put(None)
        thread.join(within_s)
        if thread.is_alive():
            self._most_waiting = 0
            return False
        self._thread = None
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Called by the standard library, one thread at a time: queues the line of a record."""
        event = getattr(record, EVENT_KEY, None)
        if not (isinstance(event, Event) and event.unlimited) and not self._rate.allows(*_key_of(record)):
            return
        try:
            line = f"{self.format(record)}\n".encode()
        except Exception:  # noqa: BLE001 - whoever logs must not fail, and a library may log what can't be formatted
            self._lost += 1
            return
        if self._thread is None:
            self._write(line)
        elif self._waiting.qsize() >= self._most_waiting:
            self._lost += 1
        else:
            self._waiting.put(line)

    def _write_all(self) -> None:
        due, ends = time.monotonic() + self._summary_s, False
        while not ends:
            try:
                line = self._waiting.get(timeout=max(0.0, due - time.monotonic()))
            except Empty:
                line = b""
            ends = line is None
            if line:
                self._write(line)
            if ends or time.monotonic() >= due:
                due = time.monotonic() + self._summary_s
                self._tell_left_out()
            if self._lost and self._waiting.empty():
                self._tell_lost()

    def _tell_left_out(self) -> None:
        with self._locked():
            left_out = self._rate.left_out()
        for name, subject, lines in left_out:
            self._write_own(LINES_LEFT_OUT, event_name=name, subject=subject or "the gateway", lines=lines)

    def _tell_lost(self) -> None:
        with self._locked():
            lost, self._lost = self._lost, 0
        if not self._write_own(LINES_LOST, lines=lost):
            with self._locked():
                self._lost += lost - 1  # the one that tells it is counted already, and is none of these

    def _write_own(self, event: Event, **fields: object) -> bool:
        record = logging.LogRecord(__name__, event.level, __file__, 0, event.sentence, (fields,), None)
        setattr(record, EVENT_KEY, event)
        return self._write(f"{self.format(record)}\n".encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds back those who log, for as long as counters are read; never while something is written."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def _write(self, line: bytes) -> bool:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                _wait_for_room(self._descriptor)
            except OSError:
                with self._locked():
                    self._lost += 1
                return False
        return True

    def after_fork(self) -> None:
        """Called in a child process, which has no thread: its own lines are written at once, the parent's are not."""
        if self._thread is not None:
            self._thread, self._waiting, self._lost = None, SimpleQueue(), 0


_writers: "weakref.WeakSet[LineWriter]" = weakref.WeakSet()


def _after_fork() -> None:
    for writer in _writers:
        writer.after_fork()


os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def own_log_lines(form: Form, descriptor: int = _STANDARD_ERROR) -> Iterator[LineWriter]:
    """Writes what is logged while the context lasts, from INFO on, with Python's warnings; then waits for the last.

    Args:
        form: how a line looks.
        descriptor: the file descriptor to write to.
    """
    root = logging.getLogger()
    level = root.level
    writer = LineWriter(form, descriptor)
    root.addHandler(writer)
    root.setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    writer.start()
    try:
        yield writer
    finally:
        if not writer.stop():
            _give_up(descriptor)
        logging.captureWarnings(capture=False)
        root.setLevel(level)
        root.removeHandler(writer)
        writer.close()


def _give_up(descriptor: int) -> None:
    """Lets what a library still writes on its way out go nowhere, as it would wait for ever for whoever reads it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _key_of(record: logging.LogRecord) -> tuple[str, str]:
    """Returns what a line says and what about: lines that are equal in both are limited together."""
    event = getattr(record, EVENT_KEY, None)
    if not isinstance(event, Event):
        return record.name[:_MOST_SUBJECT], str(record.msg)[:_MOST_SUBJECT]
    fields = record.args if isinstance(record.args, Mapping) else {}
    subject = next((fields[name] for name in _SUBJECTS if name in fields), "")
    return event.name, str(subject)[:_MOST_SUBJECT]


def _wait_for_room(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()
