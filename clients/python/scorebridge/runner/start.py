"""The parent of a Python model's workers: `PYTHON start.py SOCKET`.

It loads the bundle that the environment names, and then forks a worker for each connection to the socket:

    SCOREBRIDGE_BUNDLE      the folder of the bundle
    SCOREBRIDGE_DIGEST      its digest, which the greeting repeats
    SCOREBRIDGE_SEED        the seed of every call's random numbers
    SCOREBRIDGE_INPUT       "columns" or "frame"
    SCOREBRIDGE_ROW_BY_ROW  "1" if each row is scored by a call of the function of its own
    SCOREBRIDGE_BEGUN       the file to make before anything of the bundle runs
"""

import importlib
import importlib.util
import os
import sys

__all__ = ["as_package"]


def as_package() -> str:
    """Makes this folder a package of its own name, and returns the name.

    The folder leaves the search path, on which its modules could be taken for others of the same names.
    """
    folder, name = os.path.dirname(os.path.abspath(__file__)), "scorebridge_runner"
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != folder]
    spec = importlib.util.spec_from_file_location(
        name,
        os.path.join(folder, "__init__.py"),
        submodule_search_locations=[folder],
    )
    assert spec is not None  # noqa: S101 - the file is beside this one
    assert spec.loader is not None  # noqa: S101 - likewise
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return name


if __name__ == "__main__":
    importlib.import_module(f"{as_package()}.parent").main(sys.argv[1])
