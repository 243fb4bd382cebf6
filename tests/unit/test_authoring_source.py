"""What of a session becomes Pred.py, and what is refused by name."""

import __future__

import ast
import linecache
import math
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scorebridge import BundleNotWritten
from scorebridge.authoring.constants import constant_text
from scorebridge.authoring.pred_source import pred_source
from scorebridge.authoring.saved_files import SavedFile

Session = Callable[[str], dict[str, Any]]


@pytest.fixture(params=["script", "notebook"])
def session(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Session]:
    """Runs code in a __main__ of its own, with its text where Python looks for sources.

    A script is compiled as a whole, the cell of a notebook a statement at a time.
    """
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    cells: list[str] = []

    def run(code: str) -> dict[str, Any]:
        name = f"<cell {len(cells)}>"
        cells.append(name)
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        tree = ast.parse(code)
        parts = [tree] if request.param == "script" else [ast.Module([node], []) for node in tree.body]
        flags = __future__.annotations.compiler_flag if code.startswith("from __future__") else 0
        for part in parts:
            exec(compile(part, name, "exec", flags, dont_inherit=True), main.__dict__)  # noqa: S102 - it is the session
        return main.__dict__

    yield run
    for name in cells:
        linecache.cache.pop(name, None)


def written(space: dict[str, Any], *names: str, predict: str = "predict") -> str:
    """Pred.py with these variables of the session as pickled files."""
    found = [SavedFile(f"{name}.pkl", space[name], "pickle", {}) for name in names]
    return pred_source(space[predict], found)


def test_a_function_brings_its_imports_constants_helpers_and_objects(session: Session) -> None:
    space = session(
        "import math\nimport numpy as np\nfrom math import exp\nfrom pathlib import Path\n"
        "LIMIT, NAMES = 0.1, ('a', {'b'})\nmodel = [1.0, 2.0]\n"
        "def _logit(x):\n    return 1 / (1 + np.exp(-x)) + math.pi\n"
    )
    session("def predict(age):\n    '''Scores.'''\n    return _logit(age) * model[0] + LIMIT + exp(0) + len(NAMES)\n")
    text = written(space, "model")
    assert text == (
        "import math\nimport numpy as np\nimport pickle\nfrom math import exp\nfrom pathlib import Path\n\n"
        "LIMIT = 0.1\nNAMES = ('a', {'b'})\n\n\n"
        "def _logit(x):\n    return 1 / (1 + np.exp(-x)) + math.pi\n\n\n"
        'model = pickle.loads(Path("model.pkl").read_bytes())\n\n\n'
        "def predict(age):\n    '''Scores.'''\n    return _logit(age) * model[0] + LIMIT + exp(0) + len(NAMES)\n"
    )


def test_what_a_definition_needs_comes_before_it(session: Session) -> None:
    space = session(
        "import functools\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Base:\n    scale: float = 2.0\n    def times(self, x):\n        return self.scale * x\n"
        "class Own(Base):\n    def times(self, x):\n        return super().times(x)\n"
        "model = {'a': 1}\n"
        "def _twice(function):\n    @functools.wraps(function)\n    def twice(x):\n        return 2 * function(x)\n"
        "    return twice\n"
        "@_twice\ndef _helper(x):\n    return Own().times(x)\n"
        "def predict(x, known=model):\n    return _helper(x) + len(known)\n"
    )
    text = written(space, "model")
    assert text.index("class Base") < text.index("class Own")
    assert text.index("def _twice") < text.index("@_twice\n")
    assert text.index("model = pickle") < text.index("def predict")


def test_a_function_of_another_name_is_renamed_and_an_object_may_have_two_names(session: Session) -> None:
    space = session("model = [1]\nsame = model\ndef score(age):\n    return age + model[0] + same[0]\n")
    text = written(space, "model", predict="score")
    assert 'model = pickle.loads(Path("model.pkl").read_bytes())\nsame = model\n' in text
    assert text.endswith("\n\n\npredict = score\n")


def test_modules_within_a_package_are_imported_where_they_are_used(session: Session) -> None:
    space = session("import xml.etree.ElementTree\ndef predict(age):\n    return xml.etree.ElementTree.XML('<a/>')\n")
    assert written(space).startswith("import xml\nimport xml.etree\nimport xml.etree.ElementTree\n\n")


def test_a_name_of_ours_gives_way_to_the_authors(session: Session) -> None:
    space = session("Path = 3\nmodel = [1]\ndef predict(age):\n    return age + model[0] + Path\n")
    assert "from pathlib import Path as _Path\n" in written(space, "model")
    assert 'model = pickle.loads(_Path("model.pkl").read_bytes())' in written(space, "model")


def test_postponed_annotations_stay_postponed(session: Session) -> None:
    space = session("from __future__ import annotations\ndef predict(age: Array) -> Scores:\n    return age\n")
    assert written(space) == (
        "from __future__ import annotations\n\n\ndef predict(age: Array) -> Scores:\n    return age\n"
    )


