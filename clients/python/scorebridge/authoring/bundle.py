"""Writes a bundle into its folder, proves it, and tells the author what it holds."""

import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple

from scorebridge.authoring.conditions import BundleNotWritten
from scorebridge.authoring.declared import stated_features
from scorebridge.authoring.folder import new_folder
from scorebridge.authoring.golden import Golden
from scorebridge.authoring.keywords import BundleKeywords
from scorebridge.authoring.pred_source import pred_source
from scorebridge.authoring.proof import Proof, prove
from scorebridge.authoring.requirements import requirements_text
from scorebridge.authoring.saved_files import save_files
from scorebridge.authoring.session_timezone import session_timezone
from scorebridge.authoring.settings import Settings, check_defaults, check_settings
from scorebridge.authoring.toml import toml_text

__all__ = ["Given", "write"]

_Path = str | PathLike[str]


class Given(NamedTuple):
    """What an author gives for a bundle, as `scorebridge.write_bundle` describes it.

    Attributes:
        files: what its files hold, by their names.
        predict: a function of the session, or the path of a Pred.py.
        golden: the golden rows, or None.
        features: the features that the author states, or None.
    """

    files: Mapping[str, Any]
    predict: Callable[..., Any] | _Path
    golden: Any
    features: Mapping[str, Any] | None


def write(folder: _Path, given: Given, form: Literal["columns", "frame"], more: BundleKeywords) -> Path:
    """Writes a bundle that is proven, and tells on standard error what it holds.

    Args:
        folder: the bundle's folder, which does not exist yet or is empty.
        given: what the author gives.
        form: "columns" if the function takes an array for each feature, "frame" if it takes one frame.
        more: the settings of the model, its requirements, and whether warnings are accepted.

    Returns:
        The absolute path of the folder.

    Raises:
        BundleNotWritten: why not; nothing is left of it, and what was there before stays.
    """
    settings, remarks = _settings(form, more)
    with new_folder(folder) as (writing, path):
        proof = _write(writing, given, settings, more)
    lines = (*_told(path, proof), *remarks, *_reminders(settings, proof))
    with suppress(AttributeError, OSError):  # a program may have no standard error, or one that nobody reads
        sys.stderr.write("".join(line + "\n" for line in lines))
    return path


def _settings(form: Literal["columns", "frame"], more: BundleKeywords) -> tuple[Settings, list[str]]:
    timezone = session_timezone()
    settings = Settings(
        input=form,
        row_wise=more.get("row_wise"),
        row_by_row=more.get("row_by_row", False),
        default_score=more.get("default_score"),
        timeout_s=more.get("timeout_s"),
        python=more.get("python"),
        timezone=timezone.name,
    )
    check_settings(settings)
    return settings, [f"  {timezone.remark}"] if timezone.remark else []


def _write(folder: Path, given: Given, settings: Settings, more: BundleKeywords) -> Proof:
    """Writes the bundle into a folder, proves it and returns the proof."""
    stated = stated_features(given.features)
    golden = None if given.golden is None else Golden(given.golden)
    saved = save_files(folder, given.files)
    own = None if isinstance(given.predict, (str, PathLike)) else given.predict
    if own is None:
        _copy_pred(given.predict, folder)
    else:
        (folder / "Pred.py").write_text(pred_source(own, saved), encoding="utf-8", newline="\n")
    proof = prove(folder, settings, golden, stated, own)
    if proof.warnings and not more.get("accept_warnings", False):
        raise BundleNotWritten(f"{proof.warnings[0]}; accept_warnings=True writes the bundle all the same")
    if golden is not None:
        check_defaults(settings.default_score, proof.outputs)
    text = toml_text(settings.lines(), proof.features)
    (folder / "model.toml").write_text(text, encoding="utf-8", newline="\n")
    asked = requirements_text(more.get("requirements"), proof.packages, folder)
    if asked is not None:
        (folder / "requirements.txt").write_text(asked, encoding="utf-8", newline="\n")
    return proof


def _copy_pred(path: Any, folder: Path) -> None:
    try:
        shutil.copyfile(path, folder / "Pred.py")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise BundleNotWritten(f"the file that predict names can't be read: {why}") from error


def _told(path: Path, proof: Proof) -> list[str]:
    """Returns lines on what was written."""
    types = [f"{feature.name} ({feature.type})" for feature in proof.features]
    types += [f"{name} (as the caller sends it)" for name in proof.untyped]
    lines = [f"bundle {path.name}", f"  features: {', '.join(types)}"]
    lines += [f"  {text}" for text in (*proof.warnings, *proof.remarks)]
    if not proof.outputs:
        return [*lines, "  no golden rows: nothing was scored"]
    outputs = ", ".join(f"{output.name} ({output.type})" for output in proof.outputs)
    return [*lines, f"  outputs: {outputs}", f"  golden rows: {len(proof.outputs[0].values)}, all come out"]


def _reminders(settings: Settings, proof: Proof) -> list[str]:
    """Returns lines on what the author may want to mend."""
    lines = []
    if settings.row_wise is None and not settings.row_by_row:
        lines.append(
            "  row_wise was not given, so calls of this model are never cut, joined or retried row by row, which makes "
            "them slower: give row_wise=True if no row's score depends on the other rows"
        )
    if any(text.startswith("it warned while it was loaded") for text in proof.warnings):
        lines.append("  check and deploy take this bundle with --accept-warnings only")
    lines += [
        f"  feature '{feature.name}' has the {len(feature.levels)} levels of its column in golden or features: calls "
        "with others are refused unless unknown_level says otherwise"
        for feature in proof.features
        if feature.type == "factor" and not feature.unknown_level
    ]
    return lines
