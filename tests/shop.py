"""A model that is asked by key: its booster, its bundle, and what a store holds for it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from stored_features import DictStore

from bridge.columns import Type

__all__ = ["FEATURES", "Shop", "make_shop", "settings_of", "users"]

FEATURES = {"orders": Type.INT, "spent": Type.DOUBLE, "rate": Type.DOUBLE}
NAMES = ["amount", *FEATURES]
_TOML = """
default_score = 0.25
timeout_s = 30.0

[lookup.user]
group = "users"
key = "user_id"
"""


@dataclass
class Shop:
    """The bundle `folder` of a booster that takes an amount, and three features of a user."""

    folder: Path
    booster: xgboost.Booster

    def scores(self, rows: Sequence[Sequence[float | None]]) -> list[float]:
        """What the booster itself gives for rows of an amount and three features."""
        values = np.array([[np.nan if value is None else value for value in row] for row in rows], np.float32)
        found: list[float] = self.booster.inplace_predict(values).tolist()
        return found


@cache
def _booster() -> xgboost.Booster:
    random = np.random.default_rng(7)
    values = random.normal(size=(300, 4)).astype(np.float32)
    values[random.random(values.shape) < 0.1] = np.nan
    label = np.nansum(values, axis=1) + random.normal(size=300) > 0
    data = xgboost.DMatrix(values, label, feature_names=NAMES)
    return xgboost.train({"objective": "binary:logistic", "max_depth": 4, "seed": 1}, data, 20)


def make_shop(folder: Path, settings: str = _TOML) -> Shop:
    """Writes the bundle, with other settings if there are any."""
    folder.mkdir(parents=True)
    _booster().save_model(folder / "model.ubj")
    # The engine that starts at once: what is tested here is where the features come from.
    (folder / "model.toml").write_text(f'{settings}\n[engine]\nname = "xgboost"\n')
    return Shop(folder, _booster())


def settings_of(url: str, **more: Any) -> dict[str, Any]:
    """The settings of a gateway with one store, patient enough for a busy machine."""
    return {"stores": {"features": {"url": url, "timeout_s": 5.0} | more}}


def users(
    rows: Mapping[str, Sequence[object]], batch: str = "2026-11-24", *, into: DictStore | None = None
) -> DictStore:
    """A store with a batch of users; one that it has already becomes the previous one."""
    store = into or DictStore()
    store.now_ms = time.time_ns() // 1_000_000
    store.publish("users", batch, FEATURES, rows, age_s=60.0)
    return store
