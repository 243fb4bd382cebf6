"""File systems of a small size, which get full."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["SmallDisk", "can_mount", "mounted"]

_SIZE = 1 << 20
_BLOCK = 4096


class SmallDisk:
    """A mounted file system of 1 MiB.

    Attributes:
        path: where it is mounted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, left: int) -> None:
        """Leaves this many bytes free, a multiple of 4,096; may be called again."""
        (self.path / "filler").unlink(missing_ok=True)
        with (self.path / "filler").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(_BLOCK))
            except OSError:
                file.truncate(file.tell() - left)

    def empty(self) -> None:
        """Gives the room back."""
        (self.path / "filler").unlink()

    def protect(self, *, writable: bool = False) -> None:
        """Makes it one that can only be read, or writable again."""
        _mount("-o", f"remount,{'rw' if writable else 'ro'}", str(self.path))


@contextmanager
def mounted(path: Path) -> Iterator[SmallDisk]:
    """Gives a small file system, which is there as long as the context."""
    path.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={_SIZE},mode=700", "tmpfs", str(path))
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", str(path)], check=True, capture_output=True)


def can_mount(path: Path) -> bool:
    """Whether this process may mount file systems."""
    try:
        with mounted(path):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        path.rmdir()


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
