"""Reads which values the codes of a booster's categories stand for, from its file, from model.toml, or from both."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from bridge.bundles.settings import ModelSettings
from bridge.errors import BundleError
from bridge.features.feature import UnknownLevelRule
from bridge.reconcile.xgboost_file import BoosterFile

__all__ = ["Levels", "levels_of"]

_CATEGORICAL = "c"
_STORING = (3, 1)
# From 3.1 until before 3.4, xgboost took the number of letters of a text for its number of bytes, and cut it.
_CUTTING, _WHOLE_AGAIN = (3, 1), (3, 4)
# xgboost's numbers for the types of the arrays that it writes.
_DTYPES = {9: "int8", 10: "uint8", 11: "int16", 12: "uint16", 13: "int32", 14: "uint32", 15: "int64", 16: "uint64"}


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of one categorical feature.

    Attributes:
        known: the levels, texts or whole numbers, in the order of their codes; empty if neither source states them.
        dtype: the integer type that xgboost takes these levels in, in a DataFrame; empty if any will do.
        rule: what happens to a value that is no level.
        stored: whether the file stores the levels, so that xgboost looks up the levels of a DataFrame in them.
        comparable: whether the stored levels are whole and xgboost compares all their bytes.
        by_codes: whether callers send codes, because model.toml says so.
    """

    known: tuple[str, ...] | tuple[int, ...] = ()
    dtype: str = ""
    rule: UnknownLevelRule = "refuse"
    stored: bool = False
    comparable: bool = True
    by_codes: bool = False

    @property
    def are_text(self) -> bool:
        """Whether the levels are texts; if not, they are whole numbers or not known."""
        return any(isinstance(value, str) for value in self.known)


def levels_of(file: BoosterFile, names: Sequence[str], settings: ModelSettings) -> dict[int, Levels]:
    """Returns the levels of a booster's categories, by the 0-based position of the feature.

    Raises:
        BundleError: the stored levels can't be trusted or read, or model.toml contradicts them.
    """
    types = list(file.booster.feature_types or ()) or [""] * len(names)
    stored = _stored(file.booster) or [{}] * len(names)
    found = {}
    for position, (name, kind, encoded) in enumerate(zip(names, types, stored, strict=True)):
        line = settings.features.get(name)
        rule = (line.unknown_level if line is not None else None) or settings.unknown_level
        stated = line.levels if line is not None else []
        if kind == _CATEGORICAL or _is_stored(encoded):
            found[position] = _of_feature(file, name, encoded, stated, rule)
        elif stated:
            raise BundleError(f"model.toml: [features] states levels of '{name}', which is no category of the booster")
    unread = file.installed < _STORING <= file.saved_by
    if unread and not all(one.known or one.by_codes for one in found.values()):
        raise BundleError(
            f"the installed xgboost {_dotted(file.installed)} ignores the categories that xgboost "
            f"{_dotted(file.saved_by)} stored in the file: install {_dotted(file.saved_by)} or newer, or state their "
            "levels in model.toml's [features]"
        )
    return found


def _stored(booster: Any) -> list[dict[str, Any]]:
    """Returns the stored categories as xgboost writes them, one entry for each feature; none before xgboost 3.1."""
    learned: Mapping[str, Any] = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    trees = learned.get("gbtree", learned).get("model", {})  # dropped-out trees are held one level deeper
    return list(trees.get("cats", {}).get("enc", ()))


def _is_stored(encoded: Mapping[str, Any]) -> bool:
    return len(encoded.get("offsets", ())) > 1 or len(encoded.get("values", ())) > 0


def _of_feature(
    file: BoosterFile,
    name: str,
    encoded: Mapping[str, Any],
    stated: Sequence[str | int],
    rule: UnknownLevelRule,
) -> Levels:
    by_codes = isinstance(stated, str)
    said: tuple[Any, ...] = () if by_codes else tuple(stated)
    if not _is_stored(encoded):
        return Levels(said, rule=rule, by_codes=by_codes)
    found = _texts(file, name, encoded, said) if "offsets" in encoded else _numbers(name, encoded)
    if stated and said != found.known:
        raise _contradicts(name)
    return replace(found, rule=rule)


def _numbers(name: str, encoded: Mapping[str, Any]) -> Levels:
    dtype = _DTYPES.get(encoded["type"])
    if dtype is None:
        raise BundleError(f"the file stores categories of '{name}' that are neither text nor whole numbers")
    return Levels(tuple(encoded["values"]), dtype, stored=True)


def _texts(file: BoosterFile, name: str, encoded: Mapping[str, Any], said: tuple[Any, ...]) -> Levels:
    raw = bytes(value & 0xFF for value in encoded["values"])
    parts = [raw[first:last] for first, last in pairwise(encoded["offsets"])]
    if not raw.isascii() and (not file.saved_by or _CUTTING <= file.saved_by < _WHOLE_AGAIN):
        if not said:
            by = f"xgboost {_dotted(file.saved_by)}" if file.saved_by else "an unknown version of xgboost"
            raise BundleError(
                f"{by} stored the categories of '{name}', which hold letters beyond ASCII, and may have cut them: "
                "state the levels that it was trained with, in their order, in model.toml's [features], or train it "
                "with xgboost 3.4 or newer"
            )
        if _cut(said) != parts:
            raise _contradicts(name)
        return Levels(said, stored=True, comparable=False)
    try:
        values = tuple(part.decode() for part in parts)
    except UnicodeDecodeError as error:
        raise BundleError(f"the file stores categories of '{name}' that are not UTF-8: they were cut") from error
    return Levels(values, stored=True, comparable=raw.isascii() or file.installed >= _WHOLE_AGAIN)


def _cut(levels: tuple[Any, ...]) -> list[bytes]:
    """Returns texts as xgboost 3.1 to 3.3 stores them, cut: it takes their numbers of letters for numbers of bytes."""
    if not all(isinstance(level, str) for level in levels):
        return []
    raw = "".join(levels).encode()
    return [raw[first:last] for first, last in pairwise(accumulate(map(len, levels), initial=0))]


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _contradicts(name: str) -> BundleError:
    return BundleError(f"model.toml: the levels of '{name}' are not those that the model file stores")
