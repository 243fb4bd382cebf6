"""Reads the booster in a pickle: pickled alone, in an sklearn wrapper, or in a pipeline with no other steps."""

import importlib
import math
import numbers
import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.backends.xgboost.document import DocumentDamaged, found, read_document
from bridge.backends.xgboost.model_file import sentence_for

__all__ = ["ConversionRefused", "Wrapper", "unpickled"]

_MOST_LABELS = 1000
_MOST_LETTERS = 200
_SAVE = 'save its booster by save_model("model.ubj") where it was made'


class ConversionRefused(Exception):
    """The model can't be read, or must not be converted; the message says why."""


@dataclass(frozen=True, slots=True)
class Wrapper:
    """What an sklearn wrapper knew beside its booster.

    Attributes:
        name: the name of the wrapper's class.
        foreign: whether the class is not one of xgboost's own.
        missing: the number that stands for missing; None for NaN.
        labels: the class labels; empty if they are just counted from 0.
        own_objective: whether the objective was a function of the author's.
    """

    name: str
    foreign: bool
    missing: float | None
    labels: tuple[str, ...]
    own_objective: bool


def unpickled(xgboost: Any, source: Path, scratch: Path, look: Callable[[Any], None]) -> tuple[Any, Wrapper | None]:
    """Reads a pickle, which runs the code in it; returns the booster, and what its wrapper knew, or None without one.

    Args:
        xgboost: the imported library.
        source: the pickle, made by pickle or by joblib.
        scratch: a path for a temporary file.
        look: called with each booster's document before xgboost reads it; its exceptions pass through.

    Raises:
        ConversionRefused: the pickle can't be read, or does not hold exactly one xgboost model.
    """
    _watch(xgboost, scratch, look)
    model = _without_pipeline(source.name, _read(xgboost, source))
    if isinstance(model, xgboost.Booster):
        return model, None
    kind = type(model).__name__
    if not isinstance(model, xgboost.XGBModel):
        raise ConversionRefused(
            f"{source.name} holds {kind}, which is no xgboost model: take the xgboost model out of it, and {_SAVE}"
        )
    try:
        booster = model.get_booster()
    except Exception as error:  # sklearn's NotFittedError, where sklearn is installed
        raise ConversionRefused(
            f"{source.name} holds {kind} that was never fitted: fit it before it is pickled"
        ) from error
    return booster, Wrapper(
        name=kind,
        foreign=type(model).__module__.partition(".")[0] != "xgboost",
        missing=_missing(model),
        labels=_labels(model),
        own_objective=callable(getattr(model, "objective", None)),
    )


def _watch(xgboost: Any, scratch: Path, look: Callable[[Any], None]) -> None:
    set_state = xgboost.Booster.__setstate__

    def watched(booster: Any, state: dict[str, Any]) -> None:
        if state.get("handle") is not None:
            scratch.write_bytes(state["handle"])
            with suppress(DocumentDamaged):  # xgboost before 1.6 pickled no UBJSON
                look(found(read_document(scratch), "Model"))
        set_state(booster, state)

    xgboost.Booster.__setstate__ = watched


def _read(xgboost: Any, source: Path) -> Any:
    name = source.name
    try:
        with source.open("rb") as file:
            return _load()(file)
    except ConversionRefused:
        raise
    except ModuleNotFoundError as error:
        raise ConversionRefused(
            f"{name} needs the Python module '{error.name}', which is not installed here: install it, or {_SAVE}"
        ) from error
    except AttributeError as error:
        raise ConversionRefused(
            f"{name} needs a class or a function that is not here, a program's own or another version's: {_SAVE}"
        ) from error
    except xgboost.core.XGBoostError as error:
        said = f"{name} is of another xgboost, which the installed {xgboost.__version__} can't read: {_SAVE}"
        raise ConversionRefused(sentence_for(name, str(error)) or said) from error
    except Exception as error:  # a pickle can raise anything
        kind = type(error).__name__
        raise ConversionRefused(
            f"{name} can't be unpickled ({kind}): it is damaged or of other versions; copy it again, or {_SAVE}"
        ) from error


def _load() -> Callable[[Any], Any]:
    """Returns joblib's function that loads pickles, or pickle's if joblib is not installed; joblib's reads both."""
    try:
        load: Callable[[Any], Any] = importlib.import_module("joblib").load
    except ImportError:
        return pickle.load
    return load


def _without_pipeline(name: str, model: Any) -> Any:
    if not any((kind.__name__, kind.__module__) == ("Pipeline", "sklearn.pipeline") for kind in type(model).__mro__):
        return model
    *others, (_, last) = model.steps
    others = [step for step, what in others if not (what is None or isinstance(what, str))]
    if others:
        steps = ", ".join(f"'{step:.40}'" for step in others[:5])
        raise ConversionRefused(
            f"{name} holds Pipeline with other steps before the model ({steps}): only the model can be converted, by "
            'pipeline[-1].get_booster().save_model("model.ubj"), and callers must send what these steps give'
        )
    return last


def _missing(model: Any) -> float | None:
    said = getattr(model, "missing", None)
    if isinstance(said, bool) or not isinstance(said, numbers.Real) or math.isnan(said):
        return None
    return float(said)


def _labels(model: Any) -> tuple[str, ...]:
    """Returns the class labels; old sklearn wrappers kept labels that are not numbers in a LabelEncoder."""
    labels = getattr(getattr(model, "_le", None), "classes_", None)
    if labels is None:
        labels = getattr(model, "classes_", None)
    if labels is None or not 1 < len(labels) <= _MOST_LABELS:
        return ()
    texts = tuple(str(label)[:_MOST_LETTERS] for label in labels)
    return () if texts == tuple(map(str, range(len(texts)))) else texts
