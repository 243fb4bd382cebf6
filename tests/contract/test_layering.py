"""Imports point downwards, gRPC stays at the top, and files and functions stay small enough to be read at once."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import scorebridge

import bridge

ROOT = Path(__file__).parents[2]
BRIDGE, CLIENT = ROOT / "bridge", ROOT / "clients" / "python" / "scorebridge"
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 300, 35

# The map in the package's own docstring: from the top down, a package a line.
PACKAGES = re.findall(r"^    (\w+)/ +\S", bridge.__doc__ or "", re.MULTILINE)
GROUND = len(PACKAGES)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(BRIDGE.rglob("*.py"))}
GENERATED = {path for path in MODULES.values() if path.stem.endswith("_pb2")}


def imports_of(path: Path, *, at_load: bool = False) -> Iterator[str]:
    """The modules that a module imports, wherever it does so, or only when it is loaded itself."""
    tree = ast.parse(path.read_text())
    for node in tree.body if at_load else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def rank_of(module: str) -> int:
    """How far down a module is: the place of its package, or the ground below all of them."""
    if module == "bridge.__main__":
        return -1
    top = module.split(".")[1]
    return PACKAGES.index(top) if top in PACKAGES else GROUND


def test_the_map_shows_every_package_and_no_other() -> None:
    assert len(PACKAGES) == len(set(PACKAGES)) > 10
    assert sorted(PACKAGES) == sorted(path.parent.name for path in BRIDGE.glob("*/__init__.py"))


@pytest.mark.parametrize("module", [module for module in MODULES if module != "bridge"])
def test_imports_point_downwards_only(module: str) -> None:
    inside = {name for name in imports_of(MODULES[module]) if name.startswith("bridge.")}
    assert inside <= set(MODULES)
    assert sorted(name for name in inside if rank_of(name) < rank_of(module)) == []


def test_no_modules_import_one_another_in_a_circle() -> None:
    graph = {
        module: {name for name in imports_of(path, at_load=True) if name in MODULES and name != module}
        for module, path in MODULES.items()
    }
    ordered = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
    assert ordered.index("bridge.errors") < ordered.index("bridge.calls") < ordered.index("bridge.gateway.server")


# What the gateway and a worker of a Python model say to one another, and what both are told, is one code on both sides.
WORKERS_WIRE = tuple(f"scorebridge.runner.{name}" for name in ("decoding", "environment", "messages", "vectors"))


def names_of_the_client(path: Path) -> Iterator[str]:
    """What a module imports of the client's package, in full."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "scorebridge")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "scorebridge":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", MODULES)
def test_the_gateway_takes_of_the_client_its_public_names_and_messages_alone(module: str) -> None:
    public = {"scorebridge", *(f"scorebridge.{name}" for name in scorebridge.__all__)}
    messages = {f"scorebridge.v1.{path.stem}" for path in (CLIENT / "v1").glob("*_pb2.py")}
    assert len(messages) == 2
    names = {name for name in names_of_the_client(MODULES[module]) if not name.startswith(WORKERS_WIRE)}
    assert sorted(names - public - messages) == []


GRPC_FREE = [
    module
    for module in MODULES
    if module in ("bridge.errors", "bridge.calls", "bridge.columns") or module.startswith("bridge.layers")
]


def test_nothing_below_the_service_knows_grpc() -> None:
    assert len(GRPC_FREE) > 4
    code = f"import json, sys\nfor name in {GRPC_FREE!r}: __import__(name)\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    roots = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert sorted(roots & {"grpc", "pygrpc_native", "scorebridge"}) == []
    imported = {name.partition(".")[0] for module in GRPC_FREE for name in imports_of(MODULES[module])}
    assert sorted(imported & {"grpc", "pygrpc_native", "scorebridge"}) == []


def sources() -> list[Path]:
    client = [path for path in sorted(CLIENT.rglob("*.py")) if CLIENT / "v1" not in path.parents]
    return [path for path in [*MODULES.values(), *client] if path not in GENERATED]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES_OF_A_FUNCTION} == {}
