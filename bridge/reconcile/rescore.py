"""Scores logged calls of a Python model again, in the model's own interpreter.

    PYTHON rescore.py RUNNER BUNDLE SEED DECLARED PROGRESS INPUT ROW_BY_ROW

It needs numpy and nothing else, and shares with serving Pred.py and the rules for what it returns (`outputs` in the
folder RUNNER and what that needs), but neither how the bundle is loaded nor how a call comes to the function.
rscripts/reconcile.R says what the arguments and files are; `bridge.reconcile.call_files` has the types that only
Python's files have.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import random
import struct
import sys
import types
import warnings
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["main"]

_DOUBLE, _INT, _BOOL, _TEXT, _LONG, _FLOAT = range(1, 7)  # the types of the files
_CODES = {"double": _DOUBLE, "int": _INT, "bool": _BOOL, "string": _TEXT, "int64": _LONG, "float": _FLOAT}
_MISSING = -(2**31)  # among numbers of 32 bits
_EXACT = 2**53  # the whole numbers up to here are doubles
_TAKEN = {
    "double": ("double", "int64"),
    "int": ("int64", "double"),
    "int64": ("int64", "double"),
    "bool": ("bool",),
    "string": ("string",),
    "factor": ("string",),
    "ordered": ("string",),
}


class Declared(NamedTuple):
    """A line of [features] in model.toml."""

    type: str
    levels: list[str]
    unknown_level: str


class Column(NamedTuple):
    """A column as it was sent: its values, and which of them are missing."""

    name: str
    values: Any
    missing: Any


class Reader:
    """Reads numbers and texts from a file."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            self._raw = file.read()
        self._at = 0

    def raw(self, count: int) -> bytes:
        """Returns the next bytes."""
        self._at += count
        return self._raw[self._at - count : self._at]

    def numbers(self, count: int) -> Any:
        """Returns the next numbers of 32 bits."""
        return np.frombuffer(self.raw(4 * count), "<i4")

    def number(self) -> int:
        """Returns the next number of 32 bits."""
        return int(self.numbers(1)[0])

    def texts(self, count: int) -> list[Any]:
        """Returns the next texts; None for one that is missing."""
        lengths = self.numbers(count).tolist()
        return [None if length < 0 else self.raw(length).decode() for length in lengths]

    def text(self) -> str:
        """Returns the next text."""
        return str(self.texts(1)[0])

    def declared(self) -> dict[str, Declared]:
        """Returns the features that model.toml declares, by name, in their order."""
        found = {}
        for _ in range(self.number()):
            name, kind = self.text(), self.text()
            levels = self.texts(self.number())
            found[name] = Declared(kind, levels, self.text())
        return found

    def column(self, rows: int) -> Column:
        """Returns the next column."""
        name, kind = self.text(), self.number()
        if kind == _DOUBLE:
            numbers = np.frombuffer(self.raw(8 * rows), "<f8").copy()
            return Column(name, numbers, np.isnan(numbers))
        if kind == _BOOL:
            flags = self.numbers(rows)
            return Column(name, flags == 1, flags == _MISSING)
        if kind == _LONG:
            whole = np.frombuffer(self.raw(8 * rows), "<i8").copy()
            return Column(name, whole, np.frombuffer(self.raw(rows), np.bool_))
        values = np.empty(rows, object)
        values[:] = self.texts(rows)
        return Column(name, values, np.array([text is None for text in values], np.bool_))


