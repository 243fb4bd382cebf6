"""Reads a bundle: the folder that is deployed, its manifest, and the digest, which stands for every byte in it."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bridge.bundles.settings import ModelSettings, read_model_settings
from bridge.calls import Output
from bridge.columns import Type
from bridge.errors import BundleError
from bridge.files import list_files, read_regular, sha256_of, size_text

__all__ = ["MANIFEST", "Bundle", "Manifest", "bundle_files", "make_manifest", "read_bundle", "read_manifest", "verify"]

MANIFEST = "manifest.json"
_MOST_MANIFEST_BYTES = 16 << 20
_PRED_R, _PRED_PY = "Pred.R", "Pred.py"
_XGBOOST_FILES = ("model.ubj", "model.json")
_OTHER_MODEL = re.compile(
    r".*(\.(pkl|pickle|pickle\.dat|joblib|sav|model|bin|bst|deprecated|ubj|json)|xgboost-model)", re.IGNORECASE
)
_R_OBJECTS = (".rdata", ".rda", ".rds")
_FORMS = (
    "an R bundle is Pred.R and its objects, a Python bundle Pred.py and its files, an xgboost bundle model.ubj or "
    "model.json"
)

# The keys of model.toml that only some backends have, with what these serve.
_OWN_KEYS: dict[str, tuple[str, set[str]]] = {
    **dict.fromkeys(("input", "row_by_row", "timezone"), ("R and Python models", {"rserve", "python"})),
    **dict.fromkeys(("locale", "author"), ("R models", {"rserve"})),
    **dict.fromkeys(("python", "process_limit"), ("Python models", {"python"})),
}
_LANGUAGES = {"xgboost": "xgboost", "rserve": "R", "python": "Python"}

_BackendName = Literal["xgboost", "rserve", "python"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a deployed bundle, as `deploy` wrote it.

    Attributes:
        files: for every file but the manifest, its relative path and the hex digits of its sha256.
        outputs: the outputs that the model gave when it was checked; None if no row could be scored then.
        digest: "sha256:" and the hex digits of the sha256 of the manifest's own bytes.
        accepts_newer_file: whether the bundle was deployed with `--accept-newer-file`.
        accepts_warnings: whether it warned while it was loaded, and was deployed with `--accept-warnings`.
    """

    files: dict[str, str]
    outputs: tuple[Output, ...] | None
    digest: str
    accepts_newer_file: bool = False
    accepts_warnings: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder that holds a model.

    Attributes:
        path: the folder.
        backend: the name of the backend that predicts.
        settings: the settings of its `model.toml`.
        manifest: its manifest; None before the bundle is deployed.
        accepts_newer_file: whether a model file that a newer library saved may serve, if its golden rows come out
            exactly.
        accepts_warnings: whether a model may serve that warns while it is loaded.
        verified: whether its files were compared with the manifest since the bundle was read.
    """

    path: Path
    backend: _BackendName
    settings: ModelSettings
    manifest: Manifest | None
    accepts_newer_file: bool = False
    accepts_warnings: bool = False
    verified: bool = False

    @property
    def digest(self) -> str:
        """The digest of the manifest, which names every byte of the bundle; empty before the bundle is deployed."""
        return self.manifest.digest if self.manifest else ""

    @property
    def language(self) -> str:
        """The name of what runs the model: "R", "Python" or "xgboost"."""
        return _LANGUAGES[self.backend]

    @property
    def subject(self) -> str:
        """The subject under which its files are read, see `Reads`: one for all versions of the model.

        So at most one read that hangs is waited for in the folder of a model.
        """
        return f"the files of {self.path.parent.name}"

    @property
    def model_file(self) -> Path:
        """The path of the booster's file in an xgboost bundle.

        Raises:
            BundleError: the file was removed after the bundle was read.
        """
        for name in _XGBOOST_FILES:
            if (self.path / name).exists():
                return self.path / name
        raise BundleError("the model file (model.ubj or model.json) was removed after the bundle was read")


def read_bundle(path: Path) -> Bundle:
    """Reads the settings and the manifest of the bundle in a folder, without loading the model.

    Raises:
        BundleError: the folder is not a complete bundle, a setting is wrong, or something in it is neither a regular
            file nor a folder.
        OSError: a file can't be read.
    """
    if not path.is_dir():
        raise BundleError(f"{path.name} is not a folder")
    list_files(path)
    settings = read_model_settings(path)
    backend = _backend(path, settings)
    for key in sorted(_OWN_KEYS.keys() & settings.model_fields_set):
        models, owners = _OWN_KEYS[key]
        if backend not in owners:
            what = f"{'a' if backend == 'python' else 'an'} {_LANGUAGES[backend]} model"
            raise BundleError(f"model.toml: {key} is for {models}, and this is {what}: remove the key")
    if not (path / MANIFEST).exists():
        return Bundle(path, backend, settings, None)
    manifest = read_manifest(path)
    return Bundle(path, backend, settings, manifest, manifest.accepts_newer_file, manifest.accepts_warnings)


def _backend(path: Path, settings: ModelSettings) -> _BackendName:
    names = {entry.name for entry in path.iterdir() if entry.is_file()}
    backend = settings.backend or _backend_of(names, asks_for_python=settings.python is not None)
    if backend == "xgboost":
        if sum(name in names for name in _XGBOOST_FILES) != 1:
            raise BundleError(_no_booster(names) or "an xgboost bundle holds exactly one of model.ubj and model.json")
    elif backend == "python":
        if _PRED_PY not in names:
            raise BundleError(f"there is no {_PRED_PY} in the folder: {_FORMS}")
    elif _PRED_R not in names:
        r_objects = _r_objects(names)
        missing = f"there is no {_PRED_R} beside {r_objects[0]}" if r_objects else "there is no model in the folder"
        raise BundleError(f"{missing}: {_FORMS}")
    elif not _r_objects(names):
        raise BundleError(f"there is no model beside {_PRED_R}: no file *.RData, *.rda or *.rds")
    return backend


def _backend_of(names: set[str], *, asks_for_python: bool) -> _BackendName:
    """Returns the backend that the names of a bundle's files ask for."""
    found: dict[_BackendName, str] = {}
    if boosters := [name for name in _XGBOOST_FILES if name in names]:
        found["xgboost"] = boosters[0]
    if r_files := [_PRED_R] * (_PRED_R in names) + _r_objects(names):
        found["rserve"] = r_files[0]
    if _PRED_PY in names:
        found["python"] = _PRED_PY
    if asks_for_python and ("python" in found or not found):
        return "python"
    if len(found) > 1:
        raise BundleError(
            f"the bundle holds {' and '.join(sorted(found.values()))}: say which of them is the model, by `backend` in "
            "model.toml"
        )
    if not found and (fault := _no_booster(names)):
        raise BundleError(fault)
    return next(iter(found), "rserve")


