"""An OpenSearch node of the tests' own: a JVM with the jars that setup has put into `.opensearch`."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from waiting import eventually_now

__all__ = ["SearchNode", "running_node", "search_node", "shared_search_node"]

_FOLDER = Path(__file__).parents[1] / ".opensearch"
_SETTINGS = {
    "discovery.type": "single-node",
    "transport.type": "netty4",
    "http.type": "netty4",
    "network.host": "127.0.0.1",
    "transport.port": "0",
    "cluster.routing.allocation.disk.threshold_enabled": "false",  # a full disk of the machine is none of the tests'
}


class SearchNode:
    """A node in a process of its own, which ends with this one however that ends."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="search-node-"))
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts it, also again after `kill`; it then answers on the port that it had, and has what it had."""
        places = {"path.home": self.folder, "path.data": self.folder / "data", "path.logs": self.folder / "logs"}
        settings = [f"{name}={value}" for name, value in (_SETTINGS | places | {"http.port": self._port}).items()]
        java = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Djava.io.tmpdir={self.folder}"]
        jars = f"{_FOLDER}/build/search-node.jar:{_FOLDER}/jars/*"
        with (self.folder / "output").open("wb") as output:
            self.popen = subprocess.Popen(
                [*java, "-cp", jars, "scorebridge.SearchNode", *settings],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        eventually_now(self._answers, 60)

    def _answers(self) -> bool:
        said = (self.folder / "output").read_text()
        assert self.popen.poll() is None, f"the node has ended: {said}"
        ports = [line for line in said.splitlines() if line.isdecimal()]
        self._port = int(ports[0]) if ports else self._port
        return bool(ports)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Sends JSON, and returns the answer's; that of an error as well."""
        raw = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, raw, {"Content-Type": "application/json"}, method=method)  # noqa: S310 - http
        try:
            with urlopen(request, timeout=60) as answer:  # noqa: S310 - likewise
                return json.load(answer)
        except HTTPError as error:
            with error:
                return json.load(error)

    def empty(self) -> None:
        """Removes all indices, data streams and templates."""
        for path in ("/_data_stream/*", "/_all", "/_index_template/*"):
            self.ask("DELETE", path)

    def found(self, index: str, **query: Any) -> list[dict[str, Any]]:
        """The documents of indices, by a query: each with its `_id`, `_index` and `_source`."""
        answer = self._searched(index, "_search", {"size": 10_000, "track_total_hits": True, **query})
        return list(answer["hits"]["hits"])

    def count(self, index: str) -> int:
        """How many documents are there."""
        return int(self._searched(index, "_count")["count"])

    def _searched(self, index: str, action: str, body: Any = None) -> Any:
        """The answer of indices that may just be made: for a moment such a one has no shard that can be searched."""
        answers: list[Any] = []

        def all_shards_answered() -> bool:
            self.ask("POST", f"/{index}/_refresh")
            answers.append(self.ask("POST", f"/{index}/{action}", body))
            return answers[-1].get("status") != 503 and not answers[-1].get("_shards", {}).get("failed")

        eventually_now(all_shards_answered)
        return answers[-1]

    def kill(self) -> None:
        """Kills it; what it had acknowledged is on the disk."""
        self.popen.kill()
        self.popen.wait()
        assert self.popen.stdin is not None
        self.popen.stdin.close()

    def close(self) -> None:
        """Ends it."""
        self.kill()
        shutil.rmtree(self.folder)


@contextmanager
def running_node() -> Iterator[SearchNode]:
    """A node for as long as the context."""
    node = SearchNode()
    try:
        yield node
    finally:
        node.close()


@pytest.fixture(scope="session")
def shared_search_node() -> Iterator[SearchNode]:
    """The node of this process, started for the first test that asks for it."""
    with running_node() as node:
        yield node


@pytest.fixture
def search_node(shared_search_node: SearchNode) -> SearchNode:
    """A node with nothing in it, the same one for all tests of a process."""
    shared_search_node.empty()
    return shared_search_node
