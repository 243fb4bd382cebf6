"""Callers that a gateway knows by token or certificate: both Python clients and the command line, by TLS."""

import asyncio
import hashlib
import json
import logging
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import pytest_asyncio
from fixtures import ROOT, SCOREBRIDGE, Cancer, StartGateway, put
from scorebridge import (
    AsyncScoringClient,
    NotAllowed,
    PermissionDenied,
    ScoringClient,
    Unauthenticated,
    Unavailable,
    environment,
)

from bridge.gateway.server import Gateway

VARIABLES = ("URL", "TOKEN_FILE", "TLS_CA", "CLIENT_CERT", "CLIENT_KEY", "TIMEOUT_S")
TOKENS = {"billing": "token-of-billing", "slow": "token-of-slow", "elsewhere": "token-of-elsewhere"}
EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
NAMES = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]


@pytest.fixture
def front() -> str:
    """The one that does TLS."""
    return "grpc"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"SCOREBRIDGE_{name}", raising=False)


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def make_certificate(key: Path, chain: Path) -> None:
    """Makes a certificate that is its own authority."""
    command = ["openssl", "req", "-x509", *EC, *NAMES, "-keyout", str(key), "-out", str(chain)]
    subprocess.run(command, check=True, capture_output=True)


def write_callers(path: Path, tokens: dict[str, str]) -> None:
    rules = {"slow": "rows_per_s = 0.001", "elsewhere": 'models = ["other-*"]'}
    entries = [
        f'[callers.{name}]\ntoken_sha256 = "{sha256(token)}"\n{rules.get(name, "")}\n' for name, token in tokens.items()
    ]
    path.write_text("".join(entries))


