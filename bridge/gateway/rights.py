"""What the user of workers may reach: tried once, as that user, before the gateway takes calls."""

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bridge.config import ConfigError, GatewaySettings
from bridge.pythons import runner_folder
from bridge.r_facts import rscripts
from bridge.workers.user import WorkerUser

__all__ = ["AS_ROOT", "require_rights", "worker_user_of"]

AS_ROOT = "R and Python code of bundles runs as root, with all rights of the gateway: set worker_user"

_LIMIT_S = 30.0
_CAPABILITIES = "CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_SYS_PTRACE, CAP_CHOWN, CAP_DAC_OVERRIDE"
# Says that it is there and waits for a line. Then it prints y or n for each pair of a test and a path, and makes a file
# that only the user may read.
_TRY = """
printf .
read _
while [ $# -gt 0 ]; do if [ "$1" "$2" ]; then printf y; else printf n; fi; shift 2; done
umask 077
: > "$TMPDIR/made"
"""


class _Rule(NamedTuple):
    """A test of the shell that must come out in one way, and the sentence that says so where it does not."""

    test: str
    path: Path
    holds: bool
    sentence: str


def worker_user_of(settings: GatewaySettings) -> WorkerUser | None:
    """Returns the user that workers run as by the settings; None for the gateway's own.

    Raises:
        ConfigError: there is no such user, it is root, or the gateway was not started as root.
    """
    return None if settings.worker_user is None else WorkerUser.named(settings.worker_user)


def require_rights(settings: GatewaySettings, user: WorkerUser) -> None:
    """Tries, as the user of workers, what it may read and write; blocks, so call it in a thread.

    Raises:
        ConfigError: the user can read the TLS key or the log, can change the repository or another file that the
            gateway trusts, or can't read what it needs; or the gateway lacks a right of root that it needs.
    """
    from bridge.private_folders import lend, private_folder, temporary_files  # noqa: PLC0415 - it loads psutil

    rules = [*_closed(settings), *_open(settings)]
    try:
        with private_folder("rights") as folder:
            temporary = temporary_files(folder)
            lend(folder, (temporary,), user.uid, user.gid)
            try:
                _require(rules, _try(rules, user, temporary), user)
                (temporary / "made").unlink()
            finally:
                os.chown(temporary, os.geteuid(), os.getegid())  # else it could not be removed without all rights
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"the gateway can't run programs as worker_user '{user.name}': it must become that user, signal and look "
            f"at its processes, give it files and remove its files ({_CAPABILITIES}), and one of these failed: {error}"
        ) from error


def _require(rules: Sequence[_Rule], found: Sequence[bool], user: WorkerUser) -> None:
    for rule, holds in zip(rules, found, strict=True):
        if holds is not rule.holds:
            raise ConfigError(f"worker_user '{user.name}' {rule.sentence}")


def _closed(settings: GatewaySettings) -> Iterator[_Rule]:
    """Yields the rules for what the user must not reach."""
    if settings.tls_key is not None:
        key = settings.tls_key
        yield _Rule("-r", key, False, f"can read tls_key {key}: make it the gateway's alone, by chmod 600")
    if settings.log_dir is not None:
        log = settings.log_dir
        yield _Rule("-r", log, False, f"can read log_dir {log}: make it the gateway's alone, by chmod 700")
    for store_name, store in settings.stores.items():
        for kind, secret in (("password_file", store.password_file), ("tls_key", store.tls_key)):
            if secret is not None:
                said = f"can read stores.{store_name}.{kind} {secret}: make it the gateway's alone, by chmod 600"
                yield _Rule("-r", secret, False, said)
    for name in ("repository", "log_dir", "tls_key", "tls_certificate", "tls_client_ca", "callers", "cache_dir"):
        path: Path | None = getattr(settings, name)
        if path is None:
            continue
        yield _Rule("-w", path, False, f"can write to {name} {path}: let only others than this user write to it")
        folder = path.absolute().parent
        if not _is_sticky(folder):
            yield _Rule("-w", folder, False, f"can replace {name} {path}: let it not write to the folder {folder}")


def _is_sticky(folder: Path) -> bool:
    """Whether only its owner can replace a file in a folder, as in the folder of temporary files."""
    try:
        return bool(folder.stat().st_mode & stat.S_ISVTX)
    except OSError:
        return False


def _open(settings: GatewaySettings) -> Iterator[_Rule]:
    """Yields the rules for what the user must reach. The gateway's own Python is tried by the models that run in it."""
    scripts = rscripts() / "serve.R"
    yield _Rule("-r", scripts, True, f"can't read the gateway's R code, {scripts}: install it where this user can")
    runner = runner_folder() / "start.py"
    yield _Rule("-r", runner, True, f"can't read the gateway's Python code, {runner}: install it where this user can")
    for name, python in settings.pythons.items():
        if os.access(python, os.F_OK):  # models wait for one that is gone
            yield _Rule("-x", python, True, f"can't run pythons.{name} {python}: install it where this user can")
    temporary = Path(tempfile.gettempdir())
    yield _Rule("-x", temporary, True, f"can't enter the folder of temporary files, {temporary}: set another TMPDIR")


def _try(rules: Sequence[_Rule], user: WorkerUser, temporary: Path) -> list[bool]:
    """Returns how the tests come out for the user, and makes sure that its processes can be signalled."""
    pairs = [text for rule in rules for text in (rule.test, str(rule.path.absolute()))]
    environment = user.environment() | {"TMPDIR": str(temporary)}
    command = user.command(["/bin/sh", "-c", _TRY, "sh", *pairs])
    with subprocess.Popen(  # noqa: S603 - the command is ours
        command, cwd="/", env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        try:
            if child.stdout is not None and child.stdout.read(1):
                os.kill(child.pid, 0)  # it is the user's now, and waits for a line
                Path(f"/proc/{child.pid}/cwd").readlink()
            printed, _ = child.communicate(b"\n", timeout=_LIMIT_S)
        except BaseException:
            child.kill()
            raise
    if len(printed) != len(rules):
        raise OSError(f"a shell ended with exit code {child.returncode} before it had tried everything")
    return [one == ord("y") for one in printed]
