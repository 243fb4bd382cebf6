"""Versions of the software that computes scores on this machine.

Other versions may give other scores for the same digest, so each segment of the log records them. What a Python model
has imported, in an interpreter that may be another than the gateway's, is in the engine of each record.
"""

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["describe_environment"]

_PACKAGES = {"bridge": ("scorebridge-gateway",), "numpy": ("numpy",), "xgboost": ("xgboost", "xgboost-cpu")}
_TZDATA = re.compile(r"# version (\S+)")
_MOST_LINE = 100
_R = """
software <- extSoftVersion()
cat("R", as.character(getRversion()), "\\n", sep = "\\t")
cat("BLAS", software[["BLAS"]], "\\n", sep = "\\t")
cat("LAPACK", La_library(), "\\n", sep = "\\t")
cat("ICU", software[["ICU"]], "\\n", sep = "\\t")
"""


def describe_environment() -> dict[str, str]:
    """Returns the versions, by name, of Python, the gateway, numpy, xgboost, time zone data, R and R's libraries.

    Software that is not installed is left out. Blocks for about a quarter of a second, while R is asked.
    """
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    return found | _packages() | _time_zones() | _r_environment()


def _packages() -> dict[str, str]:
    """Returns the version of each package; both versions if two distributions of it are installed and differ."""
    found = {}
    for name, distributions in _PACKAGES.items():
        installed = {one: said for one in distributions if (said := _installed(one))}
        if len(set(installed.values())) > 1:  # each overwrites the other's files: either may be imported
            found[name] = ", ".join(f"{said} ({one})" for one, said in installed.items())
        elif installed:
            found[name] = next(iter(installed.values()))
    return found


def _installed(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _time_zones() -> dict[str, str]:
    """Returns the version of the time zone database as "tzdata"; empty on systems that don't state it."""
    try:
        with Path(os.environ.get("TZDIR") or "/usr/share/zoneinfo", "tzdata.zi").open(encoding="utf-8") as file:
            said = _TZDATA.match(file.readline(_MOST_LINE))
    except (OSError, UnicodeDecodeError):
        return {}
    return {"tzdata": said[1]} if said else {}


def _r_environment() -> dict[str, str]:
    if shutil.which("Rscript") is None:
        return {}
    asked = subprocess.run(["Rscript", "--vanilla", "-e", _R], capture_output=True, text=True, check=False)  # noqa: S603, S607 - a constant
    lines = (line.split("\t") for line in asked.stdout.splitlines())
    return {parts[0]: parts[1] for parts in lines if len(parts) > 1}
