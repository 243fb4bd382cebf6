"""Spans of a real gateway process at a real collector by OTLP over HTTP, and at one that hangs."""

import gzip
import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest
from fixtures import Cancer, put
from gateways import GatewayProcess
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from scorebridge import ScoringClient


class _Collector(ThreadingHTTPServer):
    """A collector that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Collecting)
        self.got: list[tuple[str, ExportTraceServiceRequest]] = []

    def spans(self) -> list[Span]:
        """All spans so far."""
        return [
            span
            for _, request in self.got
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Collecting(BaseHTTPRequestHandler):
    server: _Collector

    def do_POST(self) -> None:
        """Called for each batch of spans."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.got.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps standard error clean."""


@pytest.fixture
def collector() -> Iterator[_Collector]:
    made = _Collector()
    serving = threading.Thread(target=made.serve_forever)
    serving.start()
    yield made
    made.shutdown()
    serving.join()
    made.server_close()


@contextmanager
def hanging() -> Iterator[str]:
    """The URL of a collector that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def started(
    repository: Path, config: Path | None, log: IO[str], environment: dict[str, str]
) -> Iterator[ScoringClient]:
    """A client of a gateway that ends well, or is killed with the test."""
    gateway = GatewayProcess(repository, config, stderr=log, environment=environment)
    try:
        with ScoringClient(gateway.url) as client:
            yield client
        assert gateway.end(signal.SIGTERM) == 0
    finally:
        gateway.popen.kill()
        gateway.close()


def attributes_of(span: Span) -> dict[str, Any]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes}


@pytest.mark.parametrize("library", ["grpc", "native"])
def test_a_collector_gets_every_span_before_the_gateway_ends(
    cancer: Cancer, repository: Path, tmp_path: Path, collector: _Collector, library: str
) -> None:
    put(cancer.folder, repository, "cancer")
    config = tmp_path / "gateway.toml"
    config.write_text(f"front = '{library}'\n")
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "OTEL_SERVICE_NAME": "scores",
        "OTEL_BSP_SCHEDULE_DELAY": "60000",  # so that the end sends them
    }
    with (tmp_path / "log").open("w") as log, started(repository, config, log, environment) as client:
        for number in range(20):
            client.score("cancer", cancer.rows[:3], request_id=f"call-{number}")
    assert {path for path, _ in collector.got} == {"/v1/traces"}
    (resource,) = {json.dumps(attributes_of(one.resource)) for _, got in collector.got for one in got.resource_spans}  # type: ignore[arg-type]  # both have attributes
    assert json.loads(resource)["service.name"] == "scores"
    calls = {attributes_of(one)["scorebridge.request_id"]: one for one in collector.spans() if one.kind == 2}
    attempts = [one for one in collector.spans() if one.name == "attempt"]
    assert calls.keys() == {f"call-{number}" for number in range(20)}
    assert {one.parent_span_id for one in attempts} == {one.span_id for one in calls.values()}
    assert {one.name for one in calls.values()} == {"scorebridge.v1.ScoringService/Score"}
    assert all(attributes_of(one)["scorebridge.rows"] == 3 for one in calls.values())
    values = {str(value) for value in cancer.rows[:3].ravel()}
    assert not values & {str(value) for one in collector.spans() for value in attributes_of(one).values()}
    assert "library_message" not in (tmp_path / "log").read_text()


def test_a_collector_that_hangs_holds_up_neither_a_call_nor_the_end(
    cancer: Cancer, repository: Path, tmp_path: Path
) -> None:
    put(cancer.folder, repository, "cancer")
    config = tmp_path / "gateway.toml"
    config.write_text("grace_s = 0.5\nown_log = 'json'\n")
    with hanging() as url, (tmp_path / "log").open("w") as log:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_BSP_SCHEDULE_DELAY": "10",
            "OTEL_BSP_MAX_QUEUE_SIZE": "32",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16",
        }
        with started(repository, config, log, environment) as client:
            for _ in range(200):  # would take 10 s for each, if it waited for the collector
                assert client.score("cancer", cancer.rows[:1], timeout_s=5.0).scores.size == 1
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    left = [line for line in lines if line["event"] == "spans_left"]
    assert [line["seconds"] for line in left] == [0.5]
    assert len(lines) < 60  # the library says for each span that its queue is full


def test_variables_that_we_can_t_follow_are_said_and_the_gateway_serves(
    cancer: Cancer, repository: Path, tmp_path: Path
) -> None:
    put(cancer.folder, repository, "cancer")
    environment = {"OTEL_TRACES_EXPORTER": "zipkin"}
    with (tmp_path / "log").open("w") as log, started(repository, None, log, environment) as client:
        assert client.score("cancer", cancer.rows[:1]).scores.size == 1
    assert (tmp_path / "log").read_text().count(" tracing_unavailable: ") == 1
