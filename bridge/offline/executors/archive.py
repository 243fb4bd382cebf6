"""The bundle of one version as a single file, in which Spark brings it to the executors."""

import atexit
import tarfile
from pathlib import Path

from bridge.bundles.bundle import MANIFEST, bundle_files
from bridge.errors import BundleError
from bridge.private_folders import make_folder, remove_folder

__all__ = ["pack", "unpack"]

_packed: dict[tuple[str, int, str], Path] = {}


def pack(repository: Path, model: str, version: int, digest: str) -> Path:
    """Returns a tar file of a version's bundle, whose name is that of no other bundle.

    The file stays until this process ends: Spark's executors may ask for it at any time until then.

    Args:
        repository: the folder of bundles.
        model: the model's name.
        version: the version's number.
        digest: the bundle's digest.

    Raises:
        BundleError: a file of the bundle can't be read.
    """
    which = model, version, digest
    if which in _packed:
        return _packed[which]
    source = repository / model / str(version)
    folder = make_folder("spark")
    target = folder / f"scorebridge-{model}-{version}-{digest.removeprefix('sha256:')[:16]}.tar"
    try:
        with tarfile.open(target, "w") as archive:
            for name in [*bundle_files(source, links=False), MANIFEST]:
                archive.add(source / name, f"{model}/{version}/{name}", recursive=False)
    except OSError as error:
        remove_folder(folder)
        raise BundleError(f"{model}/{version}: a file of the bundle can't be packed: {error.strerror}") from error
    except BaseException:
        remove_folder(folder)
        raise
    atexit.register(remove_folder, folder)
    _packed[which] = target
    return target


def unpack(archive: Path, target: Path) -> None:
    """Unpacks an archive into a folder, which then is a repository of one version.

    Raises:
        BundleError: it can't be read, or written.
    """
    try:
        with tarfile.open(archive) as opened:
            opened.extractall(target, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise BundleError(f"the bundle that Spark brought can't be unpacked: {error}") from error
