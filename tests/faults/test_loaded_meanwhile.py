"""A version that is loaded while a big call for it is read beside the event loop scores the rows as it takes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from fixtures import Cancer, StartGateway, deploy
from scorebridge import AsyncScoringClient, Source

from bridge.calls import Call
from bridge.gateway.server import Gateway
from bridge.models.version import State
from bridge.services.answer import beside_in_time


async def test_rows_that_were_read_before_it_was_loaded_are_in_its_order(
    cancer: Cancer,
    repository: Path,
    start_gateway: StartGateway,
    connect: Callable[[Gateway], AsyncScoringClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await deploy(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository)
    version = gateway.registry.resolve("cancer", 0)
    accepted, scorer, turns = version.accepted, version._scorer, []

    async def loaded_meanwhile(work: Callable[[], Any], left_s: float | None, caller: str) -> Any:
        done = await beside_in_time(work, left_s, caller)
        turns.append(version.accepted)
        if isinstance(done, Call):  # the message is read in a turn of its own
            version.accepted, version._scorer, version.state = accepted, scorer, State.READY
        return done

    right = cancer.booster.predict(xgboost.DMatrix(cancer.rows, feature_names=cancer.names))
    client = connect(gateway)
    monkeypatch.setattr("bridge.services.intake._FEW_BYTES", 0)
    monkeypatch.setattr("bridge.services.intake.beside_in_time", loaded_meanwhile)
    monkeypatch.setattr("bridge.services.answer.beside_in_time", loaded_meanwhile)
    version.begin_loading()
    version.accepted = None
    backwards, names = cancer.rows[:, ::-1].copy(), cancer.names[::-1]
    answer = await client.score("cancer", backwards, columns=names, timeout_s=60)
    assert turns[:2] == [None, None]
    assert answer.source == Source.MODEL
    assert np.array_equal(answer.scores, right)
