"""Where a gateway listens, what it says when it can't, and what it makes of requests that are no HTTP."""

import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fixtures import StartGateway
from scorebridge import AsyncScoringClient

from bridge.config import ConfigError, GatewaySettings
from bridge.gateway.server import Gateway

Connect = Callable[[Gateway], AsyncScoringClient]


async def refusal(repository: Path, **settings: Any) -> str:
    """Why a gateway does not start."""
    chosen = {"repository": repository, "grpc_port": 0, "http_port": 0}
    gateway = Gateway(GatewaySettings.model_validate(chosen | settings))
    try:
        with pytest.raises(ConfigError) as raised:
            await gateway.start()
    finally:
        await gateway.close()
    return str(raised.value)


@pytest.mark.parametrize(
    ("host", "why"), [("192.0.2.1", "Cannot assign requested address"), ("", "Name or service not known")]
)
async def test_an_address_that_is_not_this_machines_is_not_taken_for_a_taken_port(
    repository: Path, front: str, host: str, why: str
) -> None:
    assert await refusal(repository, front=front, host=host, insecure=True) == f"gRPC can't listen on {host}:0: {why}"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening.getsockname()[1]


async def test_a_taken_port_is_named(repository: Path, front: str, taken: int) -> None:
    sentence = f"can't listen on 127.0.0.1:{taken}: is the port taken?"
    assert await refusal(repository, front=front, grpc_port=taken) == f"gRPC {sentence}"
    assert await refusal(repository, front=front, http_port=taken) == f"HTTP {sentence}"


def _has_ipv6() -> bool:
    try:
        with closing(socket.create_server(("::1", 0), family=socket.AF_INET6)):
            return True
    except OSError:
        return False


async def test_an_ipv6_address_is_told_as_clients_want_it(
    repository: Path, front: str, start_gateway: StartGateway, connect: Connect
) -> None:
    if not _has_ipv6():  # as in many containers
        assert (await refusal(repository, front=front, host="::1")).startswith("gRPC can't listen on [::1]:0: ")
        return
    gateway = await start_gateway(repository, host="::1")
    assert re.fullmatch(r"\[::1\]:\d+", gateway.grpc_address)
    assert re.fullmatch(r"\[::1\]:\d+", gateway.http_address)
    assert await connect(gateway).models() == []


@pytest.fixture
def pem(tmp_path: Path) -> dict[str, Path]:
    """A certificate, its key, the same encrypted, and files that are neither."""
    made = {name: tmp_path / f"{name}.pem" for name in ("certificate", "key", "locked", "junk", "empty")}
    certify = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    lock = ["openssl", "rsa", "-aes128", "-passout", "pass:secret"]
    for command in (
        [*certify, "-keyout", str(made["key"]), "-out", str(made["certificate"])],
        [*lock, "-in", str(made["key"]), "-out", str(made["locked"])],
    ):
        subprocess.run(command, check=True, capture_output=True)
    made["junk"].write_text("junk\n")
    made["empty"].touch()
    return made


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        ("junk", "key"),
        ("empty", "key"),
        ("certificate", "junk"),
        ("certificate", "certificate"),
        ("certificate", "locked"),
    ],
)
async def test_a_file_that_tls_can_not_use_is_named(
    repository: Path, pem: dict[str, Path], certificate: str, key: str
) -> None:
    said = await refusal(repository, tls_certificate=pem[certificate], tls_key=pem[key])
    assert said == f"TLS: {pem[certificate]} and {pem[key]} are not a certificate and its unencrypted key in PEM"


@pytest.mark.parametrize("authority", ["junk", "empty", "key"])
async def test_a_file_without_an_authority_is_named(repository: Path, pem: dict[str, Path], authority: str) -> None:
    ours = {"tls_certificate": pem["certificate"], "tls_key": pem["key"]}
    said = await refusal(repository, **ours, tls_client_ca=pem[authority])
    assert said == f"TLS: {pem[authority]} holds no certificate in PEM"
