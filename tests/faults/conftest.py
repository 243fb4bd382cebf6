"""The faults run on the front that is the default; the contract tests run on both."""

import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fixtures import StartGateway, put
from other_user import make_open
from scorebridge import AsyncScoringClient
from sick import Sick, StartSick, make_sick_bundle, make_sick_python_bundle

from bridge.gateway.server import Gateway

# Only root can become another user; that others are refused is tested in tests/unit/test_worker_user.py.
_AS_ROOT = [
    "test_python_user.py",
    "test_worker_user.py",
    "test_worker_user_embedded_r.py",
    "test_worker_user_rights.py",
]
collect_ignore = [] if os.geteuid() == 0 else _AS_ROOT


@pytest.fixture
def open_folders(tmp_path: Path) -> None:
    """Lets everybody enter the test's folder and the one for temporary files, as they can on a real machine."""
    make_open(tmp_path)
    make_open(Path(tempfile.gettempdir()))


@pytest.fixture
def front() -> str:
    """One front is enough here."""
    return "grpc"


@pytest_asyncio.fixture
async def start_sick(
    tmp_path: Path,
    repository: Path,
    start_gateway: StartGateway,
    connect: Callable[[Gateway], AsyncScoringClient],
) -> AsyncIterator[StartSick]:
    """Starts a gateway with the sick model, under settings of one's own."""

    async def start(settings: str = "", *, default: bool = True) -> Sick:
        put(make_sick_bundle(tmp_path / "bundle", settings, default=default), repository, "sick")
        gateway = await start_gateway(repository)
        return Sick(gateway, connect(gateway))

    yield start


@pytest_asyncio.fixture
async def start_python_sick(
    tmp_path: Path,
    repository: Path,
    start_gateway: StartGateway,
    connect: Callable[[Gateway], AsyncScoringClient],
) -> AsyncIterator[StartSick]:
    """Starts a gateway with the sick model of Python and one that is well, under settings of one's own."""

    async def start(settings: str = "", *, default: bool = True, **of_gateway: Any) -> Sick:
        put(make_sick_python_bundle(tmp_path / "bundle", settings, default=default), repository, "sick")
        python = "".join(f'python = "{name}"\n' for name in list(of_gateway.get("pythons", ()))[:1])
        put(make_sick_python_bundle(tmp_path / "well", f"workers = 1\n{python}"), repository, "well")
        gateway = await start_gateway(repository, **of_gateway)
        return Sick(gateway, connect(gateway))

    yield start


@pytest_asyncio.fixture
async def python_sick(start_python_sick: StartSick) -> Sick:
    """The sick model of Python as it usually is: two workers, a default score, killed after half a second."""
    return await start_python_sick()


@pytest_asyncio.fixture
async def sick(start_sick: StartSick) -> Sick:
    """The sick model as it usually is: two workers, a default score, killed after half a second."""
    return await start_sick()
