"""Converts a model that the installed xgboost can read to a model file, and proves that both predict the same.

Run as `python -m bridge.backends.xgboost.conversion ORDER`, it prints one line of JSON: the facts of the new file, or
why there is none. It is a process of its own, because a damaged file can crash xgboost, and a pickle runs any code.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bridge.backends.xgboost.categories import is_cut_by, stored_categories
from bridge.backends.xgboost.document import DocumentDamaged, boosted_trees, found, read_document
from bridge.backends.xgboost.facts import CATEGORICAL
from bridge.backends.xgboost.model_file import BINARY, JSON, UBJSON, kind_of, sentence_for_leaves, sentence_of
from bridge.backends.xgboost.pickled import ConversionRefused, Wrapper, unpickled
from bridge.backends.xgboost.trial_rows import splits_of, trial_rows

__all__ = ["Converted", "Order", "main"]

_MOST_SAID = 4096
_MOST_BLOCKS = 8
_ROWS_OF_A_BLOCK = 4096
_WITHOUT_BINARY = (3, 1)
_OLD_BINARY = replace(
    BINARY,
    remedy='convert it where xgboost 3.0 or older is installed, or save it again there by save_model("model.ubj")',
)
_SUFFIXES = {JSON: ".json", UBJSON: ".ubj"}


@dataclass(frozen=True, slots=True)
class Order:
    """The order for one conversion.

    Attributes:
        source: the path of the model to convert.
        target: the path of the model file to write.
        work: a folder for temporary files.
        pickled: whether the source is a pickle, whose code may be run.
    """

    source: str
    target: str
    work: str
    pickled: bool


@dataclass(frozen=True, slots=True)
class Converted:
    """The facts of a converted model.

    Attributes:
        objective: the objective that it was trained for, by xgboost's name.
        rounds: the number of boosting rounds.
        features: the number of features.
        named: whether the features have names.
        best_iteration: the round that early stopping found best, 0-based, if it is before the last; else None.
        outputs: the number of scores for one row.
        saved_by: the version of xgboost that saved the new file.
        before: the version of xgboost that saved the source; empty if the source does not say.
        rows: the number of trial rows that source and new file predict alike.
        wrapper: what a pickled sklearn wrapper knew beside its booster; None if there was no wrapper.
    """

    objective: str
    rounds: int
    features: int
    named: bool
    best_iteration: int | None
    outputs: int
    saved_by: str
    before: str
    rows: int
    wrapper: dict[str, Any] | None


def main(order: Order) -> dict[str, Any]:
    """Converts a model, and returns `converted` with its facts, `refused` with a sentence, or `failed` with an error.

    The error is xgboost's own message, or says how the document is damaged.
    """
    try:
        import xgboost  # noqa: PLC0415 - only the child needs it
    except ImportError:
        return {"refused": "xgboost is not installed: pip install 'scorebridge-gateway[xgboost]'"}
    try:
        return {"converted": asdict(_converted(xgboost, order))}
    except ConversionRefused as refused:
        return {"refused": str(refused)}
    except (xgboost.core.XGBoostError, UnicodeDecodeError, DocumentDamaged) as error:
        return {"failed": str(error)[:_MOST_SAID]}


def _converted(xgboost: Any, order: Order) -> Converted:
    seen = _Seen(Path(order.source).name, xgboost.__version__)
    wrapper: Wrapper | None = None
    if order.pickled:
        original, wrapper = unpickled(xgboost, Path(order.source), Path(order.work) / "pickled.ubj", seen.look)
    else:
        original = _loaded(xgboost, Path(order.source), Path(order.work), seen)
    original.set_param({"nthread": 1})
    original.save_model(order.target)
    written, document = _written(xgboost, seen.name, Path(order.target))
    rows, outputs = _prove(xgboost, seen.name, document, (original, written))
    rounds, best = written.num_boosted_rounds(), written.attr("best_iteration")
    # Anybody can write the attribute, so it is checked; a best round that is the last one makes no difference.
    is_earlier = best is not None and best in {str(number) for number in range(rounds - 1)}
    return Converted(
        objective=str(found(document, "learner", "objective", "name")),
        rounds=rounds,
        features=written.num_features(),
        named=bool(written.feature_names),
        best_iteration=int(best) if is_earlier else None,
        outputs=outputs,
        saved_by=xgboost.__version__,
        before=seen.saved_by,
        rows=rows,
        wrapper=asdict(wrapper) if wrapper else None,
    )


def _written(xgboost: Any, name: str, target: Path) -> tuple[Any, dict[str, Any]]:
    """Loads the new file again, because xgboost 3.1 and 3.2 can't read their own UBJSON of some categories.

    Raises:
        ConversionRefused: the installed xgboost can't read the file that it has written.
    """
    try:
        return xgboost.Booster(params={"nthread": 1}, model_file=str(target)), read_document(target)
    except (xgboost.core.XGBoostError, UnicodeDecodeError, DocumentDamaged) as error:
        remedy = "take --to model.json" if target.suffix == ".ubj" else "convert it under another xgboost"
        raise ConversionRefused(
            f"{name} can be loaded, but not the {target.suffix} that {xgboost.__version__} makes of it: {remedy}"
        ) from error


class _Seen:
    """Checks a model's document before xgboost loads it, and notes the version that saved it."""

    def __init__(self, name: str, installed: str) -> None:
        self.name = name
        self.saved_by = ""
        self._installed = installed
        self.version = tuple(int(part) for part in installed.split(".")[:2])

    def look(self, document: Any) -> None:
        """Notes the version of xgboost that saved the document, and refuses documents that can't be converted safely.

        Raises:
            ConversionRefused: the installed xgboost may read the model differently, would crash on it, or would write
                cut categories as if they were whole.
        """
        parts = [int(part) for part in found(document, "version") or ()]
        self.saved_by = ".".join(map(str, parts))
        if tuple(parts[:2]) > self.version:
            raise ConversionRefused(
                f"{self.name} was saved by xgboost {self.saved_by}; the installed {self._installed} is older and may "
                f"read it differently without an error: convert it where xgboost {self.saved_by} or newer is installed"
            )
        if sentence := sentence_for_leaves(self.name, document, self.version):
            raise ConversionRefused(sentence)
        if not is_cut_by(self.version) and _has_cut_categories(document, parts):
            raise ConversionRefused(
                f"{self.name} has categories beyond ASCII, which xgboost {self.saved_by} stored cut, and a new file "
                f"would not show that: convert it under xgboost {self.saved_by}, and state the levels in model.toml"
            )


