"""Load from outside Python: h2load (Debian's nghttp2-client) sends one gRPC message again and again."""

import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from google.protobuf.message import Message

SCORE = "/scorebridge.v1.ScoringService/Score"
SERVER_CORE, LOAD_CORE = "0", "1"
SCOREBRIDGE = Path(sys.executable).with_name("scorebridge")

__all__ = ["SCORE", "calls_per_second", "command", "pinned_gateway", "require_tools"]


def require_tools() -> None:
    """Says what is missing and ends."""
    for tool, package in (("h2load", "nghttp2-client"), ("taskset", "util-linux")):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not installed: apt-get install -y {package}")


def calls_per_second(address: str, path: str, message: Message, in_flight: int, seconds: int) -> float:
    """How many calls a second are answered, over one connection, with so many in flight.

    Raises:
        RuntimeError: a call was not answered.
    """
    raw = message.SerializeToString()
    with tempfile.NamedTemporaryFile() as body:
        body.write(struct.pack(">BI", 0, len(raw)) + raw)
        body.flush()
        done = subprocess.run(
            command(f"http://{address}{path}", body.name, in_flight, seconds),
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"finished in [\d.]+\w+, ([\d.]+) req/s", done.stdout)
    counts = re.search(r"requests: .* (\d+) failed, (\d+) errored, (\d+) timeout", done.stdout)
    if found is None or counts is None or any(int(count) for count in counts.groups()):
        raise RuntimeError(done.stdout)
    return float(found.group(1))


def command(url: str, body: str, in_flight: int, seconds: int) -> list[str]:
    """The command line of one measurement, after a second of warming up."""
    headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    timing = [f"-D{seconds}", "--warm-up-time=1"]
    return ["taskset", "-c", LOAD_CORE, "h2load", "-c1", f"-m{in_flight}", *timing, "-d", body, *headers, url]


@contextmanager
def pinned_gateway(repository: Path, *options: str) -> Iterator[str]:
    """A gateway on one core; its address."""
    command = [str(SCOREBRIDGE), "serve", "--repository", str(repository), "--grpc-port", "0", "--http-port", "0"]
    with subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, *command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            ready = next(line for line in process.stdout or () if line.startswith("ready "))
            yield ready.split()[1].removeprefix("grpc=")
        finally:
            process.terminate()
