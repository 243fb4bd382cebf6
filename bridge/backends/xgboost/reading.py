"""Reads a model file with xgboost and tries its booster, in a child process: a damaged file can crash xgboost.

Run as `python -m bridge.backends.xgboost.reading FILE ASKED`, it prints an empty line when it begins, and then one line
of JSON: the facts, or why there are none.
"""

import json
import math
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from bridge.backends.xgboost.categories import stored_categories
from bridge.backends.xgboost.document import DocumentDamaged, boosted_trees, found, read_document
from bridge.backends.xgboost.engines import EngineFailed, Prediction, load_booster, load_through_matrix
from bridge.backends.xgboost.facts import CATEGORICAL, Asked, ModelFacts
from bridge.backends.xgboost.model_file import sentence_for_leaves
from bridge.backends.xgboost.proof import LignumRefused, load_lignum_model, prove_lignum, prove_way
from bridge.backends.xgboost.trial_rows import Splits, splits_of, trial_rows
from bridge.columns import Array
from bridge.shortages import says_out_of_memory, says_short

__all__ = ["Refused", "main"]

_FIRST_ROWS = 64
_MOST_SAID = 4096
_MOST_LABELS = 10_000


class Refused(Exception):
    """The file can be read, but must not serve; the message says why."""


def main(path: Path, asked: Asked) -> dict[str, Any]:
    """Reads a file, and returns `facts`, `refused` with a sentence, or `failed` with an error's message.

    The error is xgboost's own, or says how the document is damaged.
    """
    try:
        import xgboost  # noqa: PLC0415 - only the child needs it
    except ImportError:
        return {"refused": "xgboost is not installed: pip install 'scorebridge-gateway[xgboost]'"}
    try:
        return {"facts": asdict(_facts(xgboost, path, asked))}
    except Refused as refused:
        return {"refused": str(refused)}
    except (xgboost.core.XGBoostError, EngineFailed, DocumentDamaged, UnicodeDecodeError) as error:
        return {"failed": str(error)[:_MOST_SAID]}


def _facts(xgboost: Any, path: Path, asked: Asked) -> ModelFacts:
    document, damage = _read(path)
    saved_by = [int(part) for part in found(document, "version") or ()]
    installed = _installed(xgboost)
    newer = tuple(saved_by[:2]) > installed
    if newer and not asked.newer_file:
        raise Refused(
            f"{path.name} was saved by xgboost {_dotted(saved_by)}; the installed {xgboost.__version__} is older and "
            "may read it differently without an error: install the newer one, or prove the file by golden rows and say "
            "--accept-newer-file"
        )
    if crash := sentence_for_leaves(path.name, document, installed):
        raise Refused(crash)
    try:
        # A second thread would only be waited for where the gateway's calls keep the cores busy.
        booster = xgboost.Booster(params={"nthread": 1}, model_file=str(path))
    except xgboost.core.XGBoostError as error:
        if damage is not None and says_out_of_memory(str(error)):
            raise damage from error  # a damaged length made xgboost ask for that memory
        raise
    if damage is not None:
        raise damage
    facts = _of_file(path.name, document, booster, saved_by, asked)
    facts = replace(facts, version=xgboost.__version__, newer_file=newer)
    trees = boosted_trees(document).get("trees", ())
    splits = splits_of(trees, facts.features, [_codes(facts, position) for position in range(facts.features)])
    facts = _tried(path, facts, splits, asked)
    reason = _why_not_lignum(path, facts, booster, splits, asked)
    return replace(facts, lignum="" if reason else version("pylignum"), lignum_reason=reason)


def _read(path: Path) -> tuple[dict[str, Any], DocumentDamaged | None]:
    """Returns the document, or an empty one and its damage.

    The damage is not raised at once, because xgboost's own message may name the kind of file.
    """
    try:
        return read_document(path), None
    except DocumentDamaged as damage:
        return {}, damage


