"""The bundles that docs/python-models.md shows are accepted as they stand there, and give the library's own scores."""

import csv
import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier
from typer.testing import CliRunner

from bridge.cli.app import app

PAGE = (Path(__file__).parents[2] / "docs" / "python-models.md").read_text(encoding="utf-8")
OF_ARRAYS, OF_FRAME, WRITING, _ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
KEYS_OF_FRAME = next(block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if 'input = "frame"' in block)


def checked(bundle: Path, golden: pd.DataFrame | None) -> str:
    """What `check` says of a bundle that has these golden rows; None for those that it has."""
    if golden is not None:
        text = golden.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        (bundle / "golden.csv").write_text(text)
    done = CliRunner().invoke(app, ["check", str(bundle)])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_the_bundle_of_arrays(tmp_path: Path) -> None:
    made = np.random.default_rng(1)
    rows = pd.DataFrame({"age": made.uniform(20, 80, 50), "income": made.uniform(0, 9, 50)})
    model = LogisticRegression().fit(rows.to_numpy(), rows["age"] > 50)
    (tmp_path / "Pred.py").write_text(OF_ARRAYS)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    (tmp_path / "model.toml").write_text("[features]\nage = 'double'\nincome = 'double'\n")
    scores = model.predict_proba(np.column_stack((rows["age"], rows["income"])))[:, 1]
    assert "golden: 50 golden rows came out" in checked(tmp_path, rows.assign(**{"score.score": scores}))


def test_the_bundle_of_a_frame(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {"age": [20.5, 30.5, 40.5, 50.5], "city": ["a", "b", "a", "c"], "blood type": ["0", "A", "B", "AB"]}
    )
    encoded = make_column_transformer((OneHotEncoder(), ["city", "blood type"]), remainder="passthrough")
    pipeline = make_pipeline(encoded, LogisticRegression()).fit(rows, [0, 1, 0, 1])
    loads = "import pickle\nwith open('pipeline.pkl', 'rb') as file:\n    pipeline = pickle.load(file)\n"
    (tmp_path / "Pred.py").write_text(loads + OF_FRAME)
    (tmp_path / "pipeline.pkl").write_bytes(pickle.dumps(pipeline))
    (tmp_path / "model.toml").write_text(KEYS_OF_FRAME)
    scores = pipeline.predict_proba(rows)[:, 1]
    said = checked(tmp_path, rows.assign(**{"score.score": scores}))
    assert "  blood type: factor ['0', 'A', 'B', 'AB']\n" in said
    assert "golden: 4 golden rows came out" in said


def test_the_bundle_that_a_session_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = np.random.default_rng(1)
    rows = pd.DataFrame({"age": made.uniform(20, 80, 50), "income": made.uniform(0, 9, 50)})
    model = DecisionTreeClassifier(max_depth=3).fit(rows, rows["age"] > 50)
    script = tmp_path / "session.py"
    script.write_text(WRITING)
    exec(compile(WRITING, str(script), "exec"), {"__name__": "session", "model": model, "rows": rows})  # noqa: S102
    assert "golden: 50 golden rows came out" in checked(tmp_path / "diabetes", None)
