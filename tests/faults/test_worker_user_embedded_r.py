"""Embedded R runs as `worker_user`, as Rserve does: with that user's rights alone, and with the same scores."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fixtures import make_r_bundle
from other_user import USER

from bridge.backends.embedded_r.backend import EmbeddedRBackend
from bridge.bundles.bundle import read_bundle
from bridge.errors import BundleError
from bridge.workers.user import WorkerUser

SPY = """
Pred.R <- function(x) {
  readable <- !inherits(try(readLines(secret), silent = TRUE), "try-error")
  writable <- suppressWarnings(file.create(file.path(dirname(secret), "written")))
  data.frame(score = x * k, readable = readable, written = writable, own = file.create(tempfile()))
}
"""
SETTINGS = 'workers = 2\n[features]\nx = "double"\n'

# Scores two rows as the user that is named, and tells the scores and whose the processes are.
SCORING = """
import asyncio, json, os, sys
from pathlib import Path
import numpy as np
from bridge.backends.embedded_r.backend import EmbeddedRBackend
from bridge.bundles.bundle import read_bundle
from bridge.calls import Call, ModelRef, now
from bridge.columns import Column, Table, Type
from bridge.workers.user import WorkerUser

async def told():
    user = WorkerUser.named(sys.argv[2]) if sys.argv[2:] else None
    backend = await EmbeddedRBackend.open(read_bundle(Path(sys.argv[1])), user)
    try:
        batch = backend.bind(Table((Column("x", Type.DOUBLE, np.array([1.5, 2.5])),), 2))
        outcome = await backend.score(Call("test", ModelRef("m", 1, ""), batch, now()))
        owners = [os.stat(f"/proc/{pid}").st_uid for pid in backend.pool.snapshot().pids]
    finally:
        await backend.close()
    columns = {column.name.removeprefix("score."): column.values.tolist() for column in outcome.ranges[0].scores}
    return {"owners": owners, **columns}

print(json.dumps(asyncio.run(told())))
"""

# In this namespace alone, all users may enter the folder that only root can enter, and find its entry $2 there.
OPENED = """
set -e
kept=$(mktemp -d)
mount --bind "$1" "$kept"
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/$2"
mount --bind "$kept/$2" "$1/$2"
umount "$kept"
rmdir "$kept"
shift 2
exec "$@"
"""
pytestmark = pytest.mark.usefixtures("open_folders")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle whose R code tries what the gateway's user can do."""
    secret = tmp_path / "secret"
    secret.write_text("of the gateway")
    secret.chmod(0o600)
    return make_r_bundle(tmp_path / "m" / "1", SPY, f'secret <- "{secret}"; k <- 2', SETTINGS)


def told(bundle: Path, *user: str) -> dict[str, Any]:
    """What a process says that may run Python as any user."""
    command = [sys.executable, "-c", SCORING, str(bundle), *user]
    if closed := closed_folder():
        command = ["unshare", "--mount", "sh", "-c", OPENED, "sh", *closed, *command]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=paths, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def closed_folder() -> tuple[str, str] | None:
    """The first folder on the way to Python that other users can't enter, and its entry on that way; None if none."""
    python = Path(sys.executable).resolve()
    for folder in reversed(python.parents):
        if not folder.stat().st_mode & 0o001:
            return str(folder), python.relative_to(folder).parts[0]
    return None


def test_embedded_r_has_the_rights_of_the_user_alone_and_its_scores_come(bundle: Path) -> None:
    uid = WorkerUser.named(USER).uid
    for user, owner, reached in (((USER,), uid, False), ((), 0, True)):
        assert told(bundle, *user) == {
            "owners": [owner] * 2,
            "score": [3.0, 5.0],
            "readable": [reached] * 2,
            "written": [reached] * 2,
            "own": [True] * 2,
        }


async def test_a_user_who_can_not_run_python_is_named(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(0o700)
    (closed / "python").symlink_to(sys.executable)
    monkeypatch.setattr("sys.executable", str(closed / "python"))
    said = f"worker_user '{USER}' can't run {closed}/python, in which R is embedded: install it where that user can"
    with pytest.raises(BundleError, match=said):
        await EmbeddedRBackend.open(read_bundle(bundle), WorkerUser.named(USER))
