"""Refuses what a function must not return, with what to return instead."""

from __future__ import annotations

import inspect
from typing import Any, NoReturn

from .conditions import Malformed, class_name

__all__ = ["refuse"]

_INSTEAD = {
    "torch.Tensor": "return tensor.detach().cpu().numpy()",
    "numpy.ma.MaskedArray": "return array.filled(numpy.nan)",
    "numpy.ma.core.MaskedArray": "return array.filled(numpy.nan)",
    "polars.lazyframe.frame.LazyFrame": "return frame.collect()",
    "pyarrow.lib.Table": "return table.to_pandas()",
    "pyarrow.lib.ChunkedArray": "return array.to_numpy()",
}


def refuse(value: Any, name: str = "") -> NoReturn:
    """Raises Malformed for a value that is none of the forms in which a function may return scores.

    Args:
        value: the value.
        name: the name of the output that it was returned as; empty for the whole prediction.
    """
    what = f"the output '{name}' is" if name else "predict returned"
    raise Malformed(f"{what} {_described(value)}")


def _described(value: Any) -> str:  # noqa: PLR0911 - a sentence for each kind of mistake
    kind = class_name(value)
    if value is None:
        return "nothing (None): end it by return, with one score for each row"
    if inspect.iscoroutine(value) or inspect.isasyncgen(value):
        return f"{kind}: define it by def, and not by async def"
    if inspect.isgenerator(value) or hasattr(value, "__next__"):
        return f"{kind}, which gives its scores one by one: return a list or an array of them"
    if isinstance(value, (int, float, complex, str, bytes)) or getattr(value, "shape", None) == ():
        return f"one {kind} for all rows: return an array with one score for each row, or say row_by_row = true"
    if kind in _INSTEAD:
        return f"{kind}: {_INSTEAD[kind]}"
    if hasattr(value, "toarray"):
        return f"{kind}: return matrix.toarray()"
    if hasattr(value, "__array__"):
        return f"{kind}: return numpy.asarray of it"
    if hasattr(value, "collect"):
        return f"{kind}, which is computed later: return its collected rows"
    return f"{kind}: return an array, a list of scores, a dict of arrays, or a frame of pandas or polars"
