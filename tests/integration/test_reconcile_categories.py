"""Categories on their way through a gateway and again through `reconcile`: as text, as numbers, as codes, missing."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from fixtures import StartGateway, deploy
from logged import run, said
from scorebridge import AsyncScoringClient

TOWNS, ZONES, MISSING = ["Bern", "Lugano", "Basel"], [3, 7, 12, 40], -1.0
ROWS = 300


def _rows(seed: int) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "town": pd.Categorical(chance.choice(TOWNS, ROWS), TOWNS),
            "zone": pd.Categorical(chance.choice(ZONES, ROWS), ZONES),
            "size": chance.normal(size=ROWS),
        }
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    rows = _rows(1)
    target = (rows["town"].cat.codes + rows["zone"].cat.codes + rows["size"] > 2).astype(int)
    training = xgboost.DMatrix(rows, target, enable_categorical=True, missing=MISSING)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1, "max_cat_to_onehot": 1}, training, 20)
    folder = tmp_path / "bundle"
    folder.mkdir()
    booster.save_model(folder / "model.ubj")
    (folder / "model.toml").write_text(f"[xgboost]\nmissing = {MISSING}\n")
    return folder


@pytest.mark.parametrize("front", ["native"], indirect=True)
async def test_every_way_to_send_categories_is_scored_again_to_the_bit(
    bundle: Path, repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    await deploy(bundle, repository, "flat")
    rows = _rows(2)
    table: dict[str, Any] = {
        "town": [*rows["town"].astype(str)[:-2], None, "Basel"],
        "zone": [*rows["zone"].astype(float)[:-1], MISSING],
        "size": rows["size"].to_numpy(),
    }
    codes = np.column_stack([rows["town"].cat.codes, rows["zone"].cat.codes, rows["size"]]).astype(np.float64)
    codes[-1, 1] = MISSING
    codes[-2, 0] = np.nan
    codes[-1, 0] = TOWNS.index("Basel")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    async with AsyncScoringClient(gateway.grpc_address) as client:
        by_table = await client.score("flat", table, timeout_s=10)
        by_codes = await client.score("flat", codes, timeout_s=10)
    await gateway.close()
    assert by_table.scores.tobytes() == by_codes.scores.tobytes()
    assert len(set(by_codes.scores.tolist())) > 20
    result = await asyncio.to_thread(run, tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    assert f"all {2 * ROWS} rows are equal" in said(result)
