"""What a machine is short of for a while, by errors, by words and by the ends of processes."""

import signal

import pytest

from bridge.shortages import ended_from_outside, says_out_of_memory, says_short, signal_name

OUT_OF_MEMORY = [
    "model.RData can't be loaded: cannot allocate vector of size 190.7 Mb",
    "cannot allocate memory block of size 0.1 Mb",
    "could not allocate memory (0 Mb) in C function 'R_AllocStringBuffer'",
    "'Realloc' could not re-allocate memory (80 bytes)",
    "memory exhausted (limit reached?)",
    "vector memory exhausted (limit reached?)",
    "vector memory limit of 16.0 Gb reached, see mem.maxVSize()",
    "lazy-load database 'x.rdb' is corrupt (R warned: internal error -4 in R_decompress1)",
    "unable to load shared object 'x.so': x.so: failed to map segment from shared object",
    "std::bad_alloc",
    "  what():  std::bad_alloc",
    "MemoryError",
    "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB for an array with shape (1000000000,)",
    "cannot allocate memory for thread-local data: ABORT",
    "Cannot allocate memory",
]
SHORT = [
    "cannot open file 'model.RData': Too many open files",
    "OSError: [Errno 28] No space left on device: '/tmp/x'",
    "BlockingIOError: [Errno 11] Resource temporarily unavailable",
    "error reading 'model.ubj': Input/output error",
    "[Errno 116] Stale file handle",
    "RuntimeError: can't start new thread",
]
NEITHER = [
    "model.RData can't be loaded: it is damaged or was not saved by R: bad restore file magic number",
    "there is no package called 'mgcv'",
    "cannot open file 'lookup.csv': No such file or directory",
    "cannot open file 'model.RData': Permission denied",
    "Pred.R failed while it was loaded: cannot allocate these customers to a segment",
    "x.so: failed to map segment from shared object: Operation not permitted",
    "libgomp.so.1: cannot allocate memory in static TLS block",
    "",
]


@pytest.mark.parametrize("said", OUT_OF_MEMORY)
def test_words_for_memory(said: str) -> None:
    assert says_out_of_memory(said)
    assert says_short(said)


@pytest.mark.parametrize("said", SHORT)
def test_words_for_what_else_may_be_there_later(said: str) -> None:
    assert not says_out_of_memory(said)
    assert says_short(said)


@pytest.mark.parametrize("said", NEITHER)
def test_words_that_say_nothing_of_the_kind(said: str) -> None:
    assert not says_short(said)


def test_ends_of_processes() -> None:
    outside = {number for number in signal.Signals if ended_from_outside(-number)}
    assert outside == {signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT}
    assert not any(ended_from_outside(code) for code in (None, 0, 1, 9, 137))
    assert [signal_name(code) for code in (2, -11, -64)] == ["with exit code 2", "by SIGSEGV", "by SIGRTMAX"]
    assert signal_name(-200) == "by signal 200"
