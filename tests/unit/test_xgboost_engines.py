"""Which engine scores which batch where lignum and the booster give the same bits."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from bridge.backends.xgboost import engines
from bridge.backends.xgboost.engines import faster_of
from bridge.columns import Array

Cost = Callable[[int], float]  # seconds that a batch of so many rows takes


def engine(mark: float, cost: Cost, clock: SimpleNamespace) -> Callable[[Array], Array]:
    def predict(rows: Array) -> Array:
        clock.at += cost(len(rows))
        return np.full(len(rows), mark)

    return predict


@pytest.mark.parametrize(
    ("few_cost", "limit", "few_rows"),
    [
        (lambda rows: 0.001 * rows, 256, [1, 64, 256]),
        (lambda _: 0.001, None, [1, 64, 256, 257, 1024, 5000]),
        (lambda _: 9.0, 0, []),
    ],
    ids=["few rows", "all rows", "no rows"],
)
def test_each_batch_goes_to_the_engine_that_was_measured_as_faster(
    monkeypatch: pytest.MonkeyPatch, few_cost: Cost, limit: int | None, few_rows: list[int]
) -> None:
    clock = SimpleNamespace(at=0.0)
    monkeypatch.setattr(engines, "time", SimpleNamespace(perf_counter=lambda: clock.at))
    few, many = engine(1.0, few_cost, clock), engine(2.0, lambda _: 0.3, clock)
    predict, most = faster_of(few, many, 3)
    assert most == limit
    sizes = [1, 64, 256, 257, 1024, 5000]
    scored = {rows: float(np.unique(predict(np.zeros((rows, 3), np.float32))).item()) for rows in sizes}
    assert [rows for rows in sizes if scored[rows] == 1.0] == few_rows
