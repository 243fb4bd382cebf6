"""TLS: files that change while the gateway serves."""

import asyncio
import os
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import grpc
import grpc.aio
import pytest
from fixtures import StartGateway
from grpc_health.v1 import health_pb2, health_pb2_grpc
from waiting import eventually, moment

from bridge.config import ConfigError
from bridge.fronts.certificates import Certificates
from bridge.gateway.server import Gateway

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]  # RSA keys take long to make


class Files:
    """A certificate and its key where a gateway reads them."""

    def __init__(self, folder: Path) -> None:
        self.chain, self.key = folder / "certificate.pem", folder / "key.pem"

    def make(self) -> str:
        """Makes both; the certificate, in PEM."""
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        command = ["openssl", "req", "-x509", *EC, "-nodes", "-days", "1", *subject]
        paths = ["-keyout", str(self.key), "-out", str(self.chain)]
        subprocess.run([*command, *paths], check=True, capture_output=True)
        return self.chain.read_text()

    @property
    def settings(self) -> dict[str, Path]:
        """What a gateway is told."""
        return {"tls_certificate": self.chain, "tls_key": self.key}

    def take(self, other: "Files") -> None:
        """Puts the other's content in place of its own, whole at once."""
        other.key.replace(self.key)
        other.chain.replace(self.chain)


@pytest.fixture
def front() -> str:
    """The one that does TLS."""
    return "grpc"


@pytest.fixture
def make_files(tmp_path: Path) -> Callable[[str], Files]:
    """Makes places for files."""

    def make(name: str) -> Files:
        (tmp_path / name).mkdir()
        return Files(tmp_path / name)

    return make


