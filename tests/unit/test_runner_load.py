"""How a Pred.py is read and loaded: what models are written like works, and each fault is one sentence."""

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scorebridge.runner import source
from scorebridge.runner.distributions import imported_distributions
from scorebridge.runner.load import Loaded, load

Loads = Callable[..., Loaded]


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loads]:
    """Loads a bundle of a Pred.py and other files, as a process of its own would."""
    modules, main, path = dict(sys.modules), sys.modules["__main__"], list(sys.path)
    monkeypatch.setattr("scorebridge.runner.load.imported_distributions", lambda _: ["some 1.0"])

    def run(text: str | bytes, form: str = "columns", **files: str) -> Loaded:
        for name, content in files.items():
            (tmp_path / f"{name}.py").write_text(content)
        (tmp_path / "Pred.py").write_bytes(text.encode() if isinstance(text, str) else text)
        return load(str(tmp_path), form)

    yield run
    for name in set(sys.modules) - set(modules):
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    sys.modules["__main__"] = main
    sys.path[:] = path


MADE = {
    "def": "def predict(a, b=1): return a",
    "lambda": "predict = lambda a, b=1: a",
    "partial": "from functools import partial\ndef _f(a, b, c): return a\npredict = partial(_f, b=1, c=2)",
    "method": "class _M:\n    def predict(self, a, b=1): return a\npredict = _M().predict",
    "callable object": "class M:\n    def __call__(self, a, b=1): return a\npredict = M()",
    "import": "from beside import predict",
    "decorator": "from functools import wraps\ndef _logged(f):\n    @wraps(f)\n"
    "    def inner(*a, **k): return f(*a, **k)\n    return inner\n@_logged\ndef predict(a, b=1): return a",
    "with others": "def predict(a, b=1, *rest, **more): return a",
    "keyword only": "def predict(a, *, b=1): return a",
    "annotations": "from __future__ import annotations\n"
    "def predict(a: np.ndarray, b: nothing.At.All = 1) -> what: return a",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n    a: int = 0\n"
    "def predict(a, b=P()): return a",
    "main": "def predict(a, b=1): return a\nif __name__ == '__main__':\n    raise SystemExit",
    "conditional": "try:\n    import nothing_of_this_name\nexcept ImportError:\n    def predict(a, b=1): return a",
    "byte order mark": "\ufeffdef predict(a, b=1): return a",
    "a name of another script": "def predict(a, größe=1): return a",
    "file": "with open('model.txt') as file: model = file.read()\ndef predict(a, b=1): return a",
    "module that raises when asked": "import sys\nclass _Lazy:\n    def __getattr__(self, name): raise OSError\n"
    "sys.modules['lazy_of_a_test'] = _Lazy()\ndef predict(a, b=1): return a",
    "object that raises when asked": "class _O:\n    def __getattr__(self, name): raise OSError\no = _O()\n"
    "def predict(a, b=1): return a",
}


