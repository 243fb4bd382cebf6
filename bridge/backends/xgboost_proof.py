"""Whether lignum may take the booster's place: it must give the same bits wherever a tree could decide otherwise.

Runs in the process that inspects a model file, see `bridge.backends.xgboost_model`; never while serving.
"""

import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bridge.backends.xgboost_engines import lignum_scores
from bridge.columns import Array

__all__ = ["EXACT_OBJECTIVES", "Proof", "prove_lignum"]

# From a margin to a score, xgboost and lignum may round differently, and so seldom that no trial row shows it (the exp
# of survival:aft: for one margin in 2,000). tests/unit/test_xgboost_objectives.py holds them against each other on a
# million margins of each of these.
EXACT_OBJECTIVES = frozenset(
    {
        "binary:logistic",
        "binary:logitraw",
        "count:poisson",
        "multi:softmax",
        "multi:softprob",
        "rank:map",
        "rank:ndcg",
        "rank:pairwise",
        "reg:absoluteerror",
        "reg:gamma",
        "reg:logistic",
        "reg:pseudohubererror",
        "reg:quantileerror",
        "reg:squarederror",
        "reg:squaredlogerror",
        "reg:tweedie",
        "survival:cox",
    }
)
_RANDOM_ROWS = 4096
_CHUNK_ROWS = 50_000
_MISSING_SHARE = 0.15
_MOST_COMPILED_NODES = 25_000


class Proof(NamedTuple):
    """What came of holding lignum against the booster.

    Attributes:
        reason: why it may not take the booster's place; empty if it may.
        compiled: the same holds for the trees as machine code, which are in the library.
    """

    reason: str
    compiled: bool = False


def prove_lignum(path: str, booster: Any, model: dict[str, Any], categorical: list[bool], library: str) -> Proof:
    """Holds lignum against the booster, as it is and, where there is a C compiler, compiled.

    Args:
        path: the model file.
        booster: the same model in xgboost.
        model: the same as xgboost's JSON.
        categorical: which features hold codes of categories.
        library: where the machine code is to be, in a folder of its own; empty makes none.
    """
    try:
        lignum: Any = import_module("lignum")  # an extra
    except ImportError:
        return Proof("lignum is not installed")
    objective = model["learner"]["objective"]["name"]
    if objective not in EXACT_OBJECTIVES:
        return Proof(f"lignum is not known to round scores of {objective} as the booster does")
    try:
        fast = lignum.load(path)
    except (RuntimeError, ValueError, OSError) as error:
        return Proof(f"lignum does not take this model: {error}")
    if fast.n_features != booster.num_features():
        return Proof(f"lignum counts {fast.n_features} features, the booster {booster.num_features()}")
    if reason := _difference(fast, booster, model, categorical):
        return Proof(reason)
    return Proof("", compiled=_compiles(fast, model, library) and not _difference(fast, booster, model, categorical))


def _difference(fast: Any, booster: Any, model: dict[str, Any], categorical: list[bool]) -> str:
    """How lignum differs; margins are compared too, because a score (a class, a probability of 1) hides them."""
    scores = lignum_scores(fast, model["learner"]["objective"]["name"])
    for rows in _trial_rows(model, booster.num_features(), categorical):
        for kind, found in (("margin", fast.predict(rows, raw_score=True, n_jobs=1)), ("value", scores(rows))):
            exact = booster.inplace_predict(rows, predict_type=kind, validate_features=False)
            if exact.astype(np.float32).tobytes() != np.asarray(found, np.float32).tobytes():
                return f"lignum gives other {kind}s than the booster for trial rows"
    return ""


def _compiles(fast: Any, model: dict[str, Any], library: str) -> bool:
    """Makes machine code of the trees; only of so many that it takes seconds, which is also where it helps most."""
    if (
        not library
        or shutil.which("cc") is None
        or sum(len(tree["left_children"]) for tree in _trees(model)) > _MOST_COMPILED_NODES
    ):
        return False
    try:
        fast.compile(work_dir=str(Path(library).parent), library=library)
    except (RuntimeError, ValueError, OSError):
        return False  # a compiler that can't is as good as none
    return True


def _trial_rows(model: dict[str, Any], features: int, categorical: list[bool]) -> Iterator[Array]:
    """Random rows with everything that is special about floats, then every split's threshold and its neighbours."""
    chance = np.random.default_rng(1)
    rows = (chance.normal(size=(_RANDOM_ROWS, features)) * 10.0 ** chance.integers(-6, 7, features)).astype(np.float32)
    tiny, most = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
    special = np.array([np.nan, 0.0, -0.0, tiny, -tiny, most, -most, 1.0], np.float32)
    where = chance.random(rows.shape) < _MISSING_SHARE
    rows[where] = chance.choice(special, int(where.sum()))
    yield _with_codes(rows, categorical, chance)
    thresholds = _thresholds(model, features)
    length = max((len(one) for one in thresholds), default=0)
    for first in range(0, length, _CHUNK_ROWS):
        count = min(_CHUNK_ROWS, length - first)
        block = np.full((count, features), np.nan, np.float32)
        for position, values in enumerate(thresholds):
            if len(values):
                block[:, position] = np.resize(values, length)[first : first + count]
                block[:, position] = chance.permutation(block[:, position])
        block[chance.random(block.shape) < _MISSING_SHARE] = np.nan
        yield _with_codes(block, categorical, chance)


def _with_codes(rows: Array, categorical: list[bool], chance: np.random.Generator) -> Array:
    for position, is_category in enumerate(categorical):
        if is_category:
            codes = chance.integers(0, 64, len(rows)).astype(np.float32)
            codes[chance.random(len(rows)) < _MISSING_SHARE] = np.nan
            rows[:, position] = codes
    return rows


def _thresholds(model: dict[str, Any], features: int) -> list[Array]:
    """For each feature, the thresholds of its splits, and the next floats below and above each."""
    found: list[list[Array]] = [[] for _ in range(features)]
    for tree in _trees(model):
        inner = np.array(tree["left_children"]) >= 0
        indices = np.array(tree["split_indices"], np.int64)[inner]
        values = np.array(tree["split_conditions"], np.float32)[inner]
        for position in np.unique(indices):
            found[position].append(values[indices == position])
    spread = []
    for parts in found:
        unique = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.float32)
        below, above = np.nextafter(unique, np.float32(-np.inf)), np.nextafter(unique, np.float32(np.inf))
        spread.append(np.concatenate([below, unique, above]).astype(np.float32))
    return spread


def _trees(model: dict[str, Any]) -> list[dict[str, Any]]:
    booster = model["learner"]["gradient_booster"]
    return list(booster.get("gbtree", booster)["model"]["trees"])
