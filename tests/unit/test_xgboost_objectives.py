"""From a margin to a score, the engines agree to the bit on a million margins of every objective lignum may serve."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from bridge.backends.xgboost.engines import load_booster, load_lignum
from bridge.backends.xgboost.model import inspect
from bridge.backends.xgboost.proof import EXACT_OBJECTIVES
from bridge.columns import Array

STEPS = np.concatenate([np.geomspace(2**-8, 2**4, 20), [100, -100, 3e38, -3e38]])  # exp leaves float32 at 89 and -104
CHUNKS, CHUNK_ROWS = 5, 2**18
PARAMETERS: dict[str, dict[str, Any]] = {
    "multi:softmax": {"num_class": 3},
    "multi:softprob": {"num_class": 3},
    "reg:quantileerror": {"quantile_alpha": 0.3},
}


def trained(objective: str) -> xgboost.Booster:
    """A booster that learned nothing; it has as many rounds as there are steps."""
    label = np.arange(60) % 2 + (objective == "reg:gamma")
    training = xgboost.DMatrix(np.zeros((60, len(STEPS))), label)
    if objective == "survival:aft":
        training.set_float_info("label_lower_bound", label + 1)
        training.set_float_info("label_upper_bound", label + 2)
    parameters = {"objective": objective, "nthread": 1} | PARAMETERS.get(objective, {})
    return xgboost.train(parameters, training, len(STEPS))


def stump(feature: int, number: int, step: float, chance: np.random.Generator) -> dict[str, Any]:
    """A tree that takes a step down or up; the large ones are not taken or taken."""
    up = float(np.float32(step * chance.uniform(0.5, 1)))
    down = 0.0 if abs(step) >= 100 else float(np.float32(-step * chance.uniform(0.5, 1)))
    counts = {"num_deleted": "0", "num_feature": str(len(STEPS)), "num_nodes": "3", "size_leaf_vector": "1"}
    empty = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
    return {key: [] for key in empty} | {
        "id": number,
        "tree_param": counts,
        "left_children": [1, -1, -1],
        "right_children": [2, -1, -1],
        "parents": [2**31 - 1, 0, 0],
        "split_indices": [feature, 0, 0],
        "split_conditions": [0.5, down, up],
        "split_type": [0, 0, 0],
        "default_left": [0, 0, 0],
        "base_weights": [0.0, 0.0, 0.0],
        "loss_changes": [0.0, 0.0, 0.0],
        "sum_hessian": [0.0, 0.0, 0.0],
    }


def write_steps(path: Path, objective: str) -> None:
    """A model whose margins are sums of random steps, one for each feature."""
    model = json.loads(trained(objective).save_raw("json"))
    trees = model["learner"]["gradient_booster"]["model"]["trees"]
    outputs = len(trees) // len(STEPS)
    chance = np.random.default_rng(5)
    for number in range(len(trees)):
        feature = number // outputs
        trees[number] = stump(feature, number, STEPS[feature], chance)
    path.write_text(json.dumps(model))


def some_steps() -> Iterator[Array]:
    chance = np.random.default_rng(6)
    for _ in range(CHUNKS):
        rows = chance.integers(0, 2, (CHUNK_ROWS, len(STEPS))).astype(np.float32)
        rows[64:, -2:] = 0
        yield rows


@pytest.mark.parametrize("objective", sorted(EXACT_OBJECTIVES))
def test_lignum_rounds_a_million_scores_as_the_booster_does(tmp_path: Path, objective: str) -> None:
    path = tmp_path / "model.json"
    write_steps(path, objective)
    booster, lignum = load_booster(path, 0, np.nan), load_lignum(path, None, objective)
    margins = xgboost.Booster(params={"nthread": 1}, model_file=path)
    seen = []
    for rows in some_steps():
        assert lignum(rows).tobytes() == booster(rows).tobytes()
        seen.append(margins.inplace_predict(rows, predict_type="margin").ravel())
    every = np.unique(np.concatenate(seen))
    assert len(every) > 1_000_000
    assert every[0] < -1e38
    assert every[-1] > 1e38


@pytest.mark.parametrize("objective", ["survival:aft", "binary:hinge"])
async def test_the_booster_serves_what_lignum_is_not_known_to_round_alike(tmp_path: Path, objective: str) -> None:
    path = tmp_path / "model.json"
    write_steps(path, objective)
    facts = await inspect(path, 60)
    assert facts.lignum == ""
    assert facts.lignum_reason == f"lignum is not known to round scores of {objective} as the booster does"
