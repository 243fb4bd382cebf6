"""The requirements.txt of a bundle: the exact versions of what it imports."""

import ast
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from scorebridge.authoring.conditions import BundleNotWritten

__all__ = ["requirements_text"]

_MOST_BYTES = 1 << 20  # what a gateway reads


def requirements_text(asked: Any, imported: Sequence[str], folder: Path) -> str | None:
    """Returns the text of requirements.txt; None for no such file.

    Args:
        asked: None for the exact versions of what the bundle imports, False for no file, or the lines of the file.
        imported: "name version" of the distributions that were imported when the bundle was loaded.
        folder: the bundle's folder, of whose Python files also those imports count that run later.

    Raises:
        BundleNotWritten: the lines are not texts of one line each, or more than the 1 MiB that a gateway reads.
    """
    if asked is False:
        return None
    if asked is None:
        versions = dict(line.split(" ", 1) for line in imported) | dict(_imported_later(folder))
        lines = [f"{name}=={number}" for name, number in sorted(versions.items(), key=lambda item: item[0].lower())]
    elif isinstance(asked, (list, tuple)) and all(
        isinstance(line, str) and len(line.splitlines()) == 1 for line in asked
    ):
        lines = list(asked)
    else:
        raise BundleNotWritten("requirements must be False, or a list of lines, such as ['scikit-learn==1.7.2']")
    text = "".join(line + "\n" for line in lines)
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise BundleNotWritten("a line of requirements is not UTF-8") from error
    if len(raw) > _MOST_BYTES:
        raise BundleNotWritten(f"requirements.txt would be larger than {_MOST_BYTES >> 20} MiB")
    return text


def _imported_later(folder: Path) -> Iterator[tuple[str, str]]:
    """Yields name and version of each distribution that a Python file of the bundle imports anywhere."""
    names = {name for path in folder.glob("*.py") for name in _imports(path)} - set(sys.stdlib_module_names)
    if not names:
        return
    distributions = packages_distributions()
    for name in sorted(names):
        for distribution in distributions.get(name, [])[:1]:
            try:
                yield distribution, version(distribution)
            except PackageNotFoundError:
                continue


def _imports(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError):  # the process that loads the bundle says so
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]
