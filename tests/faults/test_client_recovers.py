"""Python clients find a gateway again: one that was restarted, that moved, or to which the way had gone silent.

Without what they do for it, none of these would end within the time that `eventually` has.
"""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from fixtures import SCOREBRIDGE, Cancer, put
from gateways import GatewayProcess
from roads import Road
from scorebridge import AsyncScoringClient, CallEvent, ScoringClient, Source, Unavailable
from waiting import eventually, moment

ROWS = np.zeros((1, 30))
SCORE_S = 0.3
SOON_S = 15.0

Ask = Callable[..., Awaitable[Source]]
Make = Callable[..., Awaitable[Ask]]


@pytest.fixture(scope="module")
def repository(cancer: Cancer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    put(cancer.folder, folder, "cancer")
    return folder


@pytest.fixture(scope="module")
def gateway(repository: Path) -> Iterator[GatewayProcess]:
    """One for all tests, which do no harm to it but to the ways that lead there."""
    process = GatewayProcess(repository)
    yield process
    process.end(signal.SIGTERM)


@pytest.fixture(scope="module", params=["grpc", "native"])
def pinged(
    request: pytest.FixtureRequest, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway on each front that is not to be pinged too often."""
    config = tmp_path_factory.mktemp("pinged") / "config.toml"
    config.write_text(f'front = "{request.param}"\nmin_ping_interval_s = 0.05\n')
    process = GatewayProcess(repository, config)
    yield process
    process.end(signal.SIGTERM)


@pytest_asyncio.fixture(params=["blocking", "asyncio"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes a client that is connected, and gives what asks for a score with it."""
    made: list[ScoringClient | AsyncScoringClient] = []

    async def make(target: str, **options: Any) -> Ask:
        if request.param == "blocking":
            blocking = ScoringClient(target, default=0.5, **options)
            made.append(blocking)
            await asyncio.to_thread(blocking.warm_up, timeout_s=SOON_S)

            async def ask(timeout_s: float = SCORE_S) -> Source:
                return (await asyncio.to_thread(blocking.score, "cancer", ROWS, timeout_s=timeout_s)).source

        else:
            other = AsyncScoringClient(target, default=0.5, **options)
            made.append(other)
            await other.warm_up(timeout_s=SOON_S)

            async def ask(timeout_s: float = SCORE_S) -> Source:
                return (await other.score("cancer", ROWS, timeout_s=timeout_s)).source

        assert await ask(5.0) == Source.MODEL
        return ask

    yield make
    for client in made:
        if isinstance(client, ScoringClient):
            client.close()
        else:
            await client.close()


async def comes(ask: Ask, source: Source, timeout_s: float = SOON_S) -> None:
    """Asks until an answer is of this source."""
    async with asyncio.timeout(timeout_s):
        while await ask() != source:
            await moment()


async def test_a_way_that_went_silent_is_left_for_a_new_one(gateway: GatewayProcess, make: Make) -> None:
    with Road(gateway.url) as road:
        ask = await make(road.url, keepalive_s=None)
        road.go_silent(for_new=False)
        assert await ask() == Source.CLIENT_DEFAULT
        await comes(ask, Source.MODEL)
        assert road.connections == 2


async def test_a_way_that_is_silent_for_new_connections_too_is_found_when_it_speaks(
    gateway: GatewayProcess, make: Make
) -> None:
    with Road(gateway.url) as road:
        ask = await make(road.url, keepalive_s=None)
        road.go_silent(for_new=True)
        while road.connections < 3:
            assert await ask() == Source.CLIENT_DEFAULT
        road.speak()
        await comes(ask, Source.MODEL)


async def test_a_new_connection_that_is_silent_too_lets_no_call_through(gateway: GatewayProcess, make: Make) -> None:
    told: list[CallEvent] = []
    with Road(gateway.url) as road:
        options = {"circuit_failures": 1, "circuit_open_s": 600.0, "on_call": told.append}
        ask = await make(road.url, keepalive_s=None, **options)
        road.go_silent(for_new=True)
        async with asyncio.timeout(SOON_S):
            while road.connections < 2:
                assert await ask() == Source.CLIENT_DEFAULT
                await moment()
        for _ in range(20):
            await ask()
            await moment()
    reasons = [event.reason for event in told if event.source == Source.CLIENT_DEFAULT]
    assert reasons == ["DEADLINE", *["CLIENT_CIRCUIT_OPEN"] * (len(reasons) - 1)]


async def test_keepalive_finds_one_silent_way_of_two(gateway: GatewayProcess, make: Make) -> None:
    # Each answer that comes on the other way says that a gateway is there: deadlines alone would not tell.
    with Road(gateway.url) as silent, Road(gateway.url) as other:
        ask = await make(f"{silent.url},{other.url}", keepalive_s=0.2, keepalive_timeout_s=0.2)
        silent.go_silent(for_new=False)
        await comes(ask, Source.CLIENT_DEFAULT)
        while silent.connections < 2:
            await ask()
        assert [await ask() for _ in range(8)] == [Source.MODEL] * 8


async def test_deadlines_that_no_gateway_could_meet_leave_the_connection_alone(
    gateway: GatewayProcess, make: Make
) -> None:
    with Road(gateway.url) as road:
        ask = await make(road.url)
        seen = set[Source]()
        async with asyncio.timeout(60):
            for _ in range(300):
                seen.add(await ask(0.0002))
        assert Source.CLIENT_DEFAULT in seen
        assert await ask(5.0) == Source.MODEL
        assert road.connections == 1


@pytest.mark.parametrize("front", ["grpc", "native"])
async def test_a_gateway_that_is_started_again(repository: Path, make: Make, tmp_path: Path, front: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'front = "{front}"\n')
    first = GatewayProcess(repository, config)
    ask = await make(first.url)
    first.end(signal.SIGKILL)
    await comes(ask, Source.CLIENT_DEFAULT)
    port = first.url.rpartition(":")[2]
    options = ["--repository", repository, "--config", config, "--grpc-port", port, "--http-port", "0"]
    command = [str(part) for part in (SCOREBRIDGE, "serve", *options)]
    again = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert again.stdout is not None
    assert (await again.stdout.readline()).startswith(b"ready ")
    await comes(ask, Source.MODEL)
    again.terminate()
    await again.communicate()


@pytest.mark.parametrize("keepalive_s", [None, 6.0])
async def test_a_gateway_takes_the_pings(pinged: GatewayProcess, make: Make, keepalive_s: float | None) -> None:
    with Road(pinged.url) as road:
        ask = await make(road.url, keepalive_s=0.1 if keepalive_s is None else keepalive_s)
        async with asyncio.timeout(60):
            for _ in range(100):
                assert await ask(5.0) == Source.MODEL
                await moment()
        assert road.connections == 1


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the hosts of the tests are called in numbers now; may be changed."""
    numbers: dict[str, str] = {}
    real = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **options: Any) -> Any:
        if host.endswith(".example") and host not in numbers:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return real(numbers.get(host, host), *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return numbers


@pytest.mark.parametrize("silent", [True, False])
async def test_gateways_that_moved_are_found(
    gateway: GatewayProcess, make: Make, names: dict[str, str], *, silent: bool
) -> None:
    with Road(gateway.url, "127.0.0.2") as old, Road(gateway.url, "127.0.0.3", old.port) as new:
        names.update({"a.example": "127.0.0.2", "b.example": "127.0.0.2"})
        ask = await make(f"a.example:{old.port},b.example:{old.port}", keepalive_s=None)
        if silent:
            old.go_silent(for_new=True)
        else:
            old.close()
        await comes(ask, Source.CLIENT_DEFAULT)
        names.update({"a.example": "127.0.0.3", "b.example": "127.0.0.3"})
        await comes(ask, Source.MODEL)
        assert new.connections > 0


async def test_one_of_two_that_moved_is_found_though_the_other_answers(
    gateway: GatewayProcess, make: Make, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("scorebridge.connection", "scorebridge.aio_connection"):
        monkeypatch.setattr(f"{module}.RESOLVE_OFTEN_S", 0.2)
    with Road(gateway.url, "127.0.0.2") as stays, Road(gateway.url, "127.0.0.3", stays.port) as new:
        names.update({"a.example": "127.0.0.2", "b.example": "127.0.0.2"})
        ask = await make(f"a.example:{stays.port},b.example:{stays.port}")
        names["b.example"] = "127.0.0.3"
        async with asyncio.timeout(SOON_S):
            while not new.connections:
                assert await ask(5.0) == Source.MODEL


async def test_hosts_that_nobody_knows_yet_cost_a_default_and_no_more(
    gateway: GatewayProcess, names: dict[str, str]
) -> None:
    with Road(gateway.url, "127.0.0.2") as road:
        target = f"a.example:{road.port},b.example:{road.port}"
        with ScoringClient(target, timeout_s=5.0, default=0.5) as client:
            assert client.score("cancer", ROWS).reasons == ["UNAVAILABLE"]
            with pytest.raises(Unavailable, match=r"^the host 'b\.example' has no known address: .*not known$"):
                client.models()
            names["b.example"] = "127.0.0.2"
            await eventually(lambda: client.score("cancer", ROWS).source == Source.MODEL)
