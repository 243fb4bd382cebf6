"""Bundles of Python functions that may not serve: one sentence from `check` and from `deploy`, and nothing deployed."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LinearRegression
from typer.testing import CliRunner, Result

from bridge.bundles.repository import Repository
from bridge.cli.app import app

ADDS = "def predict(a):\n    return a + 1\n"
LOADS = f"import pickle\nwith open('model.pkl', 'rb') as file:\n    model = pickle.load(file)\n{ADDS}"
DOUBLE = "[features]\na = 'double'\n"
FRAME = "input = 'frame'\n[features]\na = 'double'\n"
NO_CALL = "--unproven takes it as it is"
R_FILES = {"Pred.R": "Pred.R <- function(a) a", "model.rds": "x"}

Files = Mapping[str, str | bytes]


def bundle_of(folder: Path, files: Files, settings: str = "") -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    if settings:
        (folder / "model.toml").write_text(settings)
    return folder


def tried(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def _without_paths(sentence: str) -> str:
    """A sentence of which a copy's folder, and a time, may not be the same twice."""
    return re.sub(r"'/[^']*'|after [0-9.]+ s", "...", sentence)


def why_not(bundle: Path, *options: object) -> str:
    """The sentence that `check` and `deploy` have in common."""
    repository = bundle.parent / "repository"
    checked = tried("check", bundle, *options)
    deployed = tried("deploy", bundle, "--repository", repository, "--model", "m", *options)
    assert (checked.exit_code, deployed.exit_code) == (1, 1)
    assert Repository(repository).versions() == []
    assert list(repository.glob(".staging-*")) == []
    assert _without_paths(deployed.stderr) == _without_paths(checked.stderr)
    return checked.stderr.strip()


def other_sklearn() -> bytes:
    """A model that says to be of another version of sklearn."""
    model = LinearRegression().fit(np.arange(3.0).reshape(3, 1), np.arange(3.0))
    raw = pickle.dumps(model)
    version = sklearn.__version__.encode()
    assert raw.count(version) == 1
    return raw.replace(version, b"0" * len(version))


FOLDERS: dict[str, tuple[Files, str, str]] = {
    "no Pred.py": (
        {"model.pkl": "x"},
        "",
        "the folder holds model.pkl, but no model.ubj or model.json: .*else a Pred.py ",
    ),
    "asked for, and no Pred.py": ({"model.pkl": "x"}, "python = 'x'", "there is no Pred.py in the folder: "),
    "Pred.R and Pred.py": (
        {**R_FILES, "Pred.py": ADDS},
        "",
        "the bundle holds Pred.R and Pred.py: say which of them is the model, by `backend` in model.toml",
    ),
    "a booster and Pred.py": ({"model.ubj": "x", "Pred.py": ADDS}, "", "the bundle holds Pred.py and model.ubj: say "),
    "python in an R bundle": (
        R_FILES,
        "python = 'x'",
        "model.toml: python is for Python models, and this is an R model",
    ),
    "process_limit in an R bundle": (R_FILES, "process_limit = 3", "model.toml: process_limit is for Python models"),
    "locale": ({"Pred.py": ADDS}, "locale = 'C'", "model.toml: locale is for R models, and this is a Python model"),
    "a time zone that is none": (
        {"Pred.py": ADDS},
        "timezone = 'Asia/Peking'",
        "this machine has no time zone 'Asia/Peking': `timezone` in model.toml is a name such as Asia/Shanghai, ",
    ),
    "a file that is no time zone": (
        {"Pred.py": ADDS},
        "timezone = 'leapseconds'",
        "this machine has no time zone 'leap",
    ),
    "unknown interpreter": (
        {"Pred.py": ADDS},
        "python = 'old'",
        "model.toml says python = 'old', and .pythons. in the gateway's settings has no such name; it has none",
    ),
    "a frame without columns": ({"Pred.py": ADDS}, "input = 'frame'", r"model.toml: input is 'frame', so \[features\]"),
    "no parameter": ({"Pred.py": ADDS}, "[features]\nb = 'int'", r"model.toml: \[features\] names 'b', which is no "),
    "numbers as levels": (
        {"Pred.py": ADDS},
        "[features]\na = {type = 'int', levels = [1, 2]}",
        r"model.toml: \[features\] says that 'a' has whole numbers as levels, which only an xgboost model has: say ",
    ),
    "codes": ({"Pred.py": ADDS}, "[features]\na = {levels = 'codes'}", r"model.toml: \[features\] says that 'a' has "),
    "other outputs": (
        {"Pred.py": ADDS},
        "[outputs]\nscore = 'int'",
        "trial rows can't be scored: the model: the output 'score' is double, and must be int",
    ),
    "golden rows": (
        {"Pred.py": ADDS, "golden.csv": "a,score.score\n1,3\n"},
        DOUBLE,
        "golden rows don't come out: output 'score' differs in 1 of 1 rows, first in row 2 ",
    ),
    "golden rows without types": (
        {"Pred.py": ADDS, "golden.csv": "a,score.score\n1,2\n"},
        "",
        r"golden.csv: column 'a' has no type; declare it in \[features\]",
    ),
}

