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
from saved_bundles import BY_NAME, expected, levels_line, saved
from saved_models.kinds import ROWS as SAVED_ROWS
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


@pytest.mark.parametrize("front", ["native"], indirect=True)
@pytest.mark.parametrize(("rule", "compared"), [("missing", SAVED_ROWS), ("default", SAVED_ROWS - 2)])
async def test_ids_that_nobody_knows_are_scored_again_as_the_author_rules(
    repository: Path, tmp_path: Path, start_gateway: StartGateway, rule: str, compared: int
) -> None:
    kind = BY_NAME["int64_categories"]
    settings = f'default_score = 0.5\nunknown_level = "{rule}"\n{levels_line(kind, kind.levels)}'
    await deploy(saved(tmp_path / "bundle", "2.1.4", kind.name, settings), repository, "ids")
    ids: list[int | None] = [None if np.isnan(code) else int(kind.levels[int(code)]) for code in kind.rows[:, 1]]
    ids[3], ids[40] = ids[2], int(kind.levels[0]) + 1
    ids[41] = int(kind.levels[-1]) - 1
    columns = {name: kind.rows[:, place] for place, name in enumerate(kind.names)} | {"c": ids}
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    async with AsyncScoringClient(gateway.grpc_address) as client:
        answer = await client.score("ids", columns, timeout_s=10)
    await gateway.close()
    assert np.flatnonzero(answer.defaulted).tolist() == ([40, 41] if rule == "default" else [])
    assert (answer.scores == expected("2.1.4", kind.name)).sum() > SAVED_ROWS // 2
    result = await asyncio.to_thread(run, tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    assert f"all {compared} rows are equal" in said(result)
