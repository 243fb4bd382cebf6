"""Spans of real calls on every wire, as OpenTelemetry's own in-memory exporter gets them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
import pytest
import pytest_asyncio
from fixtures import Cancer, StartGateway, make_r_bundle, put
from http_calls import ask
from infer_messages import add_raw
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from scorebridge.v1 import scoring_pb2
from waiting import eventually

from bridge.codecs.open_inference import inference_pb2 as pb
from bridge.gateway.server import Gateway
from bridge.tracing import Tracing

pytestmark = pytest.mark.parametrize("front", ["grpc"], indirect=True)

SCORE, INFER = "/scorebridge.v1.ScoringService/Score", "/inference.GRPCInferenceService/ModelInfer"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTEXT = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=opaque"}
ODD = """
Pred.R <- function(x) {
  if (x[1L] == -1) quit(save = "no")
  if (x[1L] == -2) stop("no score for ", x[1L])
  if (x[1L] == -3) Sys.sleep(20)
  x * k
}
"""
ODD_SETTINGS = """
timeout_s = 20
workers = 1
row_wise = true
[features]
x = "double"
[outputs]
score = "double"
[retry]
attempts = 2
"""


@dataclass
class Traced:
    """A gateway whose spans are kept in memory."""

    gateway: Gateway
    exporter: InMemorySpanExporter

    async def ask(self, path: str, request: Any, metadata: Sequence[tuple[str, str]] = (), wait_s: float = 60) -> bytes:
        """The answer to one call by gRPC."""
        raw = request if isinstance(request, bytes) else request.SerializeToString()
        async with grpc.aio.insecure_channel(self.gateway.grpc_address) as made:
            channel: Any = made  # its stubs want serializers
            answer: bytes = await channel.unary_unary(path)(raw, metadata=metadata, timeout=wait_s)
            return answer

    def spans(self) -> tuple[ReadableSpan, list[ReadableSpan]]:
        """The span of the only call since the last time, and those of its attempts."""
        found = self.exporter.get_finished_spans()
        self.exporter.clear()
        (whole,) = [span for span in found if span.kind is SpanKind.SERVER]
        attempts = [span for span in found if span is not whole]
        assert whole.context is not None
        assert all(span.parent is not None and span.parent.span_id == whole.context.span_id for span in attempts)
        assert all((whole.start_time or 0) <= (span.start_time or 0) <= (span.end_time or 0) for span in attempts)
        assert all((span.end_time or 0) <= (whole.end_time or 0) for span in attempts)
        assert all(span.name == "attempt" and span.kind is SpanKind.INTERNAL for span in attempts)
        return whole, attempts


async def _traced(gateway: Gateway) -> Traced:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    gateway._services.answering.tracing = Tracing(provider)
    return Traced(gateway, exporter)


@pytest_asyncio.fixture
async def traced(cancer: Cancer, repository: Path, start_gateway: StartGateway) -> Traced:
    """A gateway with an xgboost model."""
    put(cancer.folder, repository, "cancer")
    return await _traced(await start_gateway(repository))


@pytest_asyncio.fixture
async def odd(tmp_path: Path, repository: Path, start_gateway: StartGateway) -> Traced:
    """A gateway with an R model that fails when it is told to, with a default score and without."""
    put(make_r_bundle(tmp_path / "odd", ODD, settings=ODD_SETTINGS), repository, "odd")
    put(make_r_bundle(tmp_path / "safe", ODD, settings="default_score = 0.5\n" + ODD_SETTINGS), repository, "safe")
    return await _traced(await start_gateway(repository))


def rows_request(cancer: Cancer, rows: int = 2, **more: Any) -> scoring_pb2.ScoreRequest:
    request = scoring_pb2.ScoreRequest(model="cancer", **more)
    request.matrix.rows = rows
    request.matrix.columns.extend(cancer.names)
    request.matrix.doubles.values.extend(cancer.rows[:rows].ravel())
    return request


def odd_request(*x: float, model: str = "odd", **more: Any) -> scoring_pb2.ScoreRequest:
    request = scoring_pb2.ScoreRequest(model=model, request_id="8c1f", **more)
    column = request.table.columns.add(name="x")
    column.doubles.values.extend(x)
    return request


def facts(span: ReadableSpan) -> dict[str, Any]:
    return {name.removeprefix("scorebridge."): value for name, value in (span.attributes or {}).items()}


async def test_a_call_is_a_span_with_its_facts_and_one_attempt(cancer: Cancer, traced: Traced) -> None:
    await traced.ask(SCORE, rows_request(cancer, request_id="8c1f"))
    whole, (attempt,) = traced.spans()
    assert whole.name == "scorebridge.v1.ScoringService/Score"
    assert facts(whole) == {
        "model": "cancer",
        "version": 1,
        "request_id": "8c1f",
        "rows": 2,
        "queue_s": 0.0,
        "source": "MODEL",
        "wire": "scorebridge.v1",
        "code": "OK",
    }
    assert facts(attempt) == {"rows": 2}
    assert whole.parent is None
    assert whole.status.status_code is attempt.status.status_code is StatusCode.UNSET


def infer_request(cancer: Cancer) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="cancer", id="8c1f")
    add_raw(request, "input__0", "FP64", cancer.rows[:2].shape, cancer.rows[:2].tobytes())
    return request


async def test_every_wire_has_spans_and_takes_the_caller_s_context(cancer: Cancer, traced: Traced) -> None:
    metadata = tuple(CONTEXT.items())
    row = dict(zip(cancer.names, cancer.rows[0].tolist(), strict=True))
    json_body, inputs = {"request_id": "8c1f", "rows": [row]}, cancer.rows[:2].ravel().tolist()
    tensor = {"name": "input__0", "datatype": "FP64", "shape": list(cancer.rows[:2].shape), "data": inputs}
    for name, wire, asked in [
        ("scorebridge.v1.ScoringService/Score", "scorebridge.v1", (SCORE, rows_request(cancer, request_id="8c1f"))),
        ("inference.GRPCInferenceService/ModelInfer", "open_inference", (INFER, infer_request(cancer))),
        ("POST /v1/models/{model}:score", "json", ("/v1/models/cancer/versions/1:score", json_body)),
        (
            "POST /v2/models/{model}/infer",
            "open_inference_json",
            ("/v2/models/cancer/infer", {"id": "8c1f", "inputs": [tensor]}),
        ),
    ]:
        path, request = asked
        if isinstance(request, dict):
            said = await ask(traced.gateway, "POST", path, request, CONTEXT)
            assert said.status == 200, said.body
        else:
            await traced.ask(path, request, metadata)
        whole, attempts = traced.spans()
        assert (whole.name, facts(whole)["wire"], facts(whole)["request_id"]) == (name, wire, "8c1f")
        assert len(attempts) == 1
        assert whole.parent is not None
        assert (whole.parent.trace_id, whole.parent.span_id) == (int(TRACE, 16), int(SPAN, 16))
        assert whole.parent.is_remote
        assert whole.context is not None
        assert whole.context.trace_state.get("vendor") == "opaque"
        assert whole.context.trace_id == int(TRACE, 16)


async def test_a_context_that_is_not_valid_is_ignored(cancer: Cancer, traced: Traced) -> None:
    await traced.ask(SCORE, rows_request(cancer), [("traceparent", "00-1-2-3"), ("tracestate", "x" * 5000)])
    assert traced.spans()[0].parent is None


async def test_a_caller_that_does_not_keep_its_trace_is_not_traced(cancer: Cancer, traced: Traced) -> None:
    await traced.ask(SCORE, rows_request(cancer), [("traceparent", f"00-{TRACE}-{SPAN}-00")])
    assert traced.exporter.get_finished_spans() == ()


async def test_a_refused_request_is_a_span_without_attempts_or_values(cancer: Cancer, traced: Traced) -> None:
    request = rows_request(cancer, request_id="8c1f")
    request.matrix.columns[0] = "secret column"
    with pytest.raises(grpc.aio.AioRpcError):
        await traced.ask(SCORE, request)
    whole, attempts = traced.spans()
    assert facts(whole) == {
        "model": "cancer",
        "version": 1,
        "request_id": "8c1f",
        "wire": "scorebridge.v1",
        "code": "INVALID_ARGUMENT",
        "error.type": "INVALID_REQUEST",
    }
    assert attempts == []
    assert "secret" not in whole.to_json()
    with pytest.raises(grpc.aio.AioRpcError):
        await traced.ask(SCORE, scoring_pb2.ScoreRequest(model="secret model", request_id="8c1f"))
    whole, _ = traced.spans()
    assert facts(whole)["error.type"] == "MODEL_NOT_FOUND"
    assert "secret" not in whole.to_json()


async def test_each_attempt_of_a_lost_worker_is_a_span_with_its_reason(odd: Traced) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await odd.ask(SCORE, odd_request(-1.0))
    whole, attempts = odd.spans()
    assert [facts(one) for one in attempts] == [{"rows": 1, "error.type": "WORKER_LOST"}] * 2
    assert [one.status.status_code for one in attempts] == [StatusCode.ERROR] * 2
    assert facts(whole)["error.type"] == "POISON_CALL"
    assert whole.status.status_code is StatusCode.ERROR
    assert "-1" not in str(facts(whole) | facts(attempts[0]))


async def test_default_scores_have_their_reasons_and_no_message(odd: Traced) -> None:
    await odd.ask(SCORE, odd_request(-2.0, 1.0, model="safe"))
    whole, attempts = odd.spans()
    assert (facts(whole)["source"], facts(whole)["default_reasons"]) == ("MODEL+DEFAULT", ("MODEL_ERROR",))
    assert facts(whole)["code"] == "OK"
    assert [facts(one).get("error.type") for one in attempts] == ["MODEL_ERROR", "MODEL_ERROR", None]
    assert "no score" not in whole.to_json() + "".join(one.to_json() for one in attempts)
    await odd.ask(SCORE, odd_request(-2.0, 1.0, partial=True))
    whole, _ = odd.spans()
    assert (facts(whole)["source"], facts(whole)["default_reasons"]) == ("MODEL+FAILED", ("MODEL_ERROR",))


async def test_a_caller_that_leaves_is_a_cancelled_span(odd: Traced) -> None:
    asking = asyncio.ensure_future(odd.ask(SCORE, odd_request(-3.0)))
    version = next(one for one in odd.gateway.registry.versions() if one.stored.model == "odd")
    assert version.accepted is not None
    workload = version.accepted.backend.workload
    await eventually(lambda: workload.running)
    asking.cancel()
    await asyncio.wait({asking})
    await eventually(odd.exporter.get_finished_spans)
    await eventually(lambda: [one for one in odd.exporter.get_finished_spans() if one.kind is SpanKind.SERVER])
    whole, attempts = odd.spans()
    assert (facts(whole)["code"], facts(whole)["error.type"]) == ("CANCELLED", "CANCELLED")
    assert [facts(one)["error.type"] for one in attempts] == ["CANCELLED"]


async def test_a_bug_of_tracing_fails_no_call(
    cancer: Cancer, traced: Traced, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Tracing, "_begin", lambda *_, **__: 1 / 0)
    assert await traced.ask(SCORE, rows_request(cancer, request_id="8c1f"))
    assert "the span of call 8c1f was not made, because of a bug in the gateway" in caplog.text


async def test_rows_of_none_are_a_span_too(cancer: Cancer, traced: Traced) -> None:
    await traced.ask(SCORE, rows_request(cancer, rows=0))
    whole, attempts = traced.spans()
    assert (facts(whole)["rows"], attempts) == (0, [])
    assert np.isfinite(whole.end_time or 0)
