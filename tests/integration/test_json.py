"""The HTTP/JSON wire, with real models."""

import json
from pathlib import Path
from typing import Any

import pytest
from fixtures import Cancer, Pima, StartGateway, deploy
from http_calls import Said, ask

from bridge.gateway.server import Gateway


@pytest.fixture
def front() -> str:
    """The other port's is the same on either."""
    return "grpc"


async def score(gateway: Gateway, model: str, body: Any, **headers: str) -> Said:
    """What the gateway answers to a request for scores."""
    return await ask(gateway, "POST", f"/v1/models/{model}:score", body, **headers)


async def test_columns_and_rows_are_the_two_shapes_of_a_request(
    repository: Path, cancer: Cancer, start_gateway: StartGateway
) -> None:
    await deploy(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository)
    columns = {name: cancer.rows[:3, place].tolist() for place, name in enumerate(cancer.names)}
    rows = [dict(zip(cancer.names, row, strict=True)) for row in cancer.rows[:3].tolist()]
    first, second = await score(gateway, "cancer", {"columns": columns}), await score(gateway, "cancer", {"rows": rows})
    print(first)
    assert first.status == second.status == 200
    assert first.json["scores"] == second.json["scores"]
