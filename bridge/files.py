"""Reads files that strangers may have put there: opens only regular files, and reads each up to a limit."""

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
    """Opens a regular file for reading, also through links; never waits for the other end of a FIFO.

    Args:
        path: the path of the file.
        name: how messages name the file; empty for the last part of the path.
        refusal: the class of the error that is raised if this is not a regular file.

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
    """Raises `refusal` or IsADirectoryError if a path, of which `found` is the stat, is not a regular file.

    The arguments are those of `open_regular`.
    """
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if kind != stat.S_IFREG:
        raise refusal(f"{name or path.name} is not a regular file, but {_KINDS.get(kind, 'something else')}")


def read_regular(path: Path, most_bytes: int, name: str = "") -> bytes:
    """Reads a whole regular file of limited size.

    Args:
        path: the path of the file.
        most_bytes: the most bytes that the file may have.
        name: how messages name the file; empty for the last part of the path.

    Raises:
        BundleError: it is not a regular file, or has more than `most_bytes`.
        OSError: it can't be read.
    """
    with open_regular(path, name) as file:
        size = os.fstat(file.fileno()).st_size
        # A file that grows, or one that the kernel generates, may hold more than its size says, hence one byte more.
        # Such a generated file may also have no bytes ready yet: then read() gives None.
        raw: bytes | None = file.read(most_bytes + 1) if size <= most_bytes else None
    if raw is None or len(raw) > most_bytes:
        raise BundleError(f"{name or path.name} is larger than {size_text(most_bytes)}")
    return raw


def sha256_of(path: Path, name: str = "") -> str:
    """Returns the SHA-256 of a regular file in hexadecimal; reads no more bytes than it had when it was opened.

    Raises:
        BundleError: it is not a regular file, or its size changed while it was read.
        OSError: it can't be read.
    """
    digest = hashlib.sha256()
    with open_regular(path, name) as file:
        for part in parts_of(file, name or path.name):
            digest.update(part)
    return digest.hexdigest()


def parts_of(file: BufferedReader, name: str) -> Iterator[bytes]:
    """Yields the bytes of an open regular file in parts of at most 1 MiB, up to the size that it has now.

    Raises:
        BundleError: its size changed while it was read.
        OSError: it can't be read.
    """
    left = os.fstat(file.fileno()).st_size
    while left > 0 and (part := file.read(min(left, _CHUNK_BYTES))):
        left -= len(part)
        yield part
    if left or file.read(1) != b"":
        raise BundleError(f"{name} changed its size while it was read: another process still writes to it")


@dataclass
class _Listing:
    """One walk through a folder; `files` collects the relative paths of its regular files."""

    top: Path
    links: bool
    files: list[str]
    entries: int = 0

    def walk(self, folder: Path, inside: tuple[tuple[int, int], ...]) -> None:
        if len(inside) > _MOST_DEPTH:
            raise BundleError(f"{self.relative(folder)} is nested deeper than {_MOST_DEPTH} folders")
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
                raise BundleError(f"{name} is a link to a folder that contains it")
            self.walk(path, (*inside, (found.st_dev, found.st_ino)))
            return
        require_regular(found, path, name)
        self.files.append(name)

    def behind(self, path: Path, name: str) -> os.stat_result:
        if not self.links:
            raise BundleError(f"{name} is a link, and links are not copied: put what it leads to in its place")
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
    """Returns the relative paths of all regular files in a folder and its subfolders, sorted.

    In a volume that Kubernetes mounts, files are links to files behind a link `..data`: each file is listed once, under
    the name that its author gave it.

    Args:
        folder: the folder; its own path may be a link.
        links: whether links to files and folders are followed; else the first one raises.

    Raises:
        BundleError: the folder holds something that is neither a regular file nor a folder, a link that may not be
            followed or leads nowhere, too many files and folders, or folders that are nested too deep.
        OSError: a folder can't be read, or a file was removed meanwhile.
    """
    listing = _Listing(folder, links, [])
    found = folder.stat()
    listing.walk(folder, ((found.st_dev, found.st_ino),))
    return sorted(listing.files)


def size_text(count: int) -> str:
    """Returns a number of bytes as text for people, such as "1.5 MiB"."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >> shift:
            return f"{count / (1 << shift):.4g} {unit}"
    return f"{count} bytes"
