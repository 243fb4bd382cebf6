"""What a gateway counts of its calls."""

import numpy as np
import pytest

from bridge.calls import Call, ModelRef, Outcome, Range, Trace
from bridge.columns import Matrix, Type, constant
from bridge.counters import SECONDS, Counters, FrontRefusal, Histogram, VersionCounters
from bridge.errors import CircuitOpen, UnfitRow

_REF = ModelRef("glm", 3, "d")
_SCORES = (constant("score", Type.DOUBLE, 0.5, 1),)


def _call(**changes: object) -> Call:
    return Call("id", _REF, Matrix(("x",), np.zeros((1, 1))), 100.0, **changes)  # type: ignore[arg-type]


def test_a_bound_belongs_to_its_bucket_and_what_is_above_all_has_one() -> None:
    found = Histogram()
    for seconds in (0.0, SECONDS[0], SECONDS[0] * 1.01, SECONDS[-1], SECONDS[-1] + 1):
        found.add(seconds)
    assert found.counts == [2, 1, *[0] * (len(SECONDS) - 3), 1, 1]
    assert found.total_s == pytest.approx(SECONDS[0] * 2.01 + 2 * SECONDS[-1] + 1)


def test_rows_are_counted_by_their_source_and_reason() -> None:
    found = VersionCounters()
    parts = (
        Range(0, 5, _SCORES),
        Range(5, 2, _SCORES, CircuitOpen("x")),
        Range(7, 3, (), UnfitRow("x", row=7)),
    )
    found.answered(_call(), "json", Outcome(parts, partial=True), 100.25)
    assert found.rows == {"MODEL": 5, "DEFAULT": 2, "FAILED": 3}
    assert (found.default_rows, found.failed_rows) == ({"CIRCUIT_OPEN": 2}, {"INVALID_VALUE": 3})
    assert found.calls == {("json", "OK"): 1}
    assert (found.call_s.total_s, sum(found.call_s.counts), sum(found.backend_s.counts)) == (0.25, 1, 0)
    minute = found.minutes[-1]
    assert (minute.calls, minute.failed, minute.rows, minute.defaulted, minute.unscored) == (1, 0, 5, 2, 3)


def test_times_are_those_of_the_trace() -> None:
    found = VersionCounters()
    found.failed(_call(trace=Trace(1, 0.5, sent=100.5, answered=102.5)), "json", "INTERNAL", 103.0)
    assert (found.call_s.total_s, found.queue_s.total_s, found.backend_s.total_s) == (3.0, 0.5, 2.0)
    assert (found.minutes[-1].calls, found.minutes[-1].failed, found.rows) == (1, 1, {})


def test_minutes_are_kept_for_an_hour_of_calls() -> None:
    found = VersionCounters()
    for minute in range(100):
        found.failed(_call(), "json", "INTERNAL", 60.0 * minute + 100)
        found.failed(_call(), "json", "INTERNAL", 60.0 * minute + 101)
    assert [one.number for one in found.minutes] == list(range(41, 101))
    assert {one.calls for one in found.minutes} == {2}


def test_a_refusal_counts_as_a_call_only_where_its_version_is_known() -> None:
    found = Counters()
    found.refused("MODEL_NOT_FOUND", "json", "NOT_FOUND")
    assert (found.refusals, found.versions) == ({"MODEL_NOT_FOUND": 1}, {})
    found.refused("INVALID_REQUEST", "json", "INVALID_ARGUMENT", _REF)
    assert found.of(_REF).calls == {("json", "INVALID_ARGUMENT"): 1}
    assert sum(found.of(_REF).call_s.counts) == 0


def test_a_version_has_one_count_before_and_after_its_digest_is_known() -> None:
    found = Counters()
    found.of(ModelRef("glm", 3, "")).failed(_call(), "json", "DEADLINE_EXCEEDED", 101.0)
    assert found.of(_REF).calls == {("json", "DEADLINE_EXCEEDED"): 1}
    found.keep({("glm", 4)})
    assert found.versions == {}


def test_totals_do_not_change_any_more() -> None:
    found = VersionCounters()
    found.failed(_call(), "json", "INTERNAL", 101.0)
    totals = found.totals()
    found.failed(_call(), "json", "INTERNAL", 101.0)
    assert (totals.calls, sum(totals.call_s[0]), totals.call_s[1]) == ({("json", "INTERNAL"): 1}, 1, 1.0)
    assert sum(found.call_s.counts) == 2


def test_a_front_s_refusal_is_its_own_name() -> None:
    assert {one.value: one.name for one in FrontRefusal} == {one: str(one) for one in FrontRefusal}
    found = Counters()
    found.refused(FrontRefusal.TOO_LARGE)
    assert found.refusals == {"TOO_LARGE": 1}
    assert FrontRefusal.TOO_LARGE.meaning == "A message or body was larger than max_message_bytes."
