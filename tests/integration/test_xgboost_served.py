"""What callers, GetModel and the log see of an xgboost model: levels, explanations, and what its file says."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from fixtures import StartGateway, deploy
from scorebridge import AsyncScoringClient, ScoringError

IDS = [1111111111111111111, 1111111111111111112, 1111111111111111113]
ROWS = 60


def frame(seed: int = 1) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    return pd.DataFrame(
        {"shop": pd.Categorical(chance.choice(IDS, ROWS), categories=IDS), "size": chance.normal(size=ROWS)}
    )


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    rows = frame()
    target = rows["shop"].cat.codes * 10 + rows["size"]
    training = xgboost.DMatrix(rows, target, enable_categorical=True)
    return xgboost.train({"nthread": 1, "max_depth": 3, "max_cat_to_onehot": 1}, training, 10)


def bundle(folder: Path, booster: xgboost.Booster, settings: str) -> Path:
    folder.mkdir()
    booster.save_model(folder / "model.ubj")
    (folder / "model.toml").write_text(settings)
    return folder


@pytest.fixture
async def ask(
    tmp_path: Path, repository: Path, booster: xgboost.Booster, start_gateway: StartGateway, connect: Any
) -> Any:
    async def deployed(settings: str) -> AsyncScoringClient:
        await deploy(bundle(tmp_path / "bundle", booster, settings), repository, "m")
        client: AsyncScoringClient = connect(await start_gateway(repository))
        return client

    return deployed


async def test_ids_are_scored_as_what_they_are(ask: Any, booster: xgboost.Booster) -> None:
    client, rows = await ask(""), frame(2)
    answer = await client.score("m", rows, timeout_s=10)
    assert answer.scores.tobytes() == booster.predict(xgboost.DMatrix(rows, enable_categorical=True)).tobytes()
    (detail,) = await client.model("m")
    shop = detail.features[0]
    assert (shop.type, shop.levels, shop.unknown_level) == ("INT64", tuple(map(str, IDS)), "refuse")
    with pytest.raises(ScoringError, match="column 'shop', row 1: not one of its 3 levels"):
        await client.score("m", {"shop": [IDS[0], 7], "size": [0.0, 0.0]}, timeout_s=10)
    with pytest.raises(ScoringError, match="column 'shop', row 0: not held exactly by a double, send int64"):
        await client.score("m", {"shop": [float(IDS[0])], "size": [0.0]}, timeout_s=10)


async def test_one_unknown_level_costs_one_row(ask: Any, booster: xgboost.Booster) -> None:
    client = await ask('default_score = 0.25\nunknown_level = "default"\n[xgboost]\ncontributions = true')
    known = frame(3)[:4]
    rows = {"shop": [*known["shop"].tolist()[:2], 7, 8, *known["shop"].tolist()[2:]], "size": [0.5] * 6}
    answer = await client.score("m", rows, timeout_s=10)
    assert answer.reasons == [None, None, "UNKNOWN_LEVEL", "UNKNOWN_LEVEL", None, None]
    assert answer.source == "MIXED"
    good = pd.DataFrame({"shop": known["shop"], "size": 0.5})
    direct = xgboost.DMatrix(good, enable_categorical=True)
    score = answer.columns["score"]
    assert score[[0, 1, 4, 5]].tobytes() == booster.predict(direct).tobytes()
    assert score[[2, 3]].tolist() == [0.25, 0.25]
    shares = answer.columns["contribution.size"]
    assert shares[[0, 1, 4, 5]].tobytes() == booster.predict(direct, pred_contribs=True)[:, 1].tobytes()
    assert np.isnan(shares[[2, 3]]).all()
    alone = await client.score("m", {"shop": [7], "size": [0.0]}, timeout_s=10)
    assert (alone.source, alone.reasons) == ("DEFAULT", ["UNKNOWN_LEVEL"])
    with pytest.raises(ScoringError, match="column 'shop', row 1: not one of its levels") as raised:
        await client.score("m", {"shop": [IDS[0], 7], "size": [0.0, 0.0]}, timeout_s=10, allow_default=False)
    assert raised.value.reason == "UNKNOWN_LEVEL"


async def test_an_unknown_level_may_be_missing(ask: Any, booster: xgboost.Booster) -> None:
    client = await ask('[features]\nshop = {unknown_level = "missing"}')
    answer = await client.score("m", {"shop": [7, IDS[1]], "size": [0.5, 0.5]}, timeout_s=10)
    rows = pd.DataFrame({"shop": pd.Categorical([None, IDS[1]], categories=IDS), "size": 0.5})
    assert answer.source == "MODEL"
    assert answer.scores.tobytes() == booster.predict(xgboost.DMatrix(rows, enable_categorical=True)).tobytes()


async def test_what_the_file_says_is_told(ask: Any) -> None:
    client = await ask("[xgboost]\ntop_reasons = 1\nleaves = true")
    (detail,) = await client.model("m")
    said = detail.booster
    assert said is not None
    assert (said.booster, said.objective, said.rounds, said.rounds_used) == ("gbtree", "reg:squarederror", 10, 10)
    assert said.saved_by == xgboost.__version__
    assert said.best_iteration is None
    own, *more = detail.outputs
    assert (own.name, own.additional) == ("score", False)
    assert [one.name for one in more] == [*(f"leaf_{tree}" for tree in range(10)), "reason_1"]
    assert all(one.additional for one in more)
    assert "a DMatrix is made for each batch, which is slower" in detail.engine_reason
    answer = await client.score("m", {"shop": [IDS[2]], "size": [0.0]}, timeout_s=10)
    assert answer.columns["reason_1"].tolist() == ["shop"]
