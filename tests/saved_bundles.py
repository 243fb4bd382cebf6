"""Bundles of the models in tests/saved_models, and their rows as callers send them."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from logged import doubles
from saved_models.kinds import KINDS, Kind
from scorebridge.v1 import scoring_pb2 as pb

from bridge.columns import Array

__all__ = ["BY_NAME", "SAVED", "expected", "levels_line", "saved", "table_of"]

SAVED = Path(__file__).parent / "saved_models"
BY_NAME = {kind.name: kind for kind in KINDS}


def saved(folder: Path, version: str, kind: str, settings: str = "") -> Path:
    """A bundle of a file that another version of xgboost saved."""
    folder.mkdir()
    shutil.copy(SAVED / version / f"{kind}.ubj", folder / "model.ubj")
    (folder / "model.toml").write_text(settings, encoding="utf-8")
    return folder


def expected(version: str, kind: str) -> Array:
    """What that version predicts for the rows of the kind."""
    scores: Array = np.load(SAVED / version / "expected.npz")[kind]
    return scores


def levels_line(kind: Kind, levels: Sequence[str | int]) -> str:
    level_type = "factor" if isinstance(kind.levels[0], str) else "int64"
    return f'[features]\nc = {{type = "{level_type}", levels = {json.dumps(levels, ensure_ascii=False)}}}\n'


def table_of(kind: Kind) -> pb.Table:
    """All rows of a kind as columns, its categories as what they are."""
    columns = {name: doubles(kind.rows[:, place], name) for place, name in enumerate(kind.names)}
    codes = kind.rows[:, kind.names.index("c")]
    values: list[Any] = [kind.levels[code] for code in np.nan_to_num(codes).astype(int)]
    category = pb.Column(name="c", missing_rows=np.flatnonzero(np.isnan(codes)).tolist())
    if isinstance(values[0], str):
        category.strings.values.extend(values)
    else:
        category.int64s.values.extend(values)
    return pb.Table(columns=list((columns | {"c": category}).values()))
