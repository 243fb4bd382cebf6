"""The repository: a folder of models, each a folder of versions, each a bundle that was deployed in one step."""

import ctypes
import errno
import logging
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.bundle import MANIFEST, bundle_files
from bridge.errors import BundleError

__all__ = ["Repository", "StoredVersion", "check_model_name"]

_log = logging.getLogger(__name__)

_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_VERSION_NAME = re.compile(r"[1-9][0-9]{0,8}")
_SERVING = "serving"
_STAGING_PREFIX = ".staging-"
_RETIRED_PREFIX = ".retired-"
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1  # linux/fs.h: fail instead of replacing, also an empty folder


@dataclass(frozen=True, slots=True, order=True)
class StoredVersion:
    """A version folder in a repository."""

    model: str
    version: int
    path: Path

    @property
    def deployed(self) -> bool:
        """It has a manifest; a folder copied by hand has none and is never served."""
        return (self.path / MANIFEST).is_file()


def check_model_name(name: str) -> str:
    """The name itself.

    Raises:
        BundleError: it is not a model's name.
    """
    if not _MODEL_NAME.fullmatch(name):
        raise BundleError(f"'{name}' is not a model's name: 1 to 63 of a-z 0-9 _ . -, the first a letter or a digit")
    return name


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder of bundles on a local file system."""

    path: Path

    def versions(self) -> list[StoredVersion]:
        """Every version folder, sorted by model and version; anything else in the folder is passed over."""
        if not self.path.is_dir():
            return []
        models = (entry for entry in self.path.iterdir() if entry.is_dir() and _MODEL_NAME.fullmatch(entry.name))
        return sorted(
            StoredVersion(model.name, int(entry.name), entry)
            for model in models
            for entry in model.iterdir()
            if entry.is_dir() and _VERSION_NAME.fullmatch(entry.name)
        )

    def promoted(self, model: str) -> int | None:
        """The version that `promote` chose; None if nobody did.

        A file that can't be read or holds no version promotes nobody either, and is logged as an error each time.
        """
        try:
            return self._promoted(model)
        except (OSError, BundleError) as error:
            _log.error("as if none were promoted, the highest good version serves: %s", error)
            return None

    def _promoted(self, model: str) -> int | None:
        path = self.path / model / _SERVING
        try:
            text = path.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            return None
        if not _VERSION_NAME.fullmatch(text):
            raise BundleError(f"{path} does not hold a version; promote one again")
        return int(text)

    def promote(self, model: str, version: int) -> None:
        """Makes a deployed version the one that serves, whatever is deployed later.

        Raises:
            BundleError: there is no such version, or it is not deployed.
        """
        self._deployed(model, version)
        folder = self.path / model
        chosen = folder / f".{_SERVING}-{uuid.uuid4()}"  # not by tempfile: a gateway of another user has to read it
        with chosen.open("x", encoding="ascii") as file:
            file.write(f"{version}\n")
            file.flush()
            os.fsync(file.fileno())
        chosen.replace(folder / _SERVING)
        _fsync(folder)

    def retire(self, model: str, version: int) -> Path:
        """Takes a version out of the repository, to a folder aside; where that is.

        Raises:
            BundleError: there is no such version, it is the promoted one, or it is not known which one is.
            OSError: likewise.
        """
        stored = self._deployed(model, version)
        if self._promoted(model) == version:
            raise BundleError(f"{model}/{version} is the promoted version; promote another one first")
        aside = Path(tempfile.mkdtemp(prefix=f"{_RETIRED_PREFIX}{model}-{version}-", dir=self.path))
        # A folder may take the place of an empty one.
        stored.path.rename(aside)
        _fsync(stored.path.parent)
        return aside

    def _deployed(self, model: str, version: int) -> StoredVersion:
        stored = StoredVersion(check_model_name(model), version, self.path / model / str(version))
        if version < 1 or not stored.deployed:
            raise BundleError(f"{model}/{version} is not deployed in {self.path}")
        return stored

    def check_free(self, model: str, version: int | None) -> None:
        """Whether a bundle could be published as this version, None for the next one.

        Raises:
            BundleError: the version is there already, or is no version.
        """
        if version is None:
            return
        if (self.path / model / str(_checked(version))).exists():
            raise _taken(model, version)

    @contextmanager
    def staged(self, bundle: Path) -> Iterator[Path]:
        """A private copy of a bundle inside the repository, to be checked and then published; removed at the end."""
        self.path.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=self.path))
        try:
            copy = staging / "bundle"
            copy.mkdir()
            for name in bundle_files(bundle):
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(bundle / name, copy / name)
            yield copy
        finally:
            shutil.rmtree(staging)

    def publish(self, staged: Path, manifest: bytes, model: str, version: int | None) -> StoredVersion:
        """Makes a staged bundle a version of a model, all of it or nothing.

        Args:
            staged: what `staged` gave.
            manifest: the bytes of its manifest.
            model: the model's name.
            version: the version; None for one above the highest there is.

        Raises:
            BundleError: the version is there already, or is no version.
        """
        folder = self.path / check_model_name(model)
        self.check_free(model, version)
        (staged / MANIFEST).write_bytes(manifest)
        _fsync_tree(staged)
        folder.mkdir(exist_ok=True)
        while True:
            chosen = _checked(self._next_version(model) if version is None else version)
            try:
                _rename_noreplace(staged, folder / str(chosen))
            except FileExistsError as error:
                if version is None:
                    continue  # somebody else deployed this number meanwhile
                raise _taken(model, chosen) from error
            _fsync(folder)
            _fsync(self.path)
            return StoredVersion(model, chosen, folder / str(chosen))

    def _next_version(self, model: str) -> int:
        return max((stored.version for stored in self.versions() if stored.model == model), default=0) + 1


def _checked(version: int) -> int:
    if not _VERSION_NAME.fullmatch(str(version)):
        raise BundleError(f"{version} is not a version: a positive whole number below 10^9")
    return version


def _taken(model: str, version: int) -> BundleError:
    return BundleError(f"{model}/{version} is there already; a version is never replaced")


def _fsync_tree(folder: Path) -> None:
    for entry in folder.rglob("*"):
        _fsync(entry)
    _fsync(folder)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename_noreplace(source: Path, target: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE)
    if result == 0:
        return
    code = ctypes.get_errno()
    if code == errno.EEXIST:
        raise FileExistsError(code, os.strerror(code), str(target))
    raise OSError(code, os.strerror(code), str(target))
