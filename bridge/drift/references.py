"""Finds the reference rows of versions: one file for all of them, or the golden rows in a repository."""

from collections.abc import Sequence
from pathlib import Path

from bridge.bundles.bundle import read_manifest
from bridge.bundles.golden import FILE_NAME
from bridge.bundles.repository import check_model_name
from bridge.drift.feature_names import feature_names
from bridge.drift.golden_columns import GoldenColumns
from bridge.drift.reference import Reference, ReferenceNotReadable
from bridge.drift.table_columns import TableColumns
from bridge.drift.versions import Against, References
from bridge.errors import BundleError

__all__ = ["GOLDEN", "GoldenOfRepository", "OneReference", "find_references"]

GOLDEN = "golden"


def find_references(against: str, repository: Path | None) -> References:
    """Returns the references that a user names.

    Args:
        against: the word "golden" for the golden rows of each version in the repository; else the path of a golden.csv,
            of a bundle's folder, or of a file or folder of rows.
        repository: the folder of the versions that answered; None if it is not known.

    Raises:
        ReferenceNotReadable: there are no reference rows, or they can't be read.
    """
    if repository is not None and not repository.is_dir():
        raise ReferenceNotReadable(f"the repository {repository} is not a folder")
    if against == GOLDEN:
        if repository is None:
            raise ReferenceNotReadable(
                "give --repository, the folder of the versions that answered, whose golden rows are to be compared"
            )
        return GoldenOfRepository(repository)
    path = Path(against)
    if (path / FILE_NAME).is_file():
        return OneReference(Reference(GoldenColumns(path / FILE_NAME)), repository, _names(path))
    if path.name == FILE_NAME:
        return OneReference(Reference(GoldenColumns(path)), repository)
    return OneReference(Reference(TableColumns(path)), repository)


class OneReference:
    """One reference for every version.

    Args:
        reference: the rows.
        repository: where the names of the models' features are looked for; None if nowhere.
        names: the names of the features, where all versions have the same; None if that is not known.
    """

    def __init__(
        self, reference: Reference, repository: Path | None = None, names: Sequence[str] | None = None
    ) -> None:
        self._reference = reference
        self._repository = repository
        self._names = names

    def of(self, model: str, version: int, digest: str) -> Against:
        """Returns the reference, with the names of the version's features if the repository has that very bundle."""
        names = self._names
        if names is None and self._repository is not None:
            path = _place(self._repository, model, version)
            names = _names(path) if path is not None and _is_bundle(path, digest) else None
        return Against(self._reference, names)


class GoldenOfRepository:
    """The golden rows of each version in a repository.

    Args:
        repository: the folder of all models.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository

    def of(self, model: str, version: int, digest: str) -> Against:
        """Returns the golden rows of a version, or why there are none."""
        path = _place(self._repository, model, version)
        if path is None or not path.is_dir():
            return Against(None, why="it is no longer in the repository")
        if not _is_bundle(path, digest):
            why = "the repository holds another bundle under this version: its digest is not the logged one"
            return Against(None, why=why)
        if not (path / FILE_NAME).exists():
            return Against(None, why="it has no golden rows")
        try:
            return Against(Reference(GoldenColumns(path / FILE_NAME)), _names(path))
        except ReferenceNotReadable as error:
            return Against(None, why=str(error))


def _place(repository: Path, model: str, version: int) -> Path | None:
    """Returns where a version of this name would be; None if no model has such a name, as in a log that was changed."""
    try:
        return repository / check_model_name(model) / str(version)
    except BundleError:
        return None


def _is_bundle(path: Path, digest: str) -> bool:
    try:
        return read_manifest(path).digest == digest
    except (BundleError, OSError):
        return False


def _names(path: Path) -> Sequence[str] | None:
    try:
        return feature_names(path)
    except (BundleError, OSError):
        return None
