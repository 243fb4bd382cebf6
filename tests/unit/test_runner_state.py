"""What a call leaves behind is seen where the next call would meet it, and nothing else is taken for it."""

import os
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator

import pytest
from scorebridge.runner.state import State

Loads = Callable[[str], types.ModuleType]


@pytest.fixture
def loads() -> Iterator[Loads]:
    """Makes a module of the text of a Pred.py."""

    def load(text: str) -> types.ModuleType:
        module = types.ModuleType("Pred")
        sys.modules["Pred"] = module
        exec(text, module.__dict__)  # noqa: S102 - as a bundle is
        return module

    yield load
    sys.modules.pop("Pred", None)


CHANGES = {
    "a global that is set": "n = 0\ndef predict(x):\n    global n\n    n = x",
    "a global that is set to what is equal": "n = [1]\ndef predict(x):\n    global n\n    n = [1]",
    "a global that is made": "def predict(x):\n    global n\n    n = x",
    "a global that is removed": "n = 0\ndef predict(x):\n    global n\n    del n",
    "a list": "seen = []\ndef predict(x): seen.append(x)",
    "a list in a dict in a list": "seen = [{'a': []}]\ndef predict(x): seen[0]['a'].append(x)",
    "a dict beside a model": "import sys\nseen = {'model': sys, 'n': 0}\ndef predict(x): seen['n'] += 1",
    "a dict beside what can't be pickled": "seen = {'f': lambda: 0, 'n': 0}\ndef predict(x): seen['n'] += 1",
    "a dict beside a large array": "import numpy as np\nseen = {'w': np.zeros(10**5), 'n': 0}\n"
    "def predict(x): seen['n'] += 1",
    "a dict beside a mapped file": "import numpy as np, tempfile\n"
    "with tempfile.TemporaryFile() as _f: seen = {'w': np.memmap(_f, shape=10**6, mode='w+'), 'n': 0}\n"
    "def predict(x): seen['n'] += 1",
    "a dict beside numbers of numpy": "import numpy as np\n"
    "seen = {np.float64(1): np.dtype('f8'), 'c': 1j, 'r': range(3), 'n': np.int64(0)}\n"
    "def predict(x): seen['n'] += np.int64(1)",
    "the model in a dict": "seen = {'model': object()}\ndef predict(x): seen['model'] = object()",
    "a set": "seen = set()\ndef predict(x): seen.add(x)",
    "a deque": "from collections import deque\nseen = deque()\ndef predict(x): seen.append(x)",
    "a counter": "from collections import Counter\nseen = Counter()\ndef predict(x): seen[x] += 1",
    "a default dict": "from collections import defaultdict\nseen = defaultdict(lambda: 0)\n"
    "def predict(x): seen[x] += 1",
    "a dict of a class of the bundle": "class Seen(dict): pass\nseen = Seen()\ndef predict(x): seen[x] = 1",
    "a small array": "import numpy as np\nseen = np.zeros(9)\ndef predict(x): seen[0] = x",
    "an array of objects": "import numpy as np\nseen = np.array([None, []], object)\ndef predict(x): seen[1].append(x)",
    "bytes": "seen = bytearray(2)\ndef predict(x): seen[0] = 1",
    "a generator of numpy": "import numpy as np\nr = np.random.default_rng(1)\ndef predict(x): r.random()",
    "an old generator of numpy": "import numpy as np\nr = np.random.RandomState(1)\ndef predict(x): r.rand()",
    "a generator of Python": "import random\nr = random.Random(1)\ndef predict(x): r.random()",
    "a parameter's default": "def predict(x, seen=[]): seen.append(x)",
    "a keyword's default": "def predict(x, *, seen={}): seen[x] = 1",
    "an attribute of the function": "def predict(x): predict.n = x",
    "a closure": "def _made():\n    n = 0\n    def predict(x):\n        nonlocal n\n        n += 1\n"
    "    return predict\npredict = _made()",
    "an object": "class _A:\n    n = 0\n    def predict(self, x): self.n += 1\n_a = _A()\npredict = _a.predict",
    "an object that only its method has": "class _A:\n    n = 0\n    def predict(self, x): self.n += 1\n"
    "predict = _A().predict",
    "a class": "class _A:\n    seen = []\n    def predict(self, x): self.seen.append(x)\npredict = _A().predict",
    "a class's number": "class _A:\n    n = 0\ndef predict(x): _A.n += 1",
}