SOURCES: dict[str, tuple[str, str]] = {
    "two functions": (
        f"{ADDS}def other(a):\n    return a\n",
        r"Pred.py defines 2 functions \(predict, other\), and a bundle has one: begin the names of helpers with an ",
    ),
    "another name": (
        "def score(a):\n    return a\n",
        "Pred.py defines the function score, and none is named predict: ",
    ),
    "no function": ("import math\n", "Pred.py defines no function predict"),
    "predict twice": (f"{ADDS}{ADDS}", "Pred.py defines predict 2 times, in lines 1, 3: leave one"),
    "a syntax error": ("def predict(a:\n    return a\n", r"Pred.py, line 1: '\(' was never closed"),
    "tabs": ("def predict(a):\n    b = a\n\treturn b\n", "Pred.py, line 3: inconsistent use of tabs and spaces"),
    "async": ("async def predict(a):\n    return a\n", "Pred.py defines predict by async def: define it by def"),
    "no features": ("def predict():\n    return 1\n", "predict in Pred.py has no named parameters: the features are "),
    "a missing module": (
        f"import nowhere\n{ADDS}",
        r"Pred.py needs the module 'nowhere', which is not installed in /\S+/python\S* \(Pred.py, line 1\)",
    ),
    "a missing file": (
        LOADS,
        r"Pred.py raised FileNotFoundError while it was loaded \(Pred.py, line 2\): .*No such file or directory: ",
    ),
    "it raises": (
        f"raise ValueError('no')\n{ADDS}",
        r"Pred.py raised ValueError while it was loaded \(Pred.py, line 1\)",
    ),
    "it exits": (
        f"import sys\nsys.exit(3)\n{ADDS}",
        r"Pred.py raised SystemExit while it was loaded \(Pred.py, line 2\)",
    ),
    "it ends its process": (
        f"import os\nos._exit(3)\n{ADDS}",
        "Python died while it loaded the bundle: it ended with exi",
    ),
    "it crashes": (f"import ctypes\nctypes.string_at(0)\n{ADDS}", "Python died while it loaded the bundle: .*SIGSEGV"),
    "it dies in a call": (
        "import os\ndef predict(a):\n    os._exit(1)\n",
        "trial rows can't be scored: the model: the Python worker was lost after ",
    ),
}

RETURNED = {
    "(x for x in a)": "generator, which gives its scores one by one: return a list or an array of them",
    "None": r"nothing \(None\): end it by return, with one score for each row",
    "polars.LazyFrame({'s': a})": r"polars.lazyframe.frame.LazyFrame: return frame.collect\(\)",
    "numpy.ma.masked_array(a, a > 0)": r".*MaskedArray: return array.filled\(numpy.nan\)",
    "numpy.append(a, 1.0)": "the output 'score' has 4 scores for 3 rows",
    "a.astype('f2')": "the type float16: return float64, float32, whole numbers of up to 64 bits with a sign, ",
    "a + 1j": "the type complex128: return float64",
    "a.mean()": "one numpy.float64 for all rows: return an array with one score for each row",
    "[*'x' * (len(a) - 1), 1.5]": "the output 'score' holds float and str: return numbers of one type",
    "pandas.Series(a, [7 + x for x in range(len(a))])": "an index that is not 0 to ",
    "object()": "object: return an array, a list of scores, a dict of arrays, or a frame of pandas or polars",
}

PICKLES: dict[str, tuple[bytes, str]] = {
    "cut": (b"\x80\x04\x95\x10", r"Pred.py raised _pickle.UnpicklingError while it was loaded \(Pred.py, line 3\): "),
    "no pickle": (b"hello", r"Pred.py raised _pickle.UnpicklingError while it was loaded \(Pred.py, line 3\): "),
    "a class of a notebook": (
        b"c__main__\nModel\n.",
        "Pred.py raised AttributeError .*: Can't get attribute 'Model' .*; the saved object refers to .*: define it ",
    ),
    "a module that is not here": (
        b"cnowhere\nModel\n.",
        "Pred.py needs the module 'nowhere', which is not installed in ",
    ),
}

