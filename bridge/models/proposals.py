"""Finds lines for model.toml with which a bundle scores that does not score as it is, by trying them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.backends import Description
from bridge.bundles.bundle import Bundle
from bridge.bundles.declaration import toml_line
from bridge.bundles.settings import ModelSettings
from bridge.columns import Type
from bridge.errors import BundleError
from bridge.features.feature import Feature
from bridge.models.acceptance import accept
from bridge.workers.programs import Programs

__all__ = ["advice_of", "remedy", "working_lines"]

_SHOWN = 5
_TRIED = '# Tried with numbers. Say "string" where a column is text.'

_NO_PACKAGE = (
    "is library() of the function's package missing in Pred.R? a worker attaches only the packages that Pred.R attaches"
)
_NO_POINTER = (
    "the saved object holds a pointer into the R session that made it, which is empty in any other session: save the "
    "model as its package saves models, such as in a file or as raw bytes, and read that in Pred.R"
)
_NO_FILE = (
    "a file that Pred.R reads must be in the bundle, which is the working directory only while Pred.R is loaded: read "
    "the file at the top of Pred.R"
)
_NO_UTF8 = "a saved text is not UTF-8, and its encoding is not marked: convert it by iconv() before you save it"
_AS_FRAME = (
    "a model that was fitted on a frame takes a frame of the same columns: make it of the arrays in Pred.py, or say "
    'input = "frame" and list the columns in [features]'
)
_AS_MATRIX = (
    "each feature is an array with one entry a row: numpy.column_stack((a, b)) makes the matrix that a model takes"
)
_TEXT = 'say in [features] which features are text, as in sex = "string": one without a line is tried as a number'
_ENCODED = (
    "a model that was fitted on numbers was given text: say in [features] which features are numbers, or encode the "
    "text in predict as for the training"
)
_COLUMNS = 'predict asks for a column that its frame lacks: with input = "frame" it has those that [features] lists'
_NO_PYTHON_FILE = (
    "a file that Pred.py reads must be in the bundle, which is the working directory only while Pred.py is loaded: "
    "read the file at the top of Pred.py"
)
_WITHOUT_GPU = "a model of a GPU is loaded for the CPU, as by torch.load(file, map_location='cpu')"
_REMEDIES = {
    "R": (
        (r"could not find function|no applicable method", _NO_PACKAGE),
        (r"external pointer|externalptr|invalid connection|NULL value passed as symbol address", _NO_POINTER),
        (r"cannot open (the connection|(compressed )?file)|No such file", _NO_FILE),
        (r"invalid multibyte|invalid UTF-8|invalid in this locale", _NO_UTF8),
    ),
    "Python": (
        (r"could not convert str|not compatible with arrays of bytes/strings", _ENCODED),
        (r"raised 'KeyError'|not in index", _COLUMNS),
        (r"Expected 2D array|must be 2.?D|at least 2 dimensions|2 dimensional", _AS_MATRIX),
        (
            (
                r"[Ff]eature[ _]names (should|must|mismatch)|DataFrame|only integers, slices|columns are missing|"
                r"has no attribute '(columns|iloc|loc|assign|apply|fillna)'"
            ),
            _AS_FRAME,
        ),
        (r"isnan|has no attribute '(lower|upper|strip|split|str)'|unknown categories", _TEXT),
        (r"FileNotFoundError|No such file", _NO_PYTHON_FILE),
        (r"CUDA|[Nn]o NVIDIA|hip device", _WITHOUT_GPU),
    ),
}


@dataclass(frozen=True, slots=True)
class _Candidate:
    settings: ModelSettings
    lines: list[str]


async def working_lines(
    bundle: Bundle, description: Description, cache_dir: Path | None, programs: Programs = Programs()
) -> str:
    """Returns lines for model.toml with which the bundle was seen to score; empty if none are known.

    Args:
        bundle: a bundle that scored nothing, or not what it should; for an xgboost bundle no lines are known.
        description: what the loaded model says about itself.
        cache_dir: the folder that keeps compiled models for the next load.
        programs: the programs that compute scores.
    """
    python = bundle.backend == "python"
    candidates = _candidates(bundle.settings, description, python=python) if bundle.backend != "xgboost" else ()
    for candidate in candidates:
        try:
            accepted = await accept(replace(bundle, settings=candidate.settings), cache_dir, programs=programs)
        except BundleError:
            continue
        await accepted.backend.close()
        # An encoder in Python that gets numbers for text may go on with a warning, of whatever class.
        warned = accepted.changed_data or (python and accepted.warnings)
        if not (accepted.remark or accepted.misshaped or warned):
            return "\n".join(candidate.lines).strip()
    return ""


def advice_of(bundle: Bundle, description: Description, remark: str) -> str:
    """Returns what the author of a bundle can do about an error, where no lines for model.toml are known to mend it.

    Args:
        bundle: the bundle.
        description: what the loaded model says about itself.
        remark: the error.
    """
    if bundle.language == "Python" and description.frame_features:
        names = [f"'{feature.name}'" for feature in description.frame_features]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return (
            f"a model of Pred.py was fitted on the columns {', '.join(names[:_SHOWN])}{more}: if predict takes a frame "
            'of them, say input = "frame" and list them in [features], text as "string"'
        )
    return remedy(bundle.language, remark)


def remedy(language: str, remark: str) -> str:
    """Returns advice for an error whose text says little about its cause; empty if none is known.

    Args:
        language: what raised it: "R", "Python" or "xgboost".
        remark: what was said.
    """
    return next((advice for pattern, advice in _REMEDIES.get(language, ()) if re.search(pattern, remark)), "")


def _candidates(settings: ModelSettings, description: Description, *, python: bool) -> Iterator[_Candidate]:
    undeclared = [feature for feature in description.proposed if _is_new(feature, settings)]
    # A variable within a transformation, such as log(income), has to be a number. A model in Python tells no types.
    untyped = any(one.type is None for one in description.frame_features)
    comment = [_TRIED] if untyped and python else []
    frame = [replace(one, type=one.type or Type.DOUBLE) for one in description.frame_features]
    frame = [feature for feature in frame if _is_new(feature, settings)]
    if undeclared:
        yield from _candidate(settings, [], undeclared)
        yield from _candidate(settings, [], undeclared, row_by_row=True)
    elif description.features and not description.frame_features:
        yield from _candidate(settings, [], [], row_by_row=True)
    if frame:
        yield from _candidate(settings, [*comment, 'input = "frame"'], frame, input="frame")


def _is_new(feature: Feature, settings: ModelSettings) -> bool:
    return feature.type is not None and feature.name not in settings.features


def _candidate(
    settings: ModelSettings, lines: list[str], features: list[Feature], **others: object
) -> Iterator[_Candidate]:
    if others.get("row_by_row"):
        if settings.row_by_row:
            return
        lines = [*lines, "row_by_row = true"]
    written = [*lines, *(["", "[features]", *map(toml_line, features)] if features else [])]
    try:
        yield _Candidate(settings.declaring(features, **others), written)
    except ValueError:  # the lines contradict what model.toml says already
        return
