"""The event loop of a gateway never starts a thread that it would wait for: without memory that may be for ever."""

import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import numpy as np
from fixtures import Cancer, Pima, put
from scorebridge import ScoringClient
from waiting import eventually_now

# Says which threads the main thread starts once the gateway is ready.
TOLD = """
import builtins, threading
from bridge.cli.app import main
ready, start, say = [], threading.Thread.start, builtins.print
def printed(line, **how):
    ready.append(line.startswith("ready"))
    say(line, **how)
def started(self):
    if any(ready) and threading.current_thread() is threading.main_thread():
        say(f"the event loop starts the thread {self.name}", flush=True)
    start(self)
builtins.print, threading.Thread.start = printed, started
main()
"""


def test_no_thread_is_waited_for_while_a_gateway_serves(cancer: Cancer, pima: Pima, repository: Path) -> None:
    put(cancer.folder, repository, "cancer")
    told = "serve", "--repository", str(repository), "--grpc-port", "0", "--http-port", "0"
    command = [sys.executable, "-c", TOLD, *told]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as popen:
        assert popen.stdout is not None
        try:
            words = popen.stdout.readline().split()
            assert words[0] == "ready"
            grpc, http = (word.partition("=")[2] for word in words[1:3])
            with ScoringClient(grpc) as client:
                rows = dict(zip(cancer.names, np.tile(cancer.rows, (20, 1)).T, strict=True))
                assert len(client.score("cancer", rows, timeout_s=30).scores) == 20 * len(cancer.rows)
                put(cancer.folder, repository, "cancer", 2)
                put(pima.folder / "glm", repository, "glm")
                eventually_now(lambda: _serving(client) == {("cancer", 2), ("glm", 1)})
            for page in ("/", "/metrics", "/readyz"):
                with urlopen(f"http://{http}{page}", timeout=30) as answer:
                    assert answer.status == 200
        finally:
            popen.send_signal(signal.SIGTERM)
        # Python's own last one is started when all calls are answered and the ports are closed.
        assert [line for line in popen.stdout if "_do_shutdown" not in line] == []
        assert popen.wait(30) == 0


def _serving(client: ScoringClient) -> set[tuple[str, int]]:
    return {(one.model, one.version) for one in client.models() if one.serving}
