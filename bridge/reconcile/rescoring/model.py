"""A model that was loaded to score its logged calls again, and how it is called."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import random
import sys
import warnings
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from bridge.reconcile.rescoring.arguments import given
from bridge.reconcile.rescoring.call_reader import Column, Declared

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Model", "load"]


def load(folder: str) -> Callable[..., Any]:
    """Runs a bundle's Pred.py with the bundle as working directory, and returns its function."""
    was = os.getcwd()
    os.chdir(folder)
    sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location("Pred", os.path.join(folder, "Pred.py"))
    if spec is None or spec.loader is None:
        raise FileNotFoundError("Pred.py")
    module = importlib.util.module_from_spec(spec)
    # What was pickled in a notebook refers to __main__, and Pred.py may define it.
    sys.modules["Pred"] = sys.modules["__main__"] = module
    spec.loader.exec_module(module)
    os.chdir(was)
    predict: Callable[..., Any] = module.predict
    return predict


class Model:
    """A loaded model.

    Args:
        predict: the function.
        declared: the features that model.toml declares; of a frame, its columns.
        seed: the seed of the random numbers, which each call of the function begins with.
        framed: whether the function takes one frame.
        row_by_row: whether each row is scored by a call of the function of its own.
    """

    def __init__(
        self,
        predict: Callable[..., Any],
        declared: dict[str, Declared],
        seed: int,
        *,
        framed: bool,
        row_by_row: bool,
    ) -> None:
        self._predict, self._declared, self._seed = predict, declared, seed
        self._framed, self._row_by_row = framed, row_by_row
        parameters = inspect.signature(predict).parameters.values()
        named = [one for one in parameters if one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD}]
        self._argument = next((one.name for one in named if one.default is one.empty), named[0].name)
        self._features = list(declared) if framed else [one.name for one in named]
        self._outputs_of = importlib.import_module("scorebridge_runner.outputs").outputs_of
        if framed:
            importlib.import_module("pandas")
        # Parts of numpy are loaded when they are first used: here, and not again in each process that is forked.
        self._begin()
        self._outputs_of(np.zeros(1), 1)

    def score(self, columns: Sequence[Column], rows: int) -> list[Any]:
        """Returns the outputs of a call, as the runner's vectors.

        Raises:
            ValueError: the call does not fit the function, or its rows gave different outputs.
            BaseException: whatever the function raises.
        """
        warnings.resetwarnings()  # one that the model made an error at its load is none in serving
        warnings.simplefilter("always")
        columns = self._placed(columns)
        if not self._row_by_row:
            outputs: list[Any] = self._outputs_of(self._called(columns, rows), rows)
            return outputs
        parts = [self._row([_entry(column, row) for column in columns]) for row in range(rows)]
        names = [vector.name for vector in parts[0]]
        if any([vector.name for vector in part] != names for part in parts):
            raise ValueError("the rows gave outputs of different names")
        return [_joined([part[place] for part in parts]) for place in range(len(names))]

    def _placed(self, columns: Sequence[Column]) -> list[Column]:
        """Returns the columns in the order of the features, each with its name."""
        if not any(column.name for column in columns) and len(columns) == len(self._features):
            return [column._replace(name=name) for column, name in zip(columns, self._features)]
        known = {column.name: column for column in columns}
        if strange := [name for name in known if name not in self._features]:
            raise ValueError(f"the model does not take the column '{strange[0]}'")
        if self._framed and (absent := [name for name in self._features if name not in known]):
            raise ValueError(f"the call lacks the column '{absent[0]}'")
        return [known[name] for name in self._features if name in known]

    def _row(self, columns: Sequence[Column]) -> list[Any]:
        called = self._called(columns, 1)
        if isinstance(called, dict):
            called = {name: [None] if value is None else _listed(value) for name, value in called.items()}
        outputs: list[Any] = self._outputs_of(_listed(called), 1)
        return outputs

    def _called(self, columns: Sequence[Column], rows: int) -> Any:
        values = {one.name: given(one, self._declared.get(one.name), framed=self._framed) for one in columns}
        self._begin()
        if not self._framed:
            return self._predict(**values)
        import pandas as pd  # noqa: PLC0415 - only functions of a frame need it

        series = {name: pd.Series(value) for name, value in values.items()}
        return self._predict(**{self._argument: pd.DataFrame(series, pd.RangeIndex(rows))})

    def _begin(self) -> None:
        random.seed(self._seed)
        np.random.seed(self._seed)  # noqa: NPY002 - models use it
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(self._seed)


def _entry(column: Column, row: int) -> Column:
    return Column(column.name, column.values[row : row + 1], column.missing[row : row + 1])


def _listed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [value[()]] if value.ndim == 0 else value
    return [value] if isinstance(value, (bool, int, float, str, np.generic)) else value


def _joined(vectors: Sequence[Any]) -> Any:
    """Returns one output of single rows as one vector; a truth value that is missing tells no type."""
    masks = [np.zeros(1, np.bool_) if vector.mask is None else vector.mask for vector in vectors]
    silent = [vector.type == "bool" and mask.all() for vector, mask in zip(vectors, masks)]
    shown = next((vector for vector, says_nothing in zip(vectors, silent) if not says_nothing), vectors[0])
    if any(vector.type != shown.type for vector, says_nothing in zip(vectors, silent) if not says_nothing):
        raise ValueError(f"the rows gave the output '{shown.name}' in different types")
    absent: Any = {"double": np.nan, "float": np.nan, "string": ""}.get(shown.type, 0)
    parts = [
        np.full(1, absent, shown.values.dtype) if says_nothing else vector.values
        for vector, says_nothing in zip(vectors, silent)
    ]
    return shown._replace(values=np.concatenate(parts), mask=np.concatenate(masks))
