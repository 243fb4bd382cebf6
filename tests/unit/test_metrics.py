"""The text of /metrics: every metric of the table, of its kind, with labels that nothing can break or make."""

import asyncio
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from bridge.backends import Description
from bridge.bundles.bundle import Bundle
from bridge.bundles.repository import Repository, StoredVersion
from bridge.bundles.settings import ModelSettings
from bridge.callers.access import Access
from bridge.callers.caller import Credentials
from bridge.calls import Call, ModelRef, Outcome, Output, Range
from bridge.columns import Matrix, Type, constant
from bridge.config import GatewaySettings
from bridge.counters import SECONDS, Counters, VersionCounters
from bridge.errors import CircuitOpen, UnfitRow
from bridge.features.stores.stores import Stores, open_stores
from bridge.fronts.front import Front, Methods
from bridge.gateway.holds import Holds
from bridge.gateway.metric_reading import LogReading, Measured, Reading, VersionReading, read
from bridge.gateway.metric_table import METRICS, REFUSALS
from bridge.gateway.metrics import Metrics, write_metrics
from bridge.layers.drain import Drain
from bridge.layers.shares import Shares
from bridge.models.acceptance import Accepted
from bridge.models.registry import Registry
from bridge.models.version import Version
from bridge.services.http_calls import HttpAnswer, HttpRequest
from bridge.testing.backend import FakeBackend
from bridge.testing.clock import ManualClock
from bridge.workers.snapshot import Snapshot

GAUGES = {
    "scorebridge_resident_versions": 1,
    "scorebridge_ready": True,
    "scorebridge_inflight_bytes": 5,
    "scorebridge_inflight_limit_bytes": 1 << 20,
    "scorebridge_loop_lag_seconds": 0.001,
    "scorebridge_loop_longest_hold_seconds": 0.002,
    "scorebridge_hanging_reads": 0,
    "scorebridge_certificate_fault": False,
    "scorebridge_callers_fault": False,
}
NASTY = 'R "4.2"\\ \n}\u2028\x1b[31m' + "x" * 1000


def counted() -> VersionCounters:
    """A version's counters after a call of 10 rows by each kind of answer."""
    counters = VersionCounters()
    scores = (constant("score", Type.DOUBLE, 0.5, 1),)
    parts = (Range(0, 5, scores), Range(5, 2, scores, CircuitOpen("x")), Range(7, 3, (), UnfitRow("x", row=7)))
    call = Call("id", ModelRef("glm", 3, "d"), Matrix(("x",), np.zeros((10, 1))), 100.0)
    counters.answered(call, "json", Outcome(parts, partial=True), 100.25)
    return counters


def full() -> Reading:
    """A reading that has something of everything."""
    pool = Snapshot(1, 2, 3, 4, 5, 6, 7, 0.5, 8, 9, frozenset({1}), frozenset())
    version = VersionReading("glm", "3", "d", "R 4.2.2", "ready", True, counted().totals(), "open", 11, 2, pool)
    log = LogReading(100, 5000, 0.25, 3, 1, 2)
    return Reading([version], {"OVERLOADED": 4}, log, {"features": False}, GAUGES)


def families(text: bytes) -> dict[str, Family]:
    """What Prometheus' own parser reads, by the names in the table."""
    found = list(text_string_to_metric_families(text.decode()))
    return {f"{one.name}_total" if one.type == "counter" else one.name: one for one in found}


def value_of(text: bytes, sample: str, **labels: str) -> float:
    (found,) = [
        one.value
        for family in families(text).values()
        for one in family.samples
        if one.name == sample and one.labels == labels
    ]
    return float(found)


def test_every_metric_of_the_table_is_shown_with_its_kind_and_labels() -> None:
    found = families(write_metrics(full()))
    assert {name for name in found if name.startswith("scorebridge_")} == set(METRICS)
    for name, metric in METRICS.items():
        assert (found[name].type, found[name].documentation) == (metric.kind, metric.meaning)
        labels = {frozenset(one.labels) - {"le"} for one in found[name].samples}
        assert labels == {frozenset(metric.labels)}, name


