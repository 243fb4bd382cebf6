"""What we give away for Prometheus and Grafana is valid, and names only what a gateway has."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from fixtures import ROOT
from prometheus_client.parser import text_string_to_metric_families

from bridge.gateway.metric_reading import Reading
from bridge.gateway.metric_table import METRICS
from bridge.gateway.metrics import write_metrics

OPS = ROOT / "ops"
ALERTS = (OPS / "prometheus" / "alerts.yml").read_text()
CASES = (OPS / "prometheus" / "alerts_test.yml").read_text()
DASHBOARD = json.loads((OPS / "grafana" / "scorebridge.json").read_text())
RUNBOOK = "https://github.com/scorebridge/scorebridge/blob/main/docs/operations.md#"
SCRAPED = {"job", "instance"}  # which Prometheus adds itself
# Where alerts lead to: sections of docs/operations.md.
SECTIONS = {
    re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    for heading in re.findall(r"^#+ (.+)$", (ROOT / "docs" / "operations.md").read_text("utf-8"), re.MULTILINE)
}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=OPS / "prometheus", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_configuration_and_the_alerts() -> None:
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "alerts.yml")


def test_the_alerts_fire_for_what_they_are_for_and_for_nothing_else() -> None:
    promtool("test", "rules", "alerts_test.yml")


def alerts() -> dict[str, str]:
    """The text of each alert, by its name."""
    blocks = re.split(r"^ +- alert: ", ALERTS, flags=re.MULTILINE)[1:]
    return {block.partition("\n")[0]: block for block in blocks}


@pytest.mark.parametrize("name", alerts())
def test_an_alert_is_told_in_words_leads_somewhere_and_has_cases(name: str) -> None:
    block = alerts()[name]
    keys = dict(re.findall(r"^ +(summary|description|runbook_url): (.+)$", block, re.MULTILINE))
    assert set(keys) == {"summary", "description", "runbook_url"}
    assert re.search(r"labels: \{severity: (critical|warning)\}", block)
    assert f"- name: {name} fires\n" in CASES
    assert f"- name: {name} does not fire\n" in CASES
    assert keys["runbook_url"].startswith(RUNBOOK)
    assert keys["runbook_url"].removeprefix(RUNBOOK) in SECTIONS


def expressions_of_alerts() -> dict[str, str]:
    return {name: re.split(r"\n +(?:for|labels):", block)[0] for name, block in alerts().items()}


def expressions_of_the_dashboard() -> Iterator[tuple[str, str]]:
    """Every query, with the texts that show its labels."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", f"{target['expr']} {target['legendFormat']}"
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield f"${variable['name']}", variable["query"]["query"]
    for note in DASHBOARD["annotations"]["list"]:
        yield note["name"], f"{note['expr']} {note['titleFormat']}"


def labels_of(name: str) -> set[str]:
    """The labels of the series of a name."""
    if name == "up":
        return SCRAPED
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    metric = METRICS.get(name) or METRICS.get(base)
    if metric is None:
        assert name in OF_THE_PROCESS, f"there is no metric {name}"
        return SCRAPED
    assert (metric.kind in ("histogram", "summary")) == (name != base), name
    assert metric.kind == "histogram" or not name.endswith("_bucket"), name
    return {*metric.labels, *SCRAPED, *(["le"] if name.endswith("_bucket") else [])}


def _of_the_process() -> set[str]:
    text = write_metrics(Reading([], {}, None, {}, {})).decode()
    samples = [one.name for family in text_string_to_metric_families(text) for one in family.samples]
    return {name for name in samples if name.startswith("process_")}


OF_THE_PROCESS = _of_the_process()
QUERIES = expressions_of_alerts() | dict(expressions_of_the_dashboard())


@pytest.mark.parametrize("where", QUERIES)
def test_names_and_labels_are_those_of_the_code(where: str) -> None:
    query, known = QUERIES[where], set[str]()
    series = re.findall(r"\b(scorebridge_\w+|process_\w+|up)\b(?:\{((?:[^}\"]|\"[^\"]*\")*)\})?", query)
    assert series
    for name, selector in series:
        labels = labels_of(name)
        known |= labels
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)) <= labels, name
        assert 'job="scorebridge"' in selector, name
    grouped = [label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", query) for label in labels.split(",")]
    shown = re.findall(r"\{\{ ?(?:or )?\$labels\.(\w+)|\{\{(\w+)\}\}", query)
    assert {*grouped, *(one or other for one, other in shown)} <= known


def test_labels_in_the_words_of_alerts_are_those_of_their_series() -> None:
    for name, block in alerts().items():
        known = set().union(*(labels_of(one) for one in re.findall(r"\b(?:scorebridge_\w+|up)\b(?=\{)", block)))
        assert set(re.findall(r"\$labels\.(\w+)", block)) <= known, name


def test_the_dashboard_is_one_that_people_can_read() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({panel["title"] for panel in PANELS}) == len(PANELS) > 15
    places: list[Any] = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    taken = [(at["x"] + right, at["y"] + down) for at in places for right in range(at["w"]) for down in range(at["h"])]
    assert len(set(taken)) == len(taken), "panels overlap"
    assert max(x for x, _ in taken) < 24
