"""Proves which ways of predicting give the bits of `Booster.predict`: by known facts first, then on trial rows.

It runs in the child process that inspects a model file, see `bridge.backends.xgboost.reading`; never while serving.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from bridge.backends.xgboost.engines import EngineFailed, Predict, lignum_scores
from bridge.backends.xgboost.trial_rows import Splits, trial_rows
from bridge.columns import Array

__all__ = [
    "EXACT_OBJECTIVES",
    "IN_PLACE_OBJECTIVES",
    "LignumRefused",
    "Way",
    "load_lignum_model",
    "prove_lignum",
    "prove_way",
    "same_bits",
]

# Objectives for which lignum turns margins into scores as xgboost does. For others they may round differently, so
# seldom that no trial row shows it (the exp of survival:aft: for one margin in 2,000).
# tests/unit/test_xgboost_objectives.py compares the two on a million margins of each of these.
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
# Objectives for which prediction in place is exact. It runs the same kernel over the same trees as prediction of a
# DMatrix (src/predictor/cpu_predictor.cc) and the same transformation behind it (Learner::InplacePredict,
# src/learner.cc). Dropped-out trees are summed in another order (src/gbm/gbtree.cc of 3.0 to 3.2), and linear models
# can't be predicted in place.
IN_PLACE_OBJECTIVES = EXACT_OBJECTIVES | {"binary:hinge", "reg:linear", "survival:aft", "reg:expectileerror"}
_IN_PLACE_VERSIONS = ((2, 1), (3, 4))


class LignumRefused(Exception):
    """lignum can't, or may not, predict instead of the booster; the message says why."""


class Way(NamedTuple):
    """How rows are given to xgboost.

    Attributes:
        in_place: whether rows are predicted in place, from their own array; if not, through a DMatrix.
        reason: why they are not predicted in place; empty if they are.
    """

    in_place: bool
    reason: str


def prove_way(
    booster: str, objective: str, version: tuple[int, int], trials: Iterator[Array], ways: tuple[Predict, Predict]
) -> Way:
    """Returns whether rows may be predicted in place, because that gives the bits of a prediction through a DMatrix.

    Args:
        booster: the kind of booster: "gbtree", "dart" or "gblinear".
        objective: the objective that it was trained for, by xgboost's name.
        version: the version of the installed xgboost, major and minor.
        trials: blocks of rows to try, float32, shape (rows, features).
        ways: the functions that predict in place and through a DMatrix.
    """
    if booster != "gbtree":
        return Way(in_place=False, reason=f"{booster} boosters are exact only through a DMatrix, which is slower")
    first, last = _IN_PLACE_VERSIONS
    if not first <= version <= last:
        known = f"xgboost {version[0]}.{version[1]} is known to be exact only through a DMatrix, which is slower"
        return Way(in_place=False, reason=known)
    if objective not in IN_PLACE_OBJECTIVES:
        known = f"{objective} is known to be exact only through a DMatrix, which is slower"
        return Way(in_place=False, reason=known)
    in_place, through_matrix = ways
    for rows in trials:
        try:
            equal = same_bits(in_place(rows), through_matrix(rows))
        except EngineFailed:
            equal = False
        if not equal:
            return Way(in_place=False, reason="trial rows had other scores in place than through a DMatrix")
    return Way(in_place=True, reason="")


def same_bits(one: Array, other: Array) -> bool:
    """Whether two arrays hold the same bits as float32, NaN and the sign of zero included."""
    return np.asarray(one, np.float32).tobytes() == np.asarray(other, np.float32).tobytes()


def prove_lignum(lignum: Any, booster: Any, objective: str, splits: Splits) -> str:
    """Returns how lignum's scores differ from the booster's in place; empty if all trial rows have the same bits.

    Margins are compared too, because a score (a class, a probability of 1) can hide that they differ.

    Args:
        lignum: lignum's model.
        booster: xgboost's booster.
        objective: the objective that the booster was trained for.
        splits: the model's splits, from which trial rows are made.
    """
    if not splits.complete:
        return "the model has too many thresholds to try lignum on all of them"
    scores = lignum_scores(lignum, objective)
    for rows in trial_rows(splits):
        for kind, predicted in (("margin", lignum.predict(rows, raw_score=True, n_jobs=1)), ("value", scores(rows))):
            exact = booster.inplace_predict(rows, predict_type=kind, validate_features=False)
            if not same_bits(exact, predicted):
                return f"lignum gives other {kind}s than the booster for trial rows"
    return ""


def load_lignum_model(path: str, objective: str, features: int, library: str | None = None) -> Any:
    """Loads a model file with lignum.

    Args:
        path: the model file.
        objective: the objective that the booster was trained for.
        features: the number of the booster's features.
        library: the trees as machine code; None if there is none.

    Raises:
        LignumRefused: lignum can't, or may not, predict instead of the booster; the message says why.
    """
    try:
        lignum: Any = import_module("lignum")  # an extra
    except ImportError:
        raise LignumRefused("lignum is not installed") from None
    if objective not in EXACT_OBJECTIVES:
        raise LignumRefused(f"lignum is not known to round scores of {objective} as the booster does")
    try:
        model = lignum.load(path, compiled=library)
    except (RuntimeError, ValueError, OSError) as error:
        raise LignumRefused(f"lignum does not take this model: {error}") from error
    if model.n_features != features:
        raise LignumRefused(f"lignum counts {model.n_features} features, the booster {features}")
    return model
