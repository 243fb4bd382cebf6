"""The files that a bundle holds beside Pred.py: copied, written as they are, or pickled."""

import importlib
import io
import pickle
import shutil
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

from scorebridge.authoring.conditions import BundleNotWritten
from scorebridge.runner.conditions import class_name, told

__all__ = ["SavedFile", "save_files"]

_OWN = {"Pred.py", "model.toml", "golden.csv", "requirements.txt", "manifest.json"}
_PICKLE, _JOBLIB = (".pkl", ".pickle"), (".joblib",)
_MOST_CHARACTERS = 200


class SavedFile(NamedTuple):
    """An object that a file of the bundle holds.

    Attributes:
        file: the name of the file.
        value: the object.
        module: the module whose `load` reads it, "pickle" or "joblib".
        of_session: the classes and functions of the session that it refers to, by name.
    """

    file: str
    value: Any
    module: str
    of_session: dict[str, Any]


def save_files(folder: Path, files: Mapping[str, Any]) -> list[SavedFile]:
    """Writes the files of a bundle, and returns those that hold objects.

    Args:
        folder: the folder of the bundle.
        files: for each name a path of a file, bytes, or an object to be pickled.

    Raises:
        BundleNotWritten: a name can't be a file's, a path leads to no file, or an object can't be saved.
    """
    if not isinstance(files, Mapping):
        raise BundleNotWritten("files must be a dict with a path, bytes or an object for each file's name")
    saved = []
    for name, content in files.items():
        _check_name(name)
        if isinstance(content, (str, PathLike)):
            _copy(name, content, folder / name)
        elif isinstance(content, (bytes, bytearray)):
            (folder / name).write_bytes(content)
        else:
            saved.append(_save(name, content, folder / name))
    return saved


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name or len(name) > _MOST_CHARACTERS:
        raise BundleNotWritten("the names in files must be texts of 1 to 200 characters")
    if "/" in name or "\\" in name or name.startswith(".") or not name.isprintable():
        raise BundleNotWritten(
            f"{name!a} in files can't be the name of a file in the bundle: give a name without folders"
        )
    if name in _OWN:
        raise BundleNotWritten(f"{name} in files is a name that the bundle itself uses: choose another one")


def _copy(name: str, source: str | PathLike[str], target: Path) -> None:
    try:
        with Path(source).open("rb") as read, target.open("wb") as written:
            shutil.copyfileobj(read, written)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise BundleNotWritten(f"the file that files names for {name} can't be read: {why}") from error


def _save(name: str, value: Any, target: Path) -> SavedFile:
    ending = target.suffix
    if ending not in _PICKLE + _JOBLIB:
        raise BundleNotWritten(
            f"{name} in files is {class_name(value)}, and objects are only saved in files that end in .pkl, .pickle or "
            ".joblib: choose such a name, or save it yourself and give the path"
        )
    try:
        found = _of_session(value)
        if ending in _PICKLE:
            target.write_bytes(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
            return SavedFile(name, value, "pickle", found)
        importlib.import_module("joblib").dump(value, target)
    except ModuleNotFoundError as error:
        raise BundleNotWritten(
            f"{name} needs joblib, which is not installed: choose a name that ends in .pkl"
        ) from error
    except Exception as error:
        raise BundleNotWritten(f"{name} can't be saved: {class_name(error)}: {told(error)}") from error
    return SavedFile(name, value, "joblib", found)


def _of_session(value: Any) -> dict[str, Any]:
    """Returns the classes and functions of __main__ to which a pickle refers."""
    watching = _Watching(io.BytesIO(), pickle.HIGHEST_PROTOCOL)
    watching.dump(value)
    return watching.found


class _Watching(pickle.Pickler):
    """Pickles, and keeps the classes and functions of __main__ that are met."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.found: dict[str, Any] = {}

    def reducer_override(self, value: Any) -> Any:
        """Has every object pickled as it would be without this class."""
        if isinstance(value, (type, FunctionType)) and value.__module__ == "__main__":
            self.found[value.__qualname__.partition(".")[0]] = value
        return NotImplemented
