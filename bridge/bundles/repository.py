"""The repository: a folder of models, each a folder of versions, each a bundle that was deployed in one step."""

import ctypes
import errno
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.bundles.bundle import MANIFEST, bundle_files
from bridge.bundles.staging import copy_files
from bridge.errors import BundleError
from bridge.files import read_regular
from bridge.model_events import PROMOTION_UNREADABLE
from bridge.own_log import OwnLog

__all__ = ["Repository", "StoredVersion", "check_model_name"]

_log = OwnLog(__name__)

_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_VERSION_NAME = re.compile(r"[1-9][0-9]{0,8}")
_SERVING = "serving"
_MOST_SERVING_BYTES = 64
_STAGING_PREFIX = ".staging-"
_RETIRED_PREFIX = ".retired-"
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1  # linux/fs.h: fail instead of replacing, also an empty folder


@dataclass(frozen=True, slots=True, order=True)
class StoredVersion:
    """The folder of one version in a repository, deployed or not."""

    model: str
    version: int
    path: Path

    @property
    def deployed(self) -> bool:
        """Whether the folder has a manifest; a folder that was copied by hand has none and is never served.

        Also True if the folder can't be read or its manifest is not a regular file: loading the version then fails
        with the reason.
        """
        try:
            (self.path / MANIFEST).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return True


def check_model_name(name: str) -> str:
    """Returns the name unchanged if a model may have it.

    Raises:
        BundleError: a model may not have this name.
    """
    if not _MODEL_NAME.fullmatch(name):
        raise BundleError(f"'{name}' is not a model's name: 1 to 63 of a-z 0-9 _ . -, the first a letter or a digit")
    return name


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository on a local file system: PATH/MODEL/VERSION holds the bundle of a version."""

    path: Path

    def versions(self) -> list[StoredVersion]:
        """Returns every version folder, sorted by model and version; other files and folders are ignored.

        Raises:
            OSError: a folder can't be read.
        """
        return [stored for model in self.models() for stored in self.versions_of(model)]

    def models(self) -> list[str]:
        """Returns the names in the repository that a model may have, sorted, without checking that they are folders.

        Raises:
            OSError: the repository can't be read.
        """
        if not self.path.is_dir():
            return []
        return sorted(name for name in os.listdir(self.path) if _MODEL_NAME.fullmatch(name))  # noqa: PTH208

    def versions_of(self, model: str) -> list[StoredVersion]:
        """Returns the version folders of a model, sorted by version.

        Raises:
            OSError: the model's folder can't be read.
        """
        folder = self.path / model
        if not folder.is_dir():
            return []
        return sorted(
            StoredVersion(model, int(entry.name), entry)
            for entry in folder.iterdir()
            if _VERSION_NAME.fullmatch(entry.name) and _is_folder(entry)
        )

    def look(self, model: str) -> tuple[dict[StoredVersion, bool], int | None]:
        """Reads what the repository says of a model, without loading it.

        Returns:
            The version folders, each with whether it is deployed, and the promoted version as `promoted` gives it.

        Raises:
            OSError: the model's folder can't be read.
        """
        return {stored: stored.deployed for stored in self.versions_of(model)}, self.promoted(model)

    def promoted(self, model: str) -> int | None:
        """Returns the version that `promote` chose; None if no version was promoted.

        Also None if the file that names the promoted version can't be read, is not a regular one or holds no version
        number; that is logged as an error each time.
        """
        try:
            return self._promoted(model)
        except (OSError, BundleError) as error:
            _log.say(PROMOTION_UNREADABLE, model=model, error=error)
            return None

    def _promoted(self, model: str) -> int | None:
        path = self.path / model / _SERVING
        try:
            text = read_regular(path, _MOST_SERVING_BYTES, str(path)).decode("ascii", errors="replace").strip()
        except FileNotFoundError:
            return None
        if not _VERSION_NAME.fullmatch(text):
            raise BundleError(f"{path} does not hold a version number: promote a version again")
        return int(text)

    def promote(self, model: str, version: int) -> None:
        """Makes a deployed version the one that serves, also when higher versions are deployed later.

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
        """Moves a version to a folder of the repository that is never served, and returns that folder.

        Raises:
            BundleError: there is no such version, it is the promoted one, or the promoted one can't be read.
            OSError: a folder of the repository can't be read or written.
        """
        stored = self._deployed(model, version)
        if self._promoted(model) == version:
            raise BundleError(f"{model}/{version} is the promoted version: promote another version first")
        aside = Path(tempfile.mkdtemp(prefix=f"{_RETIRED_PREFIX}{model}-{version}-", dir=self.path))
        # rename() may replace an empty folder, such as the one just made.
        stored.path.rename(aside)
        _fsync(stored.path.parent)
        return aside

    def _deployed(self, model: str, version: int) -> StoredVersion:
        stored = StoredVersion(check_model_name(model), version, self.path / model / str(version))
        if version < 1 or not stored.deployed:
            raise BundleError(f"{model}/{version} is not deployed in {self.path}")
        return stored

    def check_free(self, model: str, version: int | None) -> None:
        """Checks that a bundle could be published as this version; None stands for the next free one and always passes.

        Raises:
            BundleError: the version exists already, or its number is not allowed.
        """
        if version is None:
            return
        if (self.path / model / str(_checked(version))).exists():
            raise _taken(model, version)

    @contextmanager
    def staged(self, bundle: Path) -> Iterator[Path]:
        """Gives a private copy of a bundle inside the repository, to be checked and published; removed at the end.

        Whoever can read a file can read its copy, and nobody else can.

        Raises:
            BundleError: the bundle holds a link or something that is neither a file nor a folder, does not fit on the
                repository's disk, or changes while it is copied.
            OSError: a file can't be read or written.
        """
        names = bundle_files(bundle, links=False)
        self.path.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=self.path))
        try:
            copy = staging / "bundle"
            copy.mkdir()
            copy_files(bundle, copy, names)
            yield copy
        finally:
            shutil.rmtree(staging)

    def publish(self, staged: Path, manifest: bytes, model: str, version: int | None) -> StoredVersion:
        """Makes a staged bundle a version of a model in one step: other processes see all of its files or none.

        Args:
            staged: the folder that `staged` gave.
            manifest: the bytes of the bundle's manifest.
            model: the model's name.
            version: the version number; None for one above the highest that exists.

        Raises:
            BundleError: the version exists already, or its number or the model's name is not allowed.
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
                    continue  # another deploy took this number meanwhile: try the next one
                raise _taken(model, chosen) from error
            _fsync(folder)
            _fsync(self.path)
            return StoredVersion(model, chosen, folder / str(chosen))

    def _next_version(self, model: str) -> int:
        return max((stored.version for stored in self.versions_of(model)), default=0) + 1


def _is_folder(path: Path) -> bool:
    """Whether a path is a folder; also True where permissions hide it, so that loading it fails with the reason."""
    try:
        return path.is_dir()
    except PermissionError:
        return True


def _checked(version: int) -> int:
    if not _VERSION_NAME.fullmatch(str(version)):
        raise BundleError(f"{version} is not a version: a positive whole number below 10^9")
    return version


def _taken(model: str, version: int) -> BundleError:
    return BundleError(
        f"{model}/{version} exists already, and a version is never replaced: deploy under another number"
    )


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
