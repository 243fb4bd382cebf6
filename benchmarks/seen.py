"""What it costs to be seen: calls a second of one row, counted or not, scraped, looked at and traced.

    PYTHONPATH=tests:examples python benchmarks/seen.py [ROUNDS]

Each gateway records its calls and has a core of its own; what asks for its pages has the other one, with the load. All
take turns, and a ratio is the median of the rounds' own ratios to the gateway that counts nothing.
"""

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import train_cancer
from fixtures import put
from load import SCORE, calls_per_second, ready_server, require_tools
from rounds import take_turns
from scorebridge.batch import Batch

IN_FLIGHT, SECONDS = 32, 2.0
UNCOUNTED = """
from bridge.counters import Counters, VersionCounters
VersionCounters.answered = VersionCounters.failed = Counters.refused = lambda *_, **__: None
from bridge.cli.app import main
main()
"""


@contextmanager
def gateway(repository: Path, folder: Path, *, counted: bool = True, **environment: str) -> Iterator[tuple[str, str]]:
    """A gateway with a log; the addresses of its two ports."""
    program = [sys.executable, "-m", "bridge"] if counted else [sys.executable, "-c", UNCOUNTED]
    options = ["--grpc-port", "0", "--http-port", "0", "--log-dir", folder]
    with ready_server([*program, "serve", "--repository", repository, *options], **environment) as (line, _):
        _, grpc, http, *_ = line.split()
        yield grpc.removeprefix("grpc="), http.removeprefix("http=")


@contextmanager
def asked_each_second(http: str, path: str) -> Iterator[None]:
    """Asks for a page each second, as long as the context."""
    end = threading.Event()

    def ask() -> None:
        while not end.wait(1.0):
            connection = HTTPConnection(http)
            connection.request("GET", path)
            assert connection.getresponse().read()
            connection.close()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        end.set()
        asking.join()


def main(rounds: int) -> None:
    """Prints the ratios."""
    require_tools()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _, rows = train_cancer.train(folder)
        put(folder / "cancer", folder / "repository", "cancer")
        request = Batch("cancer", rows.to_numpy()[:1], None, {}).message().SerializeToString()

        def start(name: str, *, counted: bool = True, **environment: str) -> tuple[str, str]:
            found = gateway(folder / "repository", folder / name, counted=counted, **environment)
            return stack.enter_context(found)

        (uncounted, _), (grpc, http) = start("uncounted", counted=False), start("counted")
        traced, _ = start("traced", OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")

        def measure(address: str) -> float:
            return calls_per_second(address, SCORE, request, IN_FLIGHT, SECONDS)

        def seen(path: str) -> float:
            with asked_each_second(http, path):
                return measure(grpc)

        measures: dict[str, Callable[[], float]] = {
            "counting nothing": partial(measure, uncounted),
            "counting": partial(measure, grpc),
            "counting, scraped each second": partial(seen, "/metrics"),
            "counting, its status page read each second": partial(seen, "/"),
            "counting and tracing, to a collector that is not there": partial(measure, traced),
        }
        turns = take_turns(rounds, measures)
        for name in measures:
            print(f"{name}: {turns.median(name):,.0f} calls/s, {turns.ratio(name, 'counting nothing')}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
