"""Public names are listed by hand, and nothing heavy is imported by those who don't need it."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BRIDGE, CLIENT = ROOT / "bridge", ROOT / "clients" / "python" / "scorebridge"
FRAMES = {"pandas", "polars", "pyarrow", "scipy"}


def modules() -> list[Path]:
    written = [path for root in (BRIDGE, CLIENT) for path in sorted(root.rglob("*.py"))]
    return [path for path in written if not path.stem.endswith("_pb2") and CLIENT / "v1" not in path.parents]


def named(path: Path) -> str:
    return path.relative_to(ROOT / "clients" / "python" if CLIENT in path.parents else ROOT).as_posix()


def targets(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module defines; those it imports are another's."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        assigned = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (node.id for target in assigned for node in ast.walk(target) if isinstance(node, ast.Name))
    elif isinstance(statement, ast.If | ast.Try):
        for inner in ast.iter_child_nodes(statement):
            if isinstance(inner, ast.stmt):
                yield from targets(inner)


def imported(tree: ast.Module) -> set[str]:
    statements = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {alias.asname or alias.name for statement in statements for alias in statement.names}


def listed(tree: ast.Module) -> list[str] | None:
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and "__all__" in targets(statement):
            return list(ast.literal_eval(statement.value))
    return None


@pytest.mark.parametrize("path", modules(), ids=named)
def test_a_module_lists_exactly_the_public_names_that_it_defines(path: Path) -> None:
    tree = ast.parse(path.read_text())
    public = {name for statement in tree.body for name in targets(statement) if not name.startswith("_")}
    names = listed(tree)
    if path == CLIENT / "__init__.py":
        public = imported(tree)  # the front door defines nothing, it gathers
    if not public:
        assert not names
        return
    assert names is not None, "there is no __all__"
    assert set(names) == public
    assert len(set(names)) == len(names)


def test_what_modules_borrow_of_one_another_is_public() -> None:
    borrowed = [
        f"{named(path)}: {alias.name}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("bridge", "scorebridge"))
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert borrowed == []


def loaded_by(*names: str) -> set[str]:
    """What a fresh interpreter has loaded after importing these modules."""
    code = f"import json, sys\nfor name in {names!r}: __import__(name)\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("name", ["bridge", "bridge.gateway.server", "bridge.backends"])
def test_importing_the_bridge_pulls_in_neither_xgboost_nor_r(name: str) -> None:
    loaded = loaded_by(name)
    assert name in loaded
    heavy = ("xgboost", "psutil", "bridge.backends.rserve", "bridge.backends.xgboost", *FRAMES)
    assert sorted(loaded.intersection(heavy)) == []


def test_importing_the_client_pulls_in_no_frames_and_nothing_of_the_gateway() -> None:
    names = ["scorebridge", *(f"scorebridge.{path.stem}" for path in CLIENT.glob("[a-z]*.py"))]
    loaded = loaded_by(*names)
    assert loaded.issuperset(names)
    assert sorted(loaded.intersection({"bridge", "xgboost", "pydantic", *FRAMES})) == []


@pytest.mark.parametrize("path", [path for path in modules() if CLIENT in path.parents], ids=named)
def test_the_client_imports_frames_nowhere(path: Path) -> None:
    tree = ast.parse(path.read_text())
    # A model's interpreter has frames where its function takes or returns one, so only a function may import them.
    nodes = tree.body if path.parent == CLIENT / "runner" else list(ast.walk(tree))
    roots = {alias.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    roots |= {(node.module or "").partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    assert sorted(roots & FRAMES) == []
