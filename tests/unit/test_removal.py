"""Folders that others have filled are removed: however deep and wide, whatever is in them, and nothing outside."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.removal import remove_tree


def deep(folder: Path) -> None:
    """More levels than Python has calls and a process has file descriptors."""
    at = os.open(folder, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)


def wide(folder: Path) -> None:
    for number in range(300):
        (folder / f"{number % 20}" / f"{number}").mkdir(parents=True)
        (folder / f"{number % 20}" / f"{number}" / "file").touch()


def odd(folder: Path) -> None:
    """Things that are neither files nor folders, and names that are no text."""
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "socket"))
    (folder / os.fsdecode(b"\xff\xfe") / "d").mkdir(parents=True)


def linked(folder: Path) -> None:
    """Links to what must stay, to themselves and to nothing, at every level."""
    (folder / "a").mkdir()
    for at in (folder, folder / "a"):
        (at / "outside").symlink_to(folder.parent / "kept")
        (at / "above").symlink_to("..")
        (at / "itself").symlink_to("itself")
        (at / "nothing").symlink_to("nowhere")


def read_only(folder: Path) -> None:
    (folder / "file").touch(0o400)
    (folder / "a").mkdir()
    (folder / "a" / "file").touch(0o000)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("fill", [deep, wide, odd, linked, read_only])
def test_a_folder_is_removed_with_all_that_is_in_it_and_nothing_else(
    tmp_path: Path, fill: Callable[[Path], None]
) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "folder").mkdir()
    fill(tmp_path / "folder")
    before = open_files()
    remove_tree(tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "kept"]
    assert open_files() == before


@pytest.mark.parametrize("what", ["nothing", "a file", "a link"])
def test_what_is_no_folder_is_let_alone(tmp_path: Path, what: str) -> None:
    (tmp_path / "kept").mkdir()
    path = tmp_path / "path"
    if what == "a file":
        path.touch()
    elif what == "a link":
        path.symlink_to(tmp_path / "kept")
    before = sorted(tmp_path.iterdir())
    remove_tree(path)
    assert sorted(tmp_path.iterdir()) == before