class Known:
    """A gateway that knows its callers, and what they are known by."""

    def __init__(self, folder: Path, gateway: Gateway, rows: Any) -> None:
        self.folder, self.gateway, self.rows = folder, gateway, rows
        self.url = f"localhost:{gateway.grpc_address.rpartition(':')[2]}"
        self.ca = folder / "certificate.pem"

    def token(self, name: str) -> Path:
        """A file with the token of a caller."""
        path = self.folder / name
        path.write_text(f"{TOKENS.get(name, name)}\n")
        return path

    def set(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """Sets the variables of a caller."""
        monkeypatch.setenv(environment.URL, self.url)
        monkeypatch.setenv(environment.TLS_CA, str(self.ca))
        monkeypatch.setenv(environment.TOKEN_FILE, str(self.token(name)))
        monkeypatch.setenv(environment.TIMEOUT_S, "20")


@pytest_asyncio.fixture
async def known(tmp_path: Path, repository: Path, cancer: Cancer, start_gateway: StartGateway) -> Known:
    """A gateway with TLS, callers and a log."""
    key, chain, callers = (tmp_path / name for name in ("key.pem", "certificate.pem", "callers.toml"))
    make_certificate(key, chain)
    write_callers(callers, TOKENS)
    put(cancer.folder, repository, "cancer")
    tls = {"tls_certificate": chain, "tls_key": key}
    gateway = await start_gateway(repository, callers=callers, log_dir=tmp_path / "log", watch_interval_s=0.01, **tls)
    return Known(tmp_path, gateway, dict(zip(cancer.names, cancer.rows[:3].T, strict=True)))


async def run(*command: object, code: int = 0, variables: Mapping[str, str] = MappingProxyType({})) -> str:
    """What a command prints: to standard output, or where it fails to standard error, which is one line."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SCOREBRIDGE_")}
    done = await asyncio.to_thread(
        lambda: subprocess.run(
            [str(SCOREBRIDGE), *map(str, command)],
            env={**environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
    )
    assert done.returncode == code, done
    if code:
        assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr if code else done.stdout


async def test_both_clients_are_known_from_the_environment(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    known.set(monkeypatch, "billing")

    def blocking() -> list[float]:
        with ScoringClient.from_env() as client:
            scores: list[float] = client.score("cancer", known.rows).scores.tolist()
            return scores

    async with AsyncScoringClient.from_env() as client:
        answer = await client.score("cancer", known.rows)
        assert answer.scores.tolist() == await asyncio.to_thread(blocking)
    assert answer.source == "MODEL"


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [("nobody", Unauthenticated, "UNAUTHENTICATED"), ("elsewhere", PermissionDenied, "PERMISSION_DENIED")],
)
async def test_who_may_not_score_gets_an_error_and_no_default(
    known: Known, monkeypatch: pytest.MonkeyPatch, name: str, kind: type[NotAllowed], reason: str
) -> None:
    known.set(monkeypatch, name)
    async with AsyncScoringClient.from_env(default=0.5) as client:
        for _ in range(7):  # an answer, so the circuit stays closed
            with pytest.raises(NotAllowed) as raised:
                await client.score("cancer", known.rows)
            assert (type(raised.value), raised.value.reason, raised.value.by_gateway) == (kind, reason, True)
        assert client.client_defaults == {}


async def test_no_token_is_no_caller(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    known.set(monkeypatch, "billing")
    async with AsyncScoringClient.from_env(token=None) as client:
        with pytest.raises(Unauthenticated):
            await client.models()


async def test_a_caller_over_its_rate_gets_the_default_or_an_error_that_may_pass(
    known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.set(monkeypatch, "slow")
    async with AsyncScoringClient.from_env() as client:
        assert (await client.score("cancer", known.rows)).source == "MODEL"
        with pytest.raises(Unavailable, match=r"may send 0\.001 rows a second") as raised:
            await client.score("cancer", known.rows)
        assert (raised.value.reason, raised.value.limit) == ("RATE_LIMITED", "0.001 rows/s")
        answer = await client.score("cancer", known.rows, default=0.5)
    assert (answer.source, answer.reasons) == ("CLIENT_DEFAULT", ["RATE_LIMITED"] * 3)


async def scored_until_refused(client: AsyncScoringClient, rows: Any) -> None:
    """Ends with an error: the one with which the gateway refuses, or after ten seconds another."""
    async with asyncio.timeout(10):
        while True:
            await client.score("cancer", rows)


async def test_a_token_that_was_replaced_is_taken_up_without_a_new_client(
    known: Known, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bridge.callers.access")
    known.set(monkeypatch, "billing")
    async with AsyncScoringClient.from_env() as client:
        assert (await client.score("cancer", known.rows)).source == "MODEL"
        write_callers(known.folder / "callers.toml", {"billing": "renewed"})
        with pytest.raises(Unauthenticated):
            await scored_until_refused(client, known.rows)
        (known.folder / "billing").write_text("renewed")
        assert (await client.score("cancer", known.rows)).source == "MODEL"
    assert "renewed" not in caplog.text


async def test_the_command_line_is_known_by_options_and_by_variables(known: Known, tmp_path: Path) -> None:
    options = ["--url", known.url, "--tls-ca", known.ca, "--token-file", known.token("billing")]
    (listed,) = json.loads(await run("models", *options, "--json"))
    assert (listed["model"], listed["version"], listed["state"], listed["serving"]) == ("cancer", 1, "READY", True)
    assert (listed["state_reason"], listed["retry_at"], listed["backend"]) == ("", None, "xgboost")
    assert set(listed) == {*("model", "version", "state", "state_reason", "backend"), *("digest", "serving")} | {
        "never_scored",
        "retry_at",
    }
    variables = {
        environment.URL: f"grpcs://{known.url}",
        environment.TLS_CA: str(known.ca),
        environment.TOKEN_FILE: str(known.token("nobody")),
        environment.CLIENT_CERT: "",
        "SCOREBRIDGE_TLS_KEY": "/nowhere",  # the gateway's own
    }
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    names = [f'"{name}"' for name in known.rows]
    lines = [",".join(names), *(",".join(map(repr, map(float, row))) for row in zip(*known.rows.values(), strict=True))]
    source.write_text("\n".join(lines))
    files = ["--input", source, "--output", target]
    refused = await run("score", "cancer", *files, code=1, variables=variables)
    assert refused.startswith("UNAUTHENTICATED: the gateway does not know this caller")
    assert not target.exists()
    told = await run("score", "cancer", *files, "--token-file", known.token("billing"), variables=variables)
    assert told == "3 rows by cancer/1, 0 of them with the default score\n"
    denied = await run("score", "cancer", *files, "--token-file", known.token("elsewhere"), code=1, variables=variables)
    assert denied.startswith("PERMISSION_DENIED: the caller 'elsewhere' may not ask for this model")
    assert json.loads(await run("models", *options[:4], "--token-file", known.token("elsewhere"), "--json")) == []


async def test_the_log_counts_by_caller(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("billing", "nobody"):
        known.set(monkeypatch, name)
        async with AsyncScoringClient.from_env() as client:
            for _ in range(2):
                if name == "nobody":
                    with pytest.raises(Unauthenticated):
                        await client.score("cancer", known.rows)
                else:
                    await client.score("cancer", known.rows, request_id="of-billing")
    log = known.folder / "log"
    told = json.loads(await run("log", "stats", log, "--by", "caller", "--json"))
    groups = {group["caller"]: group for group in told["groups"]}
    assert (groups["billing"]["calls"], groups["billing"]["rows"], groups["billing"]["failed"]) == (2, 6, 0)
    unknown = [group for name, group in groups.items() if name != "billing"]
    assert [group["errors"] for group in unknown] == [{"UNAUTHENTICATED": 2}]
    shown = await run("log", "show", log, "--request-id", "of-billing")
    assert shown.splitlines().count("caller          billing") == 2
    kept = b"".join(path.read_bytes() for path in log.iterdir() if path.is_file())
    assert TOKENS["billing"].encode() not in kept


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--url", "gateway:1", "--token-file", "TOKEN"],
            "a token is not sent to the target 'gateway:1' in plain text",
        ),
        (["--url", "grpc://localhost:1", "--tls-ca", "CA"], "'grpc://localhost:1' asks for plain text, but there are"),
        (["--url", "https://localhost:1"], "target 'https://localhost:1' has the scheme 'https'"),
        (["--tls-cert", "CA"], "the client's certificate is given without its key"),
        (["--tls-ca", "TOKEN"], "TOKEN holds no certificate in PEM"),
        (["--tls-ca", "/nowhere"], "/nowhere: No such file or directory"),
        (["--token-file", "CA"], "CA holds no token: it must be one line of visible ASCII characters"),
    ],
)
@pytest.mark.parametrize("command", ["models", "score"])
async def test_options_that_can_not_be_are_one_line(
    tmp_path: Path, command: str, options: list[str], sentence: str
) -> None:
    (tmp_path / "TOKEN").write_text("token-of-billing\n")
    (tmp_path / "CA").write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    (tmp_path / "in.csv").write_text("x\n1\n")
    given = [str(tmp_path / one) if one in ("TOKEN", "CA") else one for one in options]
    rest = ["cancer", "--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv"] if command == "score" else []
    if sentence.startswith("'grpc"):
        make_certificate(tmp_path / "key", tmp_path / "CA")
    said = await run(command, *rest, *given, code=1)
    assert sentence in said
    assert "token-of-billing" not in said


@contextmanager
def listening() -> Iterator[tuple[int, list[bytes]]]:
    """A port that takes connections and keeps what they send first."""
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    came.append(connection.recv(65536))

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.parametrize("kind", ["blocking", "asyncio"])
async def test_a_proxy_gets_no_token_in_plain_text(
    repository: Path, start_gateway: StartGateway, tmp_path: Path, kind: str
) -> None:
    gateway = await start_gateway(repository)
    (tmp_path / "token").write_text("token-of-billing")
    script = {
        "blocking": "import scorebridge as s\nwith s.ScoringClient.from_env() as c: print(c.models())",
        "asyncio": "import asyncio, scorebridge as s\nasync def go():\n"
        "  async with s.AsyncScoringClient.from_env() as c: print(await c.models())\nasyncio.run(go())",
    }
    with listening() as (port, came):
        variables = {
            "http_proxy": f"http://127.0.0.1:{port}",
            "grpc_proxy": f"http://127.0.0.1:{port}",
            "no_proxy": "",
            "PYTHONPATH": str(ROOT / "clients" / "python"),
            environment.URL: gateway.grpc_address,
            environment.TIMEOUT_S: "20",
            environment.TOKEN_FILE: str(tmp_path / "token"),
        }
        python = str(SCOREBRIDGE.with_name("python"))

        def ask(**more: str) -> subprocess.CompletedProcess[str]:
            environ = os.environ | variables | more
            return subprocess.run(
                [python, "-c", script[kind]], env=environ, capture_output=True, text=True, check=False
            )

        done = await asyncio.to_thread(ask)
        assert (done.stdout, came) == ("[]\n", []), done.stderr
        await asyncio.to_thread(lambda: ask(**{environment.TOKEN_FILE: "", environment.TIMEOUT_S: "2"}))
        assert came[0].startswith(b"CONNECT "), "without a token the proxy is used"