def _r_objects(names: set[str]) -> list[str]:
    return sorted(name for name in names if Path(name).suffix.lower() in _R_OBJECTS)


def _no_booster(names: set[str]) -> str:
    """Returns what to do with a file that looks like a model in a form that is not served; empty if there is none."""
    other = _other_model(names)
    if other is None or any(name in names for name in _XGBOOST_FILES):
        return ""
    return (
        f"the folder holds {other}, but no model.ubj or model.json: convert the file with 'scorebridge convert {other} "
        f"--to model.ubj' if it is an xgboost model; else a {_PRED_PY} beside it makes it a Python bundle"
    )


def _other_model(names: set[str]) -> str | None:
    """Returns the name of a file that looks like a model in a form that is not served; None if there is none."""
    return next((name for name in sorted(names) if _OTHER_MODEL.fullmatch(name) and name != MANIFEST), None)


def bundle_files(path: Path, *, links: bool = True) -> list[str]:
    """Returns the relative paths of all files of a bundle but its manifest, sorted.

    Args:
        path: the bundle's folder.
        links: whether links are followed, as `list_files` does; else the first one raises.

    Raises:
        BundleError: something in the bundle is neither a regular file nor a folder, or is a link where none may be.
        OSError: a folder can't be read.
    """
    return [name for name in list_files(path, links=links) if name != MANIFEST]


def make_manifest(
    path: Path,
    outputs: tuple[Output, ...] | None,
    *,
    accepts_newer_file: bool = False,
    accepts_warnings: bool = False,
) -> bytes:
    """Returns the bytes of the manifest of a folder: sorted keys, no white space, so equal bundles have equal digests.

    Raises:
        BundleError: the manifest would be larger than `read_manifest` takes.
        OSError: a file can't be read.
    """
    described = None if outputs is None else [_described(output) for output in outputs]
    content: dict[str, Any] = {
        "files": {name: sha256_of(path / name, name) for name in bundle_files(path)},
        "outputs": described,
    }
    content |= {"accepts_newer_file": True} if accepts_newer_file else {}
    content |= {"accepts_warnings": True} if accepts_warnings else {}
    raw = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    if len(raw) > _MOST_MANIFEST_BYTES:
        limit = size_text(_MOST_MANIFEST_BYTES)
        raise BundleError(f"{MANIFEST} would be larger than {limit}: the bundle has too many files", limit=limit)
    return raw


def _described(output: Output) -> dict[str, str | bool]:
    additional = {"additional": True} if output.additional else {}
    return {"name": output.name, "type": str(output.type)} | additional


def read_manifest(path: Path) -> Manifest:
    """Reads the manifest that `deploy` wrote into a bundle's folder.

    Raises:
        BundleError: the file is not a manifest as `deploy` writes it.
        OSError: the file can't be read.
    """
    raw = read_regular(path / MANIFEST, _MOST_MANIFEST_BYTES)
    try:
        content: dict[str, Any] = json.loads(raw)
        files, outputs = dict(content["files"]), content["outputs"]
        described = outputs and tuple(
            Output(str(line["name"]), Type(line["type"]), bool(line.get("additional"))) for line in outputs
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(
            f"{MANIFEST} is not as deploy writes it ({type(error).__name__}): deploy the bundle again"
        ) from error
    digest = "sha256:" + hashlib.sha256(raw).hexdigest()
    accepts = (bool(content.get(f"accepts_{what}")) for what in ("newer_file", "warnings"))
    return Manifest(files, described, digest, *accepts)


def verify(bundle: Bundle) -> None:
    """Compares every file with the manifest; does nothing for a bundle that was never deployed.

    Raises:
        BundleError: a file was changed, removed or added since it was deployed.
        OSError: a file can't be read.
    """
    if bundle.manifest is None:
        return
    expected, found = bundle.manifest.files, bundle_files(bundle.path)
    for name in sorted({*expected, *found}):
        if name not in expected:
            raise BundleError(f"{name} was added after the bundle was deployed")
        if name not in found:
            raise BundleError(f"{name} was removed after the bundle was deployed")
        if sha256_of(bundle.path / name, name) != expected[name]:
            raise BundleError(f"{name} was altered after the bundle was deployed: its sha256 is not the manifest's")
