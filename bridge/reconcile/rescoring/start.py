"""Scores logged calls of a Python model again: `PYTHON start.py RUNNER BUNDLE SEED DECLARED PROGRESS INPUT ROW_BY_ROW`.

RUNNER is the folder of the runner. rscripts/reconcile.R says what the other arguments and the files are;
`bridge.reconcile.call_files` has the types that only Python's files have.
"""

import importlib
import importlib.util
import os
import sys

__all__ = ["as_package", "leave_the_path"]


def as_package(name: str, folder: str) -> None:
    """Makes a folder a package of this name, whose modules can be imported without any other package around it."""
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert spec is not None  # noqa: S101 - the file is there
    assert spec.loader is not None  # noqa: S101 - likewise
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def leave_the_path() -> None:
    """Takes this script's folder off the search path, where its modules could be taken for others of the same names."""
    sys.path[:1] = []


if __name__ == "__main__":
    leave_the_path()
    as_package("scorebridge_runner", sys.argv[1])
    as_package("bridge.reconcile.rescoring", os.path.dirname(os.path.abspath(__file__)))
    importlib.import_module("bridge.reconcile.rescoring.answers").main(sys.argv[2:])
    os._exit(0)  # Python's own end would run finalizers of the model
