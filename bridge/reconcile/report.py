"""Writes the report of a reconciliation as one HTML file, which loads nothing from elsewhere."""

import base64
import html
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bridge.columns import Array
from bridge.reconcile.differences import ExtraNotInstalled, private_file
from bridge.reconcile.observations import Course, Observations
from bridge.reconcile.summary import Summary
from bridge.texts import printable

__all__ = ["REPORT_FILE", "write_report"]

REPORT_FILE = "report.html"
_AROUND_ONE = timedelta(minutes=30)
_MOST_BINS = 96
_HISTOGRAM_BINS = 40
_CLOSEST, _AROUND = 1e-9, 1e-6  # relative to the size of the scores
_LEAST_DRAWN, _MOST_DRAWN = 1e-290, 1e300  # matplotlib computes the length of an axis as a double, too
_BLUE, _ORANGE, _GRAY = "#1f6fb4", "#d9730d", "#6b7280"
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1f2937;max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;font-size:13px}
th,td{border-bottom:1px solid #e5e7eb;padding:.3rem .7rem;text-align:right;vertical-align:top}
th:first-child,td:first-child,td.text{text-align:left}td.text{max-width:34rem}img{max-width:100%}
.verdict{font-size:1.1rem;padding:.6rem 1rem;border-left:5px solid;background:#f9fafb}
"""


def write_report(folder: Path, summary: Summary, observations: Observations) -> Path:
    """Writes report.html into a folder, and returns its path.

    Raises:
        ExtraNotInstalled: matplotlib is not installed.
        OSError: the file can't be written.
    """
    pictures = _Pictures()
    color = "#15803d" if summary.exit_code == 0 else "#b91c1c"
    verdict = f'<p class="verdict" style="border-color:{color}">{html.escape(summary.verdict)}</p>'
    remarks = "".join(f"<li>{html.escape(line)}</li>" for line in summary.lines()[:-1])
    columns = summary.columns()
    parts = ["<h1>Reconciliation</h1>", verdict, _table(list(columns), zip(*columns.values(), strict=True))]
    parts += [f"<ul>{remarks}</ul>" if remarks else ""]
    for (version, output), sample in sorted(observations.samples.items()):
        differing = observations.differing[version, output].rows()[:, 1:]
        parts += [f"<h2>{html.escape(f'{version}: {output}')}</h2>", pictures.scores(sample.rows()[:, 1:], differing)]
    parts += [
        f"<p>{html.escape(version)}: {len(names)} more outputs are compared, but not drawn</p>"
        for version, names in sorted(observations.undrawn.items())
    ]
    parts += ["<h2>Over time</h2>", pictures.course(observations.course), *_worst(observations)]
    title = "<meta charset='utf-8'><title>Reconciliation</title>"
    page = f"<!DOCTYPE html><html lang='en'><head>{title}<style>{_STYLE}</style></head><body>{''.join(parts)}</body>"
    path = folder / REPORT_FILE
    with private_file(path) as file:
        file.write(f"{page}</html>\n".encode())
    return path


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(printable(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _worst(observations: Observations) -> list[str]:
    if not observations.worst:
        return []
    rows = [
        (
            worst.version,
            worst.request_id,
            str(worst.row),
            worst.output,
            worst.logged,
            worst.rescored,
            f"{worst.distance:.6g}",
            ", ".join(f"{name} {value}" for name, value in worst.inputs.items()),
        )
        for worst in sorted(observations.worst, reverse=True)
    ]
    headings = ["version", "request", "row", "output", "logged", "re-scored", "difference", "inputs"]
    return ["<h2>The rows that differ most</h2>", _table(headings, rows)]


class _Pictures:
    """Draws pictures with matplotlib, which is imported only here, and returns them as HTML."""

    def __init__(self) -> None:
        try:
            from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ExtraNotInstalled("matplotlib is not installed: pip install 'scorebridge-gateway[log]'") from error
        self._figure: Callable[..., Any] = Figure

    def scores(self, rows: Array, differing: Array) -> str:
        """Draws the distributions of the logged and the re-scored numbers of an output, and their differences.

        Args:
            rows: a sample of all compared rows, shape (rows, 2): logged, re-scored.
            differing: a sample of the rows that differ, of the same shape.
        """
        rows, differing = (some[(np.abs(some) < _MOST_DRAWN).all(axis=1)] for some in (rows, differing))
        if not len(rows):
            return "<p>No scores that can be drawn.</p>"
        figure = self._figure(figsize=(9, 2.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        edges = _edges(rows)
        left.hist(rows[:, 0], edges, color=_BLUE, alpha=0.5, label="logged")
        left.hist(rows[:, 1], edges, histtype="step", color=_ORANGE, linewidth=1.5, label="re-scored")
        left.set(xlabel="score", ylabel="rows")
        left.legend(frameon=False)
        for points, color, label in ((rows, _GRAY, "sample"), (differing, _ORANGE, "different")):
            if len(points):
                right.scatter(points[:, 0], points[:, 1] - points[:, 0], s=6, color=color, label=label)
        right.legend(frameon=False)
        right.set(xlabel="logged score", ylabel="re-scored - logged")
        return _image(figure, f"Scores and differences of {len(rows)} rows")

    def course(self, course: Course) -> str:
        """Draws the default rate and the latency over time."""
        bins = course.bins(_MOST_BINS)
        if not bins:
            return "<p>No call was answered.</p>"
        times = [datetime.fromtimestamp(minute * 60, UTC) for minute in bins]
        figure = self._figure(figsize=(9, 4), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True)
        rates = [100 * one.defaulted / max(one.rows, 1) for one in bins.values()]
        top.plot(times, rates, color=_ORANGE, marker="o", markersize=3)
        top.set(ylabel="default scores, %")
        top.set_ylim(bottom=0)
        means = [1000 * one.total_s / max(one.calls, 1) for one in bins.values()]
        bottom.plot(times, means, color=_BLUE, marker="o", markersize=3, label="mean")
        bottom.plot(times, [1000 * one.most_s for one in bins.values()], color=_GRAY, linewidth=1, label="longest")
        bottom.set(ylabel="latency, ms", xlabel="received (UTC)")
        bottom.set_ylim(bottom=0)
        if len(times) == 1:  # matplotlib would draw the axis years wide
            bottom.set_xlim(times[0] - _AROUND_ONE, times[0] + _AROUND_ONE)
        bottom.legend(frameon=False)
        for label in bottom.get_xticklabels():  # as autofmt_xdate does; the layout makes the space for it
            label.set(rotation=30, ha="right")
        return _image(figure, "Default rate and latency over time")


def _edges(scores: Array) -> Array:
    """Returns the edges of a histogram's bins, with a margin around scores that lie too close together for bins."""
    low, high = scores.min(), scores.max()
    size = max(abs(low), abs(high), _LEAST_DRAWN)
    if high - low <= _CLOSEST * size:
        around = max(0.5, _AROUND * size)
        low, high = low - around, high + around
    edges: Array = np.linspace(low, high, _HISTOGRAM_BINS + 1)
    return edges


def _image(figure: Any, text: str) -> str:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=130)
    encoded = base64.b64encode(written.getvalue()).decode()
    return f'<img alt="{html.escape(text)}" src="data:image/png;base64,{encoded}">'