def _of_file(name: str, document: dict[str, Any], booster: Any, saved_by: list[int], asked: Asked) -> ModelFacts:
    names, types = list(booster.feature_names or ()), list(booster.feature_types or ())
    if twice := next((one for one, count in Counter(names).items() if count > 1), None):
        raise Refused(f"{name} has two features named '{twice}': give each a name of its own and save it again")
    kind, rounds = _kind(document), booster.num_boosted_rounds()
    best = _best_iteration(name, booster, rounds)
    whole, cut = stored_categories(document, saved_by) if CATEGORICAL in types else ({}, {})
    wrapper = _wrapper(booster)
    missing, notes = _missing(wrapper, asked)
    return ModelFacts(
        names=names,
        types=types,
        categories=whole,
        cut_categories=cut,
        features=booster.num_features(),
        outputs=0,
        best_iteration=best,
        version="",
        objective=str(found(document, "learner", "objective", "name")),
        booster=kind,
        rounds=rounds,
        rounds_used=_rounds_used(kind, best, rounds, asked),
        saved_by=_dotted(saved_by),
        missing=missing,
        labels=_labels(wrapper),
        notes=notes,
    )


def _kind(document: dict[str, Any]) -> str:
    """Returns "gbtree", "dart" or "gblinear". Files of xgboost 3.4 call "dart" "gbtree" and keep the trees' weights."""
    booster = found(document, "learner", "gradient_booster")
    dropped = found(booster, "weight_drop"), boosted_trees(document).get("weight_drop")
    return "dart" if any(weights is not None and len(weights) for weights in dropped) else str(found(booster, "name"))


def _best_iteration(name: str, booster: Any, rounds: int) -> int | None:
    best = booster.attr("best_iteration")
    if best is None:
        return None
    # xgboost crashes when it is asked for rounds far beyond the last.
    if not (best.isascii() and best.isdecimal() and len(best) < len(str(2**31)) and int(best) < rounds):
        raise Refused(f"{name} has an attribute best_iteration that names none of its rounds")
    return int(best)


def _rounds_used(kind: str, best: int | None, rounds: int, asked: Asked) -> int:
    """Returns the number of rounds that predict; 0 means all, as in xgboost."""
    if best is None:
        if asked.trees == "best":
            raise Refused("model.toml: xgboost.trees is 'best', but the model has no best iteration")
        return 0
    if best == rounds - 1:
        return 0  # the best round is the last, so "best" and "all" are the same
    if kind == "gblinear":
        if asked.trees == "best":
            raise Refused(
                "model.toml: xgboost.trees is 'best', but a linear model has the weights of its last round only"
            )
        return 0
    if asked.trees is None:
        raise Refused(
            f'the model has a best iteration ({best}) before its last ({rounds - 1}): say xgboost.trees = "all" or '
            '"best" in model.toml, the two give different scores'
        )
    return best + 1 if asked.trees == "best" else 0


def _wrapper(booster: Any) -> dict[str, Any]:
    """Returns what the sklearn wrapper left in a file that it saved: its parameters up to xgboost 1.7, little since."""
    try:
        said = json.loads(booster.attr("scikit_learn") or "{}")
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _missing(wrapper: dict[str, Any], asked: Asked) -> tuple[float, list[str]]:
    said = wrapper.get("missing")
    if isinstance(said, bool) or not isinstance(said, int | float) or math.isnan(said):
        return (math.nan if asked.missing is None else asked.missing), []
    if asked.missing is None:
        return float(said), [f"{said:g} stands for missing: the sklearn wrapper that saved the file says so"]
    if asked.missing == said:
        return asked.missing, []
    own = "NaN" if math.isnan(asked.missing) else f"{asked.missing:g}"
    return asked.missing, [
        f"model.toml says that {own} stands for missing, the sklearn wrapper said {said:g}: {own} is used"
    ]


def _labels(wrapper: dict[str, Any]) -> list[str]:
    """Returns the class labels; old sklearn wrappers kept labels that are not numbers in a LabelEncoder."""
    encoder = wrapper.get("_le")
    labels = encoder.get("classes_") if isinstance(encoder, dict) else None
    labels = wrapper.get("classes_") if labels is None else labels
    if not isinstance(labels, list) or len(labels) > _MOST_LABELS:
        return []
    return [str(label) for label in labels]


