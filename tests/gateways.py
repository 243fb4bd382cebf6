"""Gateways in processes of their own."""

import resource
import signal
import subprocess
from pathlib import Path
from typing import IO, Protocol, Self

import psutil
from fixtures import SCOREBRIDGE

__all__ = ["Addressed", "GatewayProcess"]


class Addressed(Protocol):
    """A gateway in this process or another, as its callers know it."""

    @property
    def grpc_address(self) -> str:
        """Where it answers gRPC calls, HOST:PORT."""

    @property
    def http_address(self) -> str:
        """Where it answers HTTP requests, HOST:PORT."""


class GatewayProcess:
    """A gateway in a process of its own; what it says on standard error is dropped unless there is a file for it.

    As a context manager, it is ended in the end, and must end well.

    Attributes:
        url, http_url: of its two ports.
        told: what it printed before its ready line.
    """

    def __init__(
        self,
        repository: Path,
        config: Path | None = None,
        *,
        told: int = 0,
        stderr: IO[str] | None = None,
        port: int = 0,
    ) -> None:
        command = [SCOREBRIDGE, "serve", "--repository", repository, "--grpc-port", str(port), "--http-port", "0"]
        command += ["--config", config] if config else []
        self.popen = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if stderr is None else stderr,
            text=True,
        )
        assert self.popen.stdout is not None
        self.told = [self.popen.stdout.readline().rstrip("\n") for _ in range(told)]
        line = self.popen.stdout.readline()
        assert line.startswith("ready "), line
        self.url = line.split()[1].removeprefix("grpc=")
        self.http_url = line.split()[2].removeprefix("http=")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.end(signal.SIGTERM) == 0

    @property
    def grpc_address(self) -> str:
        """The first of its two ports."""
        return self.url

    @property
    def http_address(self) -> str:
        """The second."""
        return self.http_url

    def family(self) -> set[int]:
        """Everything it started."""
        return {child.pid for child in psutil.Process(self.popen.pid).children(recursive=True)}

    def limit_files(self, most: int) -> int:
        """Lets it have so many file descriptors; what it might have before."""
        soft, hard = resource.prlimit(self.popen.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.popen.pid, resource.RLIMIT_NOFILE, (most, hard))
        return soft

    def end(self, number: int) -> int:
        """Sends it a signal and waits; its exit code."""
        self.popen.send_signal(number)
        return self.close()

    def close(self) -> int:
        """Waits for its end; its exit code."""
        code = self.popen.wait(30)
        if self.popen.stdout is not None:
            self.popen.stdout.close()
        return code
