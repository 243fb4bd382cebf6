"""The models that an executor process has loaded: each once, however many partitions the process scores."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bridge.errors import BundleError
from bridge.offline.executors.archive import unpack
from bridge.offline.in_process import InProcess
from bridge.offline.loop_thread import LoopThread
from bridge.private_folders import make_folder, remove_folder
from bridge.workers.programs import Programs

__all__ = ["Bundled", "Resident", "resident"]

_MOST = 4  # models that a process keeps: Spark uses a process for one job after the other


@dataclass(frozen=True)
class Bundled:
    """A version to load, and how it is to score.

    Attributes:
        archive: the name of the file in which Spark brings its bundle.
        model: the model's name.
        version: the version's number.
        digest: the bundle's digest.
        r: which processes hold R for a bundle of an R model.
        pythons: the names and paths of the interpreters that bundles of Python functions may name.
        timeout_s: the most seconds that a call may take.
    """

    archive: str
    model: str
    version: int
    digest: str
    r: Literal["rserve", "embedded"]
    pythons: tuple[tuple[str, str], ...]
    timeout_s: float


@dataclass(frozen=True)
class Resident:
    """A loaded version, and the event loop that its calls run in."""

    scorer: InProcess
    loop: LoopThread

    def close(self) -> None:
        """Frees the model, and ends the loop."""
        self.loop.run(self.scorer.close())
        self.loop.close()


_residents: dict[Bundled, Resident] = {}
_inherited: list[Resident] = []


def _forked() -> None:
    """Leaves the parent's models alone: their threads are not here, and their processes are the parent's.

    They are kept, because what is forgotten is closed, which would end the parent's R processes.
    """
    _inherited.extend(_residents.values())
    _residents.clear()


os.register_at_fork(after_in_child=_forked)


def resident(bundled: Bundled) -> Resident:
    """Returns a version that is loaded in this process; loads it if it is not.

    A process that was forked from one with loaded models loads its own. Called by the one thread that runs Spark's
    tasks, and for one task at a time, so that no model is closed that is in use.

    Raises:
        BridgeError: it can't be loaded, or is another bundle than the driver has; the message says why.
    """
    found = _residents.pop(bundled, None) or _load(bundled)
    while len(_residents) >= _MOST:
        _residents.pop(next(iter(_residents))).close()
    _residents[bundled] = found
    return found


def _load(bundled: Bundled) -> Resident:
    from pyspark import SparkFiles  # noqa: PLC0415 - an extra, which only Spark's own processes are sure to have

    folder = make_folder("spark")
    loop = LoopThread()
    try:
        unpack(Path(SparkFiles.get(bundled.archive)), folder)
        # Spark gives a process one core, unless it is told otherwise, and starts as many as it may use.
        programs = Programs(bundled.r, {name: Path(path) for name, path in bundled.pythons})
        named = folder, bundled.model, bundled.version
        opening = InProcess.open(*named, timeout_s=bundled.timeout_s, programs=programs, workers=1)
        found = Resident(loop.run(opening), loop)
    except BaseException:
        loop.close()
        raise
    finally:
        remove_folder(folder)
    if found.scorer.detail.version.digest != bundled.digest:
        found.close()
        raise BundleError(
            f"{bundled.model}/{bundled.version} changed while it was packed for Spark's executors: score it again"
        )
    return found
