"""Who may call a gateway, over plain text and TLS, and what is on record of those who may not."""

import asyncio
import hashlib
import socket
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from certificates import Authority, Pair
from fixtures import Addressed, Cancer, StartGateway, put
from gateways import GatewayProcess, shared
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status as RichStatus
from grpc_health.v1 import health_pb2, health_pb2_grpc
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb
from waiting import eventually

from bridge.config import ConfigError, GatewaySettings
from bridge.prediction_log.reader import read_log

SERVICE = "/scorebridge.v1.ScoringService/"
TOKENS = {name: f"{name}-0123456789abcdefghijklmnopqrstuvwxyzABCDEFG" for name in ("shop", "risk", "ops")}
Metadata = Sequence[tuple[str, str]]


def line_of(name: str, more: str = "") -> str:
    return f'[callers.{name}]\ntoken_sha256 = "{hashlib.sha256(TOKENS[name].encode()).hexdigest()}"\n{more}\n'


def write(callers: Path, *entries: str) -> None:
    callers.write_text("".join(entries))


def bearer(name: str) -> Metadata:
    return [("authorization", f"Bearer {TOKENS.get(name, name)}")]


@pytest.fixture
def front() -> str:
    """The one that passes tokens on."""
    return "grpc"


@pytest.fixture(scope="module")
def models(cancer: Cancer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which one bundle is two models."""
    repository = tmp_path_factory.mktemp("repository")
    put(cancer.folder, repository, "cancer")
    put(cancer.folder, repository, "fraud-1")
    return repository


@pytest.fixture
def callers(tmp_path: Path) -> Path:
    return write_three(tmp_path / "callers.toml")


def write_three(path: Path) -> Path:
    shop = line_of("shop", 'models = ["cancer"]')
    write(path, shop, line_of("risk", 'models = ["fraud-*"]'), line_of("ops", 'role = "operate"'))
    return path


@pytest.fixture(scope="module")
def known(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that those three may call; nothing that a test asks of it changes it."""
    folder = tmp_path_factory.mktemp("known")
    with shared(models, folder, callers=write_three(folder / "callers.toml")) as gateway:
        yield gateway


def request_for(cancer: Cancer, model: str = "cancer", rows: int = 1) -> bytes:
    values = np.ascontiguousarray(cancer.rows[:rows], np.float64)
    matrix = pb.Matrix(columns=cancer.names, rows=rows, doubles=pb.DoubleArray(values=values.reshape(-1).tolist()))
    return pb.ScoreRequest(model=model, matrix=matrix).SerializeToString()


async def ask(
    gateway: Addressed, request: bytes, metadata: Metadata = (), method: str = "Score", channel: Any = None
) -> tuple[str, str]:
    """The status code and reason of a call; "OK" and the source of its scores where it is answered."""
    made = channel or grpc.aio.insecure_channel(gateway.grpc_address)
    try:
        answer = await made.unary_unary(f"{SERVICE}{method}", bytes, bytes)(request, metadata=metadata, timeout=20)
    except grpc.aio.AioRpcError as error:
        return error.code().name, reason_of(error)
    finally:
        await made.close(None)
    return "OK", pb.ScoreSource.Name(pb.ScoreResponse.FromString(answer).source) if method == "Score" else ""


def reason_of(error: grpc.aio.AioRpcError) -> str:
    told: Any = error.trailing_metadata() or ()
    found = [value for key, value in told if key == "grpc-status-details-bin"]
    if not found:
        return ""
    info = ErrorInfo()
    RichStatus.FromString(found[0]).details[0].Unpack(info)
    return info.reason


MODEL = ("OK", "SCORE_SOURCE_MODEL")
UNKNOWN, DENIED = ("UNAUTHENTICATED", "UNAUTHENTICATED"), ("PERMISSION_DENIED", "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("metadata", "model", "ends"),
    [
        (bearer("shop"), "cancer", MODEL),
        (bearer("ops"), "cancer", MODEL),
        (bearer("risk"), "fraud-1", MODEL),
        (bearer("shop"), "fraud-1", DENIED),
        (bearer("shop"), "no-such-model", DENIED),
        (bearer("risk"), "cancer", DENIED),
        (bearer("ops"), "no-such-model", ("NOT_FOUND", "MODEL_NOT_FOUND")),
        ([], "cancer", UNKNOWN),
        ([], "no-such-model", UNKNOWN),
        (bearer("nobody"), "cancer", UNKNOWN),
        ([("authorization", TOKENS["shop"])], "cancer", UNKNOWN),
        ([("authorization", "Basic c2hvcDp4")], "cancer", UNKNOWN),
        ([*bearer("shop"), *bearer("shop")], "cancer", UNKNOWN),
        ([("authorization", "")], "cancer", UNKNOWN),
        ([("token", TOKENS["shop"])], "cancer", UNKNOWN),
    ],
)
async def test_only_known_callers_score_and_only_their_models(
    known: GatewayProcess, cancer: Cancer, metadata: Metadata, model: str, ends: Any
) -> None:
    assert await ask(known, request_for(cancer, model), metadata) == ends


@pytest.mark.parametrize("request_bytes", [b"", b"\xff\xff", b"x" * 100_000])
async def test_an_unknown_caller_learns_nothing_of_its_request(known: GatewayProcess, request_bytes: bytes) -> None:
    assert await ask(known, request_bytes) == UNKNOWN


async def test_callers_see_their_models_only(known: GatewayProcess) -> None:
    async def listed(name: str) -> list[str]:
        async with grpc.aio.insecure_channel(known.grpc_address) as channel:
            call = channel.unary_unary(f"{SERVICE}ListModels", bytes, pb.ListModelsResponse.FromString)
            return [version.model for version in (await call(b"", metadata=bearer(name), timeout=20)).versions]

    assert await listed("shop") == ["cancer"]
    assert await listed("risk") == ["fraud-1"]
    assert await listed("ops") == ["cancer", "fraud-1"]
    named = {model: pb.GetModelRequest(model=model).SerializeToString() for model in ("cancer", "fraud-1", "none")}
    assert (await ask(known, named["cancer"], bearer("shop"), "GetModel"))[0] == "OK"
    assert await ask(known, named["fraud-1"], bearer("shop"), "GetModel") == DENIED
    assert await ask(known, named["none"], bearer("shop"), "GetModel") == DENIED
    assert await ask(known, named["cancer"], (), "GetModel") == UNKNOWN
    assert await ask(known, b"", (), "ListModels") == UNKNOWN


async def test_health_names_models_to_those_who_may_ask_for_them(known: GatewayProcess) -> None:
    async with grpc.aio.insecure_channel(known.grpc_address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        async def health(service: str, metadata: Metadata = ()) -> str:
            asked = health_pb2.HealthCheckRequest(service=service)
            try:
                answer = await stub.Check(asked, metadata=metadata, timeout=20)
            except grpc.aio.AioRpcError as error:
                return error.code().name
            return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

        assert await health("") == "SERVING"
        assert await health("cancer", bearer("shop")) == "SERVING"
        assert {await health("cancer"), await health("none"), await health("fraud-1", bearer("shop"))} == {"NOT_FOUND"}
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Watch(health_pb2.HealthCheckRequest(service="cancer"), timeout=20).read()
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_every_call_is_on_record_with_its_caller_and_without_its_token(
    tmp_path: Path, models: Path, callers: Path, cancer: Cancer, start_gateway: StartGateway
) -> None:
    log = tmp_path / "log"
    gateway = await start_gateway(models, callers=callers, log_dir=log)
    await ask(gateway, request_for(cancer), bearer("shop"))
    await ask(gateway, request_for(cancer, "fraud-1"), bearer("shop"))
    await ask(gateway, request_for(cancer), bearer("stolen-token-of-nobody"))
    await ask(gateway, request_for(cancer))
    await gateway.close()
    records = [entry.record for entry in read_log(log)]
    assert [(one.caller, one.error_reason, one.model, one.status) for one in records] == [
        ("shop", "", "cancer", 0),
        ("shop", "PERMISSION_DENIED", "fraud-1", 7),
        ("ipv4:127.0.0.1", "UNAUTHENTICATED", "cancer", 16),
        ("ipv4:127.0.0.1", "UNAUTHENTICATED", "cancer", 16),
    ]
    written = b"".join(path.read_bytes() for path in log.iterdir())
    assert not any(token.encode() in written for token in [*TOKENS.values(), "stolen-token-of-nobody"])


async def test_refused_callers_are_counted_on_the_page_of_the_gateway(
    models: Path, callers: Path, cancer: Cancer, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(models, callers=callers)
    assert "unknown callers" not in gateway.pages.readiness()
    for metadata in ([], bearer("wrong")):
        await ask(gateway, request_for(cancer), metadata)
    assert "refused calls of unknown callers: 2\n" in gateway.pages.readiness()


async def test_rows_above_a_caller_s_rate_are_refused_and_no_other_caller_s(
    tmp_path: Path, models: Path, callers: Path, cancer: Cancer, start_gateway: StartGateway
) -> None:
    write(callers, line_of("shop", "rows_per_s = 0.001"), line_of("ops"))
    log = tmp_path / "log"
    gateway = await start_gateway(models, callers=callers, log_dir=log)
    assert await ask(gateway, request_for(cancer, rows=5), bearer("shop")) == MODEL
    assert await ask(gateway, request_for(cancer), bearer("shop")) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    assert await ask(gateway, request_for(cancer), bearer("ops")) == MODEL
    await gateway.close()
    records: list[log_pb.LogRecord] = [entry.record for entry in read_log(log)]
    assert [one.error_reason for one in records] == ["", "RATE_LIMITED", ""]
    assert "0.001 rows a second" in records[1].error_message


async def test_what_one_caller_may_have_is_counted_by_its_name(
    tmp_path: Path, models: Path, callers: Path, start_gateway: StartGateway
) -> None:
    log = tmp_path / "log"
    gateway = await start_gateway(models, callers=callers, log_dir=log, log_refusals_per_s=0.2)
    for name in ("shop", "shop", "shop", "ops"):
        assert await ask(gateway, b"", bearer(name)) != MODEL
    await gateway.close()
    records = [entry.record for entry in read_log(log)]
    assert [(one.caller, one.suppressed) for one in records] == [("shop", 0), ("ops", 0), ("", 2)]


async def test_a_changed_file_counts_while_the_gateway_serves(
    models: Path, callers: Path, cancer: Cancer, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(models, callers=callers, watch_interval_s=0.01)
    write(callers, "[callers.shop]\n")
    await eventually(lambda: "needs token_sha256" in gateway.pages.readiness())
    assert await ask(gateway, request_for(cancer), bearer("shop")) == MODEL
    write(callers, line_of("risk"))
    async with asyncio.timeout(20):
        while await ask(gateway, request_for(cancer), bearer("shop")) != UNKNOWN:
            pass
    assert await ask(gateway, request_for(cancer), bearer("risk")) == MODEL
    assert "callers.toml" not in gateway.pages.readiness()


def other_address() -> str:
    """An address of this machine that is not loopback; no packet is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


@pytest.mark.parametrize("with_callers", [True, False])
async def test_a_token_over_plain_text_from_another_machine_is_refused(
    models: Path, callers: Path, cancer: Cancer, start_gateway: StartGateway, with_callers: bool
) -> None:
    named = {"callers": callers} if with_callers else {}
    gateway = await start_gateway(models, host=other_address(), insecure=True, **named)
    assert await ask(gateway, request_for(cancer), bearer("shop")) == UNKNOWN
    assert await ask(gateway, request_for(cancer)) == (UNKNOWN if with_callers else MODEL)


@asynccontextmanager
async def secure(gateway: Addressed, authority: Authority, shown: Pair | None) -> Any:
    """A channel of a caller that trusts this authority and shows this certificate."""
    pair = (shown.key.read_bytes(), shown.certificate.read_bytes()) if shown else (None, None)
    credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes(), *pair)
    options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
    channel = grpc.aio.secure_channel(gateway.grpc_address, credentials, options=options)
    try:
        yield channel
    finally:
        await channel.close(None)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def shown_to(models: Path, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that two know by their certificates and one by its token; nothing that a test asks changes it."""
    folder = tmp_path_factory.mktemp("shown")
    callers, served = folder / "callers.toml", authority.issue("localhost", "DNS:localhost")
    shop = '[callers.shop]\ncertificate = "shop.example"\nmodels = ["cancer"]\n'
    risk = '[callers.risk]\ncertificate = "spiffe://corp/risk"\nmodels = ["fraud-*"]\n'
    write(callers, shop, risk, line_of("ops"))
    files = {"tls_certificate": served.certificate, "tls_key": served.key, "tls_client_ca": authority.certificate}
    with shared(models, folder, "grpc", callers=callers, **files) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("shown", "metadata", "ends"),
    [
        (("shop.example", "DNS:a.example"), [], MODEL),
        (("x", "DNS:shop.example"), [], MODEL),
        (("x", "URI:spiffe://corp/risk", "DNS:b.example"), [], ("PERMISSION_DENIED", "PERMISSION_DENIED")),
        (("nobody", "DNS:nobody.example"), [], UNKNOWN),
        (("shop.example", "URI:spiffe://corp/risk"), [], UNKNOWN),
        (("shop.example",), bearer("ops"), UNKNOWN),
        (("nobody",), bearer("ops"), MODEL),
        (("nobody",), bearer("wrong"), UNKNOWN),
    ],
)
async def test_callers_are_known_by_their_certificates(
    shown_to: GatewayProcess, authority: Authority, cancer: Cancer, shown: Any, metadata: Any, ends: Any
) -> None:
    async with secure(shown_to, authority, authority.issue(*shown)) as channel:
        assert await ask(shown_to, request_for(cancer), metadata, channel=channel) == ends


@pytest.mark.parametrize("kind", ["none", "expired", "of another authority"])
async def test_a_certificate_that_is_not_valid_makes_no_connection(
    tmp_path: Path, shown_to: GatewayProcess, authority: Authority, cancer: Cancer, kind: str
) -> None:
    shown: Pair | None = None
    if kind == "expired":
        shown = authority.issue("shop.example", days=-1)
    elif kind == "of another authority":
        shown = Authority(tmp_path / "other", "other").issue("shop.example")
    async with secure(shown_to, authority, shown) as channel:
        assert await ask(shown_to, request_for(cancer), bearer("ops"), channel=channel) == ("UNAVAILABLE", "")


EVERYWHERE = "0.0.0.0"  # noqa: S104 - what must be refused
OPEN = "can be reached from other machines: set"


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"host": EVERYWHERE}, f"{OPEN} tls_certificate and tls_key and callers or tls_client_ca, or insecure = true"),
        ({"host": "::", "tls_certificate": "c", "tls_key": "k"}, f"{OPEN} callers or tls_client_ca, or insecure"),
        ({"host": "10.0.0.7", "callers": "c"}, f"{OPEN} tls_certificate and tls_key, or insecure = true"),
        ({"host": "gateway.example"}, f"'gateway.example' {OPEN}"),
        ({"callers": "c", "front": "native"}, "front = 'native' passes no tokens on"),
        ({"host": EVERYWHERE, "insecure": True}, None),
        ({"host": EVERYWHERE, "tls_certificate": "c", "tls_key": "k", "callers": "x"}, None),
        ({"host": EVERYWHERE, "tls_certificate": "c", "tls_key": "k", "tls_client_ca": "x"}, None),
        ({"host": "localhost"}, None),
        ({"host": "::1"}, None),
    ],
)
def test_a_gateway_that_others_can_reach_is_open_only_in_so_many_words(
    settings: dict[str, Any], fault: str | None
) -> None:
    if fault is None:
        assert GatewaySettings(repository=Path("r"), **settings).host
    else:
        with pytest.raises(ValueError, match=r"insecure|native") as caught:
            GatewaySettings(repository=Path("r"), **settings)
        assert fault in str(caught.value)


async def test_a_wrong_file_of_callers_ends_the_start(models: Path, callers: Path, start_gateway: StartGateway) -> None:
    write(callers, "[callers.shop]\ntoken = 'x'\n")
    with pytest.raises(ConfigError, match=r"^callers: .*callers\.toml: callers\.shop\.token: unknown key$"):
        await start_gateway(models, callers=callers)
