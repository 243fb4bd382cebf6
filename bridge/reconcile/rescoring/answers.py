"""The answers to files of calls, given by processes that are forked from one that has loaded the model."""

from __future__ import annotations

import fcntl
import gc
import importlib
import mmap
import os
import platform
import signal
import struct
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from bridge.reconcile.rescoring.call_reader import CallReader
from bridge.reconcile.rescoring.model import Model, load

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Answers", "main", "outputs_bytes", "texts_bytes"]

_CODES = {"double": 1, "bool": 3, "string": 4, "int64": 5, "float": 6, "int": 7}  # the types of the files
_NUMBERS = {"double": "<f8", "float": "<f4", "int64": "<i8", "int": "<i4"}
_MISSING = -(2**31)  # among truth values
_PLACE = struct.Struct("<qqq")
_ABOVE = 256  # descriptors below are left to the model


class Answers:
    """The answers to one file of calls, written to the same path with ".out".

    A process is forked for the calls, and the next one where a call has changed the state of its own: so each call
    meets the model as it was loaded, as in serving. A call that ends its process fails alone.

    Args:
        path: the file of calls.
        model: the model.
        progress: the descriptor that gets a byte for each call that is done.
        state: tells what a call has changed; see `scorebridge_runner.state`.
    """

    def __init__(self, path: str, model: Model, progress: int, state: Any) -> None:
        self._reader = CallReader(path)
        self._model, self._progress, self._state = model, progress, state
        self._file = _own(os.open(path + ".out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        self._place = mmap.mmap(-1, _PLACE.size)  # shared with the forked processes
        self._written = 0

    def give(self) -> None:
        """Answers all calls."""
        count = self._reader.number()
        self._mark(0)
        while (done := self._back()) < count:
            pid = os.fork()
            if pid == 0:
                self._go_on(done, count)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if code != 0:
                self._fail(self._back(), code)
        os.close(self._file)
        self._place.close()

    def _go_on(self, done: int, count: int) -> None:
        """Answers calls until one has changed the state, and ends the process."""
        status = 1
        try:
            home = os.getcwd()
            while done < count:
                rows, columns = self._reader.call()
                self._answer(done, self._scored(columns, rows))
                done += 1
                os.chdir(home)
                if self._state.change():
                    break
            status = 0
        finally:
            os._exit(status)

    def _scored(self, columns: Sequence[Any], rows: int) -> bytes:
        try:
            return outputs_bytes(self._model.score(columns, rows))
        except BaseException as error:  # noqa: BLE001 - also sys.exit: the call fails alone
            return _failure_bytes(_why(error))

    def _fail(self, done: int, code: int) -> None:
        """Answers the call that has ended its process."""
        self._reader.call()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        self._answer(done, _failure_bytes(f"the process of the call ended {how}"))

    def _answer(self, done: int, answer: bytes) -> None:
        os.pwrite(self._file, answer, self._written)
        self._written += len(answer)
        self._mark(done + 1)
        os.write(self._progress, b".")

    def _mark(self, done: int) -> None:
        self._place[:] = _PLACE.pack(done, self._reader.at, self._written)

    def _back(self) -> int:
        """Goes to where the last process has come, and returns the number of answered calls."""
        done, self._reader.at, self._written = _PLACE.unpack(self._place[:])
        return int(done)


def outputs_bytes(vectors: Sequence[Any]) -> bytes:
    """Returns the outputs of a call as `bridge.reconcile.call_files` reads them."""
    parts = [struct.pack("<ii", 0, len(vectors))]
    for vector in vectors:
        missing = np.zeros(len(vector.values), np.bool_) if vector.mask is None else vector.mask
        parts.append(texts_bytes([vector.name]) + struct.pack("<i", _CODES[vector.type]))
        if vector.type == "string":
            parts.append(texts_bytes([None if gone else text for text, gone in zip(vector.values, missing)]))
        elif vector.type == "bool":
            parts.append(np.where(missing, _MISSING, vector.values.astype("<i4")).astype("<i4").tobytes())
        else:
            parts.append(vector.values.astype(_NUMBERS[vector.type]).tobytes())
            if vector.type in {"int", "int64"}:
                parts.append(missing.tobytes())
    return b"".join(parts)


def texts_bytes(texts: Sequence[Any]) -> bytes:
    """Returns texts, of which None is a missing one, as `CallReader.texts` reads them."""
    raw = [None if text is None else text.encode() for text in texts]
    lengths = np.array([-1 if text is None else len(text) for text in raw], "<i4")
    return bytes(lengths.tobytes()) + b"".join(text for text in raw if text)


def _failure_bytes(why: str) -> bytes:
    return struct.pack("<i", 1) + texts_bytes([why])


def _why(error: BaseException) -> str:
    """Returns an exception in one line."""
    conditions = importlib.import_module("scorebridge_runner.conditions")
    said = conditions.told(error)
    return said if isinstance(error, conditions.Malformed) else f"{conditions.class_name(error)}: {said}"


def main(arguments: Sequence[str]) -> None:
    """Loads the model, and then answers each file that a line of standard input names."""
    bundle, seed, declared, progress_path, form, row_by_row = arguments
    orders, progress = _own(0), _own(int(progress_path.rpartition("/")[2]))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # what comes over standard input is not for the model
    os.chdir(os.environ["TMPDIR"])
    before, model, said = set(sys.modules), None, ""
    try:
        how = {"framed": form == "frame", "row_by_row": row_by_row == "1"}
        model = Model(load(bundle), CallReader(declared).declared(), int(seed), **how)
        packages = importlib.import_module("scorebridge_runner.distributions").imported_distributions(before)
        said = ", ".join([f"Python {platform.python_version()}", *packages])
    except BaseException as error:  # noqa: BLE001 - also sys.exit: why is told
        said = _why(error)
    with open(declared + ".out", "wb") as file:
        file.write(texts_bytes([said]))
    os.write(progress, b"!" if model is None else b".")
    if model is not None:
        _serve(bundle, model, orders, progress)


def _own(descriptor: int) -> int:
    """Moves a descriptor to where neither the model nor the programs that it starts come across it."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _ABOVE)
    os.close(descriptor)
    return moved


def _serve(bundle: str, model: Model, orders: int, progress: int) -> None:
    paths = [one for one in list(sys.modules.values()) if str(getattr(one, "__file__", "")).startswith(bundle + "/")]
    state = importlib.import_module("scorebridge_runner.state").State(paths)
    gc.collect()
    gc.freeze()  # a collection in a forked process would else write to every page that it shares
    with open(orders) as lines:
        for line in lines:
            Answers(line.rstrip("\n"), model, progress, state).give()
