"""Writes a function of the session as a Pred.py that needs only the bundle's files and installed packages."""

import builtins
import inspect
import sys
from collections.abc import Sequence
from typing import Any

from scorebridge.authoring.conditions import BundleNotWritten
from scorebridge.authoring.constants import constant_text
from scorebridge.authoring.imports import import_of
from scorebridge.authoring.names import ModuleNames, module_names
from scorebridge.authoring.saved_files import SavedFile
from scorebridge.authoring.source_text import Source, source_of
from scorebridge.runner.conditions import class_name

__all__ = ["pred_source"]

_PREDICT = "predict"


def pred_source(predict: Any, saved: Sequence[SavedFile]) -> str:
    """Returns the text of Pred.py.

    Args:
        predict: the function.
        saved: the objects in the bundle's files, which it loads where the function uses these very objects.

    Raises:
        BundleNotWritten: the function uses something of the session that can be neither imported, written as text nor
            loaded, or an object in the files is used by nothing; the message names it.
    """
    plain = inspect.unwrap(predict) if callable(predict) else predict
    if not inspect.isfunction(plain):
        raise BundleNotWritten(
            f"predict is {class_name(predict)}: give a function that is defined by def, or the path of a Pred.py"
        )
    if twice := [one.file for one in saved if one.value is predict]:
        raise BundleNotWritten(f"{twice[0]} in files is predict itself, whose source goes into Pred.py: leave it out")
    written = _Written(plain, saved)
    written.take(plain.__name__, predict, plain.__name__)
    if unused := [one.file for one in saved if one.file not in written.loaded]:
        raise BundleNotWritten(
            f"{unused[0]} is in files, and '{plain.__name__}' does not use this very object: use a variable that is it"
        )
    return written.text()


