"""What an xgboost model file says of itself, read in a process of its own: a damaged file can crash xgboost's loader.

Run as `python -m bridge.backends.xgboost_model FILE LIBRARY`, it prints the facts as one line of JSON.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bridge.backends import NICENESS
from bridge.backends.xgboost_proof import prove_lignum
from bridge.errors import BundleError

__all__ = ["CATEGORICAL", "ModelFacts", "inspect"]

CATEGORICAL = "c"
_NOT_INSTALLED = 3
_CUT_CATEGORIES = 4
_NOT_IN_PLACE = 5
_INEXACT_IN_PLACE = 6
_NO_BEST_ITERATION = 7
_TRIAL_ROWS = 256


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts of a booster.

    Attributes:
        names: of the features; empty if it was trained without.
        types: xgboost's own, one per feature, "c" for a category; empty if it was trained without.
        categories: by position of a feature: the strings or numbers that its codes count.
        features: how many there are.
        outputs: how many scores it gives for one row.
        best_iteration: where early stopping found it best; None if it was trained without.
        version: of xgboost.
        objective: what it was trained for, by xgboost's name.
        lignum: the version of lignum that was proven to give the same bits; empty if there is none.
        lignum_reason: why there is none.
        lignum_compiled: its machine code, which was proven too, is in the library.
    """

    names: list[str]
    types: list[str]
    categories: dict[str, list[str | float]]
    features: int
    outputs: int
    best_iteration: int | None
    version: str
    objective: str
    lignum: str = ""
    lignum_reason: str = ""
    lignum_compiled: bool = False


async def inspect(path: Path, timeout_s: float, library: Path | None = None) -> ModelFacts:
    """Loads the file in a child process, and scores made-up rows there in every way that there is.

    Args:
        path: the model file.
        timeout_s: how long it may take, seconds.
        library: where machine code of the trees may be left, in a folder of its own; None makes none.

    Raises:
        BundleError: the file can't be loaded, crashes the loader or takes longer than `timeout_s` seconds.
    """
    child = await _started(path, library)
    try:
        async with asyncio.timeout(timeout_s):
            printed, _ = await child.communicate()
    except TimeoutError as error:
        raise BundleError(f"{path.name} was not loaded within {timeout_s:g} s", limit=f"{timeout_s:g} s") from error
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    if child.returncode != 0:
        raise BundleError(_why(path.name, child.returncode))
    return ModelFacts(**json.loads(printed))


async def _started(path: Path, library: Path | None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "nice",
        f"-n{NICENESS}",
        sys.executable,
        "-m",
        __name__,
        str(path),
        str(library or ""),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )


def _why(name: str, code: int | None) -> str:
    if code is None or code < 0:
        return f"{name} crashes xgboost's loader: it is damaged"
    said = {
        _NOT_INSTALLED: "xgboost is not installed: pip install 'scorebridge-gateway[xgboost]'",
        _CUT_CATEGORIES: f"{name} holds categories that are no UTF-8: xgboost 3.2 cuts those beyond ASCII",
        _NOT_IN_PLACE: f"{name} is of a kind of booster that xgboost can't predict with in place, such as gblinear",
        _INEXACT_IN_PLACE: f"{name} gives other scores in place than by Booster.predict, as dart boosters do",
        _NO_BEST_ITERATION: f"{name} has an attribute best_iteration that is the number of none of its rounds",
    }
    return said.get(code, f"{name} can't be loaded: it is damaged, or no model of an xgboost that we know")


def _facts(path: str, library: str) -> ModelFacts:
    try:
        import xgboost  # noqa: PLC0415 - only the child needs it
    except ImportError:
        raise SystemExit(_NOT_INSTALLED) from None
    # A second thread would only be waited for where the gateway's calls keep the cores busy.
    booster = xgboost.Booster(params={"nthread": 1}, model_file=path)
    types = list(booster.feature_types or ())
    outputs = _outputs(xgboost, booster, types)
    best = booster.attr("best_iteration")
    # Asked for rounds far beyond the last, xgboost crashes.
    if best is not None and not (best.isdecimal() and int(best) < booster.num_boosted_rounds()):
        raise SystemExit(_NO_BEST_ITERATION)
    model = json.loads(booster.save_raw("json"))
    proof = prove_lignum(path, booster, model, [kind == CATEGORICAL for kind in types], library)
    return ModelFacts(
        names=list(booster.feature_names or ()),
        types=types,
        categories=_categories(model) if CATEGORICAL in types else {},
        features=booster.num_features(),
        outputs=outputs,
        best_iteration=None if best is None else int(best),
        version=xgboost.__version__,
        objective=model["learner"]["objective"]["name"],
        lignum="" if proof.reason else version("pylignum"),
        lignum_reason=proof.reason,
        lignum_compiled=proof.compiled,
    )


def _outputs(xgboost: Any, booster: Any, types: list[str]) -> int:
    """How many scores a row has; ends the process if serving's way into the library gives others than the usual one."""
    rows = np.random.default_rng(0).normal(0, 100, (_TRIAL_ROWS, booster.num_features())).astype(np.float32)
    rows[:, [kind == CATEGORICAL for kind in types] or []] = 0
    rows[::3, ::2] = np.nan
    scores = booster.predict(xgboost.DMatrix(rows, feature_types=types or None), validate_features=False)
    try:
        in_place = booster.inplace_predict(rows, validate_features=False)
    except xgboost.core.XGBoostError:
        raise SystemExit(_NOT_IN_PLACE) from None
    if scores.tobytes() != in_place.tobytes():
        raise SystemExit(_INEXACT_IN_PLACE)
    return int(scores.size) // _TRIAL_ROWS


def _categories(model: dict[str, Any]) -> dict[str, list[str | float]]:
    """The categories that xgboost 3.1 and newer keep in a model; older ones keep none."""
    for stored in _found("cats", model):
        return {
            str(position): values for position, encoded in enumerate(stored["enc"]) if (values := _decoded(encoded))
        }
    return {}


def _found(key: str, tree: Any) -> Iterator[Any]:
    if not isinstance(tree, dict):
        return
    for name, branch in tree.items():
        if name == key:
            yield branch
        elif name != "trees":
            yield from _found(key, branch)


def _decoded(encoded: dict[str, Any]) -> list[str | float]:
    if "offsets" not in encoded:
        return list(encoded["values"])
    text = bytes(value & 0xFF for value in encoded["values"])
    edges = encoded["offsets"]
    try:
        return [text[start:end].decode() for start, end in pairwise(edges)]
    except UnicodeDecodeError:
        raise SystemExit(_CUT_CATEGORIES) from None


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_facts(sys.argv[1], sys.argv[2]))))
