"""A model starts to hang, and later answers again: what callers, page, metrics, alerts, log and search show, in order.

    PYTHONPATH=tests:examples python benchmarks/incident.py

It runs a gateway with an R model, a Prometheus with the alerts of ops/prometheus (with seconds for their minutes), an
OpenSearch node and `scorebridge log ship`, asks for scores ten times a second, and prints a line whenever one of the
six views changes; of the own log the first line of each event. The times are seconds since the model began to hang.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from fixtures import ROOT, make_r_bundle, put
from gateways import GatewayProcess
from scorebridge import ScoringClient
from search_nodes import SearchNode, running_node
from waiting import eventually_now

CALLS_PER_S = 10
WELL_S, ILL_S, AFTER_S = 8.0, 30.0, 25.0
CODE = """Pred.R <- function(x) { if (file.exists("%s")) repeat {}; x * k }"""
SETTINGS = """default_score = -1.0
timeout_s = 0.4
kill_after_s = 1.0
row_wise = true
[features]
x = "double"
[circuit]
failures = 3
open_s = 3.0
"""
PROMETHEUS = """global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: scorebridge
    static_configs: [{targets: ["%s"]}]
"""
RATE = "sum by (reason) (rate(scorebridge_default_rows_total[5s])) > 0"
CLOSED = 'scorebridge_circuit_state{state="closed"} == 1'
MARKS = re.compile(r"<[^>]+>")


@dataclass
class Story:
    """What was told so far.

    Attributes:
        begun: when the model began to hang, by the monotonic clock.
        last: the last words of each view.
    """

    begun: float = field(default_factory=time.monotonic)
    last: dict[str, str] = field(default_factory=dict)

    def tell(self, view: str, words: str) -> None:
        """Prints what a view shows, if it is not what it showed before."""
        if self.last.get(view, "") != words:
            self.last[view] = words
            print(f"{time.monotonic() - self.begun:+6.1f} s  {view:<8} {words or 'nothing any more'}", flush=True)


class Callers:
    """Somebody who asks for one row again and again, and counts what came back lately."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._answers: list[tuple[float, str]] = []
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        with ScoringClient(self._url) as client:
            while not self._end.wait(1 / CALLS_PER_S):
                asked = time.monotonic()
                answer = client.score("risk", {"x": [2.0]}, timeout_s=0.5)
                took_s = time.monotonic() - asked
                kind = f"default scores ({answer.reasons[0]})" if answer.defaulted[0] else "scores of the model"
                within = next(bound for bound in (0.05, 0.1, 0.5, 5.0) if took_s <= bound)
                with self._lock:
                    self._answers.append((asked, f"{kind} within {within:g} s"))

    def lately(self) -> str:
        """What the callers got most often in the last moments."""
        since = time.monotonic() - 1.5
        with self._lock:
            kinds = Counter(kind for asked, kind in self._answers if asked > since)
        return kinds.most_common(1)[0][0] if kinds else "no answers"

    def close(self) -> None:
        """Ends."""
        self._end.set()
        self._thread.join()


def fetch(url: str) -> str:
    """The text at a URL."""
    with urlopen(url, timeout=5) as answer:  # noqa: S310 - our own
        return str(answer.read().decode())


def page(http: str) -> str:
    """What the status page says is wrong: the first sentence of each trouble, without its figures."""
    section = fetch(f"http://{http}/?still").partition('<ul class="troubles">')[2].partition("</ul>")[0]
    troubles = [unescape(" ".join(MARKS.sub(" ", f"<li{one}").split())) for one in section.split("<li")[1:]]
    first = [re.match(r".*?(?=[.;]( |$)|, and is asked)", one) for one in troubles]
    said = " | ".join(re.sub(r"\d[\d.]* (?=rows|%)", "N ", one[0]) for one in first if one)
    return said.replace(
        "half-open: the model failed again and again", "open: the model failed again and again, and gets no calls"
    )


def asked_prometheus(url: str, path: str) -> Any:
    """What Prometheus answers."""
    return json.loads(fetch(f"{url}/api/v1/{path}"))["data"]


def metrics(url: str) -> str:
    """The reasons of the default scores of the last seconds, and whether the circuit is closed."""
    reasons = sorted(one["metric"]["reason"] for one in asked_prometheus(url, f"query?query={quote(RATE)}")["result"])
    closed = asked_prometheus(url, f"query?query={quote(CLOSED)}")["result"]
    return f"default scores by reason: {', '.join(reasons) or 'none'}; circuit {'' if closed else 'not '}closed"


