"""The results as a table in Markdown, as JSON, and as plots."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
from capacity import Curve
from rounds import Result

mpl.use("svg")

from matplotlib import pyplot as plt

__all__ = ["write_report"]

_PACKAGES = ("scorebridge-gateway", "xgboost-cpu", "pylignum", "pygrpc-native", "grpcio", "protobuf", "numpy")


def write_report(folder: Path, results: Sequence[Result], curves: Mapping[str, Curve], taken_s: float) -> str:
    """Writes bench.md, bench.json and capacity.svg; the table."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "| what | target | median (min to max) | met | behind it |",
        "|---|---|---|---|---|",
        *(_row(result) for result in results),
    ]
    table = "\n".join(lines)
    where = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    head = f"Taken in {taken_s / 60:.0f} minutes on {where}; {packages}."
    (folder / "bench.md").write_text(f"{head}\n\n{table}\n")
    data = {"where": where, "packages": packages, "results": [asdict(one) for one in results], "curves": curves}
    (folder / "bench.json").write_text(json.dumps(data, indent=1) + "\n")
    if curves:
        _plot(folder / "capacity.svg", curves)
    return table


def _row(result: Result) -> str:
    met = {True: "yes", False: "**no**", None: ""}[result.met]
    behind = ", ".join(f"{name} {value:,}" for name, value in result.details.items())
    return f"| {result.what} | {result.target} | {result.measured} | {met} | {behind} |"


def _plot(path: Path, curves: Mapping[str, Curve]) -> None:
    figure, axes = plt.subplots(2, 3, figsize=(12, 6.5), layout="constrained")
    for axis, (name, points) in zip(axes.flat, curves.items(), strict=False):
        varied, _, measured = name.partition(" → ")
        axis.plot(*zip(*points, strict=True), "o-", color="#1b6ca8")
        axis.set(xscale="log", xlabel=varied, ylabel=measured.partition(" (")[0], ylim=(0, None))
        axis.set_title(measured.partition(" (")[2].rstrip(")"), fontsize=10)
        axis.grid(alpha=0.3)
        if max(y for _, y in points) > 30 * min(y for _, y in points):
            axis.set(yscale="log", ylim=(None, None))
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
