"""A Linux machine that is thrown away: this one's files under a layer, processes, network and systemd of its own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from waiting import eventually_now

__all__ = ["Machine", "can_boot", "machine"]

_CGROUPS = Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")
# What is below the folder is the machine's alone: nothing that is written, mounted or switched there is seen outside.
# systemd gets no right to set the clock, and no way to the kernel's settings.
_BOOT = r"""
set -eu
cgroup=$1
mount --make-rprivate /
mount -t tmpfs -o size=4g tmpfs "$2"
cd "$2"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$2/upper,workdir=$2/work" root
cd root
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do touch dev/$node; mount --bind /dev/$node dev/$node; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t sysfs -o ro sysfs sys
mount --bind "$cgroup" sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mkdir run/lock
mount -t tmpfs -o mode=1777 tmpfs tmp
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
ip link set lo up
for target in sysinit basic network-online; do
  printf '[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\n' > etc/systemd/system/$target.target
done
printf '[Unit]\n' > etc/systemd/system/multi-user.target
rm -rf etc/systemd/system/*.wants lib/systemd/system/*.target.wants
mkdir old
pivot_root . old
umount -l old
mount --make-rshared /
exec env -i container=scorebridge PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  setpriv --bounding-set -sys_time,-sys_module,-sys_boot \
  chroot . /lib/systemd/systemd --system --unit=multi-user.target --log-target=null --show-status=0
"""
_ENTER = """
echo $$ > "$1/cgroup.procs"
exec unshare --pid --fork --kill-child --mount --uts --ipc --net --cgroup sh -c "$3" sh "$@"
"""


# As the machine does, with as little as shows whether the kernel lets it.
_TRIAL = "mount -t tmpfs tmpfs $0 && cd $0 && mkdir u w r && mount -t overlay -o lowerdir=/,upperdir=u,workdir=w o r"


class Machine:
    """One that has booted; its network has nothing but loopback, so that its ports are its own.

    Args:
        first: its first process, as this machine numbers it.
    """

    def __init__(self, first: int) -> None:
        self._first = first

    def path(self, inside: str) -> Path:
        """Where this machine sees a file of that one; links in it must be relative."""
        return Path(f"/proc/{self._first}/root/{inside.lstrip('/')}")

    def start(self, text: str, **variables: str) -> subprocess.Popen[str]:
        """Starts commands of root's shell there."""
        entered = [
            "nsenter",
            "--target",
            str(self._first),
            "--mount",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--cgroup",
            "--root",
            "--wd",
        ]
        surely = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
        }
        return subprocess.Popen(
            [*entered, "bash", "-euo", "pipefail", "-c", text],
            env=surely | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, text: str, code: int = 0, **variables: str) -> str:
        """Runs commands of root's shell there to their end; what they printed."""
        running = self.start(text, **variables)
        printed, _ = running.communicate()
        assert running.returncode == code, f"{text}\n{printed}"
        return printed


def can_boot(folder: Path) -> bool:
    """Whether the kernel lets such a machine be: by mounts, process numbers and cgroups of its own.

    A container with few rights does not. What can be installed is not asked for here.

    Args:
        folder: an empty folder, where it is tried.
    """
    if not any((path / "cgroup.procs").exists() and os.access(path, os.W_OK) for path in _CGROUPS):
        return False
    command = ["unshare", "--mount", "--pid", "--fork", "--net", "--cgroup", "sh", "-c", _TRIAL, str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """A machine that lives as long as the context, and whose files are in memory; root's alone."""
    unified = next(path for path in _CGROUPS if (path / "cgroup.procs").exists())
    cgroup = unified / f"scorebridge-{os.getpid()}-{folder.name}"
    cgroup.mkdir()
    command = ["sh", "-c", _ENTER, "sh", str(cgroup), str(folder), _BOOT]
    with (folder.parent / "boot").open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as unshare:
        try:
            eventually_now(lambda: unshare.poll() is not None or _first(unshare.pid))
            first = _first(unshare.pid)
            assert first, Path(said.name).read_text()
            yield _booted(first)
        finally:
            for process in _children(unshare.pid):
                process.kill()
            unshare.kill()
            unshare.wait()
            eventually_now(lambda: _remove(cgroup))


def _children(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children()
    return []


def _first(unshare: int) -> int | None:
    """The machine's first process, once there is one."""
    return next((child.pid for child in _children(unshare)), None)


def _booted(first: int) -> Machine:
    """The machine as soon as its systemd has started all that it was told to."""
    found = Machine(first)

    def runs() -> bool:
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(first).name() == "systemd":
                return "running" in found.start("systemctl is-system-running || true").communicate()[0]
        return False

    eventually_now(runs, timeout_s=60)
    return found


def _remove(cgroup: Path) -> bool:
    """Removes control groups, which the kernel lets go of when their last process has gone."""
    for folder, _, _ in os.walk(cgroup, topdown=False):
        with suppress(OSError):
            Path(folder).rmdir()
    return not cgroup.exists()
