"""Redis servers of a test's own, which it may kill, stop and fill: single ones, behind Sentinel, and clusters."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest
from redis import Redis
from redis.exceptions import ResponseError
from waiting import eventually_now

from bridge.features.stores.redis_store import RedisStore
from bridge.store_settings import StoreSettings

__all__ = [
    "RedisCluster",
    "RedisServer",
    "RedisService",
    "free_port",
    "opened_store",
    "redis_cluster",
    "redis_server",
    "redis_service",
    "redis_store",
    "within",
]

_SLOTS = 16384
_PORTS = count(os.getpid() * 37)  # processes begin at different places


def free_port() -> int:
    """A port of this machine that nobody listens on at the moment.

    It is below those that the kernel gives to others, each process of a run has its own, and a cluster's second port,
    10,000 above, is one too.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = 20_000 + worker % 4 * 3000 + next(_PORTS) % 3000
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


class RedisServer:
    """A redis-server in a process of its own, without a file of what it holds.

    Attributes:
        port: where it listens.
        url: of a store in it.
        client: for the test's own eyes.
    """

    def __init__(
        self, *options: str, port: int | None = None, password: str | None = None, before: Sequence[str] = ()
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = ["redis-server", *before, "--port", str(self.port), "--bind", "127.0.0.1"]
        self._command += ["--dir", str(self.folder), "--maxmemory", "512mb", "--save", "", "--appendonly", "no"]
        self._command += ["--repl-diskless-sync-delay", "0", *options]
        self._command += ["--requirepass", password] if password else []
        self.client = Redis(port=self.port, password=password)
        self.start()

    def start(self) -> None:
        """Starts it, also again after `kill`; it then holds nothing."""
        self.popen = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually_now(self._listens)

    def _listens(self) -> bool:
        assert self.popen.poll() is None, "the redis-server has ended"
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def run(self, *words: str | int | bytes) -> Any:
        """Runs a command, and returns its reply."""
        return self.client.execute_command(*words)  # type: ignore[no-untyped-call]

    def kill(self) -> None:
        """Kills it, and what it holds is lost."""
        self.popen.kill()
        self.popen.wait()

    def hang(self) -> None:
        """Lets it hang: connections stay, and nothing is answered."""
        self.popen.send_signal(signal.SIGSTOP)
        eventually_now(lambda: psutil.Process(self.popen.pid).status() == psutil.STATUS_STOPPED)

    def go_on(self) -> None:
        """Ends the hang."""
        self.popen.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Ends it."""
        self.client.close()
        if self.popen.poll() is None:
            os.kill(self.popen.pid, signal.SIGCONT)
            self.kill()
        shutil.rmtree(self.folder)


@contextmanager
def redis_server(
    *options: str, port: int | None = None, password: str | None = None, before: Sequence[str] = ()
) -> Iterator[RedisServer]:
    """A server.

    Args:
        options: more options of redis-server's command line, such as "--timeout".
        port: where it listens; None for a free port.
        password: what it asks clients for; None for nothing.
        before: what stands before all options, such as the path of a file of settings.
    """
    server = RedisServer(*options, port=port, password=password, before=before)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def redis_store() -> Iterator[RedisServer]:
    """A server for one test."""
    with redis_server() as server:
        yield server


class RedisService:
    """A master, its replica, and sentinels that watch them under the name "features".

    Attributes:
        servers: the master at the beginning, and its replica.
        url: of a store behind the sentinels.
    """

    def __init__(self, servers: tuple[RedisServer, RedisServer], sentinels: list[RedisServer]) -> None:
        self.servers, self._sentinels = servers, sentinels
        self.url = f"sentinel://{','.join(f'127.0.0.1:{one.port}' for one in sentinels)}/features/0"
        eventually_now(self._ready)

    @property
    def master(self) -> RedisServer:
        """The server that the sentinels name as the master."""
        found = self._sentinels[0].run("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "features")
        return next(server for server in self.servers if server.port == int(found[1]))

    def fail_over(self) -> None:
        """Lets the other server become the master, and waits until it is."""
        before = self.master
        eventually_now(self._begins)
        eventually_now(lambda: self.master is not before and self.master.client.role()[0] == b"master")

    def _begins(self) -> bool:
        try:
            self._sentinels[0].run("SENTINEL", "FAILOVER", "features")
        except ResponseError:  # the sentinel has not heard of the replica lately
            return False
        return True

    def _ready(self) -> bool:
        states = [one.run("SENTINEL", "MASTER", "features") for one in self._sentinels]
        fields = [
            state if isinstance(state, dict) else dict(zip(state[::2], state[1::2], strict=True)) for state in states
        ]
        known = [{_text(name): _text(value) for name, value in one.items()} for one in fields]
        others = str(len(self._sentinels) - 1)
        return all(one["num-slaves"] == "1" and one["num-other-sentinels"] == others for one in known)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _sentinel(stack: ExitStack, master: RedisServer, quorum: int) -> RedisServer:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sentinel-")))
    watched = [f"sentinel monitor features 127.0.0.1 {master.port} {quorum}"]
    watched += ["sentinel down-after-milliseconds features 1000", "sentinel failover-timeout features 3000"]
    (folder / "sentinel.conf").write_text("\n".join([*watched, ""]))
    return stack.enter_context(redis_server(before=(str(folder / "sentinel.conf"), "--sentinel")))


@contextmanager
def redis_service(sentinels: int = 1) -> Iterator[RedisService]:
    """A master and a replica behind sentinels."""
    with ExitStack() as stack:
        master = stack.enter_context(redis_server())
        replica = stack.enter_context(redis_server("--replicaof", "127.0.0.1", str(master.port)))
        eventually_now(lambda: replica.client.info("replication")["master_link_status"] == "up")
        quorum = sentinels // 2 + 1
        yield RedisService((master, replica), [_sentinel(stack, master, quorum) for _ in range(sentinels)])


class RedisCluster:
    """A cluster of three masters, and a replica of the first.

    Attributes:
        masters: its masters at the beginning.
        replica: the replica of the first of them.
        url: of a store in it.
    """

    def __init__(self, masters: list[RedisServer], buses: list[int], replica: RedisServer) -> None:
        self.masters, self.replica = masters, replica
        self.url = f"cluster://{','.join(f'127.0.0.1:{one.port}' for one in masters)}"
        for number, master in enumerate(masters):
            first, end = number * _SLOTS // len(masters), (number + 1) * _SLOTS // len(masters)
            master.run("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            master.run("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for one in [*masters[1:], replica]:
            one.run("CLUSTER", "MEET", "127.0.0.1", masters[0].port, buses[0])
        eventually_now(lambda: all(self._whole(one) for one in [*masters, replica]))
        replica.run("CLUSTER", "REPLICATE", self.identity(masters[0]))
        eventually_now(lambda: replica.client.info("replication").get("master_link_status") == "up")

    def identity(self, server: RedisServer) -> str:
        """The name that the cluster has for a server."""
        return _text(server.run("CLUSTER", "MYID"))

    def owner(self, key: bytes) -> RedisServer:
        """The master that has a key at the beginning."""
        slot = int(self.masters[0].run("CLUSTER", "KEYSLOT", key))
        return self.masters[slot * len(self.masters) // _SLOTS]

    def _whole(self, server: RedisServer) -> bool:
        found = server.run("CLUSTER", "INFO")
        told = found if isinstance(found, dict) else dict(line.split(":") for line in _text(found).split())
        return told["cluster_state"] == "ok" and told["cluster_known_nodes"] == str(len(self.masters) + 1)


@contextmanager
def redis_cluster() -> Iterator[RedisCluster]:
    """A cluster for one test."""
    with ExitStack() as stack:
        servers, buses = [], [free_port() for _ in range(4)]
        for bus in buses:
            options = ("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "1000")
            servers.append(stack.enter_context(redis_server(*options)))
        yield RedisCluster(servers[:3], buses[:3], servers[3])


def within(seconds: float = 20.0) -> float:
    """The instant until which a call of a store may take, on the running loop's clock."""
    return asyncio.get_running_loop().time() + seconds


@asynccontextmanager
async def opened_store(url: str, **settings: Any) -> AsyncIterator[RedisStore]:
    """A started store named "features"; its time limit is long, unless the settings say otherwise."""
    store = RedisStore("features", StoreSettings(url=url, **({"timeout_s": 10.0} | settings)))
    await store.start()
    try:
        yield store
    finally:
        await store.close()
