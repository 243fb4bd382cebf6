"""Scores R models again in a new R process, without Rserve; see rscripts/reconcile.R.

A call that ends the R process, or keeps it busy for too long, fails alone: a new process goes on with the next call.
"""

import os
import resource
import select
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from bridge.bundles.bundle import Bundle
from bridge.bundles.settings import CHUNK_ROWS
from bridge.errors import BundleError
from bridge.one_thread import ONE_THREAD
from bridge.private_folders import make_folder, temporary_files
from bridge.r_facts import embedding_command, embedding_environment, has_rpy2, rscripts
from bridge.reconcile.calls import LoggedBatch
from bridge.reconcile.compare import Failure, Rescored
from bridge.reconcile.r_fit import why_unfit
from bridge.reconcile.r_load import why_not_loaded
from bridge.reconcile.r_wire import read_answers, read_said, write_calls, write_declared
from bridge.removal import remove_tree

__all__ = ["RPath"]

_LONGER = 3.0  # times as long as when the call was answered: this machine may be slower or busier
_LOAD_FACTOR = 5.0
_LEAST_LIMIT_S = 2.0  # a fresh R is slower than a warm worker
_ENDED = "the R process ended"


class RPath:
    """Scores the logged batches of one version of an R model again, in an R process of its own.

    Attributes:
        engine: the program that computes, such as "R 4.2.2", as R says.
        way: the program that R runs in, such as "Rscript", in words.
    """

    def __init__(
        self, bundle: Bundle, timeout_s: float | None = None, r: Literal["embedded", "rscript"] | None = None
    ) -> None:
        """Starts R and loads the model.

        Args:
            bundle: the version's bundle.
            timeout_s: how long scoring one batch may take, seconds; None for the time that the version's workers have.
            r: the program that R runs in: a Python process, by rpy2, or Rscript; None for the first that is installed.

        Raises:
            BundleError: R, or rpy2 where it is asked for, is not installed, or the model can't be loaded.
        """
        self._bundle = bundle
        self._timeout_s = timeout_s
        self._embedded = r == "embedded" or (r is None and has_rpy2())
        self.way = "R inside Python (rpy2)" if self._embedded else "Rscript"
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

    def score(self, logged_batches: Sequence[LoggedBatch]) -> list[Rescored | Failure]:
        """Scores each batch as a call of its own, and returns the results in order.

        A batch without its features, or that can't be given to R, that R fails on or that takes too long becomes a
        Failure.

        Raises:
            BundleError: R ended, and a new process could not load the model.
        """
        unfit = [one.no_features or why_unfit(one.batch) for one in logged_batches]
        scored = iter(
            self._scored([logged_batch for logged_batch, why in zip(logged_batches, unfit, strict=True) if not why])
        )
        return [Failure(why) if why else next(scored) for why in unfit]

    def _scored(self, logged_batches: Sequence[LoggedBatch]) -> list[Rescored | Failure]:
        results: list[Rescored | Failure] = []
        while len(results) < len(logged_batches):
            left = logged_batches[len(results) :]
            path = self._folder / "calls"
            write_calls(path, [logged_batch.batch for logged_batch in left])
            if self._process is None:
                self._start()
            done, ended = self._wait(path, [self._limit_s(logged_batch) for logged_batch in left])
            # Answers that R wrote later don't count: the failure belongs to the first call that was not done in time.
            results += read_answers(Path(f"{path}.out"), left[:done])
            path.unlink()
            if ended:
                self._stop()
                if len(results) < len(logged_batches):
                    results.append(ended)
        return results

    def close(self) -> None:
        """Ends the R process and removes its files."""
        self._stop()
        remove_tree(self._folder)

    def _start(self) -> None:
        program, environment = _program(embedded=self._embedded)
        temporary = str(temporary_files(self._folder))
        self._progress, writing = os.pipe()
        command = [*program, str(rscripts() / "reconcile.R"), str(self._bundle.path.resolve())]
        settings = self._bundle.settings
        command += [str(settings.seed), str(self._declared), f"/dev/fd/{writing}"]
        command += [settings.input, str(int(settings.row_by_row))]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - no shell, our own script
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[writing],
                start_new_session=True,
                env={**os.environ, **environment, **ONE_THREAD, **settings.world_variables, "TMPDIR": temporary},
            )
            self._limit_memory(self._process.pid)
        finally:
            os.close(writing)
        told = self._told(self._bundle.settings.load_timeout_s * _LOAD_FACTOR)
        said = Path(f"{self._declared}.out")
        text = read_said(said) if said.exists() else ""
        if told != b".":
            why = why_not_loaded(text, self._process, self._bundle.settings.memory_limit_mb)
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
                os.killpg(self._process.pid, signal.SIGKILL)  # with what Pred.R has started
            if self._process.stdin is not None:
                with suppress(BrokenPipeError):
                    self._process.stdin.close()
            self._process.wait()
            self._process = None

    def _wait(self, path: Path, limits_s: Sequence[float]) -> tuple[int, Failure | None]:
        """Returns how many calls R has done, each within its limit, and the failure of the next one, if any."""
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


def _program(*, embedded: bool) -> tuple[list[str], dict[str, str]]:
    """Returns the command that runs an R script, without the script, and its environment variables."""
    if embedded:
        if not has_rpy2():
            raise BundleError(
                "rpy2 is not installed: install it by pip install 'scorebridge-gateway[embedded-r]', or say --r rscript"
            )
        if shutil.which("R") is None:
            raise BundleError("R is not installed: there is no R on the PATH")
        return embedding_command("bridge.reconcile.r_embedded"), embedding_environment()
    program = shutil.which("Rscript")
    if program is None:
        raise BundleError("R is not installed: there is no Rscript on the PATH")
    return [program, "--vanilla"], {}
