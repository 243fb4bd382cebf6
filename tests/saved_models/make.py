"""Makes the saved models of this folder: each by the very version of xgboost that its folder is named after.

Run by hand, from the project's root: `PYTHONPATH=tests .venv/bin/python -m saved_models.make`. Each version gets an
environment in a temporary folder; `--python 3.2.0=PATH` takes one that is there. Beside the models is what
`Booster.predict` of that version gives for the rows of each kind, on a `DMatrix`.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from saved_models.kinds import KINDS, Kind

_HERE = Path(__file__).parent
_OLDER = ("numpy==1.26.4", "scipy==1.12.0", "pandas==2.1.4", "scikit-learn==1.4.2")
_NEWER = ("numpy==1.26.4", "scipy==1.17.1", "pandas==2.2.3", "scikit-learn==1.6.1")
_NEWEST = ("numpy==1.26.4", "scipy==1.17.1", "pandas==3.0.6", "scikit-learn==1.9.1")
# Each version of xgboost with libraries of its time: they know only one another's interfaces.
_LIBRARIES = {
    "1.7.6": ("xgboost==1.7.6", *_OLDER),
    "2.1.4": ("xgboost-cpu==2.1.4", *_NEWER),
    "3.0.5": ("xgboost-cpu==3.0.5", *_NEWER),
    "3.1.3": ("xgboost-cpu==3.1.3", *_NEWER),
    "3.2.0": ("xgboost-cpu==3.2.0", *_NEWEST),
    "3.4.1": ("xgboost-cpu==3.4.1", *_NEWEST),
}


def main() -> None:
    """Makes all models, or those of the xgboost that runs this."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", default=[], metavar="VERSION=PATH")
    parser.add_argument("--train", type=Path, metavar="FOLDER", help="only with the xgboost that is here")
    arguments = parser.parse_args()
    if arguments.train:
        _train_all(arguments.train)
        return
    pythons = dict(one.split("=", 1) for one in arguments.python)
    manifest: dict[str, dict[str, str]] = {}
    for version in _LIBRARIES:
        with tempfile.TemporaryDirectory() as folder:
            python = pythons.get(version) or _environment(Path(folder), version)
            manifest |= _make(version, python)
    (_HERE / "MANIFEST.json").write_text(json.dumps(manifest, indent=1) + "\n")


def _environment(folder: Path, version: str) -> str:
    """The interpreter of a new environment with this version of xgboost."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    wanted, *others = _LIBRARIES[version]
    subprocess.run([*install, *others], check=True)
    # The newest xgboost declares a newer Python than it needs: the wheel is Python source beside one C library.
    subprocess.run([*install, "--no-deps", "--ignore-requires-python", wanted], check=True)
    return python


def _make(version: str, python: str) -> dict[str, dict[str, str]]:
    """Makes the models of one version, and tells who made each."""
    folder = _HERE / version
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    command = [python, "-m", "saved_models.make", "--train", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(_HERE.parent)}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    if done.stdout.strip() != version:
        raise SystemExit(f"{python} has xgboost {done.stdout.strip()}, not {version}")
    return {
        f"{version}/{path.name}": {
            "made_by": f"xgboost {version}",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.iterdir())
    }


def _train_all(folder: Path) -> None:
    """Trains and saves with the xgboost that is here, and prints its version."""
    version = tuple(int(part) for part in xgboost.__version__.split("."))
    expected: dict[str, Any] = {}
    for kind in KINDS:
        if version < kind.since:
            continue
        path = folder / f"{kind.name}.ubj"
        booster = _train_sklearn(kind, path) if kind.by == "XGBClassifier" else _train(kind, path)
        matrix = _matrix(kind)
        expected[kind.name] = booster.predict(matrix)
        if kind.by == "early stopping":
            best = booster.best_iteration + 1
            if best >= booster.num_boosted_rounds():
                raise SystemExit(f"{kind.name}: the best round is the last one, so nothing would be shown")
            expected[f"{kind.name}_best"] = booster.predict(matrix, iteration_range=(0, best))
    np.savez_compressed(folder / "expected.npz", **expected)
    sys.stdout.write(xgboost.__version__)


def _matrix(kind: Kind) -> xgboost.DMatrix:
    if kind.levels:
        return xgboost.DMatrix(kind.frame(), kind.target, enable_categorical=True)
    names = {"feature_names": kind.names} if kind.named else {}
    types: dict[str, Any] = {"feature_types": kind.types, "enable_categorical": True} if kind.codes else {}
    return xgboost.DMatrix(kind.rows, kind.target, missing=kind.missing, **names, **types)


def _train(kind: Kind, path: Path) -> xgboost.Booster:
    parameters = {"nthread": 1} | kind.parameters
    if parameters.get("booster") != "gblinear":
        parameters = {"max_depth": 3, "tree_method": "hist"} | parameters
    matrix, stopping = _matrix(kind), {}
    if kind.by == "early stopping":
        other = xgboost.DMatrix(kind.rows, kind.target[::-1], feature_names=kind.names)
        stopping = {"early_stopping_rounds": 3, "evals": [(other, "other")], "verbose_eval": False}
    booster = xgboost.train(parameters, matrix, kind.rounds, **stopping)
    booster.save_model(path)
    return booster


def _train_sklearn(kind: Kind, path: Path) -> xgboost.Booster:
    settings: dict[str, Any] = {"n_estimators": kind.rounds, "max_depth": 3, "tree_method": "hist", "n_jobs": 1}
    classifier = xgboost.XGBClassifier(missing=kind.missing, **settings)
    classifier.fit(kind.rows, kind.target)
    classifier.save_model(path)
    return classifier.get_booster()


if __name__ == "__main__":
    main()
