"""What an author may write into model.toml to make a bundle score that does not: tried before it is said."""

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

__all__ = ["remedy", "working_lines"]

_NO_PACKAGE = "is library() of its package missing in Pred.R? a worker attaches what Pred.R attaches, and nothing else"
_NO_POINTER = (
    "the saved object points into the session that made it, and is empty in any other: save what its package writes "
    "for that, such as a file or raw bytes, and read it in Pred.R"
)
_NO_FILE = (
    "a file that Pred.R reads must be in the bundle, which is the working directory only while Pred.R is loaded: read "
    "it at the top of Pred.R"
)
_NO_UTF8 = "a saved text is not UTF-8, and does not say what it is: convert it by iconv() before it is saved"
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


async def working_lines(bundle: Bundle, description: Description, cache_dir: Path | None) -> str:
    """Lines for model.toml with which a bundle scores that does not score without them; empty if none are known.

    Args:
        bundle: that scored nothing, or not what it should; for an xgboost model none are known.
        description: as it was loaded.
        cache_dir: where what took long to make is kept.
    """
    candidates = _candidates(bundle.settings, description) if bundle.backend == "rserve" else ()
    for candidate in candidates:
        try:
            accepted = await accept(replace(bundle, settings=candidate.settings), cache_dir)
        except BundleError:
            continue
        await accepted.backend.close()
        if not (accepted.remark or accepted.misshaped or accepted.changed_data):
            return "\n".join(candidate.lines).strip()
    return ""


def remedy(remark: str) -> str:
    """What mends an error of R that says little of its cause; empty if nothing is known."""
    return next((advice for pattern, advice in _REMEDIES if re.search(pattern, remark)), "")


def _candidates(settings: ModelSettings, description: Description) -> Iterator[_Candidate]:
    undeclared = [feature for feature in description.proposed if _is_new(feature, settings)]
    # What stands within a transformation, as in log(income), is a number or it will not score.
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
    except ValueError:  # what model.toml says already does not go with it
        return
