"""TLS on the HTTP port: the gRPC port's files, read anew, with clients' certificates; and the port for probes."""

import asyncio
import hashlib
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from certificates import Authority, Pair
from fixtures import Cancer, StartGateway, put
from gateways import GatewayProcess, shared
from http_calls import Said, ask, dialed, exchange, request_bytes
from scorebridge.v1 import scoring_pb2 as pb
from waiting import eventually, moment

from bridge.config import ConfigError
from bridge.fronts.certificates import Certificates
from bridge.gateway.server import Gateway
from bridge.prediction_log.reader import read_log

LOCAL = ("DNS:localhost", "IP:127.0.0.1")


@pytest.fixture
def front() -> str:
    """The one that does TLS."""
    return "grpc"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One's own, for servers and clients."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the gateway that is shared."""
    return tmp_path_factory.mktemp("mutual") / "log"


@pytest.fixture(scope="module")
def mutual(cancer: Cancer, authority: Authority, log: Path) -> Iterator[GatewayProcess]:
    """A gateway that wants certificates, for tests that change nothing of it; its log grows."""
    repository = log.with_name("repository")
    repository.mkdir()
    put(cancer.folder, repository, "cancer")
    files = served_by(authority.issue("gateway", *LOCAL)) | {"tls_client_ca": authority.certificate, "log_dir": log}
    with shared(repository, log.parent, "grpc", **files) as gateway:
        yield gateway


def served_by(pair: Pair) -> dict[str, Path]:
    return {"tls_certificate": pair.certificate, "tls_key": pair.key}


