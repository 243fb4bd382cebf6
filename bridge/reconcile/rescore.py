"""Scores logged calls of a Python model again, in the model's own interpreter:

    PYTHON rescore.py RUNNER BUNDLE SEED DECLARED PROGRESS INPUT ROW_BY_ROW

It needs numpy and nothing else, and shares with serving Pred.py and the rules for what it returns (the modules
`outputs`, `output_columns`, `refusals`, `conditions` and `vectors` in the folder RUNNER), but neither how the bundle is
loaded nor how a call comes to the function. rscripts/reconcile.R says what the arguments and files are;
`bridge.reconcile.call_files` has the two types that only Python's files have.
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
from collections.abc import Iterator
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import numpy as np

__all__ = ["main"]


class Declared(NamedTuple):
    """A line of [features] in model.toml."""

    type: str
    levels: List[str]
    unknown_level: str


class Reader:
    """Reads numbers and texts from a file."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            self._raw = file.read()
        self._at = 0

    def bytes(self, count: int) -> bytes:
        """Returns the next bytes."""
        self._at += count
        return self._raw[self._at - count : self._at]

    def ints(self, count: int) -> Any:
        """Returns the next numbers of 32 bits."""
        return np.frombuffer(self.bytes(4 * count), "<i4")

    def int(self) -> int:
        """Returns the next number of 32 bits."""
        return int(self.ints(1)[0])

    def texts(self, count: int) -> List[Any]:
        """Returns the next texts; None for one that is missing."""
        lengths = self.ints(count).tolist()
        return [None if length < 0 else self.bytes(length).decode() for length in lengths]


def read_declared(path: str) -> Dict[str, Declared]:
    """Reads the features that model.toml declares, by name, in their order."""
    reader, found = Reader(path), {}
    for _ in range(reader.int()):
        name, kind = reader.texts(1)[0], reader.texts(1)[0]
        levels = reader.texts(reader.int())
        found[name] = Declared(kind, levels, reader.texts(1)[0])
    return found


def read_column(reader: Reader, rows: int) -> Tuple[str, Any, Any]:
    """Returns a column's name, its values as they were sent, and where they are missing."""
    name, kind = reader.texts(1)[0], reader.int()
    if kind == 1:
        numbers = np.frombuffer(reader.bytes(8 * rows), "<f8").copy()
        missing = np.isnan(numbers)
        numbers[missing] = np.nan
        return name, numbers, missing
    if kind == 3:
        flags = reader.ints(rows)
        return name, flags == 1, flags == -(2**31)
    if kind == 5:
        whole = np.frombuffer(reader.bytes(8 * rows), "<i8").copy()
        return name, whole, np.frombuffer(reader.bytes(rows), np.bool_)
    texts = reader.texts(rows)
    values = np.empty(rows, object)
    values[:] = texts
    return name, values, np.array([text is None for text in texts], np.bool_)


def as_declared(name: str, values: Any, missing: Any, line: Any, framed: bool) -> Any:
    """Returns a column as the function gets it.

    Raises:
        ValueError: it does not fit what model.toml declares.
    """
    kind = line.type if line is not None else _kind_of(values)
    if missing.all() and line is not None:
        values = np.zeros(len(values)) if kind in ("double", "int", "int64") else np.full(len(values), None, object)
    elif _kind_of(values) not in _TAKEN[kind]:
        raise ValueError("the column '%s' does not fit the type that model.toml declares" % name)
    absent = np.nan if framed else None
    if kind == "double":
        return np.where(missing, np.nan, values.astype(np.float64))
    if kind in ("int", "int64"):
        if not missing.any():
            return values.astype(np.int64)
        if (np.abs(values[~missing].astype(object)) > 2**53).any():
            raise ValueError("the column '%s' has a whole number that a double can't hold beside a missing one" % name)
        return np.where(missing, np.nan, values.astype(np.float64))
    if kind == "bool":
        return _objects(values, missing, absent) if missing.any() else values.astype(np.bool_)
    if kind in ("factor", "ordered"):
        return _factor(name, values, missing, line, framed)
    return _objects(values, missing, absent)


_TAKEN = {
    "double": ("double", "int64"),
    "int": ("int64", "double"),
    "int64": ("int64", "double"),
    "bool": ("bool",),
    "string": ("string",),
    "factor": ("string",),
    "ordered": ("string",),
}


def _kind_of(values: Any) -> str:
    return {"f": "double", "i": "int64", "b": "bool", "O": "string"}[values.dtype.kind]


def _objects(values: Any, missing: Any, absent: Any) -> Any:
    found = values.astype(object)
    found[missing] = absent
    return found


def _factor(name: str, values: Any, missing: Any, line: Declared, framed: bool) -> Any:
    strange = np.array([not gone and value not in line.levels for value, gone in zip(values, missing)], np.bool_)
    if strange.any() and line.unknown_level != "missing":
        raise ValueError("the column '%s' has a value that is none of its levels" % name)
    if not framed:
        return _objects(values, missing | strange, None)
    import pandas as pd

    return pd.Categorical(_objects(values, missing | strange, None), line.levels, ordered=line.type == "ordered")