def _tried(path: Path, facts: ModelFacts, splits: Splits, asked: Asked) -> ModelFacts:
    """Returns the facts with what trial rows show: the number of outputs, and whether predicting in place is exact."""
    facts = replace(facts, codes={str(at): count for at, count in enumerate(splits.codes) if count >= 0})
    plain = load_through_matrix(path, facts, Asked(margin=asked.margin))
    first = next(trial_rows(splits, facts.missing))[:_FIRST_ROWS]
    facts = replace(facts, outputs=_answered(plain, first).scores.size // len(first))
    if asked.base_margin or asked.contributions or asked.leaves:
        return _asked_for_more(path, facts, first, asked)
    in_place = load_booster(path, facts.rounds_used, facts.missing, margin=asked.margin)
    ways = in_place, lambda rows: plain(rows).scores
    way = prove_way(
        facts.booster, facts.objective, _major_minor(facts.version), trial_rows(splits, facts.missing), ways
    )
    return replace(facts, in_place=way.in_place, way_reason=way.reason)


def _asked_for_more(path: Path, facts: ModelFacts, rows: Array, asked: Asked) -> ModelFacts:
    if asked.base_margin and facts.outputs > 1:
        raise Refused(f"model.toml: xgboost.base_margin is one number a row, the model has {facts.outputs} outputs")
    if asked.base_margin:
        rows = np.column_stack([rows, np.linspace(-1, 1, len(rows), dtype=np.float32)])
    everything = _answered(load_through_matrix(path, facts, asked), rows)
    explained = facts.outputs if everything.contributions is None else everything.contributions.shape[1]
    if explained != facts.outputs:
        raise Refused(
            f"model.toml: {facts.objective} gives {facts.outputs} score a row, its contributions explain {explained} "
            "margins: ask for output_margin = true, or train multi:softprob"
        )
    leaves = 0 if everything.leaves is None else everything.leaves.shape[1]
    more = "model.toml asks for more than scores: a DMatrix is made for each batch, which is slower"
    return replace(facts, leaves=leaves, in_place=False, way_reason=more)


def _answered(predict: Callable[[Array], Prediction], rows: Array) -> Prediction:
    try:
        return predict(rows)
    except EngineFailed as error:
        if says_short(str(error)):
            raise
        raise Refused(f"xgboost can't give all that model.toml asks of it: {_first_line(str(error))}") from error


def _first_line(said: str) -> str:
    """Returns the first line of xgboost's message, without the stack trace that follows."""
    return next((line for line in said.splitlines() if line), "nothing")


def _codes(facts: ModelFacts, position: int) -> int:
    """Returns the number of levels that the file stores for a category; -1 for a number."""
    if not facts.types or facts.types[position] != CATEGORICAL:
        return -1
    stored = facts.categories.get(str(position)) or facts.cut_categories.get(str(position)) or ()
    return len(stored)


def _why_not_lignum(path: Path, facts: ModelFacts, booster: Any, splits: Splits, asked: Asked) -> str:
    reasons = {
        "model.toml asks for the booster": not asked.lignum,
        facts.way_reason: not facts.in_place,
        "model.toml asks for margins": asked.margin,
        "lignum predicts with all trees, and model.toml asks for the best": facts.rounds_used > 0,
        "lignum knows no other missing value than NaN": not math.isnan(facts.missing),
    }
    if found_one := next((reason for reason, holds in reasons.items() if holds), None):
        return found_one
    try:
        lignum = load_lignum_model(str(path), facts.objective, facts.features)
    except LignumRefused as refused:
        return str(refused)
    return prove_lignum(lignum, booster, facts.objective, splits)


def _installed(xgboost: Any) -> tuple[int, int]:
    return _major_minor(xgboost.__version__)


def _major_minor(dotted: str) -> tuple[int, int]:
    major, minor = dotted.split(".")[:2]
    return int(major), int(minor)


def _dotted(parts: list[int]) -> str:
    return ".".join(map(str, parts))


if __name__ == "__main__":
    # xgboost imports sklearn where there is one, which takes a second of every load.
    sys.modules.update({"sklearn": None})  # type: ignore[dict-item]
    print(flush=True)  # noqa: T201 - a process that ended before it printed this was not ended by the file
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), Asked(**json.loads(sys.argv[2])))))