def trusting(authority: Authority, own: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    return context


async def ready(gateway: Gateway, tls: ssl.SSLContext) -> int:
    return (await ask(gateway, "GET", "/readyz", tls=tls)).status


async def refused(call: Callable[[], Awaitable[Any]]) -> None:
    """Holds if no answer came."""
    with pytest.raises((ssl.SSLError, ConnectionError, IndexError)):
        await call()


def replace(target: Pair, source: Pair) -> None:
    source.key.replace(target.key)
    source.certificate.replace(target.certificate)


async def test_scores_come_over_tls_and_not_in_plain_text(
    repository: Path, cancer: Cancer, start_gateway: StartGateway, authority: Authority
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository, **served_by(authority.issue("gateway", *LOCAL)))
    body = {"columns": {name: [0.5] for name in cancer.names}}
    said = await ask(gateway, "POST", "/v1/models/cancer:score", body, tls=trusting(authority))
    assert said.json["source"] == "SCORE_SOURCE_MODEL"
    assert await exchange(gateway, request_bytes("GET", "/livez")) == b""


async def test_new_connections_get_a_renewed_certificate_and_old_ones_go_on(
    repository: Path, start_gateway: StartGateway, authority: Authority, tmp_path: Path
) -> None:
    served = authority.issue("gateway", *LOCAL)
    other = Authority(tmp_path / "other", "other")
    gateway = await start_gateway(repository, **served_by(served), watch_interval_s=0.01)
    assert await ready(gateway, trusting(authority)) == 200
    reader, writer = await dialed(gateway.http_address, trusting(authority))
    replace(served, other.issue("gateway", *LOCAL))

    async def is_renewed() -> bool:
        try:
            return await ready(gateway, trusting(other)) == 200
        except ssl.SSLError:
            return False

    async with asyncio.timeout(20):
        while not await is_renewed():
            await moment()
    await refused(lambda: ready(gateway, trusting(authority)))
    writer.write(request_bytes("GET", "/livez"))
    async with asyncio.timeout(20):
        assert Said.of(await reader.read()).body == b"ok\n"
    writer.transport.abort()


async def test_renewed_authorities_of_clients_count_for_new_connections(
    repository: Path, start_gateway: StartGateway, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other", "other")
    ours, theirs = authority.issue("ours"), other.issue("theirs")
    trusted = tmp_path / "clients.pem"
    trusted.write_bytes(authority.certificate.read_bytes())
    settings = served_by(authority.issue("gateway", *LOCAL))
    gateway = await start_gateway(repository, **settings, tls_client_ca=trusted, watch_interval_s=0.01)
    assert await ready(gateway, trusting(authority, ours)) == 200
    for context in (trusting(authority, theirs), trusting(authority)):
        await refused(partial(ready, gateway, context))
    first = vars(gateway)["_front"].tls_context()
    trusted.write_bytes(other.certificate.read_bytes())
    await eventually(lambda: vars(gateway)["_front"].tls_context() is not first)
    assert await ready(gateway, trusting(authority, theirs)) == 200
    await refused(lambda: ready(gateway, trusting(authority, ours)))


@pytest.mark.parametrize("how", ["half a key", "no certificate", "a key of another certificate"])
async def test_files_that_are_not_whole_leave_what_is_served_as_it_is(
    repository: Path, start_gateway: StartGateway, authority: Authority, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    served = authority.issue("gateway", *LOCAL)
    gateway = await start_gateway(repository, **served_by(served), watch_interval_s=0.01)
    if how == "half a key":
        served.key.write_text(served.key.read_text()[:40])
    elif how == "no certificate":
        served.certificate.unlink()
    else:
        authority.issue("other").key.replace(served.key)
    await eventually(lambda: [one for one in caplog.records if one.name == "bridge.fronts.certificates"])
    assert await ready(gateway, trusting(authority)) == 200
    assert b"TLS: " in (await ask(gateway, "GET", "/readyz", tls=trusting(authority))).body


@pytest.mark.parametrize(
    ("common_name", "alternative"),
    [
        ("plain", ()),
        ("named", ("DNS:a.example", "DNS:b.example")),
        ("mixed", ("URI:spiffe://example/shop", "email:shop@example.com", "DNS:shop.example")),
        ("addressed", ("IP:10.1.2.3", "IP:2001:db8::7")),
        ("named", ("DNS:named",)),
        ("gr\u00fcn", ("DNS:gruen.example",)),
    ],
)
async def test_a_certificate_has_the_same_names_on_both_ports(
    cancer: Cancer,
    authority: Authority,
    log: Path,
    mutual: GatewayProcess,
    common_name: str,
    alternative: tuple[str, ...],
) -> None:
    own = authority.issue(common_name, *alternative)
    before = len(list(read_log(log)))
    body = {"columns": {name: [0.5] for name in cancer.names}}
    said = await ask(mutual, "POST", "/v1/models/cancer:score", body, tls=trusting(authority, own))
    assert said.status == 200
    pem = [path.read_bytes() for path in (authority.certificate, own.key, own.certificate)]
    credentials = grpc.ssl_channel_credentials(pem[0], pem[1], pem[2])
    address = f"localhost:{mutual.grpc_address.rpartition(':')[2]}"
    request = pb.ScoreRequest(model="cancer")
    request.matrix.columns.extend(cancer.names)
    request.matrix.rows = 1
    request.matrix.doubles.values.extend([0.5] * len(cancer.names))
    async with grpc.aio.secure_channel(address, credentials) as channel:
        call = channel.unary_unary("/scorebridge.v1.ScoringService/Score", bytes, bytes)
        await call(request.SerializeToString())
    await eventually(lambda: len(list(read_log(log))) == before + 2)
    by_http, by_grpc = [entry.record.caller for entry in read_log(log)][before:]
    assert by_http == by_grpc
    assert common_name[:2] in by_http


TOKEN = "shop-0123456789abcdefghijklmnopqrstuvwxyz"  # noqa: S105 - of a caller that lives as long as its test


async def test_a_caller_has_its_token_or_its_certificate(
    repository: Path, cancer: Cancer, start_gateway: StartGateway, authority: Authority, tmp_path: Path
) -> None:
    put(cancer.folder, repository, "cancer")
    put(cancer.folder, repository, "fraud")
    callers = tmp_path / "callers.toml"
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    callers.write_text(
        f'[callers.shop]\ntoken_sha256 = "{digest}"\nmodels = ["cancer"]\n[callers.risk]\ncertificate = "risk"\n'
    )
    settings = served_by(authority.issue("gateway", *LOCAL))
    log = tmp_path / "log"
    gateway = await start_gateway(
        repository, **settings, tls_client_ca=authority.certificate, callers=callers, log_dir=log
    )
    body = {"columns": {name: [0.5] for name in cancer.names}}
    nobody, risk = (trusting(authority, authority.issue(name)) for name in ("nobody", "risk"))

    async def status(model: str, tls: ssl.SSLContext, *tokens: str) -> int:
        raw = request_bytes("POST", f"/v1/models/{model}:score", body)
        shown = b"".join(f"Authorization: Bearer {token}\r\n".encode() for token in tokens)
        got = Said.of(await exchange(gateway, raw.replace(b"Host:", shown + b"Host:", 1), tls))
        assert (got.status == 401) == (got.headers.get("www-authenticate") == "Bearer")
        return got.status

    assert await status("cancer", nobody, TOKEN) == 200
    assert await status("fraud", nobody, TOKEN) == 403
    assert await status("cancer", nobody) == 401
    assert await status("cancer", nobody, "wrong") == 401
    assert await status("cancer", nobody, TOKEN, TOKEN) == 401
    assert await status("cancer", risk) == 200
    assert await status("cancer", risk, TOKEN) == 401
    listed = await ask(gateway, "GET", "/v1/models", headers={"Authorization": f"Bearer {TOKEN}"}, tls=nobody)
    assert [one["model"] for one in listed.json["versions"]] == ["cancer"]
    assert (await ask(gateway, "GET", "/v1/models", tls=nobody)).status == 401
    await gateway.close()
    found = [entry.record for entry in read_log(log)]
    reasons = ["", "PERMISSION_DENIED", *["UNAUTHENTICATED"] * 3, "", "UNAUTHENTICATED"]
    assert [one.error_reason for one in found] == reasons
    assert [one.caller for one in found][:2] == ["shop", "shop"]
    assert not any(one.request for one in found if one.error_reason == "UNAUTHENTICATED")
    assert all(TOKEN.encode() not in one.SerializeToString() for one in found)


async def test_the_body_of_a_caller_that_is_not_known_is_not_taken(
    repository: Path, start_gateway: StartGateway, tmp_path: Path
) -> None:
    callers = tmp_path / "callers.toml"
    callers.write_text(f'[callers.shop]\ntoken_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"\n')
    gateway = await start_gateway(repository, callers=callers)
    head = (
        b"POST /v1/models/x:score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    )
    got = Said.of(await exchange(gateway, head))
    assert (got.status, got.json["reason"]) == (401, "UNAUTHENTICATED")
    assert vars(gateway)["_services"].access.refused == 1


async def test_probes_have_a_plain_port_without_names(
    repository: Path, start_gateway: StartGateway, authority: Authority
) -> None:
    (repository / "secret" / "1").mkdir(parents=True)
    (repository / "secret" / "1" / "manifest.json").write_text("{}")
    gateway = await start_gateway(repository, **served_by(authority.issue("gateway", *LOCAL)), probe_port=0)

    async def probe(method: str, path: str) -> Said:
        reader, writer = await dialed(gateway.probe_address)
        writer.write(request_bytes(method, path))
        async with asyncio.timeout(20):
            got = Said.of(await reader.read())
        writer.transport.abort()
        return got

    assert (await probe("GET", "/livez")).body == b"ok\n"
    assert (await probe("GET", "/readyz"))[::2] == (503, b"not ready\n")
    assert (await probe("GET", "/v1/models")).status == 404
    assert (await probe("POST", "/v1/models/secret:score")).status == 404
    assert b"secret/1 refused" in (await ask(gateway, "GET", "/readyz", tls=trusting(authority))).body


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_handshake_that_does_not_come_is_not_waited_for(
    repository: Path, start_gateway: StartGateway, authority: Authority, begun: bytes
) -> None:
    settings = served_by(authority.issue("gateway", *LOCAL))
    gateway = await start_gateway(repository, **settings, handshake_s=0.2, max_connections=2)
    assert await exchange(gateway, begun) in (b"", b"\x15\x03\x01\x00\x02\x02\x46")
    await eventually(lambda: not vars(vars(gateway)["_http"])["_open"])


async def test_half_done_handshakes_count_as_connections(
    repository: Path, start_gateway: StartGateway, authority: Authority
) -> None:
    gateway = await start_gateway(repository, **served_by(authority.issue("gateway", *LOCAL)), max_connections=2)
    held = [await dialed(gateway.http_address) for _ in range(2)]
    await eventually(lambda: len(vars(vars(gateway)["_http"])["_open"]) == 2)
    await refused(lambda: ready(gateway, trusting(authority)))
    for _, writer in held:
        writer.transport.abort()
    await eventually(lambda: not vars(vars(gateway)["_http"])["_open"])
    assert await ready(gateway, trusting(authority)) == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_versions_of_tls_are_not_served(
    repository: Path, start_gateway: StartGateway, authority: Authority, version: ssl.TLSVersion
) -> None:
    gateway = await start_gateway(repository, **served_by(authority.issue("gateway", *LOCAL)))
    context = trusting(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    await refused(lambda: ready(gateway, context))


def test_a_key_that_is_too_weak_ends_the_start(tmp_path: Path) -> None:
    chain, key = tmp_path / "weak.pem", tmp_path / "weak.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:512", "-nodes", "-subj", "/CN=weak", "-days", "1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(chain)], check=True, capture_output=True)
    with pytest.raises(ConfigError, match=f"^TLS: the key or a signature of {chain} is too weak for OpenSSL$"):
        Certificates(chain, key, None)


async def test_nobody_can_have_the_port_of_probes_twice(repository: Path, start_gateway: StartGateway) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match=r"^HTTP can't listen on 127"):
            await start_gateway(repository, probe_port=taken.getsockname()[1])
