"""What `check` tells the author of a Python bundle beside refusing it: lines that work, causes, and what was left."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.cli.app import app

LINEAR = """
import pandas
from sklearn.linear_model import LinearRegression
model = LinearRegression().fit(pandas.DataFrame({"age": [1.0, 2.0], "income": [2.0, 5.0]}), [1.0, 2.0])
"""
TEXT = """
import pandas
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
model.fit(pandas.DataFrame({"city": ["a", "b"]}), [1, 2])
"""
OF_FRAME = "def predict(frame):\n    return model.predict(frame)\n"
PROPOSED = """with these lines in model.toml the bundle scores:

# Tried with numbers. Say "string" where a column is text.
input = "frame"

[features]
"age" = "double"
"income" = "double"
"""


def checked(folder: Path, source: str, settings: str = "", golden: str = "") -> tuple[int, str]:
    """The exit code of `check`, and all that it said."""
    folder.mkdir(exist_ok=True)
    (folder / "Pred.py").write_text(source)
    (folder / "model.toml").write_text(settings)
    if golden:
        (folder / "golden.csv").write_text(golden)
    done = CliRunner().invoke(app, ["check", str(folder)])
    return done.exit_code, done.stdout + done.stderr


def test_a_function_of_one_parameter_is_proposed_the_frame_that_its_model_was_fitted_on(tmp_path: Path) -> None:
    code, said = checked(tmp_path / "b", LINEAR + OF_FRAME)
    assert code == 1
    assert PROPOSED in said
    code, said = checked(tmp_path / "b", LINEAR + OF_FRAME, PROPOSED.partition("\n\n")[2])
    assert code == 0
    assert "  age: double\n  income: double\noutputs: score (double)" in said


def test_where_numbers_do_not_score_the_columns_are_told(tmp_path: Path) -> None:
    code, said = checked(tmp_path / "b", TEXT + OF_FRAME)
    assert code == 1
    assert "with these lines" not in said
    assert (
        "; a model of Pred.py was fitted on the columns 'city': if predict takes a frame of them, say input = "
        '"frame" and list them in [features], text as "string"; --unproven'
    ) in said


def test_golden_rows_of_a_frame_are_told_from_those_of_arrays(tmp_path: Path) -> None:
    code, said = checked(tmp_path / "b", LINEAR + OF_FRAME, golden="age,income,score.score\n1,2,1\n")
    assert code == 1
    assert said == (
        "golden.csv: column 'age' is neither a feature of the model nor named 'score.<output>'; if the function takes "
        'one frame, say input = "frame" in model.toml and list its columns in [features]\n'
    )


CAUSES = {
    "a vector for a matrix": (
        LINEAR + "def predict(age, income):\n    return model.predict(age)\n",
        "numpy.column_stack((a, b)) makes the matrix that a model takes",
    ),
    "arrays for a frame": (
        "def predict(age, income):\n    raise ValueError('The feature names should match those of the fit')\n",
        "a model that was fitted on a frame takes a frame of the same columns: make it of the arrays in Pred.py",
    ),
    "numbers for text": (
        "def predict(city):\n    return [len(one.upper()) for one in city]\n",
        'say in [features] which features are text, as in sex = "string"',
    ),
    "a file that is read in a call": (
        "def predict(a):\n    with open('rates.csv') as file:\n        return a * len(file.read())\n",
        "a file that Pred.py reads must be in the bundle, which is the working directory only while Pred.py is loaded",
    ),
    "text for a model of numbers": (
        LINEAR + "import numpy\ndef predict(age, income):\n    both = numpy.column_stack((age.astype(str), income))\n"
        "    return model.predict(both.astype(object) + 'x')\n",
        "a model that was fitted on numbers was given text: say in [features] which features are numbers, or encode",
    ),
    "a column that the frame lacks": (
        "import pandas\ndef predict(a):\n    return pandas.DataFrame({'a': a})['b']\n",
        'predict asks for a column that its frame lacks: with input = "frame" it has those that [features] lists',
    ),
    "a GPU": (
        "def predict(a):\n    raise RuntimeError('Found no NVIDIA driver on your system')\n",
        "a model of a GPU is loaded for the CPU, as by torch.load(file, map_location='cpu')",
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_an_error_whose_text_says_little_is_given_its_usual_cause(tmp_path: Path, cause: str) -> None:
    source, advice = CAUSES[cause]
    code, said = checked(tmp_path / "b", source)
    assert code == 1
    assert advice in said


def test_golden_rows_that_raise_have_advice_too(tmp_path: Path) -> None:
    code, said = checked(
        tmp_path / "b",
        LINEAR + "def predict(age):\n    return model.predict([[one, 1] for one in age])\n",
        "[features]\nage = 'string'\n",
        'age,score.score\n"old",1\n',
    )
    assert code == 1
    assert said.startswith(
        "the golden rows can't be scored: the model: the predict function raised 'ValueError' (dtype='numeric' "
    )
    assert said.endswith("or encode the text in predict as for the training\n")


def test_a_function_of_one_row_is_proposed_row_by_row(tmp_path: Path) -> None:
    code, said = checked(tmp_path / "b", "def predict(age):\n    return age if age > 1 else -age\n")
    assert code == 1
    assert "2 rows can't be scored, though 1 can: " in said
    assert "with these lines in model.toml the bundle scores:\n\nrow_by_row = true\n" in said


STATES = {
    "n = 0\ndef predict(a):\n    global n\n    n += 1\n    return a\n": "predict changed the global variable 'n'",
    "seen = []\ndef predict(a):\n    seen.append(len(a))\n    return a\n": (
        "predict changed what is in the global variable 'seen'"
    ),
    "def predict(a):\n    global last\n    last = 1\n    return a\n": "predict made or removed a global variable",
    "import subprocess\ndef predict(a):\n    subprocess.Popen(['/bin/sleep', '100'])\n    return a\n": (
        "predict left a process behind"
    ),
}


@pytest.mark.parametrize("source", STATES)
def test_what_a_call_leaves_behind_is_a_note(tmp_path: Path, source: str) -> None:
    code, said = checked(tmp_path / "b", source)
    assert code == 0
    assert f"note: {STATES[source]}: each call gets a fresh worker, so that the next one does not meet it" in said


def test_a_function_without_a_state_has_no_such_note(tmp_path: Path) -> None:
    code, said = checked(tmp_path / "b", "n = 0\ndef predict(a):\n    n = 1\n    return a + n\n")
    assert (code, "note:" in said) == (0, False)


def test_scores_of_the_day_are_a_note_and_worse_with_golden_rows(tmp_path: Path) -> None:
    source = "import datetime\ndef predict(a):\n    return a + datetime.date.today().year // 3000 + _days()\n"
    source += "def _days():\n    return datetime.date.today().toordinal() % 2 * 0 + datetime.date.today().day * 1e-3\n"
    code, said = checked(tmp_path / "b", source)
    assert code == 0
    assert "note: the model gives other scores on another day, because it reads the clock\n" in said


def test_rows_that_depend_on_one_another_refute_the_claim(tmp_path: Path) -> None:
    code, said = checked(tmp_path / "b", "def predict(a):\n    return a - a.mean()\n", "row_wise = true")
    assert code == 1
    assert "model.toml says row_wise = true, but the output 'score' of a row depends on the rows beside it" in said
    code, said = checked(tmp_path / "b", "def predict(a):\n    return a - a.mean()\n")
    assert code == 0
    assert "if predict was written for one row, its scores for several rows are wrong, and row_by_row = true" in said


def test_the_listing_has_the_warnings_and_notes_of_python(tmp_path: Path) -> None:
    source = (
        "import warnings\nn = 0\ndef predict(a):\n    global n\n    n = 1\n    warnings.warn('odd')\n    return a\n"
    )
    assert "warning: while rows were scored, Python warned: UserWarning: odd\n" in checked(tmp_path / "b", source)[1]
    done = CliRunner().invoke(app, ["check", str(tmp_path / "b"), "--json"])
    listing = json.loads(done.stdout)
    assert (listing["warnings"], listing["r_warnings"]) == (["UserWarning: odd"], [])
    assert [note.partition(":")[2][:30] for note in listing["notes"]] == [" each call gets a fresh worker"]
