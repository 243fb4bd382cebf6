"""What the next gateway removes: folders of its own user whose owner is gone, and nothing that others made."""

import json
import os
from pathlib import Path

import pytest

from bridge.private_folders import lend, make_folder, remove_folder, sweep, temporary_files

GONE = json.dumps({"pid": 1 << 22, "started": 0.0})  # above every process number that the kernel gives


def left(folder: Path, owner: str = GONE) -> Path:
    """A folder of a gateway that is gone, as it would have left it."""
    folder.mkdir()
    (folder / "owner").write_text(owner)
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_what_a_gateway_left_that_is_gone_is_removed_and_what_lives_stays(place: Path) -> None:
    gone, mine = left(place / "scorebridge-rserve-gone"), make_folder("test")
    sweep()
    assert (gone.exists(), mine.exists()) == (False, True)
    remove_folder(mine)


def test_what_another_user_made_is_not_even_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = left(place / "scorebridge-rserve-other")
    (folder / "owner").unlink()
    os.mkfifo(folder / "owner")  # whoever opened it would wait for ever
    whose = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: whose + 1)
    sweep()
    assert folder.exists()


def test_a_link_is_not_followed(place: Path) -> None:
    elsewhere = left(place / "elsewhere")
    (place / "scorebridge-rserve-link").symlink_to(elsewhere)
    sweep()
    assert elsewhere.exists()


@pytest.mark.parametrize("owner", ["", "{}", "[]", '{"pid": "x"}', "\0", '{"pid": -1, "started": 0}'])
def test_a_folder_whose_owner_can_t_be_known_stays(place: Path, owner: str) -> None:
    folder = left(place / "scorebridge-rserve-odd", owner)
    sweep()
    assert folder.exists()


def test_a_lent_part_is_all_that_others_can_change(place: Path) -> None:
    folder = make_folder("test")
    lend(folder, (temporary_files(folder),), os.geteuid(), os.getegid())
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, temporary_files(folder))}
    assert modes == {folder.name: 0o711, "tmp": 0o700}
    remove_folder(folder)
    assert list(place.iterdir()) == []
