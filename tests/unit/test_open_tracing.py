"""When calls are traced: as OpenTelemetry's variables say, and without its SDK being loaded where they say nothing."""

import subprocess
import sys
from typing import Any

import pytest

from bridge import tracing
from bridge.tracing import open_tracing

LOADED = """
import sys
from bridge.gateway.server import Gateway
from bridge.tracing import open_tracing
for environment in ({}, {"OTEL_SERVICE_NAME": "x"}, {"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "x"},
                    {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "x"}):
    assert open_tracing(environment) is None
print([name for name in sys.modules if name.partition(".")[0] == "opentelemetry"])
"""


def test_nothing_of_opentelemetry_is_loaded_where_it_is_not_asked_for() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_what_we_can_t_do_is_said(environment: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    assert open_tracing(environment) is None
    (said,) = caplog.messages
    assert said.startswith("calls are not traced, though OTEL_ variables ask for it: only OTEL_TRACES_EXPORTER=otlp")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImportError("no module"), "run pip install 'scorebridge-gateway[tracing]'"),
        (ValueError("4711"), "OpenTelemetry's SDK could not be set up (ValueError): check the variables"),
    ],
)
def test_an_sdk_that_can_t_be_loaded_or_set_up_is_said(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> Any:
        raise error

    monkeypatch.setattr(tracing, "_provider", fails)
    assert open_tracing({"OTEL_TRACES_EXPORTER": "otlp"}) is None
    assert caplog.messages == [f"calls are not traced, though OTEL_ variables ask for it: {said}"]
