"""Load from outside Python: h2load (Debian's nghttp2-client) sends one gRPC message again and again.

The server has one core and the load the other, so that neither takes from the other what is measured.
"""

import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SCORE = "/scorebridge.v1.ScoringService/Score"
SERVER_CORE, LOAD_CORE = "0", "1"
SCOREBRIDGE = Path(sys.executable).with_name("scorebridge")

__all__ = [
    "LOAD_CORE",
    "SCORE",
    "SCOREBRIDGE",
    "SERVER_CORE",
    "calls_per_second",
    "pinned_gateway",
    "require_tools",
    "server",
]


def require_tools() -> None:
    """Says what is missing and ends."""
    for tool, package in (("h2load", "nghttp2-client"), ("taskset", "util-linux")):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not installed: apt-get install -y {package}")


def calls_per_second(address: str, path: str, message: bytes, in_flight: int, seconds: float) -> float:
    """How many calls a second are answered, over one connection, with so many in flight.

    Raises:
        RuntimeError: a call was not answered.
    """
    with tempfile.NamedTemporaryFile() as body:
        body.write(struct.pack(">BI", 0, len(message)) + message)
        body.flush()
        done = subprocess.run(
            _command(f"http://{address}{path}", body.name, in_flight, seconds),
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"finished in [\d.]+\w+, ([\d.]+) req/s", done.stdout)
    counts = re.search(r"requests: .* (\d+) failed, (\d+) errored, (\d+) timeout", done.stdout)
    if found is None or counts is None or any(int(count) for count in counts.groups()):
        raise RuntimeError(done.stdout)
    return float(found.group(1))


def _command(url: str, body: str, in_flight: int, seconds: float) -> list[str]:
    headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    timing = [f"-D{round(1000 * seconds)}ms", "--warm-up-time=200ms"]
    return ["taskset", "-c", LOAD_CORE, "h2load", "-c1", f"-m{in_flight}", *timing, "-d", body, *headers, url]


@contextmanager
def server(command: Sequence[object], cores: str = SERVER_CORE, **environment: str) -> Iterator[tuple[str, int]]:
    """A process that prints `ready …` with its address; the address and the process' number."""
    with subprocess.Popen(
        ["taskset", "-c", cores, *(str(part) for part in command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | environment,
    ) as process:
        try:
            ready = next((line for line in process.stdout or () if line.startswith("ready ")), None)
            if ready is None:
                raise RuntimeError(f"{command[0]} ended before it was ready")
            yield ready.split()[1].removeprefix("grpc="), process.pid
        finally:
            process.terminate()


@contextmanager
def pinned_gateway(repository: Path, *options: str, cores: str = SERVER_CORE) -> Iterator[tuple[str, int]]:
    """A gateway on one core; its address and the number of its process."""
    ports = ["--grpc-port", "0", "--http-port", "0"]
    with server([SCOREBRIDGE, "serve", "--repository", repository, *ports, *options], cores) as started:
        yield started
