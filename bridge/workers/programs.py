"""What computes scores on this machine beside the gateway itself: which programs, and as which user."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bridge.workers.user import WorkerUser

__all__ = ["Programs"]


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs that workers are made of, and the user that they run as.

    Attributes:
        r: which processes hold R for a bundle of an R model: those that an Rserve forks, or Python's, which need rpy2.
        pythons: the paths of the interpreters that bundles of Python functions may name, by these names.
        user: the user that worker processes run as; None for the gateway's own.
    """

    r: Literal["rserve", "embedded"] = "rserve"
    pythons: Mapping[str, Path] = field(default_factory=dict)
    user: WorkerUser | None = None