REQUIREMENTS = {
    "numpy==1.0\nnowhere>=2\n": (
        "requirements.txt does not fit /.*: line 1 asks for numpy==1.0, and .* is installed; line 2 asks for nowhere"
    ),
    "numpy==\n": "requirements.txt, line 1: only distributions with their versions can be checked",
    "numpy\n-r other.txt\n": "requirements.txt, line 2: only distributions with their versions can be checked",
}

LIMITS = {
    "memory_limit_mb = 40": (ADDS, "Python could not be started: memory_limit_mb = 40 was reached$"),
    "memory_limit_mb = 600": (
        f"most = bytearray(10**9)\n{ADDS}",
        ".*MemoryError.*: memory_limit_mb = 600 was reached$",
    ),
    "load_timeout_s = 1": (
        f"import time\ntime.sleep(1000)\n{ADDS}",
        r"the bundle was not loaded within 1 s \(load_timeout_s\)$",
    ),
}


@pytest.mark.parametrize("what", FOLDERS)
def test_a_folder_that_is_no_python_bundle(tmp_path: Path, what: str) -> None:
    files, settings, sentence = FOLDERS[what]
    said = why_not(bundle_of(tmp_path / "b", files, settings))
    assert re.match(sentence, said)
    assert "\n" not in said


@pytest.mark.parametrize("what", SOURCES)
def test_a_source_that_does_not_load(tmp_path: Path, what: str) -> None:
    source, sentence = SOURCES[what]
    said = why_not(bundle_of(tmp_path / "b", {"Pred.py": source}))
    assert re.match(sentence, said)
    assert "\n" not in said


@pytest.mark.parametrize("returned", RETURNED)
def test_what_a_function_must_not_return_is_named_with_what_to_return(tmp_path: Path, returned: str) -> None:
    source = f"import numpy, pandas, polars\ndef predict(a):\n    return {returned}\n"
    said = why_not(bundle_of(tmp_path / "b", {"Pred.py": source}))
    assert re.match("(nothing was scored: made-up rows gave|. rows can't be scored, though . can): the model: ", said)
    assert re.search(RETURNED[returned], said)
    assert said.endswith(NO_CALL)


@pytest.mark.parametrize("what", PICKLES)
def test_a_model_file_that_does_not_load(tmp_path: Path, what: str) -> None:
    raw, sentence = PICKLES[what]
    assert re.match(sentence, why_not(bundle_of(tmp_path / "b", {"Pred.py": LOADS, "model.pkl": raw})))


def test_a_model_of_another_sklearn_is_taken_by_whoever_accepts_its_warning(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "b", {"Pred.py": LOADS, "model.pkl": other_sklearn()})
    said = why_not(bundle)
    assert re.match(
        "the model warned while it was loaded, and may give other scores: InconsistentVersionWarning: Trying to "
        "unpickle estimator LinearRegression from version 0+ when using .*; --accept-warnings takes it as it is$",
        said,
    )
    done = tried("deploy", bundle, "--repository", tmp_path / "r", "--model", "m", "--accept-warnings")
    assert done.exit_code == 0
    assert "warning: the model warned while it was loaded, and may give other scores: Inconsist" in done.stdout
    assert "deployed m/1" in done.stdout


@pytest.mark.parametrize("text", REQUIREMENTS)
def test_requirements_that_are_not_met_or_not_read(tmp_path: Path, text: str) -> None:
    assert re.match(REQUIREMENTS[text], why_not(bundle_of(tmp_path / "b", {"Pred.py": ADDS, "requirements.txt": text})))


@pytest.mark.parametrize("setting", LIMITS)
def test_a_limit_that_is_too_small_is_named(tmp_path: Path, setting: str) -> None:
    source, sentence = LIMITS[setting]
    assert re.match(sentence, why_not(bundle_of(tmp_path / "b", {"Pred.py": source}, setting)))


def test_links_are_not_copied(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "b", {"Pred.py": LOADS})
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(1))
    (bundle / "model.pkl").symlink_to(tmp_path / "model.pkl")
    checked = tried("check", bundle)
    assert checked.exit_code == 0
    assert "note: deploy would refuse this bundle: model.pkl is a link, and links are not copied" in checked.stdout
    deployed = tried("deploy", bundle, "--repository", tmp_path / "r", "--model", "m")
    assert deployed.exit_code == 1
    assert deployed.stderr.startswith("model.pkl is a link, and links are not copied: ")
