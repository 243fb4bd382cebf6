"""ops/envoy.yaml in front of a gateway: what grpc.aio can't hold by itself does not get through."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from urllib.request import urlopen

import pytest
from attacks.gauge import ROOT, Gauge
from fixtures import Cancer, put
from raw_http2 import dial, header_block, request

LIST = "/scorebridge.v1.ScoringService/ListModels"
_ENVOY = Path(str(files("envoy") / "_bin" / "envoy"))


@pytest.fixture(scope="module")
def gauge(cancer: Cancer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gauge]:
    """A gateway that is called through Envoy."""
    folder = tmp_path_factory.mktemp("envoy")
    (folder / "repository").mkdir()
    put(cancer.folder, folder / "repository", "cancer")
    with Gauge.of(folder / "repository", cancer.names, folder, "grpc") as made:
        behind = made.grpc_address.rpartition(":")[2]
        lines = (ROOT / "ops" / "envoy.yaml").read_text()
        for old, new in (("8443", "0"), ("9901", "0"), ("8081}", f"{behind}}}")):
            assert old in lines
            lines = lines.replace(old, new)
        config, log, admin = folder / "envoy.yaml", folder / "envoy.log", folder / "admin"
        config.write_text(lines)
        options = ["--concurrency", "1", "--use-dynamic-base-id", "--admin-address-path", str(admin)]
        command = [str(_ENVOY), "-c", str(config), *options]
        with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as envoy:
            try:
                while (port := _listening_port(admin)) is None:
                    assert envoy.poll() is None, log.read_text()
                made.grpc_address = f"127.0.0.1:{port}"
                yield made
            finally:
                envoy.terminate()


def _listening_port(admin: Path) -> int | None:
    """Returns the port on which Envoy takes calls; None while it takes none. Envoy writes `admin` when it begins."""
    if not admin.exists() or not (address := admin.read_text()):
        return None
    with suppress(OSError), urlopen(f"http://{address}/ready"), urlopen(f"http://{address}/listeners") as listed:
        return int(listed.read().decode().strip().rpartition(":")[2])
    return None


@pytest.mark.parametrize(
    "name",
    [
        "rapid resets on one connection",
        "rapid resets on two connections",
        "endless CONTINUATION",
        "SETTINGS flood",
        "empty DATA",
        "10,000 half-sent streams",
        "a length of 4 GiB, 600 MiB sent and held",
    ],
)
def test_others_are_answered_beside_an_attack(gauge: Gauge, name: str, tmp_path: Path) -> None:
    seen = gauge.attack(name, 0.6, tmp_path)
    assert seen.alive
    assert seen.others > 0
    assert seen.scored == seen.others


@pytest.mark.parametrize(
    ("block", "told"),
    [
        (header_block("/scorebridge.v1.ScoringService/ListModels"), {":status": "200", "grpc-status": "0"}),
        (
            header_block("/scorebridge.v1.ScoringService/ListModels", content_type="application/json"),
            {":status": "404"},
        ),
        (header_block("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"), {"grpc-status": "12"}),
    ],
)
async def test_only_grpc_calls_of_our_service_get_through(gauge: Gauge, block: bytes, told: dict[str, str]) -> None:
    caller = await dial(gauge.grpc_address)
    async with asyncio.timeout(20):
        await caller.send(request(1, block, b""))
        headers, _ = await caller.answer()
    await caller.close()
    assert headers.items() >= told.items()