def given(column: Column, line: Declared | None, *, framed: bool) -> Any:
    """Returns a column as the function gets it.

    Raises:
        ValueError: it does not fit what model.toml declares.
    """
    name, values, missing = column
    sent = {"f": "double", "i": "int64", "b": "bool", "O": "string"}[values.dtype.kind]
    kind = sent if line is None else line.type
    if line is not None and missing.all():
        values = np.zeros(len(values)) if "double" in _TAKEN[kind] else np.full(len(values), None, object)
    elif sent not in _TAKEN[kind]:
        raise ValueError(f"the column '{name}' does not fit the type that model.toml declares")
    if kind == "double":
        return np.where(missing, np.nan, values.astype(np.float64))
    if kind in {"int", "int64"}:
        return _whole(name, values, missing)
    if kind == "bool" and not missing.any():
        return values.astype(np.bool_)
    if line is not None and line.levels:
        return _levels(name, values, missing, line, framed=framed)
    return _objects(values, missing, np.nan if framed else None)


def _whole(name: str, values: Any, missing: Any) -> Any:
    if not missing.any():
        return values.astype(np.int64)
    if any(abs(int(value)) > _EXACT for value in values[~missing]):
        raise ValueError(f"the column '{name}' has a whole number that a double can't hold, beside a missing one")
    return np.where(missing, np.nan, values.astype(np.float64))


def _objects(values: Any, missing: Any, absent: Any) -> Any:
    found = values.astype(object)
    found[missing] = absent
    return found


def _levels(name: str, values: Any, missing: Any, line: Declared, *, framed: bool) -> Any:
    strange = np.array([not gone and value not in line.levels for value, gone in zip(values, missing)], np.bool_)
    if strange.any() and line.unknown_level != "missing":
        raise ValueError(f"the column '{name}' has a value that is none of its levels")
    texts = _objects(values, missing | strange, None)
    if not framed:
        return texts
    import pandas as pd  # noqa: PLC0415 - only functions of a frame need it

    return pd.Categorical(texts, line.levels, ordered=line.type == "ordered")


