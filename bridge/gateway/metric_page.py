"""The part of docs/metrics.md that is made from the table of metrics."""

from collections.abc import Iterable, Sequence

from bridge.counters import SECONDS
from bridge.gateway.metric_table import METRICS, REFUSALS, ROW_SOURCES, WORKER_STATES
from bridge.layers.circuit import CircuitState
from bridge.models.version import State
from bridge.services.json_scoring import JsonWire
from bridge.services.open_inference_wire import InferWire, JsonInferWire
from bridge.services.scoring import ScoringWire

__all__ = ["metrics_part"]

_NOTES = """\

Notes:

- A version that left the repository leaves the page too, with all that was counted of it.
- `scorebridge_calls_total` has the calls that were refused when their version was known; the histograms do not.
- Rows of calls that fail as a whole are in no number of rows: only `scorebridge_calls_total` has them, by code.
- The numbers of the prediction log are there only where one is kept (`log_dir`), those of workers for R and Python.
- `scorebridge_log_lag_seconds` stays near `log_fsync_interval_s` with `log_fsync = "interval"`. With `"never"` it tells
  how long a record waits to be taken up by the log's thread, and nothing of the disk.
- `scorebridge_loop_lag_seconds` counts waiting for a free core, `scorebridge_loop_longest_hold_seconds` does not.
- `process_resident_memory_bytes` and the other `process_` metrics are of the gateway's own process, without workers.
"""
_REASONS = """\
The reason is the one that the caller gets, where it gets one. Connections that the gRPC library closes, and calls that
it ends by itself, are not counted.

"""
_WIRES = (ScoringWire.name, JsonWire.name, InferWire.name, JsonInferWire.name)


def metrics_part() -> str:
    """Returns the tables of docs/metrics.md: the metrics, what their labels can be, and the reasons of refusals."""
    rows = [(f"`{name}`", one.kind, _labels(one.labels), one.meaning) for name, one in METRICS.items()]
    parts = [
        "## The metrics\n\n",
        _table(("metric", "kind", "labels", "meaning"), rows),
        _NOTES,
        "\n## What labels can be\n\n",
        _table(("label", "values"), _values()),
        "\n## Why requests are refused\n\n",
        _REASONS,
        _table(("reason", "meaning"), ((f"`{reason}`", meaning) for reason, meaning in REFUSALS.items())),
    ]
    return "".join(parts)


def _values() -> list[tuple[str, str]]:
    return [
        ("`model`, `version`", "those of the repository"),
        ("`wire`", _codes(_WIRES)),
        ("`code`", "the names of gRPC's status codes, such as `OK`; HTTP's statuses follow from them"),
        ("`source`", _codes(ROW_SOURCES)),
        ("`reason` of rows", "the reasons of [default scores](deploy-a-model.md), such as `DEADLINE`"),
        ("`reason` of refusals", "see below"),
        ("`state` of `scorebridge_version_info`", _codes(state.lower() for state in State)),
        ("`state` of `scorebridge_circuit_state`", _codes(CircuitState)),
        ("`state` of `scorebridge_workers`", _codes(WORKER_STATES)),
        ("`le`", f"{_codes(map(str, SECONDS))} and `+Inf`: the buckets of all histograms, in seconds"),
        ("`store`", "the names in `[stores.NAME]`"),
    ]


def _labels(names: Sequence[str]) -> str:
    return _codes(names) or "none"


def _codes(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
