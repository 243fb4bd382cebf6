"""Whether a log can be locked is told without making anything, and in the words in which locking it fails."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from other_user import USER, make_open

from bridge.config import ConfigError
from bridge.prediction_log.lock import lock_folder, require_lockable


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Logs and other things in a folder; one log is locked."""
    (tmp_path / "file").touch()
    for name in ("empty", "used", "locked", "linked", "special"):
        (tmp_path / name).mkdir()
    (tmp_path / "used" / ".lock").touch()
    (tmp_path / "linked" / ".lock").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "special" / ".lock")
    (tmp_path / "nothing").symlink_to(tmp_path / "nowhere")
    descriptor = os.open(tmp_path / "locked" / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield tmp_path
    os.close(descriptor)


CASES = {
    "empty": "",
    "used": "",
    "new": "",
    "new/in/new": "",
    "file": "File exists",
    "file/log": "Not a directory",
    "nothing": "File exists",
    "locked": "another gateway writes to the log",
    "linked": "Too many levels of symbolic links",
    "special": ".lock in it is not a regular file",
}


@pytest.mark.parametrize("name", CASES)
def test_it_says_what_locking_says_and_makes_nothing(folder: Path, name: str) -> None:
    before = sorted(folder.rglob("*"))
    told = locked = ""
    try:
        require_lockable(folder / name)
    except ConfigError as error:
        told = str(error)
    assert sorted(folder.rglob("*")) == before
    try:
        os.close(lock_folder(folder / name))
    except ConfigError as error:
        locked = str(error)
    assert told == locked
    assert CASES[name] in told
    assert bool(told) == bool(CASES[name])


def test_what_is_locked_cannot_be_locked_again_and_can_after_that(tmp_path: Path) -> None:
    descriptor = lock_folder(tmp_path / "log")
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700
    for refuse in (require_lockable, lock_folder):
        with pytest.raises(ConfigError, match=r"another gateway writes to the log .*/log: set another log_dir"):
            refuse(tmp_path / "log")
    os.close(descriptor)
    require_lockable(tmp_path / "log")
    os.close(lock_folder(tmp_path / "log"))


def test_a_try_lets_go_of_the_lock(tmp_path: Path) -> None:
    os.close(lock_folder(tmp_path))
    require_lockable(tmp_path)
    require_lockable(tmp_path)
    os.close(lock_folder(tmp_path))


@pytest.mark.parametrize("name", ["closed", "closed/log"])
def test_a_folder_of_another_user_is_one_that_can_not_be_written_to(tmp_path: Path, name: str) -> None:
    """For root every folder can be written to, so another user asks, in a process of its own."""
    make_open(tmp_path)
    (tmp_path / "closed").mkdir(mode=0o755)
    code = "import os, pwd, sys\nfrom bridge.prediction_log import lock\nfrom pathlib import Path\n"
    code += f"os.getuid() or os.setuid(pwd.getpwnam({USER!r}).pw_uid)\n"
    code += "for ask in (lock.require_lockable, lock.lock_folder):\n"
    code += "    try: ask(Path(sys.argv[1]))\n    except lock.ConfigError as error: print(error)\n"
    if os.geteuid() != 0:
        (tmp_path / "closed").chmod(0o555)
    asked = [sys.executable, "-c", code, str(tmp_path / name)]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    sentence = f"the log {tmp_path / name} can't be written to: Permission denied"
    assert done.stdout.splitlines() == [sentence, sentence]
