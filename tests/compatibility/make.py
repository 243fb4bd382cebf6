"""Makes the fixtures of a release, once, from a checkout of it; needs what `make setup` installs.

    git worktree add --detach /tmp/release TAG
    mvn -q -B -f /tmp/release/clients/java/pom.xml package -DskipTests
    PYTHONPATH=tests .venv/bin/python -m compatibility.make /tmp/release

It deploys two models with the release's code, makes `CALLS` at its gateway with its client, and packs both. What was
made for a release is never made again: that later code reads it as it is, is what it is for.
"""

import csv
import io
import json
import lzma
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from compatibility.releases import HERE, ask, scorebridge, served

PRICE_TOML = """
timeout_s = 10.0

[features]
zone = {type = "factor", levels = ["north", "south", "west"]}
"""
# Coefficients in 64ths and inputs in halves: sums are exact in any order, whatever R and its BLAS are.
RISK_R = """
source("rscripts/bundle.R")
rows <- data.frame(age = seq(20, 75, by = 5), plan = factor(rep(c("basic", "plus", "trial"), 4)))
rows$risk <- rows$age / 100 + as.integer(rows$plan) / 8
fit <- glm(risk ~ age + plan, data = rows)
fit$coefficients <- round(fit$coefficients * 64) / 64
Pred.R <- function(age, plan, pause_s = 0) {
  if (max(pause_s, 0, na.rm = TRUE) > 0) Sys.sleep(max(pause_s, na.rm = TRUE))
  predict(fit, data.frame(age, plan), type = "response")
}
golden <- data.frame(age = c(30, 41.5, NA), plan = factor(c("basic", "plus", "trial")), pause_s = 0)
write_bundle(commandArgs(TRUE), Pred.R, fit, golden = golden, row_wise = TRUE, default_score = 0.25, timeout_s = 10,
             features = list(pause_s = "double"))
"""
# The reserve is for busy machines: the gateway's default comes a second before the client stops waiting for it.
RISK_TOML = 'unknown_level = "default"\nreply_reserve_s = 1.0\n'
HOUSES: dict[str, list[Any]] = {"size": [80.0, 41.5, None], "rooms": [3, 2, 1], "zone": ["south", None, "west"]}
PATIENTS: dict[str, list[Any]] = {"age": [30.0, 41.5, 70.0], "plan": ["basic", "plus", "trial"]}
SLOW: dict[str, list[Any]] = {"age": [30.0], "plan": ["plus"], "pause_s": [2.0]}
FAILING = {"partial": True, "allow_default": False}


def score(name: str, model: str, rows: Any, cancel_after_s: float | None = None, **options: Any) -> dict[str, Any]:
    """A call as ask.py reads it; its name is its request id."""
    call: dict[str, Any] = {"call": "score", "model": model, "options": {"request_id": name, **options}}
    call["columns" if isinstance(rows, dict) else "matrix"] = rows
    return call if cancel_after_s is None else {**call, "cancel_after_s": cancel_after_s}


# A gateway's life each, so that the log has two segments.
CALLS = [
    [
        score("price-table", "price", HOUSES, row_keys=["a", "b", "c"], labels={"team": "blue"}, batch_id="monday"),
        score("price-matrix", "price", [[80.0, 3.0, 1.0], [41.5, 2.0, 0.0]]),
        score("price-extra", "price", {"note": ["x", "y", "z"], **HOUSES}, ignore_extra=True),
        score("price-partial", "price", {**HOUSES, "size": [80.0, float("inf"), 50.0]}, partial=True),
        score("price-partial-level", "price", {**HOUSES, "zone": ["south", "moon", "west"]}, partial=True),
        score("price-level", "price", {**HOUSES, "zone": ["south", "moon", "west"]}),
        score("price-no-rows", "price", {name: [] for name in HOUSES}),
        score("nobody", "nobody", HOUSES),
    ],
    [
        score("risk-table", "risk", PATIENTS, row_keys=["a", "b", "c"]),
        score("risk-level", "risk", {**PATIENTS, "plan": ["basic", "gold", "trial"]}),
        score("risk-missing", "risk", {**PATIENTS, "age": [30.0, None, 70.0]}),
        score("risk-deadline", "risk", SLOW, timeout_s=2.0),
        score("risk-own-default", "risk", {**PATIENTS, "plan": ["gold"] * 3}, default=0.75),
        score("risk-column", "risk", {**PATIENTS, "weight": [1.0, 2.0, 3.0]}),
        score("risk-cancelled", "risk", SLOW, 0.5),
        score(
            "risk-partial", "risk", {**PATIENTS, "plan": ["basic", "gold", "plus"]}, partial=True, allow_default=False
        ),
    ],
]


