"""Reads the categories that a model file stores, as texts or whole numbers, and finds those that may be cut."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from bridge.backends.xgboost.facts import Category

__all__ = ["as_cut", "is_cut_by", "stored_categories"]

_CUTTING_VERSIONS = ((3, 1), (3, 3))
_ASCII = 0x80


def is_cut_by(saved_by: Sequence[int]) -> bool:
    """Whether the xgboost of this version cuts texts beyond ASCII: it takes the number of letters for that of bytes."""
    first, last = _CUTTING_VERSIONS
    return first <= tuple(saved_by[:2]) <= last


def stored_categories(
    document: dict[str, Any], saved_by: Sequence[int]
) -> tuple[dict[str, list[Category]], dict[str, list[str]]]:
    """Returns the stored categories, and those that may be cut, both by the position of their feature.

    Categories that may be cut are bytes, held as text in Latin-1. Files of xgboost before 3.1 store none.

    Args:
        document: the document of the model file.
        saved_by: the version of xgboost that saved the file.

    Raises:
        ValueError: the stored categories are not in the form that xgboost writes.
    """
    whole: dict[str, list[Category]] = {}
    cut: dict[str, list[str]] = {}
    for position, encoded in enumerate(_encoded(document)):
        if "offsets" not in encoded:
            numbers = [int(value) for value in encoded["values"]]
            if numbers:
                whole[str(position)] = list(numbers)
            continue
        texts = _texts(encoded)
        if not texts:
            continue
        if is_cut_by(saved_by) and any(byte >= _ASCII for text in texts for byte in text):
            cut[str(position)] = [text.decode("latin-1") for text in texts]
        else:
            whole[str(position)] = [text.decode() for text in texts]
    return whole, cut


def as_cut(levels: Sequence[str]) -> list[str]:
    """Returns texts as xgboost 3.1 to 3.3 stores them, as bytes in Latin-1.

    It takes a text's number of letters for its number of bytes, so the last bytes are cut off.
    """
    raw = "".join(levels).encode()
    edges = np.cumsum([0, *(len(level) for level in levels)]).tolist()
    return [raw[first:last].decode("latin-1") for first, last in pairwise(edges)]


def _encoded(tree: Any) -> list[dict[str, Any]]:
    """Returns the encoded categories under "cats", at whatever place this version of xgboost keeps them."""
    if isinstance(tree, dict):
        for name, branch in tree.items():
            if name == "cats" and isinstance(branch, dict):
                return list(branch["enc"])
            if name != "trees" and (inner := _encoded(branch)):
                return inner
    return []


def _texts(encoded: dict[str, Any]) -> list[bytes]:
    raw = bytes(int(value) & 0xFF for value in encoded["values"])
    return [raw[first:last] for first, last in pairwise(int(edge) for edge in encoded["offsets"])]