def _has_cut_categories(document: Any, saved_by: list[int]) -> bool:
    try:
        _, cut = stored_categories(document, saved_by)
    except (ValueError, KeyError, TypeError):
        return False  # xgboost will say what is wrong
    return bool(cut)


def _loaded(xgboost: Any, source: Path, work: Path, seen: _Seen) -> Any:
    """Loads a model file of any name; the file's first bytes say which kind it is.

    Raises:
        ConversionRefused: the installed xgboost can't read this kind.
        DocumentDamaged: the file is damaged, and xgboost gave no better message.
    """
    kind = kind_of(source)
    if kind is BINARY and seen.version >= _WITHOUT_BINARY:
        raise ConversionRefused(sentence_of(source.name, _OLD_BINARY))
    # xgboost decides by the suffix how it reads a file.
    link = work / f"model{_SUFFIXES.get(kind, '.bin')}"
    link.symlink_to(source.resolve())
    damage: DocumentDamaged | None = None
    if kind is not BINARY:
        try:
            seen.look(read_document(link))
        except DocumentDamaged as error:
            damage = error  # xgboost's own message may say more
    booster = xgboost.Booster(params={"nthread": 1}, model_file=str(link))
    if damage is not None:
        raise damage
    return booster


def _prove(xgboost: Any, name: str, document: dict[str, Any], boosters: tuple[Any, Any]) -> tuple[int, int]:
    """Returns on how many trial rows both boosters give the same bits, and how many scores they give for one row.

    Raises:
        ConversionRefused: the boosters give different bits for a trial row.
    """
    _, written = boosters
    types = list(written.feature_types or ())
    features = written.num_features()
    codes = [0 if types and types[position] == CATEGORICAL else -1 for position in range(features)]
    splits = splits_of(boosted_trees(document).get("trees", ()), features, codes)
    missing = np.full((1, features), np.nan, np.float32)
    rows = outputs = 0
    for block in islice(trial_rows(splits), _MOST_BLOCKS):
        values = np.vstack([missing, block[:_ROWS_OF_A_BLOCK]])
        matrix = xgboost.DMatrix(
            values, feature_types=types or None, enable_categorical=CATEGORICAL in types, nthread=1
        )
        for margin in (False, True):
            before, after = (
                booster.predict(matrix, output_margin=margin, validate_features=False) for booster in boosters
            )
            if (before.shape, before.tobytes()) != (after.shape, after.tobytes()):
                raise ConversionRefused(
                    f"{name} gives other scores than the file that xgboost {xgboost.__version__} makes of it, so "
                    "nothing was written: convert it where the xgboost that trained it is installed"
                )
        rows += len(values)
        outputs = before.size // len(values)
    return rows, outputs


def _answer(order: Order) -> None:
    """Runs the order and prints the answer to standard output; what a pickle or a library prints goes to stderr."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answer:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        answer.write(json.dumps(main(order)))


if __name__ == "__main__":
    _answer(Order(**json.loads(sys.argv[1])))
