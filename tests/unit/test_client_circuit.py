"""The Python clients' circuit: open for those who would wait no longer than was waited in vain; on a clock by hand."""

import math
import socket
from collections.abc import Callable

import numpy as np
import pytest
from scorebridge import AsyncScoringClient, ScoringClient, Source
from scorebridge.circuit import Circuit

OPEN_S = 1.0


class Clock:
    """Moved by hand."""

    now = 1000.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("scorebridge.circuit.time", made)
    return made


@pytest.fixture
def opened(clock: Clock) -> Callable[[float], Circuit]:
    """Makes circuits that have opened because calls waited so long in vain."""
    del clock

    def make(waited_s: float) -> Circuit:
        circuit = Circuit(5, OPEN_S)
        for _ in range(5):
            assert circuit.allows(1.0)
            circuit.failed(waited_s)
        return circuit

    return make


def test_the_circuit_lets_one_call_through_and_closes_with_an_answer(clock: Clock) -> None:
    circuit = Circuit(2, 1.0)
    circuit.failed(1.0)
    assert circuit.allows(1.0)
    circuit.failed(1.0)
    assert not circuit.allows(1.0)
    clock.now += 1.0
    assert circuit.allows(1.0)
    assert not circuit.allows(1.0)
    circuit.answered()
    assert circuit.allows(1.0)


def test_failures_between_answers_to_others_do_not_open_it(clock: Clock) -> None:
    circuit = Circuit(2, 1.0)
    circuit.answered()
    clock.now += 0.01
    for _ in range(9):
        circuit.failed(1.0)
    assert circuit.allows(1.0)
    clock.now += 0.1
    circuit.failed(1.0)
    assert not circuit.allows(1.0)


@pytest.mark.parametrize("waited_s", [0.001, 0.02, 0.5])
def test_short_deadlines_do_not_shut_out_who_has_more_patience(
    opened: Callable[[float], Circuit], waited_s: float
) -> None:
    circuit = opened(waited_s)
    assert not circuit.allows(waited_s)
    assert not circuit.allows(waited_s / 2)
    assert circuit.allows(waited_s * 1.1)
    assert circuit.allows(2.0)
    assert circuit.allows(None)


def test_all_that_are_more_patient_are_let_through_until_one_has_waited_in_vain(
    opened: Callable[[float], Circuit],
) -> None:
    circuit = opened(0.001)
    assert all(circuit.allows(2.0) for _ in range(9))
    circuit.failed(2.0)
    assert not circuit.allows(2.0)
    assert not circuit.allows(1.0)
    assert circuit.allows(2.1)
    assert circuit.allows(None)


def test_a_connection_that_failed_says_it_for_all(opened: Callable[[float], Circuit]) -> None:
    circuit = opened(math.inf)
    assert not circuit.allows(1e8)
    assert not circuit.allows(None)


def test_the_trial_of_an_impatient_call_takes_nobody_else_s_away(
    opened: Callable[[float], Circuit], clock: Clock
) -> None:
    circuit = opened(math.inf)
    clock.now += OPEN_S
    assert circuit.allows(0.001)
    assert not circuit.allows(0.001)
    assert circuit.allows(2.0)
    assert not circuit.allows(2.0)
    circuit.failed(math.inf)
    assert not circuit.allows(3.0)


def test_a_failure_in_between_counts_the_longest_wait(opened: Callable[[float], Circuit]) -> None:
    circuit = opened(0.001)
    circuit.failed(2.0)
    assert not circuit.allows(2.0)
    assert circuit.allows(2.1)


def test_an_answer_forgets_what_was_tried(opened: Callable[[float], Circuit], clock: Clock) -> None:
    circuit = opened(math.inf)
    circuit.answered()
    assert circuit.allows(0.001)
    clock.now += 1.0
    for _ in range(5):
        circuit.failed(0.001)
    assert not circuit.allows(0.001)
    assert circuit.allows(0.002)


def test_a_new_connection_invites_one_call(opened: Callable[[float], Circuit]) -> None:
    circuit = opened(math.inf)
    circuit.invite()
    assert circuit.allows(0.5)
    assert not circuit.allows(0.5)


def test_a_forked_process_has_tried_nothing(opened: Callable[[float], Circuit]) -> None:
    circuit = opened(math.inf)
    circuit.forked()
    assert circuit.allows(0.001)


def test_zero_failures_never_open_it(clock: Clock) -> None:
    del clock
    circuit = Circuit(0, OPEN_S)
    for _ in range(99):
        circuit.failed(math.inf)
    assert circuit.allows(0.001)


async def test_the_calls_of_a_big_batch_are_as_patient_as_its_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of the time to each says how long the ones before took; a circuit that went by it would not shut."""
    waits = list[float]()
    monkeypatch.setattr(Circuit, "failed", lambda _, waited_s: waits.append(waited_s))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        rows = np.zeros((20_001, 2))
        with ScoringClient(target, default=0.5) as client:
            assert client.score("m", rows, timeout_s=0.3).source == Source.CLIENT_DEFAULT
        async with AsyncScoringClient(target, default=0.5) as other:
            assert (await other.score("m", rows, timeout_s=0.3)).source == Source.CLIENT_DEFAULT
    assert set(waits) == {0.3}
    assert len(waits) > 1
