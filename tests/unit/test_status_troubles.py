"""What the status page says is wrong: the worst first, each with what to do."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from status_facts import MINUTE, facts, log, served

from bridge.counters import Minute
from bridge.drift.shift import Shift, VersionShifts
from bridge.gateway.status.drift import Drift
from bridge.gateway.status.facts import Facts, Workers
from bridge.gateway.status.traffic import traffic_of
from bridge.gateway.status.troubles import Trouble, troubles_of
from bridge.layers.circuit import CircuitState
from bridge.models.version import State


def troubles(found: Facts) -> list[Trouble]:
    """All of them, with the calls that the versions had; with plain spaces."""
    traffic = {one.name: traffic_of(one.minutes, MINUTE) for one in found.versions}
    return [replace(one, what=one.what.replace("\u00a0", " ")) for one in troubles_of(found, traffic)]


def test_a_gateway_that_is_well_has_none() -> None:
    assert troubles(facts(served(calls=5), log=log(), stores={"features": ""})) == []


@pytest.mark.parametrize(
    ("changes", "subject", "words"),
    [
        ({"draining": True, "ready": False}, "Gateway", "It is draining"),
        ({"ready": False}, "Gateway", "no model serves"),
        ({"hanging": {"the repository": 1}}, "Repository", "Reading the repository hangs; 1 thread waits"),
        ({"stores": {"features": "refused the connection"}}, "Store features", "It refused the connection."),
        ({"log": log(lost=3)}, "Prediction log", "3 records could not be written since the start. Answers left"),
        (
            {"log": log(lost=1, refuses=True)},
            "Prediction log",
            "1 record could not be written since the start. The calls",
        ),
        ({"log": log(fault="a read of the folder hangs")}, "Prediction log", "A read of the folder hangs."),
        ({"log": log(free_bytes=0)}, "Prediction log", "Its disk has 0 bytes of 100 GiB left."),
        ({"log": log(lag_s=90.0)}, "Prediction log", "What was written in the last 90 s is not on the disk yet."),
    ],
)
def test_what_costs_scores_or_records_is_urgent(changes: dict[str, Any], subject: str, words: str) -> None:
    (one,) = troubles(facts(served(), **changes))
    assert (one.subject, one.urgent) == (subject, True)
    assert words in one.what
    assert one.remedy


@pytest.mark.parametrize(
    ("changes", "subject", "words"),
    [
        ({"faults": ("TLS: key.pem is torn",)}, "Certificates and callers", "TLS: key.pem is torn."),
        ({"held_s": 0.2}, "Event loop", "for 200 ms within the last minute"),
        ({"inflight_bytes": 250 << 20}, "Gateway", "hold 250 MiB of the allowed 256 MiB"),
        ({"log": log(free_bytes=1 << 30)}, "Prediction log", "1 GiB of 100 GiB left"),
        ({"ready": False, "decided": False}, "Gateway", "still loading"),
    ],
)
def test_the_rest_is_to_be_looked_at_soon(changes: dict[str, Any], subject: str, words: str) -> None:
    (one,) = troubles(facts(served(), **changes))
    assert (one.subject, one.urgent) == (subject, False)
    assert words in one.what


def test_a_version_that_failed_its_checks_is_urgent_only_where_no_other_serves() -> None:
    refused = served("fraud", 2, state=State.REFUSED, serving=False, reason="row 3 differs", circuit=None, workers=None)
    (one,) = troubles(facts(served("fraud", 1), refused))
    assert (one.subject, one.what, one.urgent) == ("fraud/2", "It was refused: row 3 differs.", False)
    assert troubles(facts(served("fraud", 3), refused)) == []
    (one,) = troubles(facts(served("other"), refused))
    assert (one.what, one.urgent) == ("It was refused: row 3 differs. No version of this model serves.", True)


def test_a_version_that_waits_says_until_when_and_an_unloaded_model_is_meant_to_have_none() -> None:
    at = datetime(2026, 3, 1, 12, 4, tzinfo=UTC)
    waits = served("fraud", 2, state=State.WAITING, serving=False, reason="no memory", retry_at=at, workers=None)
    first, second = troubles(facts(waits, unloaded=("fraud",)))
    assert first.what == "This model was unloaded by an operator."
    assert "/v2/repository/models/fraud/load" in first.remedy
    assert (second.what, second.urgent) == ("It can't be loaded yet: no memory.", False)
    assert "It is tried again at 2026-03-01T12:04:00Z." in second.remedy


@pytest.mark.parametrize(
    ("state", "words"), [(CircuitState.OPEN, "gets no calls"), (CircuitState.HALF_OPEN, "asked whether it answers")]
)
def test_a_circuit_that_is_not_closed_comes_first_with_its_default_scores(state: CircuitState, words: str) -> None:
    reasons = {"DEADLINE": 1, "CIRCUIT_OPEN": 9}
    ill = served("sick", 4, circuit=state, default_rows=reasons, minutes=(Minute(MINUTE, 5, 0, 90, 10),))
    first, last = troubles(facts(served("a"), ill, held_s=1.0))
    assert (first.subject, first.urgent, last.subject) == ("sick/4", True, "Event loop")
    assert words in first.what
    rest = (
        "Of its 100 rows in the last 5 minutes 10 % got a default score; since the start: CIRCUIT_OPEN 9, DEADLINE 1."
    )
    assert first.what.endswith(rest)
    assert "promote" not in first.remedy


def test_a_version_to_go_back_to_is_named_with_the_command() -> None:
    ill = served("sick", 4, circuit=CircuitState.OPEN)
    waits = served("sick", 3, state=State.NOT_RESIDENT, serving=False, circuit=None)
    good = [served("sick", number, serving=False) for number in (1, 2)]
    (first,) = troubles(facts(*good, waits, ill))
    assert "To serve sick/2 instead: `scorebridge promote sick 2 --repository '/srv/my models'`." in first.remedy
    (after,) = troubles(facts(*good, served("sick", 4, circuit=CircuitState.OPEN, serving=False)))
    assert (after.subject, after.urgent, "promote" in after.remedy) == ("sick/4", False, False)


def test_default_scores_are_told_above_one_in_a_hundred() -> None:
    few = served("glm", 1, minutes=(Minute(MINUTE, 5, 0, 99, 1),), default_rows={"DEADLINE": 1})
    assert troubles(facts(few)) == []
    many = served("glm", 1, minutes=(Minute(MINUTE, 5, 0, 98, 2),), default_rows={"DEADLINE": 2})
    (one,) = troubles(facts(many))
    assert one.what.startswith("Of its 100 rows in the last 5 minutes 2.0 % got a default score")
    assert not one.urgent
    assert one.remedy == "Set `log_dir` to have such calls on record."
    (one,) = troubles(facts(many, log=log()))
    assert one.remedy == "Since when, says `scorebridge log stats /var/log/scores`."


def test_workers_that_all_hang_are_urgent() -> None:
    (one,) = troubles(facts(served(workers=Workers(idle=0, busy=0, settling=1, dying=1))))
    assert one.urgent
    assert "All of its workers hang" in one.what
    assert troubles(facts(served(workers=Workers(idle=0, busy=1, settling=1)))) == []


def moved(name: str, psi: float | None, chance: float = 0.01) -> Shift:
    return Shift(name, "feature", psi, 1000, 1000, chance=chance)


def drifted(*shifts: Shift, failure: str = "") -> Drift:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Drift((VersionShifts("glm", 1, shifts, 1000, 0, at, at, whole=True),), at, failure)


def test_what_moved_much_is_named_and_a_failure_is_told() -> None:
    assert (
        troubles(facts(served(), drift=drifted(moved("age", 0.2), moved("bmi", None), moved("x", 0.3, chance=0.2))))
        == []
    )
    many = [moved(f"x{at}", 0.3) for at in range(7)]
    (one,) = troubles(facts(served(), drift=drifted(*many)))
    assert (one.subject, one.what) == ("glm/1", "Moved much in the last day: x0, x1, x2, x3, x4 and others.")
    (one,) = troubles(facts(served(), drift=drifted(failure="the child was killed")))
    assert one.what == "The drift of the last day could not be computed: the child was killed"