@pytest.mark.parametrize("text", MADE.values(), ids=MADE)
def test_functions_as_they_are_made(text: str, loads: Loads, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("1")
    was = Path.cwd()
    loaded = loads(text, beside="def predict(a, b=1): return a")
    sys.modules.pop("lazy_of_a_test", None)
    assert loaded.error is None
    assert loaded.features[0] == ("a", True)
    assert [required for _, required in loaded.features[1:]] == [False] * (len(loaded.features) - 1)
    assert loaded.predict is not None
    assert loaded.predict(a=7) == 7
    assert loaded.packages == ["some 1.0"]
    assert Path.cwd() == was
    assert sorted(module.__name__ for module in loaded.modules) == sorted(
        ["Pred", "beside"] if "beside" in text else ["Pred"]
    )


def test_a_class_that_was_pickled_in_a_notebook_is_found_in_pred(loads: Loads) -> None:
    # As pickle writes an object of a class of __main__.
    text = "import pickle\nclass Model: n = 3\nmodel = pickle.loads(b'c__main__\\nModel\\n)\\x81.')\ndef predict(a): 0"
    assert loads(text).error is None
    gone = loads(text.replace("class Model", "class Other"))
    assert gone.error is not None
    assert gone.error.startswith(
        "Pred.py raised AttributeError while it was loaded (Pred.py, line 3): Can't get attribute"
    )
    assert gone.error.endswith("define it in Pred.py before the object is loaded, or in a module beside it")


FAULTS: list[tuple[str | bytes, str]] = [
    ("x = 1", "Pred.py defines no function predict"),
    ("", "Pred.py defines no function predict"),
    ("def score(a): return a", "Pred.py defines the function score, and none is named predict: name it so"),
    ("def one(a): 0\ndef two(a): 0", "Pred.py defines the functions one, two, and none is named predict: name it so"),
    ("def predict(a): 0\ndef predict(b): 0", "Pred.py defines predict 2 times, in lines 1, 2: leave one"),
    (
        "def predict(a): 0\ndef clean(b): 0",
        "Pred.py defines 2 functions (predict, clean), and a bundle has one: begin the names of helpers with an",
    ),
    ("async def predict(a): 0", "Pred.py defines predict by async def: define it by def"),
    ("predict = 3", "predict in Pred.py is int, and not a function"),
    ("class predict: pass", "predict in Pred.py is a class, and not a function"),
    ("def predict(): 0", "predict in Pred.py has no named parameters: the features are its parameters"),
    ("def predict(*a, **b): 0", "predict in Pred.py has no named parameters: the features are its parameters"),
    ("def predict(a, /, b): 0", "the parameter 'a' of predict is positional only: remove the / from its parameters"),
    ("predict = dict.update", "the parameters of predict in Pred.py are not known: define it by def"),
    ("x = (\ndef predict(a): 0", "Pred.py, line 1: '(' was never closed"),
    ("def predict(a):\nreturn a", "Pred.py, line 2: expected an indented block after function definition on line 1"),
    (b"x = '\xff'", "Pred.py, line 1: "),
    (b"x = 1\0", "Pred.py: source code string cannot contain null bytes"),
    ("x = " + "(" * 300 + ")" * 300, "Pred.py, line 1: too many nested parentheses"),
    (
        "\nimport nothing_of_this_name.at_all",
        f"Pred.py needs the module 'nothing_of_this_name', which is not installed in {sys.executable} (Pred.py, line",
    ),
    ("import beside", "Pred.py raised ValueError while it was loaded (beside.py, line 1): no"),
    ("raise SystemExit(3)", "Pred.py raised SystemExit while it was loaded (Pred.py, line 1): 3"),
    ("raise KeyboardInterrupt", "Pred.py raised KeyboardInterrupt while it was loaded (Pred.py, line 1): "),
    ("open('model.pkl')", "Pred.py raised FileNotFoundError while it was loaded (Pred.py, line 1): [Errno 2] No such"),
    ("raise ValueError('a\\n\\x1b b')", "Pred.py raised ValueError while it was loaded (Pred.py, line 1): a ? b"),
    (
        "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E",
        "Pred.py raised Pred.E while it was loaded (Pred.py, line 3): its message can't be made",
    ),
    (
        "class _S:\n    __signature__ = 3\n    def __call__(self, a): 0\npredict = _S()",
        "the parameters of predict in Pred.py are not known: define it by def",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), FAULTS)
def test_each_fault_is_one_sentence(text: str | bytes, sentence: str, loads: Loads) -> None:
    loaded = loads(text, beside="raise ValueError('no')")
    assert loaded.error is not None
    assert loaded.error.startswith(sentence)
    assert "\n" not in loaded.error
    assert loaded.predict is None


def test_there_has_to_be_a_file_and_not_too_large_a_one(
    tmp_path: Path, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(str(tmp_path), "columns").error == "Pred.py can't be read: No such file or directory"
    monkeypatch.setattr(source, "_MOST_BYTES", 1 << 20)
    assert loads("#" * (1 << 20) + "\n").error == "Pred.py is larger than 1 MiB"
    assert loads("#" * ((1 << 20) - 1)).error == "Pred.py defines no function predict"


def test_a_frame_is_the_one_parameter_without_a_default(loads: Loads) -> None:
    assert loads("def predict(t=0, *, rows): 0", "frame").frame == "rows"
    assert loads("def predict(rows=None, t=0): 0", "frame").frame == "rows"
    assert loads("def predict(rows): 0").frame is None
    two = "input is 'frame', and predict has 2 parameters without a default: it gets one"
    assert loads("def predict(a, b): 0", "frame").error == two


def test_a_frame_needs_pandas_in_the_interpreter(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)  # as if it were not installed
    error = f"input is 'frame', and pandas is not installed in {sys.executable}: install it there"
    assert loads("def predict(rows): 0", "frame").error == error


def test_what_a_model_was_fitted_on_is_told_of_a_function_of_one_parameter(loads: Loads) -> None:
    text = "class M:\n    feature_names_in_ = ['b', 'a']\nkind, m = M, M()\n"
    assert loads(text + "def predict(X): 0").frame_features == ["b", "a"]
    assert loads(text + "def predict(X, t=0): 0").frame_features == ["b", "a"]
    assert loads(text + "def predict(a, b): 0").frame_features == []
    assert loads(text.replace("'b'", "1") + "def predict(X): 0").frame_features == []


def test_warnings_that_may_mean_other_scores_are_kept_whatever_the_script_ignores(loads: Loads) -> None:
    filters = list(warnings.filters)
    text = (
        "import warnings\nwarnings.filterwarnings('ignore')\nwarnings.simplefilter('error')\n"
        "warnings.simplefilter('ignore', append=True)\n"
        "for _ in range(2): warnings.warn('another version')\n"
        "warnings.warn('divided', RuntimeWarning)\n"
        "warnings.warn('numpy.ufunc size changed', RuntimeWarning)\n"
        "with warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    warnings.warn('on purpose')\n"
        "for n in range(50): warnings.warn(f'w{n}')\n"
        "def predict(a): 0"
    )
    loaded = loads(text)
    assert loaded.warnings[:3] == ["UserWarning: another version", "RuntimeWarning: divided", "UserWarning: w0"]
    assert len(loaded.warnings) == 20
    assert not any("on purpose" in one for one in loaded.warnings)
    assert warnings.filters == filters


def test_threads_that_the_workers_will_not_have_are_told_by_name(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorebridge.runner.load._UNNEEDED_THREADS", ("python", "pytest", "jemalloc", "polars", "grpc"))
    named, end = threading.Event(), threading.Event()
    thread = threading.Thread(target=_named_thread, args=(named, end))
    thread.start()
    named.wait()
    notes = loads("def predict(a): 0").notes
    end.set()
    thread.join()
    assert "sb-waits" in notes[0]
    assert "which the workers do not have: a library that waits for its threads hangs there" in notes[0]


def _named_thread(named: threading.Event, end: threading.Event) -> None:
    Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text("sb-waits")
    named.set()
    end.wait()


def test_distributions_are_those_of_the_imported_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, files in {
        "used-2.0": {"METADATA": "Name: used\nVersion: 2.0\n", "RECORD": "used_module/__init__.py,,\n"},
        "other-1.0": {"METADATA": "Name: other\nVersion: 1.0\n", "top_level.txt": "other_module\n"},
        "~roken-1.0": {"RECORD": "used_module/__init__.py,,\n"},  # as an update that was interrupted leaves it
    }.items():
        (tmp_path / f"{name}.dist-info").mkdir()
        for file, text in files.items():
            (tmp_path / f"{name}.dist-info" / file).write_text(text)
    (tmp_path / "used_module").mkdir()
    (tmp_path / "used_module" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    module: Any = __import__("used_module")
    found = imported_distributions(before)
    del sys.modules["used_module"]
    assert module.__file__.startswith(os.fspath(tmp_path))
    assert "used 2.0" in found
    assert any(one.startswith("numpy ") for one in found)
    assert not any(one.startswith(("other ", "None")) for one in found)
