"""Files that others may have put there: none is opened but a regular one, and none is read without a limit."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from bridge.errors import BridgeError, BundleError

__all__ = ["list_files", "open_regular", "parts_of", "read_regular", "require_regular", "sha256_of", "size_text"]

_MOST_ENTRIES = 50_000
_MOST_DEPTH = 32
_CHUNK_BYTES = 1 << 20
_MOUNT = "..data"
_MOUNTED_PREFIX = ".."
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path, name: str = "", refusal: type[BridgeError] = BundleError) -> BufferedReader:
    """The file, opened for reading; links to regular files are followed. It never waits for a FIFO's other end.

    Args:
        path: of the file.
        name: how sentences call it; empty for the last part of the path.
        refusal: raised if it is not a regular file.

    Raises:
        IsADirectoryError: it is a folder.
        OSError: it can't be opened.
    """
    require_regular(os.stat(path), path, name, refusal)  # noqa: PTH116 - to open a device may already do something
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        require_regular(os.fstat(descriptor), path, name, refusal)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def require_regular(
    found: os.stat_result, path: Path, name: str = "", refusal: type[BridgeError] = BundleError
) -> None:
    """Refuses what is not a regular file, see `open_regular`."""
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if kind != stat.S_IFREG:
        raise refusal(f"{name or path.name} is not a regular file, but {_KINDS.get(kind, 'something else')}")


def read_regular(path: Path, most_bytes: int, name: str = "") -> bytes:
    """All of a regular file.

    Args:
        path: of the file.
        most_bytes: that it may have; of a larger one nothing, or little, is read.
        name: how sentences call it; empty for the last part of the path.

    Raises:
        BundleError: it is not a regular file, or larger.
        OSError: it can't be read.
    """
    with open_regular(path, name) as file:
        size = os.fstat(file.fileno()).st_size
        # Its size says nothing of a file that grows, or of one that the kernel makes up; such a one may also have
        # nothing to say yet, and then None is read.
        raw: bytes | None = file.read(most_bytes + 1) if size <= most_bytes else None
    if raw is None or len(raw) > most_bytes:
        raise BundleError(f"{name or path.name} is larger than {size_text(most_bytes)}")
    return raw


def sha256_of(path: Path, name: str = "") -> str:
    """The SHA-256 of a regular file, hexadecimal; as many bytes are read as it had when it was opened, and no more.

    Raises:
        BundleError: it is not a regular file, or grew or shrank meanwhile.
        OSError: it can't be read.
    """
    digest = hashlib.sha256()
    with open_regular(path, name) as file:
        for part in parts_of(file, name or path.name):
            digest.update(part)
    return digest.hexdigest()


def parts_of(file: BufferedReader, name: str) -> Iterator[bytes]:
    """What a regular file holds, part by part: as many bytes as it has now.

    Raises:
        BundleError: it has more or fewer by the end.
        OSError: it can't be read.
    """
    left = os.fstat(file.fileno()).st_size
    while left > 0 and (part := file.read(min(left, _CHUNK_BYTES))):
        left -= len(part)
        yield part
    if left or file.read(1) != b"":
        raise BundleError(f"{name} is of another size than when it was opened: something still writes to it")


@dataclass
class _Listing:
    """One walk through a folder."""

    top: Path
    links: bool
    files: list[str]
    entries: int = 0

    def walk(self, folder: Path, inside: tuple[tuple[int, int], ...]) -> None:
        if len(inside) > _MOST_DEPTH:
            raise BundleError(f"{self.relative(folder)} lies deeper than {_MOST_DEPTH} folders")
        with os.scandir(folder) as scanned:
            names = []
            for entry in scanned:  # not a list of them: a folder may hold more names than there is memory
                names.append(entry.name)
                self.entries += 1
                if self.entries > _MOST_ENTRIES:
                    raise BundleError(f"there are more than {_MOST_ENTRIES} files and folders in {self.top.name}")
        mounted = self.links and folder == self.top and (folder / _MOUNT).is_symlink()
        for name in sorted(names):
            if not (mounted and name.startswith(_MOUNTED_PREFIX)):
                self.visit(folder / name, inside)

    def visit(self, path: Path, inside: tuple[tuple[int, int], ...]) -> None:
        name = self.relative(path)
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            found = self.behind(path, name)
        if stat.S_ISDIR(found.st_mode):
            if (found.st_dev, found.st_ino) in inside:
                raise BundleError(f"{name} is a link to a folder that it is in")
            self.walk(path, (*inside, (found.st_dev, found.st_ino)))
            return
        require_regular(found, path, name)
        self.files.append(name)

    def behind(self, path: Path, name: str) -> os.stat_result:
        if not self.links:
            raise BundleError(f"{name} is a link, and none is copied: put what it stands for in its place")
        try:
            return path.stat()
        except FileNotFoundError as error:
            raise BundleError(f"{name} is a link to nothing") from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise BundleError(f"{name} is a link that leads to itself") from error
            raise

    def relative(self, path: Path) -> str:
        name = path.relative_to(self.top).as_posix()
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise BundleError(f"the name of a file is not UTF-8: {name!a}") from error
        return name


def list_files(folder: Path, *, links: bool = True) -> list[str]:
    """Relative paths of all regular files in a folder and the folders in it, sorted.

    A volume that Kubernetes mounts is links to what lies behind a link `..data`: each file counts once, by the name
    that is the author's.

    Args:
        folder: its own path may be a link.
        links: to files and folders are followed; False refuses them.

    Raises:
        BundleError: something in it is neither a regular file nor a folder, is a link that may not be followed or
            leads nowhere, or there are too many or too deep ones of them.
        OSError: a folder can't be read, or something in it is gone by now.
    """
    listing = _Listing(folder, links, [])
    found = folder.stat()
    listing.walk(folder, ((found.st_dev, found.st_ino),))
    return sorted(listing.files)


def size_text(count: int) -> str:
    """A number of bytes in words."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >> shift:
            return f"{count / (1 << shift):.4g} {unit}"
    return f"{count} bytes"
