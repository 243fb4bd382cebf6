"""Writes the lines of model.toml that declare features."""

import json

from bridge.columns import Type
from bridge.features.feature import Feature

__all__ = ["toml_line"]


def toml_line(feature: Feature) -> str:
    """Returns the line that declares a feature under `[features]` in model.toml."""
    key = json.dumps(feature.name, ensure_ascii=False)
    if feature.by_codes:
        return f'{key} = {{levels = "codes"}}'
    if not feature.levels:
        return f'{key} = "{feature.type}"'
    known = feature.levels if feature.type is Type.FACTOR else map(int, feature.levels)
    levels = json.dumps(list(known), ensure_ascii=False)
    return f'{key} = {{type = "{feature.type}", levels = {levels}{", ordered = true" if feature.ordered else ""}}}'
