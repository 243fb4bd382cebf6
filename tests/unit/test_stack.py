"""The stack: the first layer is the outermost, and the layers are in the order that the design gives them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bridge.layers.stack
from bridge.backends import Description
from bridge.bundles.bundle import Bundle
from bridge.bundles.settings import ModelSettings
from bridge.calls import Call, DefaultScore, Layer, ModelRef, Outcome, Output, Range, Scorer, now
from bridge.columns import Column, Matrix, Type
from bridge.errors import DeadlineExceeded, DefaultReason, ModelNotReady, PredictionFailed
from bridge.layers.drain import Drain
from bridge.layers.stack import Stack, build_stack, build_waiting_scorer, fold
from bridge.models.acceptance import Accepted
from bridge.testing.backend import FakeBackend

HALF = DefaultScore(Output("score", Type.DOUBLE), 0.5)
DESIGN = ["Fallback", "UnfitRows", "DeadlineLayer", "Circuit", "Admission", "Batching", "Retry"]


def call(*defaults: DefaultScore) -> Call:
    return Call("id", ModelRef("m", 1, ""), Matrix((), np.zeros((2, 1))), now(), None, defaults)


async def model(_: Call) -> Outcome:
    return Outcome((Range(0, 2, (Column("score", Type.DOUBLE, np.array([1.0, np.nan])),)),))


async def not_ready(_: Call) -> Outcome:
    raise ModelNotReady("loading")


async def never(_: Call) -> Outcome:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def accepted(scorer: Scorer, settings: ModelSettings) -> Accepted:
    backend = FakeBackend(scorer, Description((), (HALF.output,)))
    bundle = Bundle(Path(), "rserve", settings, None)
    return Accepted(bundle, backend, backend.description, (HALF,), 0, None, "")


@pytest.mark.parametrize("names", ["", "a", "abc"])
async def test_the_first_layer_is_outermost(names: str) -> None:
    events: list[str] = []

    def layer(name: str) -> Layer:
        async def logged(asked: Call, inner: Scorer) -> Outcome:
            events.append(f"{name} in")
            outcome = await inner(asked)
            events.append(f"{name} out")
            return outcome

        return logged

    answer = await model(call())

    async def backend(_: Call) -> Outcome:
        events.append("backend")
        return answer

    assert await fold([layer(name) for name in names], backend)(call()) is answer
    assert events == [*(f"{name} in" for name in names), "backend", *(f"{name} out" for name in reversed(names))]


async def test_a_layer_may_answer_without_what_is_below() -> None:
    answer = await model(call())

    async def answers(_: Call, _inner: Scorer) -> Outcome:
        return answer

    async def unreached(_: Call, _inner: Scorer) -> Outcome:
        raise AssertionError

    assert await fold([answers, unreached], not_ready)(call()) is answer


def stacked(loaded: Accepted, *, log_model_messages: bool = False) -> Stack:
    """The stack that a version of it gets."""
    parts = loaded.bundle.settings, loaded.backend, loaded.description, loaded.self_test
    return build_stack(*parts, Drain(), log_model_messages=log_model_messages)


async def test_the_layers_are_in_the_order_of_the_design(monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[list[str]] = []

    def noted(layers: Sequence[Layer], backend: Scorer) -> Scorer:
        orders.append([type(layer).__name__ for layer in layers])
        return fold(layers, backend)

    monkeypatch.setattr(bridge.layers.stack, "fold", noted)
    stacked(accepted(model, ModelSettings()))
    build_waiting_scorer(not_ready, ModelSettings())
    stacked(accepted(model, ModelSettings()), log_model_messages=True)
    assert orders == [DESIGN, DESIGN[:1], ["Failures", *DESIGN]]


async def test_a_late_model_is_answered_by_the_default_as_fallback_is_above_the_deadline() -> None:
    settings = ModelSettings(timeout_s=1e-4, default_score=0.5)
    stack = stacked(accepted(never, settings))
    (part,) = (await stack.scorer(call(HALF))).ranges
    assert isinstance(part.error, DeadlineExceeded)
    assert part.scores[0].values.tolist() == [0.5, 0.5]
    (part,) = (await stack.scorer(call())).ranges
    assert part.failed


@pytest.mark.parametrize(
    ("changes", "defaulted"),
    [
        ({}, [False, True]),
        ({"missing_score": "default"}, [False, True]),
        ({"missing_score": "pass"}, [False]),
        ({"default_on": [DefaultReason.DEADLINE]}, [False]),
    ],
)
async def test_the_author_s_settings_reach_the_fallback(changes: dict[str, Any], defaulted: list[bool]) -> None:
    settings = ModelSettings.model_validate({"default_score": 0.5} | changes)
    outcome = await stacked(accepted(model, settings)).scorer(call(HALF))
    assert [part.defaulted for part in outcome.ranges] == defaulted


async def test_a_version_that_can_not_be_asked_yet_answers_with_its_default_or_says_so() -> None:
    waiting = build_waiting_scorer(not_ready, ModelSettings(default_score=0.5))
    (part,) = (await waiting(call(HALF))).ranges
    assert part.defaulted
    assert isinstance(part.error, ModelNotReady)
    silent = build_waiting_scorer(not_ready, ModelSettings(default_score=0.5, default_on=[DefaultReason.DEADLINE]))
    assert isinstance((await silent(call(HALF))).first_failure(), ModelNotReady)


async def test_what_a_model_said_is_told_of_the_rows_that_it_failed_in_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Halves of a batch raise again and again, and each bad row is one line."""

    async def raises_below_zero(asked: Call) -> Outcome:
        assert isinstance(asked.batch, Matrix)
        rows = asked.batch.values[:, 0]
        if (rows < 0).any():
            raise PredictionFailed("m/1: raised", private="below zero", condition_class="below")
        return Outcome((Range(0, asked.rows, (Column("score", Type.DOUBLE, rows),)),))

    loaded = accepted(raises_below_zero, ModelSettings(default_score=0.5))
    loaded = replace(loaded, description=replace(loaded.description, row_wise=True))
    rows = np.arange(64.0)[:, None]
    rows[[13, 40]] = -1.0
    stack = stacked(loaded, log_model_messages=True)
    asked = Call("id", ModelRef("m", 1, ""), Matrix((), rows), now(), None, (HALF,))
    outcome = await stack.scorer(asked)
    assert [(part.first, part.count) for part in outcome.ranges if part.defaulted] == [(13, 1), (40, 1)]
    lines = [record.getMessage() for record in caplog.records if record.name == "bridge.layers.failures"]
    assert lines == [f"m/1: call id, row {row}: below: below zero" for row in (13, 40)]
    await stack.close()
