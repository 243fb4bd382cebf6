"""Reads Pred.py as text, and finds the faults that need no run of it."""

from __future__ import annotations

import ast
import os
from typing import Any

from .conditions import BundleFault, told

__all__ = ["FILE_NAME", "read_source"]

FILE_NAME = "Pred.py"
_MOST_BYTES = 4 << 20


def read_source(folder: str) -> Any:
    """Returns the code of a bundle's Pred.py, compiled.

    Raises:
        BundleFault: there is no such file, it is not Python, or it does not define one function `predict`.
    """
    path = os.path.join(folder, FILE_NAME)
    try:
        with open(path, "rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BundleFault(f"{FILE_NAME} can't be read: {error.strerror}") from error
    if len(raw) > _MOST_BYTES:
        raise BundleFault(f"{FILE_NAME} is larger than {_MOST_BYTES >> 20} MiB")
    try:
        tree = ast.parse(raw, FILE_NAME)
        code = compile(tree, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        where = f"{FILE_NAME}, line {line}" if line else FILE_NAME
        raise BundleFault(f"{where}: {told(getattr(error, 'msg', None) or error)}") from error
    _check(tree)
    return code


def _check(tree: ast.Module) -> None:
    """Requires one function `predict`, and no other whose name does not begin with an underscore."""
    defined = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    lines = [str(node.lineno) for node in defined if node.name == "predict"]
    if len(lines) > 1:
        raise BundleFault(f"{FILE_NAME} defines predict {len(lines)} times, in lines {', '.join(lines)}: leave one")
    if any(isinstance(node, ast.AsyncFunctionDef) and node.name == "predict" for node in defined):
        raise BundleFault(f"{FILE_NAME} defines predict by async def: define it by def")
    others = sorted({node.name for node in defined if not node.name.startswith("_")} - {"predict"})
    if others and lines:
        raise BundleFault(
            f"{FILE_NAME} defines {len(others) + 1} functions (predict, {', '.join(others)}), and a bundle has one: "
            f"begin the names of helpers with an underscore, as in _{others[0]}, or put them into a module beside it"
        )
    if others and not _assigned(tree):
        noun = "function" if len(others) == 1 else "functions"
        raise BundleFault(f"{FILE_NAME} defines the {noun} {', '.join(others)}, and none is named predict: name it so")


def _assigned(tree: ast.Module) -> bool:
    """Whether the name `predict` may come from something else than a definition, such as an import."""
    return any(isinstance(node, (ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom)) for node in tree.body)
