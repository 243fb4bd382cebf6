"""What a gateway's /metrics shows after real calls."""

import pytest
import grpc.aio
from fixtures import Cancer, StartGateway, put
from pathlib import Path
from http_calls import ask


@pytest.fixture
def front() -> str:
    return "grpc"


async def test_try(cancer: Cancer, repository: Path, start_gateway: StartGateway, tmp_path: Path) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log", max_message_bytes=1000)
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        for raw, path in ((bytes(1001), "/scorebridge.v1.ScoringService/Score"), (b"", "/x/y"), (bytes(5), "/scorebridge.v1.ScoringService/GetModel")):
            try:
                print(await channel.unary_unary(path)(raw))
            except grpc.aio.AioRpcError as e:
                print(e.code(), e.details())
    said = await ask(gateway, "POST", "/v1/models/cancer:score", {"rows": [dict(zip(cancer.names, map(float, cancer.rows[0])))]})
    print(said)
    said = await ask(gateway, "GET", "/metrics")
    print(said.headers, said.body.decode())
    (Path("/tmp/mt/metrics")).write_bytes(said.body)
