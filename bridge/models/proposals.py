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

__all__ = ["remedy", "working_lines"]

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
_REMEDIES = (
    (r"could not find function|no applicable method", _NO_PACKAGE),
    (r"external pointer|externalptr|invalid connection|NULL value passed as symbol address", _NO_POINTER),
    (r"cannot open (the connection|(compressed )?file)|No such file", _NO_FILE),
    (r"invalid multibyte|invalid UTF-8|invalid in this locale", _NO_UTF8),
)


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
    candidates = _candidates(bundle.settings, description) if bundle.backend != "xgboost" else ()
    for candidate in candidates:
        try:
            accepted = await accept(replace(bundle, settings=candidate.settings), cache_dir, programs=programs)
        except BundleError:
            continue
        await accepted.backend.close()
        if not (accepted.remark or accepted.misshaped or accepted.changed_data):
            return "\n".join(candidate.lines).strip()
    return ""


def remedy(remark: str) -> str:
    """Returns advice for an error of R whose text says little about its cause; empty if none is known."""
    return next((advice for pattern, advice in _REMEDIES if re.search(pattern, remark)), "")


def _candidates(settings: ModelSettings, description: Description) -> Iterator[_Candidate]:
    undeclared = [feature for feature in description.proposed if _is_new(feature, settings)]
    # A variable within a transformation, such as log(income), has to be a number.
    frame = [replace(one, type=one.type or Type.DOUBLE) for one in description.frame_features]
    frame = [feature for feature in frame if _is_new(feature, settings)]
    if undeclared:
        yield from _candidate(settings, [], undeclared)
        yield from _candidate(settings, [], undeclared, row_by_row=True)
    elif description.features and not description.frame_features:
        yield from _candidate(settings, [], [], row_by_row=True)
    if frame:
        yield from _candidate(settings, ['input = "frame"'], frame, input="frame")


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
