"""`scorebridge.write_bundle`: what a session writes passes `check`, and is served with the session's own bits."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from fixtures import SCOREBRIDGE, deploy
from gateways import GatewayProcess
from scorebridge import BundleNotWritten, ScoringClient, write_bundle
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

ROWS = 12
PLAIN = "def predict(age, rate=2.0):\n    return age * rate\n"


def check(bundle: Path, *options: str) -> str:
    done = subprocess.run([SCOREBRIDGE, "check", bundle, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pred(folder: Path, code: str) -> Path:
    path = folder / "own.py"
    path.write_text(code)
    return path


def patients() -> pd.DataFrame:
    """Rows with numbers, whole numbers, truth values, texts and a category, of which some are missing."""
    generator = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "age": generator.normal(50, 10, 200),
            "visits": generator.integers(0, 9, 200),
            "insured": generator.random(200) < 0.5,
            "sex": generator.choice(["f", "m"], 200),
            "ward": pd.Categorical(generator.choice(["a", "b"], 200), ["a", "b", "c"]),
        }
    )
    frame.loc[::7, "age"] = np.nan
    frame.loc[::5, "sex"] = np.nan
    frame.loc[::9, "ward"] = np.nan
    return frame


def fitted(frame: pd.DataFrame) -> Pipeline:
    """A pipeline of texts and missing values."""
    encoder = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(sparse_output=False))
    columns = ColumnTransformer([("text", encoder, ["sex", "ward"])], remainder="passthrough")
    model = Pipeline([("columns", columns), ("trees", HistGradientBoostingClassifier(max_iter=5))])
    return model.fit(frame, frame["visits"] + frame["age"].fillna(50) / 10 > 9)


MODEL = fitted(patients())
COLUMNS = ["age", "visits", "insured", "sex", "ward"]
SCALE = {"age": 0.5, "visits": np.float64(2.0).item()}


def _share(frame: pd.DataFrame) -> Any:
    return MODEL.predict_proba(frame)[:, 1]


def predict_frame(frame: pd.DataFrame) -> dict[str, Any]:
    return {
        "p": _share(frame),
        "sure": _share(frame) > SCALE["age"],
        "group": np.where(_share(frame) > 0.3, "high", "low"),
    }


async def served(bundle: Path, repository: Path, rows: pd.DataFrame) -> dict[str, Any]:
    """The scores that a gateway gives for these rows."""
    await deploy(bundle, repository, "patients")
    gateway = GatewayProcess(repository)
    try:
        with ScoringClient(gateway.url) as client:
            return client.score("patients", rows, timeout_s=30).columns
    finally:
        gateway.popen.terminate()
        gateway.close()


async def test_a_frame_with_texts_factors_and_missing_values_is_served_to_the_bit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = patients()
    bundle = write_bundle(
        tmp_path / "bundle",
        {"model.pkl": MODEL},
        predict_frame,
        golden=frame.sample(ROWS, random_state=1),
        input="frame",
        row_wise=True,
        default_score={"p": 0.5, "sure": False, "group": ""},
        timeout_s=30,
    )
    said = capsys.readouterr().err
    assert "features: age (double), visits (int64), insured (bool), sex (string), ward (factor)\n" in said
    assert f"outputs: p (double), sure (bool), group (string)\n  golden rows: {ROWS}, all come out\n" in said
    assert "feature 'ward' has the 3 levels of its column" in said
    assert f"golden: {ROWS} golden rows came out" in check(bundle)
    assert f"scikit-learn=={__import__('sklearn').__version__}\n" in (bundle / "requirements.txt").read_text()
    scores = await served(bundle, tmp_path / "repository", frame)
    for name, wanted in predict_frame(frame).items():
        assert np.array_equal(scores[name], wanted)


def _known(texts: Any) -> Any:
    """Texts as the model was fitted on them: an array has None where one is missing, and a frame NaN."""
    return pd.array([np.nan if one is None else one for one in texts], dtype="str")


def predict_columns(age: Any, visits: Any, insured: Any, sex: Any, ward: Any) -> dict[str, Any]:
    told = np.array([one is not None and one == "f" for one in sex])
    frame = pd.DataFrame({"age": age, "visits": visits, "insured": insured, "sex": _known(sex), "ward": _known(ward)})
    return {
        "p": MODEL.predict_proba(frame)[:, 1],
        "visits": visits + 1,
        "half": age.astype(np.float32) / 2,
        "told": told,
    }


async def test_arrays_are_served_to_the_bit(tmp_path: Path) -> None:
    frame = patients()
    frame["ward"] = frame["ward"].astype(object)
    golden = frame.sample(ROWS, random_state=1)
    bundle = write_bundle(tmp_path / "bundle", {"model.joblib": MODEL}, predict_columns, golden=golden, timeout_s=30)
    assert f"golden: {ROWS} golden rows came out" in check(bundle)
    scores = await served(bundle, tmp_path / "repository", frame)
    for name, wanted in predict_columns(**{name: frame[name].to_numpy() for name in COLUMNS}).items():
        assert np.array_equal(scores[name], wanted, equal_nan=wanted.dtype.kind == "f")


SESSION = """
import sys
sys.modules["pandas"] = sys.modules["polars"] = None  # importing them fails
from dataclasses import dataclass
import numpy as np
import scorebridge

