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
    "call_times_s",
    "calls_per_second",
    "pinned_gateway",
    "posts_per_second",
    "ready_server",
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
    timing = [f"-D{round(1000 * seconds)}ms", "--warm-up-time=200ms"]
    printed = _h2load(f"http://{address}{path}", message, "-c1", f"-m{in_flight}", *timing)
    found = re.search(r"finished in [\d.]+\w+, ([\d.]+) req/s", printed)
    if found is None or float(found.group(1)) == 0:  # calls that hang are neither failed nor done
        raise RuntimeError(printed)
    return float(found.group(1))


def call_times_s(
    address: str, path: str, message: bytes, calls: int, timeout_s: float, *options: str
) -> list[tuple[float, float]]:
    """Makes so many calls with that deadline; when each began and how long it took, seconds, by the caller's clock.

    Raises:
        RuntimeError: a call was not answered.
    """
    deadline = ["-H", f"grpc-timeout: {round(timeout_s * 1e6)}u"]
    with tempfile.NamedTemporaryFile("r") as log:
        _h2load(f"http://{address}{path}", message, f"-n{calls}", f"--log-file={log.name}", *deadline, *options)
        parts = [line.split("\t") for line in log]
        return [(int(began) / 1e6, int(took) / 1e6) for began, _, took in parts]


def _h2load(url: str, message: bytes, *options: str) -> str:
    headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    return _h2load_body(url, struct.pack(">BI", 0, len(message)) + message, *options, *headers)


def _h2load_body(url: str, content: bytes, *options: str) -> str:
    with tempfile.NamedTemporaryFile() as body:
        body.write(content)
        body.flush()
        command = ["taskset", "-c", LOAD_CORE, "h2load", *options, "-d", body.name, url]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    counts = re.search(r"requests: .* (\d+) failed, (\d+) errored, (\d+) timeout", printed)
    if counts is None or any(int(count) for count in counts.groups()):
        raise RuntimeError(printed)
    return printed


def posts_per_second(
    address: str, path: str, body: bytes, *, in_flight: int, seconds: float, headers: Sequence[str] = ()
) -> float:
    """How many HTTP/1.1 posts a second are answered with 200, over as many connections as are in flight.

    Raises:
        RuntimeError: a post was not answered, or with another status.
    """
    given = [part for header in headers or ["content-type: application/json"] for part in ("-H", header)]
    timing = [f"-D{round(1000 * seconds)}ms", "--warm-up-time=200ms", f"-c{in_flight}", "-m1", "--h1"]
    printed = _h2load_body(f"http://{address}{path}", body, *timing, *given)
    found = re.search(r"finished in [\d.]+\w+, ([\d.]+) req/s", printed)
    others = re.search(r"status codes: \d+ 2xx, 0 3xx, 0 4xx, 0 5xx", printed)
    if found is None or others is None or float(found.group(1)) == 0:
        raise RuntimeError(printed)
    return float(found.group(1))


@contextmanager
def server(command: Sequence[object], cores: str = SERVER_CORE, **environment: str) -> Iterator[tuple[str, int]]:
    """A process that prints `ready …` with its address; the address and the process' number."""
    with ready_server(command, cores, **environment) as (line, pid):
        yield line.split()[1].removeprefix("grpc="), pid


@contextmanager
def ready_server(command: Sequence[object], cores: str = SERVER_CORE, **environment: str) -> Iterator[tuple[str, int]]:
    """A process that prints `ready …`; that line and the process' number."""
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
            yield ready, process.pid
        finally:
            process.terminate()


@contextmanager
def pinned_gateway(repository: Path, *options: str, cores: str = SERVER_CORE) -> Iterator[tuple[str, int]]:
    """A gateway on one core; its address and the number of its process."""
    ports = ["--grpc-port", "0", "--http-port", "0", "--front", "native"]  # the fast one, which is taken only if named
    with server([SCOREBRIDGE, "serve", "--repository", repository, *ports, *options], cores) as started:
        yield started
