"""Loads a bundle: runs its Pred.py, and finds what a gateway has to know of it."""

from __future__ import annotations

import inspect
import os
import sys
import types
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from .conditions import BundleFault, class_name, place_in, told
from .distributions import imported_distributions
from .source import FILE_NAME, read_source

__all__ = ["Loaded", "load"]

_MOST_WARNINGS = 20
_MODULE = "Pred"
_UNNEEDED_THREADS = ("jemalloc_bg", "polars-ooc-cl")  # that give memory back, and remove files


@dataclass
class Loaded:
    """A bundle that was loaded, or why it was not.

    Attributes:
        predict: the function; None if there is an error.
        error: why the bundle did not load, in one sentence; None if it did.
        features: the function's parameters in order, each with whether it has no default.
        frame: the name of the parameter that is a frame; None for a function of arrays.
        frame_features: the features that a model of the bundle says to have been fitted on.
        packages: "name version" of the imported distributions.
        warnings: "Class: text" of each warning that may mean other scores.
        notes: sentences for the model's author.
        modules: the modules of the bundle.
    """

    predict: Callable[..., Any] | None = None
    error: str | None = None
    features: list[tuple[str, bool]] = field(default_factory=list)
    frame: str | None = None
    frame_features: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    modules: list[types.ModuleType] = field(default_factory=list)


def load(folder: str, form: str) -> Loaded:
    """Loads the bundle in a folder; whatever is wrong with it is told in the result.

    The folder is the working directory meanwhile, and modules beside Pred.py can be imported.

    Args:
        folder: the folder of the bundle.
        form: "columns" if the function takes an array for each feature, "frame" if it takes one frame.
    """
    before, was = set(sys.modules), os.getcwd()
    loaded = Loaded()
    try:
        _enter(folder)
        module = _run(folder, loaded)
        _describe(module, form, loaded)
        loaded.packages = imported_distributions(before)
    except BundleFault as fault:
        loaded.error = str(fault)
    finally:
        os.chdir(was)
    # Pred.py's module is there by two names.
    loaded.modules = list({id(one): one for one in list(sys.modules.values()) if _is_of(folder, one)}.values())
    threads = _threads_left()
    if threads and loaded.error is None:
        noun = "thread" if len(threads) == 1 else "threads"
        loaded.notes.append(
            f"loading left {len(threads)} {noun} behind ({', '.join(sorted(set(threads)))}), which the workers do not "
            "have: a library that waits for its threads hangs there"
        )
    return loaded


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        raise BundleFault(
            f"the bundle's folder can't be entered by user number {os.geteuid()}, as which its workers run "
            f"({error.strerror}): let that user read the repository"
        ) from error
    sys.path.insert(0, folder)


def _threads_left() -> list[str]:
    """Returns the names of this process' threads but for the first, and for those that no library waits for."""
    found = []
    for thread in os.listdir("/proc/self/task"):
        with suppress(OSError), open(f"/proc/self/task/{thread}/comm", encoding="utf-8", errors="replace") as file:
            name = file.read().strip()
            if int(thread) != os.getpid() and not name.startswith(_UNNEEDED_THREADS):
                found.append(name)
    return found


def _is_of(folder: str, module: Any) -> bool:
    if not isinstance(module, types.ModuleType):
        return False
    path = vars(module).get("__file__")  # a module that loads its names lazily must not be asked for it
    return isinstance(path, str) and path.startswith(folder + "/")


def _run(folder: str, loaded: Loaded) -> types.ModuleType:
    code = read_source(folder)
    module = types.ModuleType(_MODULE)
    module.__file__ = os.path.join(folder, FILE_NAME)
    # A class that was pickled in a script or notebook is looked for in __main__: Pred.py may define it.
    sys.modules[_MODULE] = sys.modules["__main__"] = module
    with warnings.catch_warnings(record=True) as caught:
        for category in (UserWarning, RuntimeWarning):
            warnings.simplefilter("always", category)
        # numpy's own filters: these tell nothing of scores, and each old wheel gives them.
        for text in ("numpy.ufunc size changed", "numpy.dtype size changed", "numpy.ndarray size changed"):
            warnings.filterwarnings("ignore", text)
        warnings.filters = _Filters(warnings.filters)
        try:
            exec(code, module.__dict__)  # noqa: S102 - running the author's code is what a worker is for
        except BaseException as error:
            raise BundleFault(_why(folder, error)) from error
    for one in caught:
        if issubclass(one.category, (UserWarning, RuntimeWarning)) and len(loaded.warnings) < _MOST_WARNINGS:
            text = f"{one.category.__name__}: {told(one.message)}"
            if text not in loaded.warnings:
                loaded.warnings.append(text)
    return module