@dataclass
class Rates:
    base: float
    per_year: float

    def of(self, age):
        return self.base + _grown(age) * self.per_year

def _grown(age):
    return np.log1p(age)

LEVELS = ("f", "m")
rates = Rates(0.1, 0.25)

def score(age, sex, visits=None):
    factor = np.array([LEVELS.index(one) if one in LEVELS else np.nan for one in sex])
    return np.column_stack([rates.of(age), factor])

golden = {"age": np.array([0.1, np.nan, 40]), "sex": ["f", None, "x"]}
path = scorebridge.write_bundle(sys.argv[1], {"rates.joblib": rates}, score, golden=golden, row_wise=True, python=None)
print(path)
"""


def test_a_script_brings_its_own_classes_and_helpers(tmp_path: Path) -> None:
    script = tmp_path / "session.py"
    script.write_text(SESSION)
    bundle = tmp_path / "deep" / "bundle"
    done = subprocess.run([sys.executable, script, bundle], capture_output=True, text=True, check=False)
    assert done.stdout == f"{bundle}\n", done.stderr
    assert (bundle / "golden.csv").read_text() == (
        '"age","sex","score.score_1","score.score_2"\n'
        '0.10000000000000001,"f",0.12382754495109,0\n,,,\n40,"x",1.0283930166760664,\n'
    ).replace("0.12382754495109", f"{0.1 + np.log1p(0.1) * 0.25:.17g}").replace(
        "1.0283930166760664", f"{0.1 + np.log1p(40.0) * 0.25:.17g}"
    )
    assert "pandas" not in (bundle / "requirements.txt").read_text()
    assert "golden: 3 golden rows came out" in check(bundle)


def test_a_path_is_copied_and_polars_gives_the_rows(tmp_path: Path) -> None:
    golden = pl.DataFrame({"age": [1.5, None], "size": pl.Series(["s", "l"], dtype=pl.Enum(["s", "l"]))})
    code = "import k\ndef predict(age, size, other=0.0):\n    return age * k.K + (size == 'l') + other\n"
    bundle = write_bundle(
        tmp_path / "b", {"k.py": b"K = 0.1\n"}, pred(tmp_path, code), golden=golden, requirements=False
    )
    assert (bundle / "Pred.py").read_text() == code
    assert sorted(path.name for path in bundle.iterdir()) == ["Pred.py", "golden.csv", "k.py", "model.toml"]
    assert "golden: 2 golden rows came out" in check(bundle)


def test_an_ordered_factor_reaches_a_frame_with_its_order(tmp_path: Path) -> None:
    code = "def predict(frame):\n    return (frame['size'] > 's').to_numpy() + frame['age'].to_numpy()\n"
    golden = pd.DataFrame({"size": pd.Categorical(["s", "l"], ["s", "l"], ordered=True), "age": [1.5, 2.5]})
    bundle = write_bundle(tmp_path / "b", {}, pred(tmp_path, code), golden=golden, input="frame")
    assert 'size = {type = "factor", levels = ["s", "l"], ordered = true}' in (bundle / "model.toml").read_text()
    assert '"l",2.5,3.5' in (bundle / "golden.csv").read_text()


def test_each_row_by_a_call_of_its_own(tmp_path: Path) -> None:
    def predict(age):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as people write them
        return float(age[0]) if age[0] > 1 else 0.0

    golden = pd.DataFrame({"age": [0.5, 1.5]}, index=["a", "b"])
    bundle = write_bundle(tmp_path / "b", {}, predict, golden=golden, row_by_row=True)
    assert (bundle / "golden.csv").read_text() == '"age","score.score"\n0.5,0\n1.5,1.5\n'
    assert "row_by_row = true" in (bundle / "model.toml").read_text()
    assert "golden: 2 golden rows came out" in check(bundle)


def test_without_golden_rows_nothing_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_bundle(tmp_path / "b", {}, pred(tmp_path, PLAIN), features={"age": "double"})
    said = capsys.readouterr().err
    assert "features: age (double), rate (as the caller sends it)" in said
    assert "no golden rows: nothing was scored" in said
    assert "row_wise was not given" in said
    assert not (bundle / "golden.csv").exists()


def test_rows_that_are_one_thing_here_and_another_there_are_refused(tmp_path: Path) -> None:
    def predict(age):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as people write them
        return age * age.dtype.itemsize

    golden = {"age": np.array([0.5], np.float32)}
    with pytest.raises(
        BundleNotWritten, match=r"other scores than predict .*'age' is float32 in this session and float64"
    ):
        write_bundle(tmp_path / "b", {}, predict, golden=golden)
    assert list(tmp_path.iterdir()) == []


RAISES = "def predict(age):\n    raise KeyError('no rate')\n"
RANDOM = "import os\ndef predict(age):\n    return age + os.getpid()\n"
SEVERAL = "def predict(age):\n    if len(age) == 1:\n        raise ValueError('one row')\n    return age\n"
AROUND = "def predict(age):\n    return age - age.mean()\n"
WARNS = "import warnings\nwarnings.warn('an older library')\n" + PLAIN
CHANGES = (
    "import warnings\nclass DataConversionWarning(UserWarning):\n    pass\n"
    "def predict(age):\n    warnings.warn('y was taken for 0', DataConversionWarning)\n    return age\n"
)


@pytest.mark.parametrize(
    ("code", "more", "said"),
    [
        ("def other(age):\n    return age\n", {}, "and none is named predict"),
        ("import absent_module\n" + PLAIN, {}, "needs the module 'absent_module', which is not installed in "),
        ("def predict(age:\n", {}, r"Pred.py, line 1"),
        (RAISES, {}, r"predict raised KeyError: 'no rate' \(Pred.py, line 2\)"),
        ("def predict(age):\n    return None\n", {}, r"predict returned nothing \(None\)"),
        (
            "import os\ndef predict(age):\n    os._exit(3)\n",
            {},
            "the fresh process that scores the golden rows ended meanwhile",
        ),
        ("import os\nos._exit(3)\n", {}, "the fresh process that loads the bundle ended with the exit code 3"),
        ("import os\nos.abort()\n", {}, "the fresh process that loads the bundle ended SIGABRT"),
        (RANDOM, {}, "gives other scores in each fresh process: output 'score' differs in 2 of 2 rows"),
        (AROUND, {"row_wise": True}, "row_wise is True, but golden row 0 has other scores when it is scored alone"),
        (SEVERAL, {}, "golden row 0 can't be scored alone, though 2 can: .*ValueError: one row"),
        (WARNS, {}, "it warned while it was loaded: UserWarning: an older library; accept_warnings=True"),
        (CHANGES, {}, "it went on with other data than it was given: DataConversionWarning: y was taken for 0"),
        (PLAIN, {"default_score": "none"}, "default_score for the output 'score' must be a number"),
        (PLAIN, {"features": {"x": "double"}}, "'x' is not a parameter of predict"),
        (PLAIN, {"golden": {"age": [object()]}}, "golden column 'age'"),
        (PLAIN, {"files": {"a.bin": 1}}, "a.bin in files is int"),
        (PLAIN, {"requirements": "numpy"}, "requirements must be"),
        (PLAIN, {"input": "frame", "golden": None}, "the columns of the frame are not known"),
    ],
)
def test_a_failure_leaves_nothing(tmp_path: Path, code: str, more: dict[str, Any], said: str) -> None:
    path = pred(tmp_path, code)
    given = {"golden": {"age": [1.5, 2.5]}, "files": {}} | more
    with pytest.raises(BundleNotWritten, match=said):
        write_bundle(tmp_path / "a" / "b", given.pop("files"), path, **given)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [WARNS, CHANGES])
def test_warnings_can_be_accepted(tmp_path: Path, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    golden = {"age": [1.5, 2.5]}
    bundle = write_bundle(tmp_path / "b", {}, pred(tmp_path, code), golden=golden, accept_warnings=True)
    assert "golden: 2 golden rows came out" in check(bundle, "--accept-warnings")
    assert ("with --accept-warnings only" in capsys.readouterr().err) == (code == WARNS)


@pytest.mark.parametrize("code", ["while True:\n    pass\n", "def predict(age):\n    while True:\n        pass\n"])
def test_what_takes_too_long_is_ended(tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorebridge.authoring.fresh_process._LIMIT_S", 1.0)
    with pytest.raises(BundleNotWritten, match="took longer than 1 s"):
        write_bundle(tmp_path / "b", {}, pred(tmp_path, code), golden={"age": [1.5]})


def test_where_no_process_can_prove_it_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(BundleNotWritten, match="which needs Linux"):
        write_bundle(tmp_path / "b", {}, pred(tmp_path, PLAIN), golden={"age": [1.5]})


def test_the_sessions_random_numbers_go_on_as_if_nothing_was(tmp_path: Path) -> None:
    def predict(age):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as people write them
        return age + np.random.random(len(age))  # noqa: NPY002 - as people write them

    np.random.seed(3)  # noqa: NPY002 - likewise
    wanted = np.random.random(2)  # noqa: NPY002 - likewise
    np.random.seed(3)  # noqa: NPY002 - likewise
    write_bundle(tmp_path / "b", {}, predict, golden={"age": [1.5, 2.5]})
    assert np.array_equal(np.random.random(2), wanted)  # noqa: NPY002 - likewise


def test_a_file_that_predict_names_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BundleNotWritten, match="the file that predict names can't be read: No such file"):
        write_bundle(tmp_path / "b", {}, tmp_path / "absent.py")
    with pytest.raises(TypeError, match="did you mean 'row_wise'"):
        write_bundle(tmp_path / "b", {}, tmp_path / "absent.py", rowwise=True)  # type: ignore[call-arg] # a mistake
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_names_as_many_packages_as_it_may_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scorebridge.authoring.proof._MOST_PACKAGES", 1)
    write_bundle(tmp_path / "b", {}, pred(tmp_path, PLAIN), golden={"age": [1.5]})
    assert "more than 1 distributions may be imported" in capsys.readouterr().err


@pytest.mark.parametrize("stream", [None, "closed"])
def test_a_program_without_standard_error_gets_its_bundle(
    tmp_path: Path, stream: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", buffering=1) as broken:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stderr", broken if stream else None)
        bundle = write_bundle(tmp_path / "b", {}, pred(tmp_path, PLAIN), features={"age": "double"})
        monkeypatch.undo()
        with suppress(BrokenPipeError):
            broken.close()
    assert (bundle / "model.toml").exists()
