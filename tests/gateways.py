"""Gateways in processes of their own."""

import os
import resource
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil
import pytest
from fixtures import SCOREBRIDGE, Cancer, put

__all__ = ["BOTH_FRONTS", "GatewayProcess", "cancer_gateway", "shared"]


class GatewayProcess:
    """A gateway in a process of its own; what it says on standard error is dropped unless there is a file for it.

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
        environment: Mapping[str, str] | None = None,
    ) -> None:
        command = [SCOREBRIDGE, "serve", "--repository", repository, "--grpc-port", str(port), "--http-port", "0"]
        command += ["--config", config] if config else []
        self.popen = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if stderr is None else stderr,
            text=True,
            env=os.environ | (environment or {}),
        )
        assert self.popen.stdout is not None
        self.told = [self.popen.stdout.readline().rstrip("\n") for _ in range(told)]
        line = self.popen.stdout.readline()
        assert line.startswith("ready "), line
        self.url = line.split()[1].removeprefix("grpc=")
        self.http_url = line.split()[2].removeprefix("http=")

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


@contextmanager
def shared(repository: Path, folder: Path, front: str = "grpc", **settings: Path | float) -> Iterator[GatewayProcess]:
    """A gateway for several tests that change nothing of it. It is held to what one in a test's own process is.

    Its warnings are errors, it complains of nothing that was not foreseen, and it ends well.

    Args:
        repository: what it serves.
        folder: where its configuration and its log are put.
        front: which speaks gRPC.
        settings: other than the defaults.
    """
    config, log = folder / "gateway.toml", folder / "stderr"
    given = {name: repr(value if isinstance(value, float) else str(value)) for name, value in settings.items()}
    config.write_text(f"front = '{front}'\n" + "".join(f"{name} = {value}\n" for name, value in given.items()))
    with log.open("w") as stderr:
        gateway = GatewayProcess(repository, config, stderr=stderr, environment={"PYTHONWARNINGS": "error"})
    try:
        yield gateway
    finally:
        code = gateway.end(signal.SIGTERM)
    assert code == 0
    said = log.read_text()
    assert "Traceback" not in said
    assert " bug=" not in said


@pytest.fixture(scope="module")
def cancer_gateway(
    request: pytest.FixtureRequest, cancer: Cancer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """Serves the model `cancer` to the tests of a module: its start takes some seconds. Its parameter is the front."""
    folder = tmp_path_factory.mktemp("cancer-gateway")
    (folder / "repository").mkdir()
    put(cancer.folder, folder / "repository", "cancer")
    with shared(folder / "repository", folder, getattr(request, "param", "grpc")) as gateway:
        yield gateway


BOTH_FRONTS = pytest.mark.parametrize("cancer_gateway", ["native", "grpc"], indirect=True)