class _Filters(list):  # type: ignore[type-arg] # Python 3.9's own type of it is private
    """Filters of warnings that stay: scripts begin with one that ignores all, and who deploys must see a pickle's.

    What ignores warnings for a few lines, by `warnings.catch_warnings`, works on a copy, and so as ever.
    """

    def insert(self, *_: Any) -> None:
        """Adds nothing; called by `warnings.filterwarnings` and `warnings.simplefilter`."""

    def append(self, *_: Any) -> None:
        """Adds nothing; called by these with append=True."""


def _why(folder: str, error: BaseException) -> str:
    """Returns why Pred.py could not be run, in one sentence."""
    place = place_in(folder, error)
    where = f" ({place})" if place else ""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{FILE_NAME} needs the module '{error.name}', which is not installed in {sys.executable}{where}"
    text = f"{FILE_NAME} raised {class_name(error)} while it was loaded{where}: {told(error)}"
    if isinstance(error, AttributeError) and "Can't get attribute" in str(error):
        text += (
            "; the saved object refers to something that was defined in the session that saved it: define it in "
            f"{FILE_NAME} before the object is loaded, or in a module beside it"
        )
    return text


def _describe(module: types.ModuleType, form: str, loaded: Loaded) -> None:
    predict = getattr(module, "predict", None)
    if predict is None:
        raise BundleFault(f"{FILE_NAME} defines no function predict")
    if isinstance(predict, type):
        raise BundleFault(f"predict in {FILE_NAME} is a class, and not a function")
    if not callable(predict):
        raise BundleFault(f"predict in {FILE_NAME} is {class_name(predict)}, and not a function")
    try:
        parameters = inspect.signature(predict).parameters.values()
    except Exception as error:  # TypeError and ValueError by itself, but objects may have a __signature__ of their own
        raise BundleFault(f"the parameters of predict in {FILE_NAME} are not known: define it by def") from error
    named = [one for one in parameters if one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD}]
    if not named:
        raise BundleFault(f"predict in {FILE_NAME} has no named parameters: the features are its parameters")
    if only := [one.name for one in named if one.kind is one.POSITIONAL_ONLY]:
        raise BundleFault(f"the parameter '{only[0]}' of predict is positional only: remove the / from its parameters")
    loaded.predict = predict
    loaded.features = [(one.name, one.default is one.empty) for one in named]
    required = [name for name, needed in loaded.features if needed]
    if form == "frame":
        loaded.frame = _frame_parameter(required, named[0].name)
    elif len(required) == 1:
        loaded.frame_features = _fitted_on(module)


def _frame_parameter(required: list[str], first: str) -> str:
    if len(required) > 1:
        raise BundleFault(
            f"input is 'frame', and predict has {len(required)} parameters without a default: it gets one"
        )
    try:
        import_module("pandas")
    except ImportError as error:
        raise BundleFault(
            f"input is 'frame', and pandas is not installed in {sys.executable}: install it there"
        ) from error
    return required[0] if required else first


def _fitted_on(module: types.ModuleType) -> list[str]:
    """Returns the names of the features that an object of Pred.py says to have been fitted on, as sklearn's do."""
    for value in list(vars(module).values()):
        if isinstance(value, (type, types.ModuleType)):
            continue
        try:
            names = list(getattr(value, "feature_names_in_", ()))
        except Exception:  # noqa: BLE001, S112 - an object may raise whatever it likes; then it says nothing
            continue
        if names and all(isinstance(name, str) for name in names):
            return [str(name) for name in names]
    return []