def load(folder: str) -> types.ModuleType:
    """Runs a bundle's Pred.py with the bundle as working directory, and returns its module."""
    was = os.getcwd()
    os.chdir(folder)
    sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location("Pred", os.path.join(folder, "Pred.py"))
    if spec is None or spec.loader is None:
        raise FileNotFoundError("Pred.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["Pred"] = sys.modules["__main__"] = module
    spec.loader.exec_module(module)
    os.chdir(was)
    return module


class Model:
    """A loaded model and how it is called.

    Args:
        predict: the function.
        declared: the features that model.toml declares.
        seed: the seed of each call's random numbers.
        framed: whether the function takes one frame.
        row_by_row: whether each row is scored by a call of the function of its own.
        outputs_of: the rules for what the function returns.
    """

    def __init__(
        self,
        predict: Callable[..., Any],
        declared: dict[str, Declared],
        seed: int,
        *,
        framed: bool,
        row_by_row: bool,
        outputs_of: Callable[[Any, int], list[Any]],
    ) -> None:
        self._predict, self._declared, self._seed = predict, declared, seed
        self._framed, self._row_by_row, self._outputs_of = framed, row_by_row, outputs_of

    def score(self, columns: list[Column], rows: int) -> list[Any]:
        """Returns the outputs of a call."""
        if not self._row_by_row:
            return self._outputs_of(self._called(columns, rows), rows)
        parts = []
        for row in range(rows):
            one = slice(row, row + 1)
            called = self._called([Column(name, values[one], gone[one]) for name, values, gone in columns], 1)
            alone = isinstance(called, (bool, int, float, str)) or getattr(called, "shape", None) == ()
            parts.append(self._outputs_of([called] if alone else called, 1))
        return [_joined([part[place] for part in parts]) for place in range(len(parts[0]))]

    def _called(self, columns: list[Column], rows: int) -> Any:
        random.seed(self._seed)
        np.random.seed(self._seed)  # noqa: NPY002 - models use it
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(self._seed)
        framed = self._framed
        arguments = {one.name: given(one, self._declared.get(one.name), framed=framed) for one in columns}
        if not framed:
            return self._predict(**arguments)
        import pandas as pd  # noqa: PLC0415 - only functions of a frame need it

        ordered = {name: pd.Series(arguments[name]) for name in self._declared}
        return self._predict(pd.DataFrame(ordered, pd.RangeIndex(rows)))


def _joined(vectors: list[Any]) -> Any:
    masks = [np.zeros(1, np.bool_) if vector.mask is None else vector.mask for vector in vectors]
    return vectors[0]._replace(values=np.concatenate([vector.values for vector in vectors]), mask=np.concatenate(masks))


def write_answer(file: Any, vectors: list[Any]) -> None:
    """Writes the outputs of a call."""
    file.write(struct.pack("<ii", 0, len(vectors)))
    for vector in vectors:
        missing = np.zeros(len(vector.values), np.bool_) if vector.mask is None else vector.mask
        code = _CODES[vector.type]
        write_texts(file, [vector.name])
        file.write(struct.pack("<i", code))
        if code == _TEXT:
            write_texts(file, [None if gone else text for text, gone in zip(vector.values, missing)])
        elif code == _LONG:
            file.write(vector.values.astype("<i8").tobytes() + missing.tobytes())
        elif code in {_INT, _BOOL}:
            numbers = vector.values.astype("<i4")
            numbers[missing] = _MISSING
            file.write(numbers.tobytes())
        else:
            file.write(np.ascontiguousarray(vector.values).tobytes())


def write_texts(file: Any, texts: list[Any]) -> None:
    """Writes texts as `Reader.texts` reads them."""
    raw = [None if text is None else text.encode() for text in texts]
    file.write(np.array([-1 if text is None else len(text) for text in raw], "<i4").tobytes())
    file.write(b"".join(text for text in raw if text))


def why(error: BaseException) -> str:
    """Returns an exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:600]}"


def answer(path: str, model: Model) -> Iterator[None]:
    """Scores the calls in a file one after the other, and yields after each."""
    reader = Reader(path)
    with open(path + ".out", "wb") as file:
        for _ in range(reader.number()):
            rows, count = reader.number(), reader.number()
            columns = [reader.column(rows) for _ in range(count)]
            try:
                vectors = model.score(columns, rows)
            except BaseException as error:  # noqa: BLE001 - also sys.exit: the call fails alone
                file.write(struct.pack("<i", 1))
                write_texts(file, [why(error)])
            else:
                write_answer(file, vectors)
            file.flush()
            yield


def outputs_rules(runner: str) -> Callable[[Any, int], list[Any]]:
    """Returns the rules for what a function returns, from the runner's folder."""
    name, file = "scorebridge_runner", os.path.join(runner, "__init__.py")
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[runner])
    if spec is None or spec.loader is None:
        raise FileNotFoundError(file)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rules: Callable[[Any, int], list[Any]] = importlib.import_module(f"{name}.outputs").outputs_of
    return rules


def main(arguments: list[str]) -> None:
    """Loads the model, and then answers each line of standard input."""
    runner, bundle, seed, declared, progress_path, form, row_by_row = arguments
    warnings.simplefilter("ignore")
    outputs_of = outputs_rules(runner)
    progress, said = os.open(progress_path, os.O_WRONLY), "Python " + platform.python_version()
    predict = None
    try:
        predict = load(bundle).predict
    except BaseException as error:  # noqa: BLE001 - also sys.exit: why is told
        said = why(error)
    with open(declared + ".out", "wb") as file:
        write_texts(file, [said])
    os.write(progress, b"!" if predict is None else b".")
    if predict is None:
        return
    how = {"framed": form == "frame", "row_by_row": row_by_row == "1"}
    model = Model(predict, Reader(declared).declared(), int(seed), outputs_of=outputs_of, **how)
    for line in sys.stdin:
        for _ in answer(line.rstrip("\n"), model):
            os.write(progress, b".")


if __name__ == "__main__":
    sys.path[:1] = []  # this file's own folder
    main(sys.argv[1:])
    os._exit(0)  # Python's own end would run finalizers of the model
