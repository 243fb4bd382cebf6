"""Real models, trained once, and gateways on either front."""

import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import pytest_asyncio
import train_cancer
import xgboost
from scorebridge import AsyncScoringClient

from bridge.bundles.bundle import make_manifest
from bridge.bundles.repository import Repository, StoredVersion
from bridge.config import GatewaySettings
from bridge.gateway.server import Gateway
from bridge.models import deploy as deploying
from bridge.models.deploy import Report, Waivers

ROOT = Path(__file__).parents[1]
# What tests of the gateway ask it with: they count its calls, so the client must not repeat or spare any by itself.
NO_RETRIES: list[tuple[str, Any]] = [("grpc.enable_retries", 0)]
SCOREBRIDGE = Path(sys.executable).with_name("scorebridge")


def make_r_bundle(folder: Path, code: str, objects: str = "k <- 2", settings: str = "") -> Path:
    """A bundle made of R text.

    Args:
        folder: made here.
        code: of Pred.R.
        objects: R code whose variables are saved as model.RData.
        settings: of model.toml.
    """
    folder.mkdir(parents=True)
    (folder / "Pred.R").write_text(code)
    world = frozenset(os.environ.items() - {("PYTEST_CURRENT_TEST", os.environ.get("PYTEST_CURRENT_TEST"))})
    (folder / "model.RData").write_bytes(_saved(objects, world))
    if settings:
        (folder / "model.toml").write_text(settings)
    return folder


@cache
def _saved(objects: str, _: frozenset[tuple[str, str]]) -> bytes:
    """What R saves in a world: hundreds of tests have the same few objects, and R takes a moment to start."""
    with tempfile.TemporaryDirectory() as folder:
        target = f"{folder}/model.RData"
        script = f'local({{ {objects}\nsave(list = ls(), file = "{target}") }})'
        subprocess.run(["Rscript", "--vanilla", "-e", script], check=True, capture_output=True)
        return Path(target).read_bytes()


async def deploy(bundle: Path, repository: Path, model: str, version: int | None = None) -> StoredVersion:
    """What `scorebridge deploy --unproven --accept-warnings` does, with as few trials as at a gateway's start."""
    waivers = Waivers(unproven=True, warnings=True)
    return await deploying.deploy(
        bundle, Repository(repository), model, version, waivers=waivers, report=Report(), thorough=False
    )


def put(bundle: Path, repository: Path, model: str, version: int = 1) -> StoredVersion:
    """Deploys without looking at what is deployed, as nobody can from the command line."""
    target = Repository(repository)
    with target.staged(bundle) as staged:
        return target.publish(staged, make_manifest(staged, None), model, version)


@dataclass
class Pima:
    """Bundles of R models, the rows of Pima.te, and what R itself says of them."""

    folder: Path
    rows: np.ndarray[Any, Any]
    names: list[str]
    direct: dict[str, np.ndarray[Any, Any]]

    def table(self, first: int = 0, count: int | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """Some rows as columns."""
        last = None if count is None else first + count
        return {name: self.rows[first:last, position] for position, name in enumerate(self.names)}


@dataclass
class Cancer:
    """The xgboost bundle, its rows, and its booster."""

    folder: Path
    rows: np.ndarray[Any, Any]
    names: list[str]
    booster: xgboost.Booster


@pytest.fixture(scope="session")
def pima(tmp_path_factory: pytest.TempPathFactory) -> Pima:
    """The models of examples/train_pima.R."""
    folder = tmp_path_factory.mktemp("pima")
    subprocess.run(
        ["Rscript", "--vanilla", str(ROOT / "examples" / "train_pima.R"), str(folder)], check=True, capture_output=True
    )
    lines = (folder / "direct.csv").read_text().splitlines()
    header = lines[0].split(",")
    values = np.array([[float(cell) for cell in line.split(",")] for line in lines[1:]])
    return Pima(folder, values[:, :7], header[:7], {name: values[:, 7 + at] for at, name in enumerate(header[7:])})


@pytest.fixture(scope="session")
def cancer(tmp_path_factory: pytest.TempPathFactory) -> Cancer:
    """The model of examples/train_cancer.py."""
    folder = tmp_path_factory.mktemp("cancer")
    booster, rows = train_cancer.train(folder)
    return Cancer(folder / "cancer", rows.to_numpy(), list(rows.columns), booster)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty repository."""
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


@pytest.fixture(params=["native", "grpc"])
def front(request: pytest.FixtureRequest) -> str:
    """Both fronts, one after the other."""
    return str(request.param)


class Addressed(Protocol):
    """A gateway in this process or another, as its callers know it."""

    @property
    def grpc_address(self) -> str:
        """Where it answers gRPC calls, HOST:PORT."""

    @property
    def http_address(self) -> str:
        """Where it answers HTTP requests, HOST:PORT."""


StartGateway = Callable[..., Any]


@pytest_asyncio.fixture
async def start_gateway(front: str) -> AsyncIterator[StartGateway]:
    """Starts gateways that are closed at the end of the test."""
    started: list[Gateway] = []

    async def start(repository: Path, **settings: Any) -> Gateway:
        chosen = {"repository": repository, "grpc_port": 0, "http_port": 0, "grace_s": 0.2, "front": front}
        gateway = Gateway(GatewaySettings.model_validate(chosen | settings))
        started.append(gateway)
        await gateway.start()
        await gateway.load()
        return gateway

    yield start
    for gateway in started:
        await gateway.close()


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Callable[[Addressed], AsyncScoringClient]]:
    """Makes clients that are closed at the end of the test."""
    clients: list[AsyncScoringClient] = []

    def make(gateway: Addressed) -> AsyncScoringClient:
        clients.append(AsyncScoringClient(gateway.grpc_address, options=NO_RETRIES, circuit_failures=0))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()