def test_empty_lines_within_a_text_stay(session: Session) -> None:
    code = 'def predict(age):\n    return len("""a' + "\n" * 9 + 'b""") + age\n'
    assert written(session(code)) == code


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("predict = lambda age: age", "'predict' is a lambda|'<lambda>' is a lambda"),
        ("predict = [].append", "predict is builtin_function_or_method: give a function that is defined by def"),
        ("predict = 3", "predict is int: give a function"),
        ("other = object()\ndef predict(age):\n    return other", "'predict' uses 'other', which is object of this"),
        ("def predict(age):\n    return absent", "'predict' uses 'absent', which is not defined in this session"),
        ("def clean(x):\n    return x\ndef predict(age):\n    return clean(age)", "name it _clean"),
        ("def _a(x):\n    return x\n_b = _a\ndef predict(age):\n    return _b(age)", "whose definition says '_a'"),
        (
            "def f():\n    k = 2\n    def predict(age):\n        return k * age\n    return predict\npredict = f()",
            "uses 'k'",
        ),
        ("_f = lambda x: x\ndef predict(age):\n    return _f(age)", "'_f' is a lambda"),
        ("import __main__\ndef predict(age):\n    return __main__", "'__main__', which is module of this session"),
    ],
)
def test_what_cannot_come_along_is_refused_by_name(session: Session, code: str, said: str) -> None:
    with pytest.raises(BundleNotWritten, match=said):
        written(session(code))


def test_an_object_that_nothing_uses_is_refused(session: Session) -> None:
    space = session("model = [1]\ncopy = list(model)\ndef predict(age):\n    return age + len(model)\n")
    with pytest.raises(BundleNotWritten, match=r"^copy.pkl is in files, and 'predict' does not use this very object"):
        written(space, "model", "copy")


def test_a_source_that_no_longer_runs_is_refused(session: Session) -> None:
    space = session("def predict(age):\n    return age + 1\n")
    name = space["predict"].__code__.co_filename
    changed = "def predict(age):\n    return age + 2\n"
    linecache.cache[name] = (len(changed), None, changed.splitlines(keepends=True), name)
    with pytest.raises(BundleNotWritten, match="the source of 'predict' is another than the one that runs"):
        written(space)


def test_a_source_that_the_prompt_did_not_keep_is_refused(session: Session) -> None:
    space = session("def predict(age):\n    return age + 1\n")
    linecache.cache.pop(space["predict"].__code__.co_filename)
    with pytest.raises(BundleNotWritten, match="the source of 'predict' is not known"):
        written(space)


def test_one_name_stands_for_one_thing(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scoring_module.py"
    path.write_text("RATE = 2\ndef _g(x):\n    return RATE * x\ndef predict(age):\n    return _g(age) + _f(age)\n")
    module: Any = types.ModuleType("scoring_module")
    monkeypatch.setitem(sys.modules, "scoring_module", module)
    exec(compile(path.read_text(), path, "exec"), module.__dict__)  # noqa: S102 - a module of the author's
    module._f = session("def _f(x):\n    return x\n")["_f"]
    assert "RATE = 2\n\n\n" in pred_source(module.predict, [])
    module._f = session("RATE = 3\ndef _f(x):\n    return RATE * x\n")["_f"]
    with pytest.raises(BundleNotWritten, match="'RATE' is one thing in _g and another one elsewhere"):
        pred_source(module.predict, [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        (math.inf, 'float("inf")'),
        (b"\0", "b'\\x00'"),
        ((1,), "(1,)"),
        ({"b", "a"}, "{'a', 'b'}"),
        (set(), "set()"),
        ({"a": [1, (2.5, None)]}, "{'a': [1, (2.5, None)]}"),
    ],
)
def test_plain_constants_are_written_as_text(value: Any, text: str) -> None:
    assert constant_text(value) == text


@pytest.mark.parametrize(
    "value", [np.float64(1.0), [math.nan], object(), types.SimpleNamespace(), "x" * 100_001, True.__and__]
)
def test_what_its_text_does_not_tell_is_no_constant(value: Any) -> None:
    assert constant_text(value) is None


def test_what_packages_define_is_imported_from_where_it_is_public(session: Session) -> None:
    space = session(
        "from collections import OrderedDict as Ordered\nfrom numpy import exp\nimport numpy.linalg as la\nsize = len\n"
        "from sklearn.linear_model import Ridge\n"
        "def predict(age):\n    return exp(age), Ridge, la.norm(age), Ordered(), size(age)\n"
    )
    assert written(space).splitlines()[:5] == [
        "import numpy.linalg as la",
        "from builtins import len as size",
        "from collections import OrderedDict as Ordered",
        "from numpy import exp",
        "from sklearn.linear_model import Ridge",
    ]


def test_what_cannot_be_ordered_is_refused(session: Session) -> None:
    space = session("model = [1]\nclass Own:\n    known = model\ndef predict(age):\n    return age, Own, model\n")
    with pytest.raises(BundleNotWritten, match="need one another before either is there"):
        pred_source(space["predict"], [SavedFile("model.pkl", space["model"], "pickle", {"Own": space["Own"]})])
    with pytest.raises(BundleNotWritten, match=r"^f\.pkl refers to 'Gone', which is no longer in this session"):
        pred_source(space["predict"], [SavedFile("f.pkl", space["model"], "pickle", {"Gone": space["Own"]})])
    with pytest.raises(BundleNotWritten, match=r"^f\.pkl in files is predict itself"):
        pred_source(space["predict"], [SavedFile("f.pkl", space["predict"], "pickle", {})])


def test_a_class_without_methods_is_found_in_its_cell_unless_there_are_two(session: Session) -> None:
    session("from dataclasses import dataclass\n@dataclass\nclass Rates:\n    base: float = 0.5\n")
    space = session("def predict(age):\n    return age * Rates().base\n")
    assert "\n\n@dataclass\nclass Rates:\n    base: float = 0.5\n\n\n" in written(space)
    session("@dataclass\nclass Rates:\n    base: float = 0.25\n")
    with pytest.raises(BundleNotWritten, match="the source of 'Rates' is not known"):
        written(space)
