"""Traces calls by OpenTelemetry: one span a call, one below it for each attempt to score its rows.

OpenTelemetry's SDK is an optional extra. It is loaded only where its standard variables say where spans are to go.
Spans are made once a call has ended, and a thread of the SDK sends them, so no call waits for it.
"""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version as installed_version
from typing import Any

from bridge.attempts import Attempt, Attempts
from bridge.calls import Arrival, Call, ModelRef, Outcome, now
from bridge.events import SPANS_LEFT, TRACING_FAILED, TRACING_UNAVAILABLE
from bridge.own_log import OwnLog
from bridge.threads import start

__all__ = ["Tracing", "open_tracing"]

_log = OwnLog(__name__)

_NAMES = {
    "scorebridge.v1": "scorebridge.v1.ScoringService/Score",
    "open_inference": "inference.GRPCInferenceService/ModelInfer",
    "json": "POST /v1/models/{model}:score",
    "open_inference_json": "POST /v2/models/{model}/infer",
}
# The statuses that are a server's fault, by OpenTelemetry's conventions for gRPC.
_FAULTS = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
_OWN = "scorebridge."
_LEAST_LAST_S, _MOST_LAST_S = 0.5, 5.0  # for the last spans


class Tracing:
    """Makes the spans of calls that have ended. What fails here is logged, and fails no call.

    Args:
        provider: OpenTelemetry's tracer provider, with what samples, gathers and sends spans.
    """

    def __init__(self, provider: Any) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - an optional extra
        from opentelemetry.context import Context  # noqa: PLC0415 - an optional extra

        self._api, self._context = trace, Context
        self._provider = provider
        self._tracer = provider.get_tracer("scorebridge", installed_version("scorebridge-gateway"))
        self._closed = False

    def answered(self, arrival: Arrival, call: Call, wire: str, outcome: Outcome) -> None:
        """Makes the spans of a call that was answered."""
        sources: set[str] = set()
        reasons: set[str] = set()
        for part in outcome.ranges:
            error = part.error
            sources.add("MODEL" if error is None else "FAILED" if part.failed else "DEFAULT")
            if error is not None:
                reasons.add(str((error.failed_reason if part.failed else error.default_reason) or error.reason))
        found: dict[str, Any] = {"source": "+".join(sorted(sources, reverse=True))} if sources else {}
        if reasons:
            found["default_reasons"] = sorted(reasons)
        self._make(arrival, wire, "OK", found | _facts(call), attempts=call.trace.noted)

    def failed(self, arrival: Arrival, call: Call, wire: str, *, reason: str, code: str) -> None:
        """Makes the spans of a call that was not answered.

        Args:
            arrival: when the call came, and from which span.
            call: the call.
            wire: the name of its wire.
            reason: the UPPER_SNAKE name of what it failed by.
            code: the name of its gRPC status code.
        """
        self._make(arrival, wire, code, _facts(call), reason=reason, attempts=call.trace.noted)

    def refused(
        self, arrival: Arrival, wire: str, *, reason: str, code: str, request_id: str, ref: ModelRef | None
    ) -> None:
        """Makes the span of a request that was refused before it became a call.

        Args:
            arrival: when the request came, and from which span.
            wire: the name of its wire.
            reason: the UPPER_SNAKE name of the event.
            code: the name of the gRPC status code.
            request_id: the id of the call; empty if it is not known.
            ref: the version that the request was for; None if it is not known.
        """
        found = {"request_id": request_id} if request_id else {}
        self._make(arrival, wire, code, found | ({} if ref is None else _named(ref)), reason=reason)

    async def close(self, until: float) -> None:
        """Sends the spans that are left; idempotent.

        Args:
            until: the instant on the loop's clock at which it gives up; it takes at least 0.5 s, and at most 5 s.
        """
        if self._closed:
            return
        self._closed = True
        within_s = min(max(until - now(), _LEAST_LAST_S), _MOST_LAST_S)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, done)

        # A thread of its own that nobody joins: the SDK waits for a collector for half a minute.
        start(shut_down)
        try:
            async with asyncio.timeout(within_s):
                await done
        except TimeoutError:
            _log.say(SPANS_LEFT, seconds=within_s)

    def _make(
        self,
        arrival: Arrival,
        wire: str,
        code: str,
        facts: Mapping[str, Any],
        *,
        reason: str = "",
        attempts: Attempts | None = None,
    ) -> None:
        try:
            attributes = {f"{_OWN}{name}": value for name, value in facts.items()}
            attributes |= {f"{_OWN}wire": wire, f"{_OWN}code": code} | ({"error.type": reason} if reason else {})
            if attempts is not None and attempts.left_out:
                attributes[f"{_OWN}attempts_left_out"] = attempts.left_out
            end = now()
            span = self._begin(_NAMES.get(wire, wire), self._parent(arrival), arrival.received_ns, attributes)
            if span.is_recording():
                if code in _FAULTS:
                    span.set_status(self._api.Status(self._api.StatusCode.ERROR, reason))
                for attempt in attempts.noted if attempts is not None else ():
                    self._add(span, arrival, attempt, end)
            span.end(_ns(arrival, end))
        except Exception as bug:  # noqa: BLE001 - the call has its answer
            _log.say(TRACING_FAILED, bug=bug, request_id=facts.get("request_id", ""))

    def _add(self, whole: Any, arrival: Arrival, attempt: Attempt, end: float) -> None:
        attributes: dict[str, Any] = {f"{_OWN}rows": attempt.rows}
        attributes |= {f"{_OWN}coalesced": True} if attempt.coalesced else {}
        if attempt.reason:
            attributes["error.type"] = attempt.reason
        below = self._api.set_span_in_context(whole, self._context())
        span = self._begin("attempt", below, _ns(arrival, attempt.began), attributes, inside=True)
        if attempt.reason and attempt.reason != "CANCELLED":
            span.set_status(self._api.Status(self._api.StatusCode.ERROR, attempt.reason))
        span.end(_ns(arrival, end if attempt.ended is None else min(attempt.ended, end)))

    def _begin(self, name: str, context: Any, at_ns: int, attributes: Any, *, inside: bool = False) -> Any:
        kind = self._api.SpanKind.INTERNAL if inside else self._api.SpanKind.SERVER
        return self._tracer.start_span(name, context, kind, attributes, start_time=at_ns)

    def _parent(self, arrival: Arrival) -> Any:
        parent, api = arrival.parent, self._api
        if parent is None:
            return self._context()
        state = api.TraceState.from_header([parent.state] if parent.state else [])
        flags = api.TraceFlags(parent.flags)
        remote = api.SpanContext(parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags, trace_state=state)
        return api.set_span_in_context(api.NonRecordingSpan(remote), self._context())