async def shown(gateway: Gateway) -> str:
    """The certificate that a new connection gets, in PEM."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    host, _, port = gateway.grpc_address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return ssl.DER_cert_to_PEM_cert(found)


async def shows(gateway: Gateway, certificate: str) -> None:
    """Waits until new connections get this one."""
    async with asyncio.timeout(10):
        while await shown(gateway) != certificate:
            await moment()


async def health(channel: grpc.aio.Channel) -> int:
    """Asks once, on a connection that is there or is made now."""
    return int((await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())).status)


def channel_for(gateway: Gateway, certificate: str) -> grpc.aio.Channel:
    """A channel of a caller who trusts this certificate alone, and never shares a connection."""
    options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
    credentials = grpc.ssl_channel_credentials(certificate.encode())
    return grpc.aio.secure_channel(gateway.grpc_address, credentials, options=options)


async def test_new_connections_get_the_renewed_certificate_and_old_ones_go_on(
    repository: Path, start_gateway: StartGateway, make_files: Callable[[str], Files]
) -> None:
    served, renewed = make_files("served"), make_files("renewed")
    first, second = served.make(), renewed.make()
    gateway = await start_gateway(repository, **served.settings, watch_interval_s=0.01)
    async with channel_for(gateway, first) as old:
        assert await health(old) == health_pb2.HealthCheckResponse.SERVING
        served.take(renewed)

        await shows(gateway, second)
        assert await health(old) == health_pb2.HealthCheckResponse.SERVING
        async with channel_for(gateway, second) as new:
            assert await health(new) == health_pb2.HealthCheckResponse.SERVING
        async with channel_for(gateway, first) as outdated:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await health(outdated)
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


def half(path: Path) -> str:
    """What somebody has written of a file who is not done."""
    content = path.read_text()
    return content[: len(content) // 2]


def spoil(files: Files, other: Files, how: str) -> None:
    """Makes of whole files what they must not be."""
    key, chain = files.key, files.chain
    if how in ("half a key", "an empty key"):
        key.write_text(half(key) if how == "half a key" else "")
    elif how == "half a certificate":
        chain.write_text(half(chain))
    elif how == "a huge file":
        os.truncate(chain, 1 << 40)
    elif how == "a key of another certificate":
        other.key.replace(key)
    elif how == "a certificate of another key":
        other.chain.replace(chain)
    elif how in ("no certificate", "a file without end"):
        chain.unlink()
        if how == "a file without end":
            chain.symlink_to("/dev/zero")
    else:
        key.unlink()
        if how == "a folder":
            key.mkdir()
        elif how == "a FIFO":
            os.mkfifo(key)


SPOILT = [
    *("half a key", "an empty key", "half a certificate", "a huge file", "a key of another certificate", "no key"),
    *("a certificate of another key", "no certificate", "a file without end", "a folder", "a FIFO"),
]


@pytest.mark.parametrize("how", SPOILT)
async def test_files_that_are_not_whole_leave_what_is_served_as_it_is_loudly(
    repository: Path,
    start_gateway: StartGateway,
    make_files: Callable[[str], Files],
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    served, other, renewed = make_files("served"), make_files("other"), make_files("renewed")
    first, _, third = served.make(), other.make(), renewed.make()
    gateway = await start_gateway(repository, **served.settings, watch_interval_s=0.01)
    spoil(served, other, how)
    await eventually(lambda: [record for record in caplog.records if record.name == "bridge.fronts.certificates"])
    said = [record.getMessage() for record in caplog.records if record.name == "bridge.fronts.certificates"]
    for sentence in said:
        assert str(served.chain.parent) in sentence
        assert sentence.endswith("; new connections still get the last certificate that was correct")
    assert await shown(gateway) == first
    for path in (served.chain, served.key):
        if path.is_dir():
            path.rmdir()
    served.take(renewed)
    await shows(gateway, third)


async def test_authorities_are_read_anew_too(
    repository: Path, start_gateway: StartGateway, make_files: Callable[[str], Files]
) -> None:
    served, known, stranger = make_files("served"), make_files("known"), make_files("stranger")
    ours, _, _ = served.make(), known.make(), stranger.make()
    authorities = served.chain.with_name("authorities.pem")
    authorities.write_text(known.chain.read_text())
    gateway = await start_gateway(repository, **served.settings, tls_client_ca=authorities, watch_interval_s=0.01)

    async def ask(who: Files | None) -> int:
        pair = (who.key.read_bytes(), who.chain.read_bytes()) if who else (None, None)
        options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
        credentials = grpc.ssl_channel_credentials(ours.encode(), *pair)
        async with grpc.aio.secure_channel(gateway.grpc_address, credentials, options=options) as channel:
            return await health(channel)

    assert await ask(known) == health_pb2.HealthCheckResponse.SERVING
    for unknown in (stranger, None):
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(unknown)
    authorities.write_text(stranger.chain.read_text())
    async with asyncio.timeout(10):
        while True:
            try:
                await ask(stranger)
                break
            except grpc.aio.AioRpcError:
                await moment()
    for unknown in (known, None):
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(unknown)


def test_a_fault_is_said_once_and_is_over_when_the_files_are_whole(
    make_files: Callable[[str], Files], caplog: pytest.LogCaptureFixture
) -> None:
    served, other = make_files("served"), make_files("other")
    served.make()
    other.make()
    certificates = Certificates(served.chain, served.key, None)
    other.key.replace(served.key)
    certificates.look()
    certificates.look()
    assert len(caplog.records) == 1
    assert (
        certificates.fault
        == f"TLS: {served.chain} and {served.key} are not a certificate and its unencrypted key in PEM"
    )
    other.chain.replace(served.chain)
    certificates.look()
    assert not certificates.fault


def test_what_changed_without_being_another_thing_is_not_said(
    make_files: Callable[[str], Files], caplog: pytest.LogCaptureFixture
) -> None:
    served = make_files("served")
    served.make()
    certificates = Certificates(served.chain, served.key, None)
    served.chain.touch()
    certificates.look()
    assert not caplog.records
    assert not certificates.fault


@pytest.mark.parametrize("name", ["chain", "key"])
def test_a_file_that_is_none_ends_the_start(make_files: Callable[[str], Files], name: str) -> None:
    served = make_files("served")
    served.make()
    path: Path = getattr(served, name)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match=f"^TLS: {path} is not a regular file$"):
        Certificates(served.chain, served.key, None)
