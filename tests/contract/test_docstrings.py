"""Public docstrings stand alone: whoever reads one in an editor sees none of its neighbours."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "python" / "scorebridge"
LEANING = ("The same", "See `", "Likewise", "As above", "Ditto")


def sources() -> list[Path]:
    ours = [*(ROOT / "bridge").rglob("*.py"), *CLIENT.rglob("*.py")]
    return sorted(path for path in ours if CLIENT / "v1" not in path.parents and not path.stem.endswith("_pb2"))


def public_docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """The docstrings of a module, and of its public classes and functions, by name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module):
            yield "the module", ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name, ast.get_docstring(node) or ""


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_docstring_leans_on_another(path: Path) -> None:
    found = dict(public_docstrings(path))
    assert [name for name, text in found.items() if text.startswith(LEANING) or "likewise" in text] == []
