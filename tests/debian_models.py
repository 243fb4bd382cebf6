"""Models of Debian's own Python, which has other versions of libraries than the gateway's, and no pandas."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from python_models import NUMBERS, ROWS, Columns, PythonModel, people, write_python_bundle
from scorebridge.runner.environment import ONE_THREAD

__all__ = ["DEBIAN", "make_torch", "make_yesterday"]

DEBIAN = Path("/usr/bin/python3")

_FEATURES = '[features]\nage = "double"\nincome = "double"\nvisits = "double"\n'


def _debian(code: str, *arguments: str | Path) -> None:
    """Runs code in Debian's interpreter, in one thread: with more, OpenBLAS adds up in another order."""
    environment = os.environ | ONE_THREAD
    subprocess.run([DEBIAN, "-c", code, *map(str, arguments)], check=True, capture_output=True, env=environment)


_NETWORK = """
import torch
network = torch.nn.Sequential(
    torch.nn.Linear(3, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1),
    torch.nn.Sigmoid(),
)
"""
_TRAIN = f"""
import sys
{_NETWORK}
torch.manual_seed(1)
rows = torch.randn(2000, 3)
late = (rows.sum(1, keepdim=True) > 0).float()
steps = torch.optim.Adam(network.parameters())
for _ in range(20):
    steps.zero_grad()
    torch.nn.functional.binary_cross_entropy(network(rows), late).backward()
    steps.step()
torch.save(network.state_dict(), sys.argv[1])
"""
_TORCH_PRED = f"""
import numpy as np
{_NETWORK}
network.load_state_dict(torch.load("model.pt"))
network.eval()
torch.set_num_threads(2)  # as people do who know how many cores they have
with torch.no_grad():
    network(torch.ones(20000, 3))
def predict(age, income, visits):
    rows = torch.tensor(np.column_stack([age, income, visits]), dtype=torch.float32)
    with torch.inference_mode():
        return network(rows).numpy()
"""
_TORCH_DIRECT = f"""
import sys
import numpy as np
{_NETWORK}
network.load_state_dict(torch.load(sys.argv[1]))
rows, ends = np.load(sys.argv[2]), np.load(sys.argv[3])
with torch.no_grad():
    parts = [network(torch.tensor(part, dtype=torch.float32)).numpy() for part in np.split(rows, ends)]
np.save(sys.argv[4], np.concatenate(parts))
"""


def make_torch(folder: Path) -> PythonModel:
    """A network of torch on the CPU."""
    write_python_bundle(folder, _TORCH_PRED, f'python = "debian"\n{_FEATURES}')
    model = folder / "model.pt"
    _debian(_TRAIN, model)
    scratch = folder.with_name(f"{folder.name}-direct")
    scratch.mkdir()

    def direct(frames: Sequence[pd.DataFrame]) -> list[Columns]:
        ends = np.cumsum([len(frame) for frame in frames])[:-1]
        files = [scratch / f"{name}.npy" for name in ("rows", "ends", "scores")]
        np.save(files[0], np.concatenate([frame.to_numpy() for frame in frames]))
        np.save(files[1], ends)
        _debian(_TORCH_DIRECT, model, *files)
        return [{"score": part[:, 0]} for part in np.split(np.load(files[2]), ends)]

    rows = people(ROWS, 2)[NUMBERS].fillna(0)
    return PythonModel(folder, rows.astype(float) / rows.std(), direct)


_YESTERDAY = """
import sys
import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
chance = np.random.default_rng(1)
rows = chance.normal(size=(500, 3))
late = rows.sum(1) > 0
kind = {"logistic": LogisticRegression(), "forest": RandomForestClassifier(10, random_state=1)}[sys.argv[1]]
joblib.dump(make_pipeline(StandardScaler(), kind).fit(rows, late), sys.argv[2])
"""
_YESTERDAY_PRED = """
import joblib
import numpy as np
_model = joblib.load("model.joblib")
def predict(age, income, visits):
    return _model.predict_proba(np.column_stack([age, income, visits]))[:, 1]
"""
_YESTERDAY_DIRECT = """
import sys
import joblib
import numpy as np
np.save(sys.argv[3], joblib.load(sys.argv[1]).predict_proba(np.load(sys.argv[2]))[:, 1])
"""


def make_yesterday(folder: Path, kind: str, python: str | None) -> PythonModel:
    """A pickle that Debian's scikit-learn has made, which is years older than the gateway's.

    Args:
        folder: made here.
        kind: "logistic", or "forest", which newer releases can't read.
        python: the interpreter that is to serve it; None for the gateway's own.
    """
    settings = (f'python = "{python}"\n' if python else "") + _FEATURES
    write_python_bundle(folder, _YESTERDAY_PRED, settings, row_wise=False)
    model = folder / "model.joblib"
    _debian(_YESTERDAY, kind, model)
    scratch = folder.with_name(f"{folder.name}-direct")
    scratch.mkdir()

    def direct(frames: Sequence[pd.DataFrame]) -> list[Columns]:
        found: list[Columns] = []
        for frame in frames:
            np.save(scratch / "rows.npy", frame.to_numpy())
            _debian(_YESTERDAY_DIRECT, model, scratch / "rows.npy", scratch / "scores.npy")
            found.append({"score": np.load(scratch / "scores.npy")})
        return found

    return PythonModel(folder, people(ROWS, 2)[NUMBERS].fillna(0).astype(float), direct)