def test_the_numbers_are_those_that_were_read() -> None:
    text, glm = write_metrics(full()), {"model": "glm", "version": "3"}
    assert value_of(text, "scorebridge_calls_total", **glm, wire="json", code="OK") == 1
    for source, rows in (("MODEL", 5), ("DEFAULT", 2), ("FAILED", 3)):
        assert value_of(text, "scorebridge_rows_total", **glm, source=source) == rows
    assert value_of(text, "scorebridge_default_rows_total", **glm, reason="CIRCUIT_OPEN") == 2
    assert value_of(text, "scorebridge_failed_rows_total", **glm, reason="INVALID_VALUE") == 3
    buckets = [value_of(text, "scorebridge_call_seconds_bucket", **glm, le=str(bound)) for bound in SECONDS]
    assert buckets == [float(bound >= 0.25) for bound in SECONDS]
    assert value_of(text, "scorebridge_call_seconds_bucket", **glm, le="+Inf") == 1
    assert value_of(text, "scorebridge_call_seconds_sum", **glm) == 0.25
    states = ("idle", "leased", "settling", "dying", "starting")
    assert [value_of(text, "scorebridge_workers", **glm, state=state) for state in states] == [1, 2, 3, 4, 5]
    assert value_of(text, "scorebridge_lease_wait_seconds_count", **glm) == 7
    assert value_of(text, "scorebridge_lease_wait_seconds_sum", **glm) == 0.5
    circuit = [value_of(text, "scorebridge_circuit_state", **glm, state=one) for one in ("closed", "open", "half-open")]
    assert circuit == [0, 1, 0]
    assert value_of(text, "scorebridge_store_up", store="features") == 0
    assert value_of(text, "scorebridge_refusals_total", reason="OVERLOADED") == 4
    assert value_of(text, "scorebridge_refusals_total", reason="TOO_LARGE") == 0


def test_promtool_has_nothing_to_say_of_it() -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=write_metrics(full()), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_what_is_not_there_is_left_out() -> None:
    bare = VersionReading("glm", "3", "", "", "waiting", False, None, None, 0, 0, None)
    found = families(write_metrics(Reading([bare], {}, None, {}, GAUGES)))
    missing = set(METRICS) - set(found)
    assert {"scorebridge_log_lag_seconds", "scorebridge_workers", "scorebridge_calls_total"} <= missing
    assert (
        value_of(
            write_metrics(Reading([bare], {}, None, {}, {})),
            "scorebridge_version_serving",
            model="glm",
            version="3",
        )
        == 0
    )


class Rig:
    """What metrics are read from, with some versions that took calls.

    Attributes:
        measured: the whole.
    """

    def __init__(self, folder: Path, versions: int = 0, engine: str = "R") -> None:
        settings = GatewaySettings(repository=folder)
        self.registry, counters = Registry(Repository(folder)), Counters()
        for number in range(1, versions + 1):
            version = Version(StoredVersion(f"m{number}", number, folder))
            description = Description((), (Output("score", Type.DOUBLE),), engine=engine)
            backend = FakeBackend(self._never, description)
            bundle = Bundle(folder, "rserve", ModelSettings(), None)
            version.begin_serving(Accepted(bundle, backend, description, (), 0, None, ""), Drain())
            self.registry._models[f"m{number}"] = {number: version}
            counters.versions[f"m{number}", number] = counted()
        self.measured = Measured(
            registry=self.registry,
            counters=counters,
            inflight=Shares(100, "bytes in flight"),
            holds=Holds(),
            log=None,
            stores=open_stores({}),
            front=Front(settings, Methods(), ()),
            access=Access(None),
            ready=lambda: True,
        )

    async def _never(self, _: Call) -> Outcome:
        raise AssertionError


async def test_text_of_an_engine_or_a_store_is_escaped_and_bounded(tmp_path: Path) -> None:
    rig = Rig(tmp_path, 1, engine=NASTY)
    reading = await read(rig.measured._replace(stores=stores({f"{NASTY}1": "is down", f"{NASTY}2": "", "ok": ""})))
    text = write_metrics(reading)
    assert all(line.isprintable() for line in text.decode().splitlines())
    (engine,) = [one.labels["engine"] for one in families(text)["scorebridge_version_info"].samples]
    assert engine.startswith('R "4.2"\\ \\n}\\u2028\\x1b[31mxxx')
    assert len(engine) < 100
    up = {one.labels["store"]: one.value for one in families(text)["scorebridge_store_up"].samples}
    assert sorted(up.values()) == [0, 1], "two names that are alike when shortened are one, and down if either is"
    await _refused_by_nobody(text)


async def _refused_by_nobody(text: bytes) -> None:
    done = await asyncio.create_subprocess_exec("promtool", "check", "metrics", stdin=-1, stdout=-1, stderr=-1)
    assert await done.communicate(text) == (b"", b"")
    assert done.returncode == 0


def stores(states: dict[str, str]) -> Stores:
    named: dict[str, Any] = {name: SimpleNamespace(state=state) for name, state in states.items()}
    return Stores(named, {})


