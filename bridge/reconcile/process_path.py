"""Scores logged batches again in a process of an interpreter, which loads the model anew: of R or of Python.

A call that ends the process, or keeps it busy for too long, fails alone: a new process goes on with the next call.
"""

import os
import resource
import select
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from scorebridge.runner.environment import ONE_THREAD

from bridge.bundles.bundle import Bundle
from bridge.bundles.settings import CHUNK_ROWS
from bridge.errors import BundleError
from bridge.private_folders import make_folder, temporary_files
from bridge.reconcile.call_files import read_answers, read_said, write_calls, write_declared
from bridge.reconcile.calls import LoggedBatch
from bridge.reconcile.compare import Failure, Rescored
from bridge.reconcile.not_loaded import why_not_loaded
from bridge.removal import remove_tree

__all__ = ["ProcessPath"]

_LONGER = 3.0  # times as long as when the call was answered: this machine may be slower or busier
_LOAD_FACTOR = 5.0
_LEAST_LIMIT_S = 2.0  # a fresh process is slower than a warm worker


class ProcessPath(ABC):
    """Scores the logged batches of one version again, in a process of its own.

    Attributes:
        engine: the program that computes, such as "R 4.2.2", as it says itself.
        way: the program that the process runs, such as "Rscript", in words.
        language: the name of the language, "R" or "Python".
    """

    language: str

    def __init__(self, bundle: Bundle, timeout_s: float | None, way: str) -> None:
        """Starts the process and loads the model.

        Args:
            bundle: the version's bundle.
            timeout_s: how long scoring one batch may take, seconds; None for the time that the version's workers have.
            way: see the attribute.

        Raises:
            BundleError: a program is not installed, or the model can't be loaded.
        """
        self.way = way
        self._bundle = bundle
        self._timeout_s = timeout_s
        self._folder = make_folder("reconcile")
        self._process: subprocess.Popen[bytes] | None = None
        self._progress = -1
        self.engine = ""
        try:
            write_declared(self._declared, bundle.settings.declared_features())
            self._start()
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def _command(self, declared: Path, progress: str) -> tuple[list[str], dict[str, str]]:
        """Returns the command that loads the bundle, and the environment variables that are added for it.

        Args:
            declared: the file with the declared features.
            progress: the path of the pipe that gets a byte for each call that is done.

        Raises:
            BundleError: a program is not installed.
        """

    @abstractmethod
    def _unfit(self, logged_batch: LoggedBatch) -> str:
        """Returns why a batch can't be given to the model unchanged; empty if it can."""

    def score(self, logged_batches: Sequence[LoggedBatch]) -> list[Rescored | Failure]:
        """Scores each batch as a call of its own, and returns the results in order.

        A batch without its features, or that can't be given to the model, that it fails on or that takes too long
        becomes a Failure.

        Raises:
            BundleError: the process ended, and a new one could not load the model.
        """
        unfit = [one.no_features or self._unfit(one) for one in logged_batches]
        scored = iter(
            self._scored([logged_batch for logged_batch, why in zip(logged_batches, unfit, strict=True) if not why])
        )
        return [Failure(why) if why else next(scored) for why in unfit]

    def _scored(self, logged_batches: Sequence[LoggedBatch]) -> list[Rescored | Failure]:
        results: list[Rescored | Failure] = []
        while len(results) < len(logged_batches):
            left = logged_batches[len(results) :]
            path = self._folder / "calls"
            write_calls(path, [logged_batch.batch for logged_batch in left], for_python=self.language == "Python")
            if self._process is None:
                self._start()
            done, ended = self._wait(path, [self._limit_s(logged_batch) for logged_batch in left])
            # Answers that were written later don't count: the first call that was not done in time is the failed one.
            results += read_answers(Path(f"{path}.out"), left[:done])
            path.unlink()
            if ended:
                self._stop()
                if len(results) < len(logged_batches):
                    results.append(ended)
        return results

    def close(self) -> None:
        """Ends the process and removes its files."""
        self._stop()
        remove_tree(self._folder)

    def _start(self) -> None:
        self._progress, writing = os.pipe()
        temporary = str(temporary_files(self._folder))
        try:
            command, added = self._command(self._declared, f"/dev/fd/{writing}")
            self._process = subprocess.Popen(  # noqa: S603 - no shell, our own script
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[writing],
                start_new_session=True,
                env={**os.environ, **ONE_THREAD, **added, "TMPDIR": temporary},
            )
            self._limit_memory(self._process.pid)
        finally:
            os.close(writing)
        told = self._told(self._bundle.settings.load_timeout_s * _LOAD_FACTOR)
        said = Path(f"{self._declared}.out")
        text = read_said(said) if said.exists() else ""
        if told != b".":
            why = why_not_loaded(text, self._process, self._bundle.settings.memory_limit_mb, self.language)
            raise BundleError(f"the model can't be loaded: {why}")
        self.engine = text

    def _limit_memory(self, pid: int) -> None:
        if (limit_mb := self._bundle.settings.memory_limit_mb) is not None:
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_AS, (limit_mb << 20, limit_mb << 20))

    def _limit_s(self, logged_batch: LoggedBatch) -> float:
        """Returns how long a batch may take, seconds: a worker's limit for each execution that a gateway makes of it.

        A call may have taken longer than that when it was answered, because a worker goes on while its caller waits. So
        each batch has at least three times what its call took then.
        """
        if self._timeout_s is not None:
            return self._timeout_s
        settings = self._bundle.settings
        executions = -(-len(logged_batch.rows) // (settings.chunk_rows or CHUNK_ROWS)) if settings.row_wise else 1
        took_s = logged_batch.call.record.backend_ns / 1e9
        return max(_LEAST_LIMIT_S, settings.worker_limit_s * max(executions, 1), _LONGER * took_s)

    def _told(self, limit_s: float) -> bytes:
        ready, _, _ = select.select([self._progress], [], [], limit_s)
        return os.read(self._progress, 4096) if ready else b""

    def _stop(self) -> None:
        if self._progress >= 0:
            os.close(self._progress)
            self._progress = -1
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # with what the model has started
            if self._process.stdin is not None:
                with suppress(BrokenPipeError):
                    self._process.stdin.close()
            self._process.wait()
            self._process = None

    def _wait(self, path: Path, limits_s: Sequence[float]) -> tuple[int, Failure | None]:
        """Returns how many calls are done, each within its limit, and the failure of the next one, if any."""
        if self._process is None or self._process.stdin is None:
            return 0, Failure(self._ended)
        try:
            self._process.stdin.write(f"{path}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            return 0, Failure(self._ended)
        done = 0
        while done < len(limits_s):
            ready, _, _ = select.select([self._progress], [], [], limits_s[done])
            if not ready:
                return done, Failure(f"it took longer than {limits_s[done]:g} s", over_limit=True)
            told = os.read(self._progress, 1 << 16)
            if not told:
                return done, Failure(self._ended)
            done += len(told)
        return done, None

    @property
    def _ended(self) -> str:
        return f"the {self.language} process ended"

    @property
    def _declared(self) -> Path:
        return self._folder / "declared"
