"""What an attack does to a gateway and to the calls of others, seen from outside."""

import asyncio
import os
import re
import resource
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import grpc
import numpy as np
from scorebridge import AsyncScoringClient, ScoringError, Source
from scorebridge.v1 import scoring_pb2 as pb

__all__ = ["MEMORY_BYTES", "WAYS", "Gauge", "Gauged", "make_certificate"]

ROOT = Path(__file__).resolve().parents[2]
MEMORY_BYTES = 1 << 30
WAYS = {"grpc": ("grpc", False), "grpc with TLS": ("grpc", True), "native": ("native", False)}  # front, with TLS
_PAUSE_S = 0.01
_PATIENCE_S = 5.0
_ROWS = 1000
_HOLD = re.compile(r"longest hold of the event loop in the last minute: ([\d.]+) ms")


class Gauged(NamedTuple):
    """What was seen while an attack ran.

    Attributes:
        scored: calls of another caller that were answered by the model.
        others: all calls of that caller.
        slowest_s: of them.
        peak_bytes: of the gateway's memory at the worst moment.
        hold_ms: the longest hold of its event loop, as far as it says so; of a minute, so an attack before may be why.
        log_bytes: by which its log grew.
        alive: it serves afterwards.
    """

    scored: int
    others: int
    slowest_s: float
    peak_bytes: int
    hold_ms: float | None
    log_bytes: int
    alive: bool


@dataclass
class Gauge:
    """A gateway of its own process, under a limit of memory, that serves the model `cancer`.

    Attributes:
        names: the model's features.
        log: the folder of its log.
        certificate: it serves with TLS by this one; None without.
    """

    popen: subprocess.Popen[str]
    grpc_address: str
    http_address: str
    names: list[str]
    log: Path
    certificate: Path | None

    @classmethod
    @contextmanager
    def of(
        cls,
        repository: Path,
        names: list[str],
        folder: Path,
        front: str,
        certificate: Path | None = None,
        root: Path = ROOT,
    ) -> Iterator["Gauge"]:
        """Starts one of the code in `root`; ends it."""
        config = folder / "gateway.toml"
        config.write_text(f"front = '{front}'\nlog_dir = '{folder / 'log'}'\n" + _tls(certificate))
        command = [sys.executable, "-m", "bridge", "serve", "--repository", str(repository), "--config", str(config)]
        environment = os.environ | {"PYTHONPATH": f"{root}:{root / 'clients' / 'python'}"}
        with (folder / "stderr").open("w") as stderr:
            popen = subprocess.Popen(
                [*command, "--grpc-port", "0", "--http-port", "0"],
                cwd=root,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=environment,
            )
        resource.prlimit(popen.pid, resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
        assert popen.stdout is not None
        try:
            words = popen.stdout.readline().split()
            assert words[:1] == ["ready"], words
            grpc_address, http_address = (word.partition("=")[2] for word in words[1:3])
            yield cls(popen, grpc_address, http_address, names, folder / "log", certificate)
        finally:
            popen.stdout.close()
            popen.terminate()
            popen.wait(30)

    def attack(self, name: str, seconds: float, folder: Path) -> Gauged:
        """Runs an attack for so long, beside a caller who sends a row every hundredth of a second."""
        request = folder / "request"
        request.write_bytes(self._request(_ROWS))
        with suppress(OSError):
            Path(f"/proc/{self.popen.pid}/clear_refs").write_text("5")
        log_before = self._log_bytes()
        command = [sys.executable, "-m", "attacks.arsenal", name, str(seconds), self.grpc_address, self.http_address]
        command += [str(request)] + ([str(self.certificate)] if self.certificate else [])
        environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}:{ROOT / 'clients' / 'python'}"}
        stranger = subprocess.Popen(command, env=environment)
        try:
            scored, others, slowest_s = asyncio.run(self._call_on(stranger))
        finally:
            stranger.kill()
            stranger.wait()
        alive = asyncio.run(self._is_alive())
        return Gauged(
            scored, others, slowest_s, self._peak_bytes(), self._hold_ms(), self._log_bytes() - log_before, alive
        )

    async def _call_on(self, stranger: "subprocess.Popen[bytes]") -> tuple[int, int, float]:
        scored = others = 0
        slowest_s = 0.0
        row = np.zeros((1, len(self.names)))
        async with self._client() as client:
            while stranger.poll() is None and self.popen.poll() is None:
                begun = time.monotonic()
                with suppress(ScoringError):
                    answer = await client.score("cancer", row, timeout_s=_PATIENCE_S)
                    scored += answer.source is Source.MODEL
                others += 1
                slowest_s = max(slowest_s, time.monotonic() - begun)
                await asyncio.sleep(_PAUSE_S)
        return scored, others, slowest_s

    async def _is_alive(self) -> bool:
        if self.popen.poll() is not None:
            return False
        async with self._client() as client:
            for _ in range(10):
                with suppress(ScoringError):
                    answer = await client.score("cancer", np.zeros((1, len(self.names))), timeout_s=_PATIENCE_S)
                    return answer.source is Source.MODEL
        return False

    def _client(self) -> AsyncScoringClient:
        if self.certificate is None:
            return AsyncScoringClient(self.grpc_address)
        port = self.grpc_address.rpartition(":")[2]
        credentials = grpc.ssl_channel_credentials(self.certificate.read_bytes())
        return AsyncScoringClient(f"localhost:{port}", credentials=credentials)

    def _request(self, rows: int) -> bytes:
        request = pb.ScoreRequest(model="cancer")
        request.matrix.columns.extend(self.names)
        request.matrix.rows = rows
        request.matrix.doubles.values.extend([0.5] * (rows * len(self.names)))
        return request.SerializeToString()

    def _peak_bytes(self) -> int:
        with suppress(OSError):
            found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.popen.pid}/status").read_text())
            return int(found.group(1)) << 10 if found else 0
        return 0

    def _hold_ms(self) -> float | None:
        context = None
        url = f"http://{self.http_address}/readyz"
        if self.certificate is not None:
            context = ssl.create_default_context(cafile=str(self.certificate))
            url = f"https://localhost:{self.http_address.rpartition(':')[2]}/readyz"
        with suppress(OSError), urlopen(url, timeout=5, context=context) as page:  # noqa: S310 - its own
            if (found := _HOLD.search(page.read().decode())) is not None:
                return float(found.group(1))
        return None

    def _log_bytes(self) -> int:
        return sum(one.stat().st_size for one in self.log.rglob("*") if one.is_file())


def _tls(certificate: Path | None) -> str:
    if certificate is None:
        return ""
    return f"tls_certificate = '{certificate}'\ntls_key = '{certificate.with_suffix('.key')}'\n"


def make_certificate(folder: Path) -> Path:
    """A certificate for localhost, PEM, and its key beside it."""
    path = folder / "gateway.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    paths = ["-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    subprocess.run(["openssl", "req", "-x509", *curve, *subject, *paths], check=True, capture_output=True)
    return path