class _Written:
    """The parts of a Pred.py, found by following the names that they use."""

    def __init__(self, predict: Any, saved: Sequence[SavedFile]) -> None:
        self.loaded: dict[str, str] = {}  # for each loaded file the first name of its object
        self._saved = saved
        self._own: set[str | None] = {predict.__module__, "__main__"}
        self._predict = predict.__name__
        self._values: dict[str, Any] = {}
        self._imports: set[str] = set()
        self._constants: list[str] = []
        self._sources: dict[str, Source] = {}
        self._loads: dict[str, SavedFile] = {}
        self._aliases: dict[str, str] = {}
        self._needs: dict[str, set[str]] = {}  # names that have to be there before a part

    def take(self, name: str, value: Any, user: str, names: ModuleNames | None = None) -> None:
        """Adds what has to be in Pred.py for a name to stand for a value.

        Args:
            name: the name.
            value: the value.
            user: what uses it, for messages.
            names: the names that the user takes of its module.
        """
        if name in self._values:
            if self._values[name] is not value:
                raise BundleNotWritten(f"'{name}' is one thing in {user} and another one elsewhere: rename one of them")
            return
        self._values[name] = value
        if (file := next((one for one in self._saved if one.value is value), None)) is not None:
            self._load(name, file)
        elif self._is_own(value):
            self._define(name, value, user)
        elif (line := import_of(name, value, names)) is not None:
            self._imports |= line
        elif (text := constant_text(value)) is not None:
            self._constants.append(f"{name} = {text}")
        else:
            raise BundleNotWritten(
                f"'{user}' uses '{name}', which is {class_name(value)} of this session: give it in files, such as "
                f"{{'{name.strip('_') or 'model'}.pkl': {name}}}, or make it a plain constant"
            )

    def _is_own(self, value: Any) -> bool:
        plain = inspect.unwrap(value) if callable(value) else value
        defined = isinstance(plain, type) or inspect.isfunction(plain)
        return defined and getattr(plain, "__module__", None) in self._own

    def _load(self, name: str, file: SavedFile) -> None:
        if file.file in self.loaded:
            self._aliases[name] = self.loaded[file.file]
            return
        self.loaded[file.file] = name
        self._loads[name] = file
        self._needs[name] = set(file.of_session)
        main = vars(sys.modules["__main__"])
        for inner in file.of_session:
            if inner not in main:
                raise BundleNotWritten(f"{file.file} refers to '{inner}', which is no longer in this session")
            self.take(inner, main[inner], file.file)

    def _define(self, name: str, value: Any, user: str) -> None:
        source = source_of(value, name)
        function = not isinstance(value, type)
        if function and source.name != self._predict and not source.name.startswith("_"):
            raise BundleNotWritten(
                f"'{user}' uses the function '{source.name}': Pred.py may define no function beside predict whose name "
                f"does not begin with an underscore: name it _{source.name}, or give a module with it in files"
            )
        if source.name != name:
            raise BundleNotWritten(f"'{user}' uses '{name}', whose definition says '{source.name}': use that name")
        plain = inspect.unwrap(value) if function else value
        space = plain.__globals__ if function else vars(sys.modules[plain.__module__])
        names = module_names(source.text, annotations=not source.postponed)
        self._sources[name] = source
        self._needs[name] = set(names.defining)
        for used in sorted(names.defining | names.running):
            if used in space:
                self.take(used, space[used], name, names)
            elif not hasattr(builtins, used):
                raise BundleNotWritten(f"'{name}' uses '{used}', which is not defined in this session")

    def text(self) -> str:
        """Returns Pred.py as a whole: imports, constants, definitions and loads in an order in which each can run."""
        imports, blocks = set(self._imports), list[str]()
        for name in self._ordered():
            if name in self._sources:
                blocks.append(self._sources[name].text)
                continue
            loading, needed = self._loading(self._loads[name])
            imports |= needed
            aliases = [alias for alias, first in self._aliases.items() if first == name]
            blocks.append(
                "".join(f"{one} = {what}\n" for one, what in [(name, loading), *((one, name) for one in aliases)])
            )
        postponed = any(source.postponed for source in self._sources.values())
        lines = sorted(imports, key=lambda line: (line.startswith("from"), line))
        head = ["from __future__ import annotations\n"] if postponed else []
        head += ["\n".join(part) + "\n" for part in (lines, self._constants) if part]
        blocks += [f"{_PREDICT} = {self._predict}\n"] if self._predict != _PREDICT else []
        return "\n\n".join(["\n".join(head), *blocks] if head else blocks)

    def _ordered(self) -> list[str]:
        predict, *helpers = self._sources  # it was taken first, and is read last
        left, done = [*helpers, *self._loads, predict], list[str]()
        while left:
            ready = next((name for name in left if not self._before(name) & set(left) - {name}), None)
            if ready is None:
                raise BundleNotWritten(f"'{left[0]}' and '{left[-1]}' need one another before either is there")
            left.remove(ready)
            done.append(ready)
        return done

    def _before(self, name: str) -> set[str]:
        """Returns the names of the parts that have to be there before a part; an alias stands for what it names."""
        return {self._aliases.get(need, need) for need in self._needs[name]}

    def _loading(self, file: SavedFile) -> tuple[str, set[str]]:
        """Returns the expression that loads a file, and the imports that it needs."""
        module, imports = file.module, set[str]()
        loader, path = self._free(module), self._free("Path")
        imports.add(f"import {module}" if loader == module else f"import {module} as {loader}")
        if module == "joblib":
            return f'{loader}.load("{file.file}")', imports
        imports.add("from pathlib import Path" + ("" if path == "Path" else f" as {path}"))
        return f'{loader}.loads({path}("{file.file}").read_bytes())', imports

    def _free(self, name: str) -> str:
        """Returns a name for something of our own that stands for nothing else in Pred.py."""
        module = sys.modules.get(name)
        while name in self._values and self._values[name] is not module:
            name = f"_{name}"
        return name
