"""Which ways into xgboost, and whether lignum, give what `Booster.predict` gives: by argument first, then by trial.

Runs in the process that inspects a model file, see `bridge.backends.xgboost.reading`; never while serving.
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
# Prediction in place runs the same kernel over the same trees as prediction of a DMatrix (src/predictor/
# cpu_predictor.cc) and the same transformation behind it (Learner::InplacePredict, src/learner.cc). Dropped-out trees
# are summed in another order (src/gbm/gbtree.cc of 3.0 to 3.2), linear models can't be asked in place.
IN_PLACE_OBJECTIVES = EXACT_OBJECTIVES | {"binary:hinge", "reg:linear", "survival:aft", "reg:expectileerror"}
_IN_PLACE_VERSIONS = ((2, 1), (3, 4))


class LignumRefused(Exception):
    """lignum does not take the booster's place."""


class Way(NamedTuple):
    """How rows are predicted.

    Attributes:
        in_place: where they are; else through a DMatrix.
        reason: why.
    """

    in_place: bool
    reason: str


def prove_way(
    booster: str, objective: str, version: tuple[int, int], trials: Iterator[Array], ways: tuple[Predict, Predict]
) -> Way:
    """Whether rows may be predicted in place.

    Args:
        booster: what kind it is.
        objective: what it was trained for.
        version: of the installed xgboost, major and minor.
        trials: rows to try.
        ways: in place, and through a DMatrix.
    """
    if booster != "gbtree":
        return Way(in_place=False, reason=f"{booster} boosters are exact only through a DMatrix, which is slower")
    first, last = _IN_PLACE_VERSIONS
    if not first <= version <= last:
        return Way(in_place=False, reason=f"xgboost {version[0]}.{version[1]} is known only through a DMatrix")
    if objective not in IN_PLACE_OBJECTIVES:
        return Way(in_place=False, reason=f"{objective} is known only through a DMatrix, which is slower")
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
    """All numbers are the same, as float32, NaN and the sign of zero included."""
    return np.asarray(one, np.float32).tobytes() == np.asarray(other, np.float32).tobytes()


def prove_lignum(lignum: Any, booster: Any, objective: str, splits: Splits) -> str:
    """How a model of lignum differs from the booster in place; empty if every trial row has the same bits.

    Margins are compared too, because a score (a class, a probability of 1) hides them.
    """
    if not splits.complete:
        return "it has too many thresholds for all of them to be tried"
    scores = lignum_scores(lignum, objective)
    for rows in trial_rows(splits):
        for kind, predicted in (("margin", lignum.predict(rows, raw_score=True, n_jobs=1)), ("value", scores(rows))):
            exact = booster.inplace_predict(rows, predict_type=kind, validate_features=False)
            if not same_bits(exact, predicted):
                return f"lignum gives other {kind}s than the booster for trial rows"
    return ""


def load_lignum_model(path: str, objective: str, features: int, library: str | None = None) -> Any:
    """What lignum makes of the file.

    Raises:
        LignumRefused: it can't, or may not, take the booster's place; the sentence says why.
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