def load(folder: str) -> types.ModuleType:
    """Runs a bundle's Pred.py with the bundle as working directory, and returns its module."""
    was = os.getcwd()
    os.chdir(folder)
    sys.path.insert(0, folder)
    path = os.path.join(folder, "Pred.py")
    spec = importlib.util.spec_from_file_location("Pred", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["Pred"] = sys.modules["__main__"] = module
    spec.loader.exec_module(module)
    os.chdir(was)
    return module


class Model:
    """A loaded model and how it is called."""

    def __init__(self, predict: Callable[..., Any], declared: Dict[str, Declared], seed: int, framed: bool) -> None:
        self._predict, self._declared, self._seed, self._framed = predict, declared, seed, framed

    def __call__(self, columns: List[Tuple[str, Any, Any]], rows: int) -> Any:
        """Returns what the function gives for rows."""
        random.seed(self._seed)
        np.random.seed(self._seed)
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(self._seed)
        given = {
            name: as_declared(name, values, missing, self._declared.get(name), self._framed)
            for name, values, missing in columns
        }
        if not self._framed:
            return self._predict(**given)
        import pandas as pd

        return self._predict(
            pd.DataFrame({name: pd.Series(given[name]) for name in self._declared}, pd.RangeIndex(rows))
        )


def scored(model: Model, outputs_of: Any, columns: Any, rows: int, row_by_row: bool) -> List[Any]:
    """Returns the outputs of a call; with `row_by_row` of as many runs of the function as there are rows."""
    if not row_by_row:
        return list(outputs_of(model(columns, rows), rows))
    parts = []
    for row in range(rows):
        one = [(name, values[row : row + 1], missing[row : row + 1]) for name, values, missing in columns]
        given = model(one, 1)
        alone = isinstance(given, (bool, int, float, str)) or getattr(given, "shape", None) == ()
        parts.append(outputs_of([given] if alone else given, 1))
    return [_joined([part[place] for part in parts]) for place in range(len(parts[0]))]


def _joined(vectors: List[Any]) -> Any:
    masks = [np.zeros(1, np.bool_) if vector.mask is None else vector.mask for vector in vectors]
    return vectors[0]._replace(values=np.concatenate([vector.values for vector in vectors]), mask=np.concatenate(masks))


def write_answer(file: Any, vectors: List[Any]) -> None:
    """Writes the outputs of a call."""
    file.write(struct.pack("<ii", 0, len(vectors)))
    for vector in vectors:
        rows = len(vector.values)
        missing = np.zeros(rows, np.bool_) if vector.mask is None else vector.mask
        _put_texts(file, [vector.name])
        code = {"double": 1, "int": 2, "bool": 3, "string": 4, "int64": 5, "float": 6}[vector.type]
        file.write(struct.pack("<i", code))
        if code == 4:
            _put_texts(file, [None if gone else text for text, gone in zip(vector.values, missing)])
        elif code == 5:
            file.write(vector.values.astype("<i8").tobytes() + missing.tobytes())
        elif code in (2, 3):
            numbers = vector.values.astype("<i4")
            numbers[missing] = -(2**31)
            file.write(numbers.tobytes())
        else:
            file.write(np.ascontiguousarray(vector.values).tobytes())


def _put_texts(file: Any, texts: Any) -> None:
    raw = [None if text is None else text.encode() for text in texts]
    file.write(np.array([-1 if text is None else len(text) for text in raw], "<i4").tobytes())
    file.write(b"".join(text for text in raw if text))


def answers(path: str, score: Callable[[Any, int], List[Any]]) -> Iterator[None]:
    """Scores the calls in a file one after the other, and yields after each."""
    reader = Reader(path)
    with open(path + ".out", "wb") as file:
        for _ in range(reader.int()):
            rows, count = reader.int(), reader.int()
            columns = [read_column(reader, rows) for _ in range(count)]
            try:
                vectors = score(columns, rows)
            except BaseException as error:  # also sys.exit: the call fails alone
                file.write(struct.pack("<i", 1))
                _put_texts(file, ["%s: %s" % (type(error).__name__, " ".join(str(error).split())[:600])])
            else:
                write_answer(file, vectors)
            file.flush()
            yield


def main(arguments: List[str]) -> None:
    """Loads the model, and then answers each line of standard input."""
    runner, bundle, seed, declared_path, progress_path, form, row_by_row = arguments
    warnings.simplefilter("ignore")
    declared = read_declared(declared_path)
    sys.path.insert(0, os.path.dirname(runner))
    outputs_of = importlib.import_module(os.path.basename(runner) + ".outputs").outputs_of
    del sys.path[0]
    progress, said = os.open(progress_path, os.O_WRONLY), declared_path + ".out"
    try:
        predict = load(bundle).predict
    except BaseException as error:  # also sys.exit: why is told
        with open(said, "wb") as file:
            _put_texts(file, ["%s: %s" % (type(error).__name__, " ".join(str(error).split())[:600])])
        os.write(progress, b"!")
        return
    with open(said, "wb") as file:
        _put_texts(file, ["Python " + platform.python_version()])
    os.write(progress, b".")
    model = Model(predict, declared, int(seed), form == "frame")
    for line in sys.stdin:
        for _ in answers(
            line.rstrip("\n"), lambda columns, rows: scored(model, outputs_of, columns, rows, row_by_row == "1")
        ):
            os.write(progress, b".")


if __name__ == "__main__":
    sys.path[:1] = []  # this file's own folder
    main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # Python's own end would run finalizers of the model
