"""What the conformance cases call: real gateways, and everything that can go wrong on the way to one.

Run by both test suites as a program. Prints one line of JSON (targets, process ids, files) for each client of the suite
when all is up, and ends when its input does. The number of clients is its argument, one without it: cases kill a
gateway and use up a connection, so each client has those of its own, and shares the rest.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from bad_connections import drips, goes_silent, refused, resets, serve_connections, swallow
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from odd_answers import TOKEN, Says
from scorebridge.v1 import scoring_pb2 as pb

SCOREBRIDGE = Path(sys.executable).with_name("scorebridge")
SCORE = "/scorebridge.v1.ScoringService/Score"
AFFINE = """
slope <- 2
Pred.R <- function(a, b) {
  if (any(a == 13)) Sys.sleep(60)
  if (any(a == 99)) stop("no such a")
  a + slope * b
}
"""
BOTH = """
slope <- 2
Pred.R <- function(a, b) {
  if (any(a == 99)) stop("no such a")
  data.frame(low = a - b, high = a + slope * b)
}
"""
SETTINGS = "workers = 1\ntimeout_s = 30\nkill_after_s = 120\n"
ROW_WISE = "row_wise = true\n"
NUMBERS = '[features]\na = "double"\nb = "double"\n'
COUNTS = '[features]\na = "int"\nb = "double"\n'


def make_bundle(folder: Path, code: str, settings: str, features: str) -> None:
    """An R model of two features."""
    folder.mkdir()
    (folder / "Pred.R").write_text(code)
    (folder / "model.toml").write_text(settings + SETTINGS + features)
    save = 'slope <- 2; save(slope, file = "model.RData")'
    subprocess.run(["Rscript", "--vanilla", "-e", save], cwd=folder, check=True, capture_output=True)


def make_repository(folder: Path) -> Path:
    """`guarded` has a default score, the others have none; `counts` takes whole numbers; `together` is not row-wise."""
    repository = folder / "repository"
    for model, code, settings, features in (
        ("affine", AFFINE, ROW_WISE, NUMBERS),
        ("guarded", AFFINE, ROW_WISE + "default_score = -1\n", NUMBERS),
        ("both", BOTH, ROW_WISE, NUMBERS),
        ("counts", AFFINE, ROW_WISE, COUNTS),
        ("together", AFFINE, "", NUMBERS),
    ):
        make_bundle(folder / model, code, settings, features)
        command: list[str | Path] = [
            SCOREBRIDGE,
            "deploy",
            folder / model,
            "--repository",
            repository,
            "--model",
            model,
        ]
        subprocess.run(command, check=True, capture_output=True)
    return repository


class Gateway:
    """A process of its own."""

    def __init__(self, repository: Path, log: Path | None = None) -> None:
        # A gateway that a case kills can't clear away its own folders.
        folder = repository.parent / "tmp"
        folder.mkdir(exist_ok=True)
        options = [] if log is None else ["--log-dir", str(log)]
        self.process = subprocess.Popen(
            [SCOREBRIDGE, "serve", "--repository", repository, "--grpc-port", "0", "--http-port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"SCOREBRIDGE_GRACE_S": "600", "TMPDIR": str(folder)},
        )

    def target(self) -> str:
        """Waits until it serves."""
        for line in self.process.stdout or ():
            if line.startswith("ready "):
                return line.split()[1].removeprefix("grpc=")
        raise RuntimeError("a gateway ended before it was ready")

    def end(self) -> None:
        """At once, calls under way included, and its R processes with it."""
        for _ in range(2):
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
        self.process.kill()
        self.process.wait()


def drain(gateway: Gateway, target: str) -> grpc.Channel:
    """Has it go down while a call is under way: it goes on to say no until that call's time is over."""
    channel = grpc.insecure_channel(target)
    ask: Any = channel.unary_unary(SCORE, pb.ScoreRequest.SerializeToString, pb.ScoreResponse.FromString)
    hung = pb.ScoreRequest(request_id="hung", model="affine")
    hung.matrix.rows = 1
    hung.matrix.doubles.values.extend([13.0, 0.0])
    ask.future(hung, timeout=600)
    time.sleep(0.5)  # until the worker sleeps; nothing outside tells
    gateway.process.send_signal(signal.SIGTERM)
    quick = pb.ScoreRequest(request_id="quick", model="affine")
    quick.matrix.rows = 1
    quick.matrix.doubles.values.extend([1.0, 0.0])
    for _ in range(100):
        try:
            ask(quick, timeout=5)
        except grpc.RpcError as error:
            failed: Any = error
            if failed.code() is grpc.StatusCode.UNAVAILABLE:
                return channel
        time.sleep(0.05)
    raise RuntimeError("the gateway does not drain")


def say_status(folder: Path) -> tuple[str, str, str, str]:
    """That server in plain text and with mutual TLS; both targets, and the certificate and key of everybody."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((Says().handler(),))
    checked: Any = health.HealthServicer()
    checked.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checked, server)
    plain = server.add_insecure_port("127.0.0.1:0")
    pair, root = (key.read_bytes(), certificate.read_bytes()), certificate.read_bytes()
    secure = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair], root, require_client_auth=True))
    server.start()
    _servers.append(server)
    return f"127.0.0.1:{plain}", f"localhost:{secure}", str(certificate), str(key)


_servers: list[grpc.Server] = []


@contextlib.contextmanager
def world(clients: int) -> Iterator[list[dict[str, Any]]]:
    """Everything, as what the suites are told; once for each client."""
    folder = Path(tempfile.mkdtemp(prefix="conformance-"))
    gateways: list[Gateway] = []
    try:
        repository = make_repository(folder)
        # Only the first is asked for the other models, and starting R takes its time.
        faulty = folder / "faulty"
        shutil.copytree(repository / "affine", faulty / "affine")
        gateways += [Gateway(repository, folder / "log"), *(Gateway(faulty) for _ in range(1 + 2 * clients))]
        healthy, drained, *paired = [gateway.target() for gateway in gateways]
        kept = drain(gateways[1], drained)
        says, secure, certificate, key = say_status(folder)
        shared = {
            "healthy": healthy,
            "drained": drained,
            "refused": refused(),
            "black_hole": serve_connections(swallow),
            "reset": serve_connections(resets(healthy)),
            "slow_drip": serve_connections(drips(healthy)),
            "status": says,
            "secure": secure,
        }
        files = {"certificate": certificate, "key": key, "log": str(folder / "log"), "repository": str(repository)}
        yield [
            {
                "targets": shared
                | {"pair": f"{first},{second}", "goes_silent": serve_connections(goes_silent(healthy))},
                "first_pid": killed.process.pid,
                "token": TOKEN,
                **files,
            }
            for first, second, killed in zip(paired[::2], paired[1::2], gateways[2::2], strict=True)
        ]
        kept.close()
    finally:
        for gateway in gateways:
            gateway.end()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """The script."""
    with world(int((sys.argv[1:] or ["1"])[0])) as told:
        for one in told:
            print(json.dumps(one), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
