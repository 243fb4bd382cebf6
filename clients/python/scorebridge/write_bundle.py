"""Writes a bundle from a Python session, and proves it: what it holds scores as the session's own function does."""

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Unpack

from scorebridge.authoring.keywords import BundleKeywords
from scorebridge.keywords import check_keywords

__all__ = ["write_bundle"]

_Path = str | PathLike[str]


def write_bundle(
    folder: _Path,
    files: Mapping[str, Any],
    predict: Callable[..., Any] | _Path,
    *,
    golden: Any = None,
    input: Literal["columns", "frame"] = "columns",  # noqa: A002 - it is called so in model.toml
    features: Mapping[str, Any] | None = None,
    **more: Unpack[BundleKeywords],
) -> Path:
    """Writes the bundle of a function, proven in fresh processes, and tells on standard error what it holds.

    Args:
        folder: the bundle's folder, which does not exist yet or is empty; a bundle is never written over.
        files: for each file's name a path (copied), bytes, or an object (to .pkl, .pickle or .joblib).
        predict: a function of the session, or the path of a Pred.py.
        golden: rows in a frame of pandas or polars, or a dict of arrays, whose scores later loads have to give.
        input: "columns" if the function takes an array for each feature, "frame" if it takes one frame of pandas.
        features: types that golden rows do not tell, such as {"age": "double"}.
        more: settings of the model, its requirements and warnings; `BundleKeywords` lists the keywords.

    Returns:
        The absolute path of the folder.

    Raises:
        BundleNotWritten: why not; nothing is left of it, and what was there before stays.
    """
    check_keywords("write_bundle", more, BundleKeywords.__annotations__)
    from scorebridge.authoring.bundle import Given, write  # noqa: PLC0415 - who only scores has no use for all of it

    return write(folder, Given(files, predict, golden, features), input, more)