def main(checkout: Path) -> None:
    """Makes them beside this file, in a folder named after the release."""
    release = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["version"]
    made = HERE / release
    made.mkdir()
    path = (checkout, checkout / "clients" / "python")
    with tempfile.TemporaryDirectory() as temporary:
        bundles = Path(temporary)
        _train_price(bundles / "price")
        _train_risk(bundles / "risk", checkout)
        (made / "repository").mkdir()
        for bundle in (bundles / "price", bundles / "risk"):
            _succeed(scorebridge(path, "deploy", bundle, "--repository", made / "repository", "--model", bundle.name))
    calls = []
    for life in CALLS:
        with served(path, made / "repository", made / "log") as url:
            answers = ask(path, url, life)
        calls += [{**call, "answer": answer} for call, answer in zip(life, answers, strict=True)]
    (made / "log" / ".lock").unlink()
    lines = ",\n".join(json.dumps(call) for call in calls)
    (made / "calls.json").write_text(f"[\n{lines}\n]\n")
    _pack(checkout, made)


def _train_price(bundle: Path) -> None:
    bundle.mkdir()
    random = np.random.default_rng(1)
    zones = pd.CategoricalDtype(["north", "south", "west"])
    rows = pd.DataFrame(
        {
            "size": random.integers(20, 200, 300) / 2.0,
            "rooms": random.integers(1, 6, 300),
            "zone": pd.Series(random.choice(zones.categories, 300)).astype(zones),
        }
    )
    price = rows["size"] * 3 + rows["rooms"] * 10 + rows["zone"].cat.codes * 50
    settings = {"max_depth": 3, "seed": 1, "nthread": 1, "tree_method": "hist"}
    booster = xgboost.train(settings, xgboost.DMatrix(rows, price, enable_categorical=True), 8)
    booster.save_model(bundle / "model.ubj")
    (bundle / "model.toml").write_text(PRICE_TOML)
    first = rows.head(5)
    scores = booster.predict(xgboost.DMatrix(first, enable_categorical=True))
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow([*first.columns, "score.score"])
    for (size, rooms, zone), one in zip(first.to_numpy(), scores, strict=True):
        writer.writerow([size, int(rooms), zone, float(one)])
    (bundle / "golden.csv").write_text(text.getvalue())


def _train_risk(bundle: Path, checkout: Path) -> None:
    world = {**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    command = ["Rscript", "--vanilla", "-e", RISK_R, str(bundle)]
    _succeed(subprocess.run(command, cwd=checkout, env=world, capture_output=True, text=True, check=False))
    settings = bundle / "model.toml"
    settings.write_text(RISK_TOML + settings.read_text())


def _pack(checkout: Path, made: Path) -> None:
    """The clients and the gateway; what is in Git of them, and the thin jar, whose classes are packed better alone."""
    python = ["git", "-C", str(checkout / "clients" / "python"), "archive", "--format=zip", "-9", "HEAD", "scorebridge"]
    (made / "python-client.zip").write_bytes(subprocess.run(python, check=True, capture_output=True).stdout)
    gateway = ["git", "-C", str(checkout), "archive", "HEAD", "bridge", "rscripts"]
    packed = lzma.compress(subprocess.run(gateway, check=True, capture_output=True).stdout, preset=9)
    (made / "gateway.tar.xz").write_bytes(packed)
    (jar,) = (checkout / "clients" / "java" / "target").glob("scorebridge-client-*[0-9].jar")
    with zipfile.ZipFile(jar) as classes, tarfile.open(made / "java-client.tar.xz", "w:xz", preset=9) as target:
        for name in sorted(classes.namelist()):
            entry = tarfile.TarInfo(name)
            raw = classes.read(name)
            entry.size = len(raw)
            if not name.endswith("/"):
                target.addfile(entry, io.BytesIO(raw))


def _succeed(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
