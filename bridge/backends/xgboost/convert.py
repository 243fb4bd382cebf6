"""`scorebridge convert`: turns a model in another form into a model file, with the installed xgboost."""

import json
import math
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from bridge.backends.xgboost.child import run_child
from bridge.backends.xgboost.conversion import Converted, Order
from bridge.backends.xgboost.model_file import (
    BINARY,
    COMPRESSED,
    JSON,
    PICKLE,
    UBJSON,
    kind_of,
    sentence_for,
    sentence_of,
)
from bridge.backends.xgboost.pickled import Wrapper
from bridge.errors import BundleError
from bridge.private_folders import private_folder
from bridge.whole import whole_or_nothing

__all__ = ["convert"]

_SUFFIXES = (".ubj", ".json")
_MOST_BYTES = 1 << 31
_BOTH_CLASSES = 2
_PROBABILITIES = ("binary:logistic", "reg:logistic")


async def convert(source: Path, target: Path, *, trust_pickle: bool, timeout_s: float) -> list[str]:
    """Converts a model to a model file that is proven to predict the same, and returns lines to print.

    The file is written as a whole or not at all.

    Args:
        source: a model in a form that the installed xgboost reads, or a pickle that holds one.
        target: the file to write, named .ubj or .json; it must not exist.
        trust_pickle: whether the code in a pickle may be run.
        timeout_s: how long the conversion may take, seconds.

    Raises:
        BundleError: `source` holds no model that can be converted, or `target` can't be written.
        OSError: a file can't be read or written.
    """
    _check_target(target)
    pickled = _is_pickled(source, trust_pickle)
    with whole_or_nothing(target, _check_target) as partial, private_folder("convert") as work:
        order = Order(str(source), str(partial), str(work), pickled)
        converted = await _ordered(order, source.name, timeout_s)
    return [*_told(source.name, target.name, converted)]


def _check_target(target: Path) -> None:
    if target.suffix not in _SUFFIXES:
        raise BundleError(f"{target.name} must be named .ubj or .json: take --to model.ubj")
    if os.path.lexists(target):
        raise BundleError(f"{target} is there already: remove it, or take another name")
    if not target.parent.is_dir():
        raise BundleError(f"{target} can't be written: there is no folder {target.parent}")


def _is_pickled(source: Path, trust_pickle: bool) -> bool:
    """Whether the source is a pickle; if so, it is one that the user trusts.

    Raises:
        BundleError: the source can't be converted, or is a pickle without `trust_pickle`.
    """
    if source.exists() and not source.is_file():
        raise BundleError(f"{source.name} is no file: name the file of a model")
    if source.stat().st_size > _MOST_BYTES:
        raise BundleError(f"{source.name} is larger than 2 GiB: save it by save_model where it was trained")
    kind = kind_of(source)
    if kind in (UBJSON, JSON, BINARY):
        return False
    if kind not in (PICKLE, COMPRESSED):
        raise BundleError(sentence_of(source.name, kind))
    if not trust_pickle:
        what = "is a pickle" if kind is PICKLE else "is compressed, as a pickle of joblib may be"
        raise BundleError(
            f"{source.name} {what}, and a pickle runs the code that is in it when it is read: say --trust-pickle if "
            'you know who made it, or save the model by save_model("model.ubj") where it was made'
        )
    return True


async def _ordered(order: Order, name: str, timeout_s: float) -> Converted:
    try:
        # A pickle may need modules that lie in this folder.
        module, arguments = "bridge.backends.xgboost.conversion", [json.dumps(asdict(order))]
        code, printed, complained = await run_child(module, arguments, timeout_s, alone=not order.pickled)
    except TimeoutError as error:
        raise BundleError(f"{name} was not converted within {timeout_s:g} s: give it more by --timeout") from error
    if code < 0:
        signaled = signal.Signals(-code).name
        raise BundleError(
            f"{name} crashes xgboost ({signaled}): it is damaged, or of a version that this one can't read; save it "
            'again by save_model("model.ubj") where it was made',
            private=complained,
        )
    try:
        said = json.loads(printed)
    except ValueError as error:
        raise BundleError(
            f"{name} ended the process that read it, with exit code {code} and no model: save it by save_model where "
            "it was made",
            private=complained,
        ) from error
    if "converted" in said:
        wrapper = said["converted"].pop("wrapper")
        return Converted(**said["converted"], wrapper=wrapper)
    unknown = f"{name} can't be loaded: it is damaged, or no model of a known xgboost version; copy it here again"
    raise BundleError(said.get("refused") or sentence_for(name, said["failed"]) or unknown)


def _told(source: str, target: str, converted: Converted) -> Iterator[str]:
    before = f" (before: {converted.before})" if converted.before not in ("", converted.saved_by) else ""
    yield (
        f"wrote {target}: {converted.objective}, {converted.rounds} rounds, {converted.features} features, "
        f"saved by xgboost {converted.saved_by}{before}"
    )
    wrapper = Wrapper(**converted.wrapper) if converted.wrapper else None
    held = f"the {wrapper.name} in {source}" if wrapper else source
    yield f"it gives the same bits as {held}: scores and margins of {converted.rows} rows"
    if wrapper and wrapper.own_objective:
        yield "the objective is a function of your own: scores are what the booster gives, which may be margins"
    if wrapper and wrapper.foreign:
        yield f"{wrapper.name} is no class of xgboost's own: scores are what its booster gives"
    if not converted.named:
        yield "its features have no names: state them in their order as feature_names, or callers send f0, f1, ..."
    if lines := [*_proposed(converted, wrapper)]:
        yield "for model.toml:"
        yield "\n[xgboost]"
        yield from lines


def _proposed(converted: Converted, wrapper: Wrapper | None) -> Iterator[str]:
    if converted.best_iteration is not None:
        best = f"{converted.best_iteration + 1} of {converted.rounds} rounds"
        if wrapper:
            yield f'trees = "best"  # {best}, as the wrapper predicts; "all" gives other scores'
        else:
            yield f'trees = "all"  # as Booster.predict does; "best" takes {best}'
    if wrapper is None:
        return
    if wrapper.missing is not None:
        yield f"missing = {wrapper.missing!r}" if math.isfinite(wrapper.missing) else f"missing = {wrapper.missing}"
    count = len(wrapper.labels)
    is_pair = count == _BOTH_CLASSES and converted.outputs == 1 and converted.objective in _PROBABILITIES
    if count and (count == converted.outputs or is_pair):
        yield f"output_names = {json.dumps(list(wrapper.labels), ensure_ascii=False)}"
