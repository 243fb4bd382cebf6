"""The wheels, and both ends of what they may be installed with."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from distributions.environments import CLIENT, ENDS, Environment, build, make_environment
from fixtures import ROOT


@dataclass(frozen=True)
class Wheels:
    """As built from the tree."""

    gateway: Path
    client: Path


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    folder = tmp_path_factory.mktemp("wheels")
    return Wheels(build("wheel", ROOT, folder / "gateway"), build("wheel", CLIENT, folder / "client"))


@pytest.fixture(scope="session", params=ENDS)
def end(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def gateway(end: str, wheels: Wheels, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """With all its extras."""
    folder = tmp_path_factory.mktemp("gateway") / end
    return make_environment(folder, f"gateway-{end}", [wheels.gateway, wheels.client])


@pytest.fixture(scope="session")
def client(end: str, wheels: Wheels, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The client alone: neither pandas nor anything else that it does not ask for."""
    return make_environment(tmp_path_factory.mktemp("client") / end, f"client-{end}", [wheels.client])