def open_tracing(environment: Mapping[str, str] = os.environ) -> Tracing | None:
    """Returns what traces calls as OpenTelemetry's variables say; None, and logs why, where they can't be followed.

    Loads the SDK, which takes a moment: call it in a thread. Returns None without loading it where no variable says
    where spans are to go.
    """

    def of(*names: str) -> str:
        return next((environment[name].strip().lower() for name in names if environment.get(name, "").strip()), "")

    exporter = of("OTEL_TRACES_EXPORTER")
    endpoint = of("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    if of("OTEL_SDK_DISABLED") == "true" or exporter == "none" or not (exporter or endpoint):
        return None
    protocol = of("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    if exporter not in ("", "otlp", "otlp_proto_http") or protocol not in ("", "http/protobuf"):
        reason = "only OTEL_TRACES_EXPORTER=otlp with OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf is supported"
    else:
        try:
            return Tracing(_provider())
        except ImportError:
            reason = "run pip install 'scorebridge-gateway[tracing]'"
        except Exception as error:  # noqa: BLE001 - the SDK raises what it likes at values of its variables
            reason = f"OpenTelemetry's SDK could not be set up ({type(error).__name__}): check the variables"
    _log.say(TRACING_UNAVAILABLE, reason=reason)
    return None


def _provider() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an optional extra
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an optional extra

    provider = TracerProvider(shutdown_on_exit=False)  # a gateway's end has a time limit, and the SDK's has not
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _facts(call: Call) -> dict[str, Any]:
    facts = {"request_id": call.request_id, "rows": call.rows, **_named(call.model)}
    return facts | ({"queue_s": call.trace.queue_s} if call.trace.attempts else {})


def _named(ref: ModelRef) -> dict[str, Any]:
    return {"model": ref.model, "version": ref.version}


def _ns(arrival: Arrival, at: float) -> int:
    """Returns an instant on the loop's clock in nanoseconds since 1970."""
    return arrival.received_ns + round((at - arrival.at) * 1e9)


def _resolve(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
