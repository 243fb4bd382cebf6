"""R models scored again by a fresh `Rscript`, which needs neither rpy2 nor Rserve; see rscripts/reconcile.R.

Calls are handed over in binary files, so that every double passes bit by bit. A call that ends the R process, or keeps
it busy for too long, is a failure of that call alone: another process goes on behind it.
"""

import os
import resource
import select
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path

import numpy as np

from bridge.bundle import Bundle
from bridge.columns import Array, Batch, Column, Matrix, Type
from bridge.errors import BundleError
from bridge.leftovers import make_folder, temporary_files
from bridge.reconcile.calls import Piece
from bridge.reconcile.compare import Failure, Rescored
from bridge.reconcile.r_fit import why_unfit
from bridge.reconcile.r_load import why_not_loaded

__all__ = ["RPath"]

_LONGER = 3.0  # than when it was answered: this machine may be slower, or busier
_LOAD_FACTOR = 5.0
_LEAST_LIMIT_S = 2.0  # a fresh R is slower than a warm worker
_CHUNK_ROWS = 10_000  # of a run, where model.toml says nothing
_ENDED = "the R process ended"
_NA_INT = -(2**31)
_NA_REAL_BITS = 0x7FF00000000007A2
_CODES = {Type.DOUBLE: 1, Type.FLOAT: 1, Type.INT64: 1, Type.INT: 2, Type.BOOL: 3, Type.STRING: 4}
_TYPES = {1: Type.DOUBLE, 2: Type.INT, 3: Type.BOOL, 4: Type.STRING}
_ENVIRONMENT = dict.fromkeys(("MC_CORES", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS"), "1")


class RPath:
    """The R process of one version."""

    def __init__(self, bundle: Bundle, timeout_s: float | None = None) -> None:
        """Starts R and loads the model.

        Args:
            bundle: of the version.
            timeout_s: how long one run of it may take, seconds; None for what the version's own workers have.

        Raises:
            BundleError: there is no R, or the model can't be loaded.
        """
        self._bundle = bundle
        self._timeout_s = timeout_s
        self._folder = make_folder("reconcile")
        self._process: subprocess.Popen[bytes] | None = None
        self._progress = -1
        self.engine = ""
        try:
            self._write_declared()
            self._start()
        except BaseException:
            self.close()
            raise

    def score(self, pieces: Sequence[Piece]) -> list[Rescored | Failure]:
        """See `Rescorer.score`."""
        unfit = [why_unfit(piece.batch) for piece in pieces]
        scored = iter(self._scored([piece for piece, why in zip(pieces, unfit, strict=True) if not why]))
        return [Failure(why) if why else next(scored) for why in unfit]

    def _scored(self, pieces: Sequence[Piece]) -> list[Rescored | Failure]:
        results: list[Rescored | Failure] = []
        while len(results) < len(pieces):
            left = pieces[len(results) :]
            path = self._write(left)
            if self._process is None:
                self._start()
            done, ended = self._wait(path, [self._limit_s(piece) for piece in left])
            # Not what was written since: the failure belongs to the call after those that are done.
            results += _read_answers(Path(f"{path}.out"), left[:done])
            path.unlink()
            if ended:
                self._stop()
                if len(results) < len(pieces):
                    results.append(ended)
        return results

    def close(self) -> None:
        """See `Rescorer.close`."""
        self._stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        program = shutil.which("Rscript")
        if program is None:
            raise BundleError("R is not installed: there is no Rscript on the PATH")
        temporary = str(temporary_files(self._folder))
        self._progress, writing = os.pipe()
        command = [program, "--vanilla", str(_scripts() / "reconcile.R"), str(self._bundle.path.resolve())]
        settings = self._bundle.settings
        command += [str(settings.seed), str(self._declared), f"/dev/fd/{writing}", settings.input]
        command.append("1" if settings.row_by_row else "0")
        try:
            self._process = subprocess.Popen(  # noqa: S603 - no shell, our own script
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[writing],
                start_new_session=True,
                env=os.environ | _ENVIRONMENT | settings.world_variables | {"TMPDIR": temporary},
            )
            self._limit_memory(self._process.pid)
        finally:
            os.close(writing)
        told = self._told(self._bundle.settings.load_timeout_s * _LOAD_FACTOR)
        said = Path(f"{self._declared}.out")
        text = _read_said(said) if said.exists() else ""
        if told != b".":
            why = why_not_loaded(text, self._process, self._bundle.settings.memory_limit_mb)
            raise BundleError(f"the model can't be loaded: {why}")
        self.engine = text

    def _limit_memory(self, pid: int) -> None:
        if (limit_mb := self._bundle.settings.memory_limit_mb) is not None:
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_AS, (limit_mb << 20, limit_mb << 20))

    def _limit_s(self, piece: Piece) -> float:
        """How long a piece may take: as many runs as a gateway makes of it, each as long as a worker may be busy.

        Whoever waits longer than that, in a gateway, has the worker go on: no call has less than it took then.
        """
        if self._timeout_s is not None:
            return self._timeout_s
        settings = self._bundle.settings
        runs = -(-len(piece.rows) // (settings.chunk_rows or _CHUNK_ROWS)) if settings.row_wise else 1
        took_s = piece.call.record.backend_ns / 1e9
        return max(_LEAST_LIMIT_S, settings.worker_limit_s * max(runs, 1), _LONGER * took_s)

    def _told(self, limit_s: float) -> bytes:
        ready, _, _ = select.select([self._progress], [], [], limit_s)
        return os.read(self._progress, 4096) if ready else b""

    def _stop(self) -> None:
        if self._progress >= 0:
            os.close(self._progress)
            self._progress = -1
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # with what Pred.R has started
            if self._process.stdin is not None:
                with suppress(BrokenPipeError):
                    self._process.stdin.close()
            self._process.wait()
            self._process = None

    def _wait(self, path: Path, limits_s: Sequence[float]) -> tuple[int, Failure | None]:
        """How many calls were done, each in its time; all, or those before the one that failed."""
        if self._process is None or self._process.stdin is None:
            return 0, Failure(_ENDED)
        try:
            self._process.stdin.write(f"{path}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            return 0, Failure(_ENDED)
        done = 0
        while done < len(limits_s):
            ready, _, _ = select.select([self._progress], [], [], limits_s[done])
            if not ready:
                return done, Failure(f"it took longer than {limits_s[done]:g} s", over_limit=True)
            told = os.read(self._progress, 1 << 16)
            if not told:
                return done, Failure(_ENDED)
            done += len(told)
        return done, None

    @property
    def _declared(self) -> Path:
        return self._folder / "declared"

    def _write_declared(self) -> None:
        features = self._bundle.settings.declared_features()
        with self._declared.open("wb") as file:
            _put_ints(file, len(features))
            for feature in features:
                _put_texts(file, [feature.name])
                _put_texts(file, ["ordered" if feature.ordered else str(feature.type)])
                _put_ints(file, len(feature.levels))
                _put_texts(file, feature.levels)
                _put_texts(file, [feature.unknown_level])

    def _write(self, pieces: Sequence[Piece]) -> Path:
        path = self._folder / "calls"
        with path.open("wb") as file:
            _put_ints(file, len(pieces))
            for piece in pieces:
                columns = _columns(piece.batch)
                _put_ints(file, piece.batch.rows, len(columns))
                for column in columns:
                    _put_column(file, column)
        return path


def _read_answers(path: Path, pieces: Sequence[Piece]) -> list[Rescored | Failure]:
    """The answers that are whole; the last one is cut short where the process ended."""
    results: list[Rescored | Failure] = []
    if path.exists():
        with path.open("rb") as file, suppress(EOFError):
            for piece in pieces:
                results.append(_get_answer(file, piece.batch.rows))  # noqa: PERF401 - those before the end count
        path.unlink()
    return results


def _scripts() -> Path:
    package = Path(__file__).parents[1]
    installed = package / "rscripts"
    return installed if installed.is_dir() else package.parent / "rscripts"


def _columns(batch: Batch) -> Sequence[Column]:
    if isinstance(batch, Matrix):
        return batch.table(batch.names or [""] * batch.values.shape[1]).columns
    return batch.columns


def _put_ints(file: BufferedWriter, *values: int) -> None:
    file.write(np.array(values, "<i4").tobytes())


def _put_texts(file: BufferedWriter, texts: Sequence[str | None]) -> None:
    raw = [None if text is None else text.encode() for text in texts]
    _put_ints(file, *(-1 if text is None else len(text) for text in raw))
    file.write(b"".join(text for text in raw if text))


def _put_column(file: BufferedWriter, column: Column) -> None:
    code, missing = _CODES[column.type], column.missing()
    _put_texts(file, [column.name])
    _put_ints(file, code)
    if column.type is Type.STRING:
        _put_texts(file, [None if absent else text for text, absent in zip(column.values, missing, strict=True)])
    elif code == _CODES[Type.DOUBLE]:
        values = column.values.astype("<f8")
        values.view("<u8")[missing] = _NA_REAL_BITS
        file.write(values.tobytes())
    else:
        numbers = column.values.astype("<i4")
        numbers[missing] = _NA_INT
        file.write(numbers.tobytes())


def _get(file: BufferedReader, count: int) -> bytes:
    raw = file.read(count)
    if len(raw) < count:
        raise EOFError
    return raw


def _get_ints(file: BufferedReader, count: int) -> Array:
    return np.frombuffer(_get(file, 4 * count), "<i4")


def _get_texts(file: BufferedReader, count: int) -> list[str | None]:
    lengths = _get_ints(file, count).tolist()
    return [None if length < 0 else _get(file, length).decode() for length in lengths]


def _get_column(file: BufferedReader, rows: int) -> Column:
    name = _get_texts(file, 1)[0] or ""
    column_type = _TYPES[int(_get_ints(file, 1)[0])]
    if column_type is Type.DOUBLE:
        return Column(name, column_type, np.frombuffer(_get(file, 8 * rows), "<f8"))
    if column_type is Type.STRING:
        texts = _get_texts(file, rows)
        values = np.empty(rows, object)
        values[:] = ["" if text is None else text for text in texts]
        return Column(name, column_type, values, np.array([text is None for text in texts], np.bool_))
    numbers = _get_ints(file, rows)
    mask = numbers == _NA_INT
    return Column(name, column_type, np.where(mask, 0, numbers).astype(column_type.dtype), mask)


def _get_answer(file: BufferedReader, rows: int) -> Rescored | Failure:
    if _get_ints(file, 1)[0] != 0:
        return Failure(_get_texts(file, 1)[0] or "")
    count = int(_get_ints(file, 1)[0])
    return Rescored(tuple(_get_column(file, rows) for _ in range(count)))


def _read_said(path: Path) -> str:
    with path.open("rb") as file:
        try:
            return _get_texts(file, 1)[0] or ""
        except EOFError:
            return ""