def alerts(url: str) -> str:
    """The alerts that fire."""
    firing = {
        one["labels"]["alertname"] for one in asked_prometheus(url, "alerts")["alerts"] if one["state"] == "firing"
    }
    return ", ".join(sorted(firing))


def search(node: SearchNode) -> str:
    """The reasons of default scores in the documents of the last five seconds."""
    node.ask("POST", "/scorebridge-calls-*/_refresh")
    hits = node.ask(
        "POST",
        "/scorebridge-calls-*/_search",
        {"size": 1000, "query": {"range": {"received_at": {"gte": "now-5s"}}}, "_source": ["defaulted", "row_count"]},
    )["hits"]["hits"]
    found: Counter[str] = Counter()
    for hit in hits:
        found.update((hit["_source"].get("defaulted") or {}).keys())
    return ", ".join(sorted(found)) or "no call with default scores"


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """A Prometheus that scrapes the gateway each second; its URL."""
    rules = (ROOT / "ops" / "prometheus" / "alerts.yml").read_text()
    rules = re.sub(r"\[\d+m\]", "[10s]", re.sub(r"for: \d+m", "for: 3s", rules))
    (folder / "alerts.yml").write_text(rules)
    (folder / "prometheus.yml").write_text(PROMETHEUS % target)
    said = folder / "said"
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"]
    with said.open("w") as output:
        process = subprocess.Popen([*command, "--web.listen-address=127.0.0.1:0"], stdout=output, stderr=output)
    try:
        found: list[str] = []

        def listens() -> bool:
            found[:] = re.findall(r"Listening on.* address=(127\.0\.0\.1:\d+)", said.read_text())
            return bool(found)

        eventually_now(listens)
        yield f"http://{found[0]}"
    finally:
        process.kill()
        process.wait()


@contextmanager
def ended(process: "subprocess.Popen[Any]") -> Iterator[None]:
    """Ends a process with the context."""
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def own_log(path: Path, read: list[int]) -> list[tuple[str, str]]:
    """The new events of the gateway's own log, each with its line."""
    lines = path.read_text().splitlines()
    new, read[0] = lines[read[0] :], len(lines)
    return [(one["event"], f"{one['event']}: {one['message']}") for one in map(json.loads, new)]


def main() -> None:
    """Tells the story."""
    folder = Path(tempfile.mkdtemp(prefix="incident-"))
    hang = folder / "hang"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        put(make_r_bundle(folder / "bundle", CODE % hang, settings=SETTINGS), folder / "repository", "risk")
        config = folder / "gateway.toml"
        config.write_text(f'own_log = "json"\nlog_dir = "{folder}/log"\n')
        said = stack.enter_context((folder / "said").open("w"))
        gateway = GatewayProcess(folder / "repository", config, stderr=said)
        stack.callback(gateway.end, signal.SIGTERM)
        node = stack.enter_context(running_node())
        monitor = stack.enter_context(prometheus(Path(tempfile.mkdtemp(dir=folder)), gateway.http_url))
        ship = [sys.executable, "-m", "bridge", "log", "ship", folder / "log", "--to", node.url]
        stack.enter_context(ended(subprocess.Popen([str(one) for one in ship], stderr=subprocess.DEVNULL)))
        callers = Callers(gateway.url)
        stack.callback(callers.close)
        story, read, heard = Story(time.monotonic() + WELL_S), [0], set[str]()
        turns: list[tuple[float, Callable[[], object], str]] = [
            (WELL_S, hang.touch, "the model hangs from now on"),
            (ILL_S, hang.unlink, "the model answers again"),
            (AFTER_S, str, "the end"),
        ]
        for until_s, turn, words in turns:
            end = time.monotonic() + until_s
            while time.monotonic() < end:
                look(story, callers, gateway.http_url, monitor, node)
                for event, line in own_log(folder / "said", read):
                    if event not in heard:
                        story.tell("own log", line)
                    heard.add(event)
                threading.Event().wait(0.3)
            turn()
            story.tell("", f"---- {words}")


def look(story: Story, callers: Callers, http: str, monitor: str, node: SearchNode) -> None:
    """Looks at all views but the log."""
    story.tell("callers", callers.lately())
    story.tell("page", page(http))
    story.tell("metrics", metrics(monitor))
    story.tell("alerts", alerts(monitor))
    story.tell("search", search(node))


if __name__ == "__main__":
    main()
