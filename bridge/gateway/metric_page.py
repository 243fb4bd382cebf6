"""Writes docs/metrics.md from the code that makes the metrics."""

from collections.abc import Iterable, Sequence

from bridge.counters import SECONDS
from bridge.gateway.metric_table import METRICS, REFUSALS, ROW_SOURCES, WORKER_STATES
from bridge.layers.circuit import CircuitState
from bridge.models.version import State
from bridge.services.json_scoring import JsonWire
from bridge.services.open_inference_wire import InferWire, JsonInferWire
from bridge.services.scoring import ScoringWire

__all__ = ["metrics_page"]

_BEGINNING = """\
# Metrics

A gateway shows what it counts and measures at `/metrics` of its HTTP port, as text that Prometheus reads:

```sh
curl -s http://127.0.0.1:8082/metrics
```

Callers with the [role](callers.md) `operate` may read the page, and whoever is on the same machine. It names the
models, so everybody else gets 403, unless `metrics_open = true`: then everybody who reaches the port may read it, and
the probe port (`probe_port`) shows it too. In front of strangers leave it closed, and let Prometheus show a token or
certificate.

The numbers are copied when the page is asked for; they count from the start of the gateway, or from when a version was
loaded where that is said. Whoever may not operate gets a text that is up to a second old. Units are seconds and bytes.
Nothing in the page comes from a caller: labels are models, versions, stores, states and reasons of the gateway.

## Prometheus and Grafana

[`ops/prometheus/prometheus.yml`](../ops/prometheus/prometheus.yml) is a configuration to start from,
[`ops/prometheus/alerts.yml`](../ops/prometheus/alerts.yml) has alerts, and
[`ops/grafana/scorebridge.json`](../ops/grafana/scorebridge.json) is a dashboard to import. The alerts and the
dashboard look for gateways under the job `scorebridge`.

"""
_NOTES = """\

Notes:

- A version that left the repository leaves the page too, with all that was counted of it.
- `scorebridge_calls_total` has the calls that were refused when their version was known; the histograms do not.
- Rows of calls that fail as a whole are in no number of rows: only `scorebridge_calls_total` has them, by code.
- The numbers of the prediction log are there only where one is kept (`log_dir`), those of worker processes only for R.
- `scorebridge_log_lag_seconds` stays near `log_fsync_interval_s` with `log_fsync = "interval"`. With `"never"` it tells
  how long a record waits to be taken up by the log's thread, and nothing of the disk.
- `scorebridge_loop_lag_seconds` counts waiting for a free core, `scorebridge_loop_longest_hold_seconds` does not.
- `process_resident_memory_bytes` and the other `process_` metrics are of the gateway's own process, without R workers.
"""
_REASONS = """\
The reason is the one that the caller gets, where it gets one. Connections that the gRPC library closes, and calls that
it ends by itself, are not counted.

"""
_WIRES = (ScoringWire.name, JsonWire.name, InferWire.name, JsonInferWire.name)


def metrics_page() -> str:
    """Returns the text of docs/metrics.md."""
    rows = [(f"`{name}`", one.kind, _labels(one.labels), one.meaning) for name, one in METRICS.items()]
    parts = [
        _BEGINNING,
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
