"""Says what an interpreter is and has, as JSON: `PYTHON probe.py`. It runs nothing of a bundle and imports no numpy."""

import json
import os
import platform
import re
import sys

try:
    from importlib.metadata import distributions
except ImportError:  # Python 3.7 and older, whose version alone is told
    distributions = None  # type: ignore[assignment]

__all__ = ["probed"]


def probed() -> "dict[str, object]":
    """Returns the version, the installed distributions and the environment markers of this interpreter."""
    installed = {}  # type: dict[str, str] # any Python 3 must be able to read this file, to say that it is too old
    for one in distributions() if distributions is not None else ():
        try:
            name, version = one.metadata["Name"], one.version
        except Exception:  # noqa: BLE001, S112 - what a broken installation left behind has neither
            continue
        if name and version:  # the first of a name is the one that is imported
            installed.setdefault(re.sub("[-_.]+", "-", name).lower(), version)
    return {"version": list(sys.version_info[:3]), "installed": installed, "markers": _markers()}


def _markers() -> "dict[str, str]":
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": platform.python_version(),
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }


if __name__ == "__main__":
    del sys.path[:1]  # the runner's own folder
    sys.stdout.write(json.dumps(probed()))