@pytest.mark.parametrize("text", CHANGES.values(), ids=CHANGES)
def test_what_the_next_call_would_meet_is_seen(text: str, loads: Loads) -> None:
    module = loads(text)
    state = State([module])
    assert state.change() == ""
    module.predict(1)
    assert state.change().startswith("predict "), text


KEPT = {
    "nothing": "def predict(x): return x",
    "a warning": "import warnings\ndef predict(x):\n    with warnings.catch_warnings(record=True):\n"
    "        warnings.simplefilter('always')\n        warnings.warn('odd')",
    "what is put back": "seen = [1]\ndef predict(x):\n    seen.append(x)\n    seen.pop()",
    "a cache of a pure function": "from functools import lru_cache\n@lru_cache\ndef _f(x): return x\n"
    "def predict(x): return _f(x)",
    "objects that raise whatever is asked of them": "class _A:\n    def __eq__(self, o): raise OSError\n"
    "    def __hash__(self): raise OSError\n    def __reduce_ex__(self, p): raise OSError\n"
    "    def __getattr__(self, n): raise OSError\n    def __len__(self): raise OSError\n"
    "    def __getattribute__(self, n): raise OSError\n    def __bool__(self): raise OSError\n"
    "a, d = _A(), {'a': _A()}\ndef predict(x): return x",
    "containers in themselves": "seen = []\nseen.append(seen)\ndef predict(x): return x",
    "a property, a slot and an enum": "import enum\nclass _A:\n    __slots__ = ('n',)\n    @property\n"
    "    def p(self): return 1\nclass _E(enum.Enum):\n    A = 1\na = _A()\ndef predict(x): return a.p, _E(1)",
    "an import": "def predict(x):\n    import colorsys\n    return colorsys",
}


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_what_the_next_call_does_not_meet_is_no_change(text: str, loads: Loads) -> None:
    module = loads(text)
    state = State([module])
    module.predict(1)
    module.predict(2)
    assert state.change() == ""


def test_an_object_at_the_address_of_another_does_not_pass_for_it(loads: Loads) -> None:
    module = loads("seen = {'a': object()}\ndef predict(x):\n    del seen['a']\n    seen['a'] = object()")
    state = State([module])
    for _ in range(100):  # the new one is mostly where the old one was, unless that is kept
        module.predict(1)
        assert state.change() == "predict changed what is in the global variable 'seen'"


def test_a_large_model_is_not_written_to_find_out_that_it_is_large(loads: Loads) -> None:
    module = loads(
        "pickled = []\nclass _Model:\n    def __reduce_ex__(self, protocol):\n        pickled.append(1)\n"
        "        return bytes, (10**9,)\nmodels = {'a': _Model()}\ndef predict(x): return x"
    )
    state = State([module])
    assert state.change() == ""
    assert module.pickled == []


def test_what_is_large_or_many_is_no_change(loads: Loads) -> None:
    module = loads(
        "import numpy as np, tempfile\nlarge, long, text = np.zeros(10**6), list(range(10**5)), ['x' * 10**6]\n"
        "with tempfile.TemporaryFile() as file: mapped = np.memmap(file, shape=10**6, mode='w+')\n"
        "for n in range(1000): globals()[f'l{n}'] = [n] * 100\ndef predict(x): long.append(x)"
    )
    state = State([module])
    module.predict(1)
    assert state.change() == ""


def test_a_thread_is_seen_and_what_it_was_is_said(loads: Loads) -> None:
    state = State([loads("def predict(x): return x")])
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    assert state.change() == "predict left a thread behind"
    end.set()
    thread.join()
    assert state.change() == ""


def test_a_process_is_seen_and_those_that_ended_are_none(loads: Loads) -> None:
    state = State([loads("def predict(x): return x")])
    # More than Python may call itself: each was once waited for by a call in the call for the one before.
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(150)
    try:
        ended = [os.posix_spawn("/bin/true", ["true"], {}) for _ in range(200)]
        for pid in ended:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert state.change() == ""
    finally:
        sys.setrecursionlimit(limit)
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        assert state.change() == "predict left a process behind"
        process.kill()
        process.wait()
    assert state.change() == ""


def test_each_module_of_the_bundle_is_looked_at(loads: Loads) -> None:
    beside = types.ModuleType("beside")
    beside.__dict__["seen"] = []
    state = State([loads("def predict(x): return x"), beside])
    beside.__dict__["seen"].append(1)
    assert state.change() == "predict changed what is in the global variable 'seen'"
