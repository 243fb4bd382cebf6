"""Redis servers of a test's own, which it may kill, stop and fill."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from redis import Redis
from waiting import eventually_now

__all__ = ["RedisServer", "free_port", "redis_server", "redis_store"]


def free_port() -> int:
    """A port of this machine that nobody listens on at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class RedisServer:
    """A redis-server in a process of its own, without a file of what it holds.

    Attributes:
        port: where it listens.
        url: of a store in it.
        client: for the test's own eyes.
    """

    def __init__(self, *options: str, port: int | None = None, plain: bool = True) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        listening = ("--port", str(self.port)) if plain else ("--port", "0")
        self._command = ["redis-server", *listening, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._command += ["--dir", str(self.folder), "--maxmemory", "512mb", *options]
        self.client = Redis(port=self.port)
        self.start()

    def start(self) -> None:
        """Starts it, also again after `kill`; it then holds nothing."""
        self.popen = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually_now(self._listens)

    def _listens(self) -> bool:
        assert self.popen.poll() is None, "the redis-server has ended"
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

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
def redis_server(*options: str, port: int | None = None) -> Iterator[RedisServer]:
    """A server with more options of redis-server's command line, such as "--requirepass"."""
    server = RedisServer(*options, port=port)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def redis_store() -> Iterator[RedisServer]:
    """A server for one test."""
    with redis_server() as server:
        yield server
