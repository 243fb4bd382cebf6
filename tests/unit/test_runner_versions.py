"""The runner is read by interpreters that are older than the gateway's, and have none of our packages."""

import ast
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import scorebridge

RUNNER = Path(scorebridge.__file__).with_name("runner")
MODULES = sorted(RUNNER.glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.stem))
def test_python_3_9_can_read_each_module(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 9))


def test_every_python_3_can_read_what_asks_how_old_it_is() -> None:
    ast.parse((RUNNER / "probe.py").read_text(), feature_version=(3, 4))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.stem))
def test_nothing_but_numpy_and_python_itself_is_imported(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    roots = {alias.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    roots |= {
        str(node.module).partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and not node.level
    }
    assert roots - {"numpy", "__future__"} <= sys.stdlib_module_names


def said(*command: str | Path, **environment: str) -> Any:
    done = subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
    assert done.stderr == b""
    return json.loads(done.stdout)


def test_an_interpreter_tells_what_it_is_and_has(tmp_path: Path) -> None:
    broken = tmp_path / "~roken-1.0.dist-info"  # as an update that was interrupted leaves it
    broken.mkdir()
    (broken / "RECORD").write_text("")
    # The site packages are the interpreter's own: it is told nothing by variables but where a broken one is.
    told = said(sys.executable, RUNNER / "probe.py", PYTHONPATH=str(tmp_path))
    assert told["version"] == list(sys.version_info[:3])
    assert told["installed"]["numpy"] == version("numpy")
    assert told["installed"]["scikit-learn"] == version("scikit-learn")
    assert all(told["installed"].values())
    assert told["markers"]["python_version"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert told["markers"]["sys_platform"] == sys.platform


def test_the_folder_of_the_runner_is_not_searched_for_modules() -> None:
    asks = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import start; name = start.as_package();"
        "print(json.dumps([name, sys.argv[1] in sys.path, sorted(sys.modules[name].__path__)]))"
    )
    assert said(sys.executable, "-c", asks, RUNNER) == ["scorebridge_runner", False, [str(RUNNER)]]