async def test_copying_what_a_hundred_versions_counted_holds_the_loop_for_less_than_5_ms(tmp_path: Path) -> None:
    held = []
    for _ in range(5):
        steps, reading = read(Rig(tmp_path, 100).measured), None
        longest_s = 0.0
        while reading is None:
            began = time.thread_time()  # of this thread alone, as others work on the machine
            try:
                steps.send(None)
            except StopIteration as done:
                reading = done.value
            longest_s = max(longest_s, time.thread_time() - began)
        assert len(reading.versions) == 100
        held.append(longest_s)
    assert min(held) < 0.005


async def test_versions_that_left_are_not_shown(tmp_path: Path) -> None:
    rig = Rig(tmp_path, 2)
    del rig.registry._models["m1"]
    assert [one.model for one in (await read(rig.measured)).versions] == ["m2"]


def request(peer: str = "ipv4:10.0.0.7:1") -> HttpRequest:
    return HttpRequest("GET", "/metrics", "", {}, {}, b"", peer, Credentials(peer=peer), 0.0, 0)


def page(measured: Measured, *, sees: bool, is_open: bool = False) -> Metrics:
    return Metrics(measured, lambda _: sees, is_open=is_open)


async def ask(metrics: Metrics, times: int = 1) -> list[HttpAnswer]:
    (route,) = metrics.routes()
    return await asyncio.gather(*(route.answer(request()) for _ in range(times)))


async def test_scrapes_that_come_together_share_a_text_and_later_ones_get_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Reading] = []

    def write(reading: Reading) -> bytes:
        made.append(reading)
        return b"%d" % len(made)

    monkeypatch.setattr("bridge.gateway.metrics.write_metrics", write)
    metrics = page(Rig(tmp_path).measured, sees=True)
    bodies = [answer.body for answer in await ask(metrics, 100)]
    assert set(bodies) <= {b"1", b"2"}, "those that came while one was read may not get what is older than they are"
    before = len(made)
    assert [answer.body for answer in await ask(metrics)] == [b"%d" % (before + 1)]


def test_strangers_to_whom_the_page_is_open_get_a_text_of_the_last_second(tmp_path: Path) -> None:
    async def main() -> list[int]:
        rig = Rig(tmp_path)
        metrics, numbers = page(rig.measured, sees=False, is_open=True), []
        for passed_s in (0.0, 0.5, 0.4, 0.2):
            await asyncio.sleep(passed_s)
            rig.measured.counters.refused("OVERLOADED")
            (answer,) = await ask(metrics)
            numbers.append(int(value_of(answer.body, "scorebridge_refusals_total", reason="OVERLOADED")))
        return numbers

    assert ManualClock.run(main) == [1, 1, 1, 4]


async def test_whoever_may_not_see_names_gets_none(tmp_path: Path) -> None:
    rig = Rig(tmp_path, 1)
    metrics = page(rig.measured, sees=False)
    (answer,) = await ask(metrics)
    assert (answer.status, b"PERMISSION_DENIED" in answer.body, b"m1" in answer.body) == (403, True, False)
    assert rig.measured.counters.refusals == {"PERMISSION_DENIED": 1}
    assert metrics.probes() == []
    assert len(page(rig.measured, sees=False, is_open=True).probes()) == 1


def test_the_reasons_of_refusals_are_named_once_each_and_explained() -> None:
    assert {"INVALID_REQUEST", "UNAUTHENTICATED", "STORE_UNAVAILABLE", "TOO_LARGE", "INTERNAL"} <= set(REFUSALS)
    assert all(meaning.endswith(".") for meaning in REFUSALS.values())
    assert not {"WORKER_LOST", "BUNDLE_REFUSED", "CONFIGURATION"} & set(REFUSALS)


def test_the_loop_s_lag_is_told_also_while_its_check_is_overdue() -> None:
    async def main() -> list[float]:
        holds, loop = Holds(), asyncio.get_running_loop()
        assert isinstance(loop, ManualClock)
        told = [holds.late_s()]
        holds.start()
        loop.pass_at_once(0.12)
        told.append(round(holds.late_s(), 6))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        told.append(round(holds.late_s(), 6))
        await asyncio.sleep(0.05)
        told.append(round(holds.late_s(), 6))
        holds.stop()
        return told

    assert ManualClock.run(main) == [0.0, 0.1, 0.1, 0.0]


def test_more_than_a_thousand_versions_are_shown_too() -> None:
    reading = full()
    many = [reading.versions[0]._replace(model=f"m{number}") for number in range(1200)]
    text = write_metrics(reading._replace(versions=many))
    assert text.count(b"\nscorebridge_version_info{") == 1200
