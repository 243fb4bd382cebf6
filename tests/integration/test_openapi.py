"""The OpenAPI document: what schemathesis makes of it, asking a gateway."""

import asyncio
import re
from pathlib import Path

import pytest
from fixtures import ROOT, Cancer, StartGateway, put
from http_calls import ask

SCHEMATHESIS = ROOT / ".schemathesis" / "bin" / "schemathesis"
# A random time limit may be too short for any model: 504 is right then, and 503 for one that was unloaded.
SETTINGS = """
[parameters]
"path.model" = "cancer"
"path.version" = "1"
[checks.not_a_server_error]
expected-statuses = ["2xx", "4xx", {also}504]
"""
EXAMPLES = 25


@pytest.fixture
def front() -> str:
    """The other port's is the same on either."""
    return "grpc"


async def test_the_document_lists_every_route_but_pages(repository: Path, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(repository)
    document = (await ask(gateway, "GET", "/openapi.json")).json
    assert document["openapi"] == "3.1.0"
    routes = {(route.pattern, route.method.lower()) for route in vars(gateway)["_services"].routes}
    listed = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert routes - listed == {("/openapi.json", "get")}
    assert listed < routes
    score = document["paths"]["/v1/models/{model}:score"]["post"]
    assert [one["name"] for one in score["parameters"]] == ["model", "Grpc-Timeout", "X-Request-Timeout"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("wire", "operations", "also"), [("v1", 5, ""), ("v2", 12, "503, ")])
async def test_schemathesis_finds_nothing_that_the_document_does_not_say(
    repository: Path, cancer: Cancer, start_gateway: StartGateway, tmp_path: Path, wire: str, operations: int, also: str
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository)
    (tmp_path / "schemathesis.toml").write_text(SETTINGS.format(also=also))
    process = await asyncio.create_subprocess_exec(
        *(str(SCHEMATHESIS), "--config-file", str(tmp_path / "schemathesis.toml"), "run", "--no-color"),
        # A random batch of the right form has the wrong columns, and must be refused.
        *("--exclude-checks", "positive_data_acceptance"),
        *("--max-examples", str(EXAMPLES), "--seed", "17", "--no-shrink"),
        *("--include-path-regex", f"^/{wire}", "--phases", "examples,coverage,fuzzing"),
        f"http://{gateway.http_address}/openapi.json",
        stdout=asyncio.subprocess.PIPE,
        cwd=tmp_path,
    )
    printed = (await process.communicate())[0].decode()
    assert process.returncode == 0, printed
    assert re.search(rf"Tested: +{operations}\b", printed), printed
    assert re.search(r"(\d{3,}) generated, \1 passed", printed), printed
