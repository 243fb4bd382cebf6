"""What both Python clients do around a call: the file of defaults, the hook, channels, timeouts."""

import json
import logging
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from scorebridge import AsyncScoringClient, CallEvent, Cancelled, ScoringClient, Source, calls
from scorebridge.answers import Answers
from scorebridge.batch import MOST_ROWS, Batch
from scorebridge.channel import plan_channel
from scorebridge.client_base import ClientBase
from scorebridge.errors import ScoringError

NOBODY = "127.0.0.1:1"
CLOSED = r"^the client is closed$"


def test_every_default_is_counted_written_and_told(tmp_path: Path) -> None:
    file, events = tmp_path / "defaults.jsonl", list[CallEvent]()
    with ScoringClient(
        NOBODY, timeout_s=5, default=0.5, circuit_failures=2, defaults_log=file, on_call=events.append
    ) as client:
        for request_id in ("one", "two", 'say "three"'):
            client.score("m", np.zeros((2, 3)), request_id=request_id)
        assert client.client_defaults == {"UNAVAILABLE": 4, "CLIENT_CIRCUIT_OPEN": 2}
    assert [event.reason for event in events] == ["UNAVAILABLE", "UNAVAILABLE", "CLIENT_CIRCUIT_OPEN"]
    assert {(event.model, event.rows, event.source) for event in events} == {("m", 2, Source.CLIENT_DEFAULT)}
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["request_id"] for line in lines] == ["one", "two", 'say "three"']
    assert (lines[2]["model"], lines[2]["rows"], lines[2]["reason"]) == ("m", 2, "CLIENT_CIRCUIT_OPEN")
    assert lines[2]["default_score"] == 0.5


async def test_a_hook_that_raises_does_not_harm_the_call(caplog: pytest.LogCaptureFixture) -> None:
    def hook(_: CallEvent) -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR):
        async with AsyncScoringClient(NOBODY, timeout_s=5, default=0.5, on_call=hook) as client:
            answer = await client.score("m", np.zeros((1, 3)))
    assert answer.scores.tolist() == [0.5]
    assert "the hook on_call raised an error; call" in caplog.text


def test_a_full_disk_does_not_harm_the_call(caplog: pytest.LogCaptureFixture) -> None:
    with ScoringClient(NOBODY, timeout_s=5, default=0.5, defaults_log="/dev/full") as client:
        assert client.score("m", np.zeros((1, 3))).scores.tolist() == [0.5]
    assert "was not written" in caplog.text


@pytest.mark.parametrize("kind", [ScoringClient, AsyncScoringClient])
@pytest.mark.parametrize(
    "wrong",
    [
        {"target": "no port"},
        {"credentials": "none"},
        {"timeout_s": 0},
        {"default": "x"},
        {"token": "x"},
        {"keepalive_s": 0},
        {"circuit_failures": -1},
        {"circuit_open_s": math.nan},
        {"on_call": "x"},
        {"defaults": 1},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_client_that_can_not_be_made_opens_no_file(kind: Any, wrong: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "defaults.jsonl"
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        kind(**({"target": NOBODY, "defaults_log": file} | wrong))
    assert not file.exists()


def test_a_given_channel_is_used_and_stays_open() -> None:
    with grpc.insecure_channel(NOBODY) as channel:
        for _ in range(2):
            with ScoringClient("unused", timeout_s=5, default=0.5, channel=channel) as client:
                assert client.score("m", np.zeros((1, 3))).reasons == ["UNAVAILABLE"]


@pytest.fixture
def packing_takes_3_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moves the clients' clock while rows become a message."""
    late, pack = [0.0], ClientBase._batch

    def slow(*arguments: Any) -> Batch:
        late[0] += 3.0
        return pack(*arguments)

    monkeypatch.setattr(ClientBase, "_batch", slow)
    monkeypatch.setattr(calls, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + late[0]))


@pytest.fixture
def asked() -> Iterator[tuple[str, list[float]]]:
    """A server that scores nothing: its address, and the seconds that its callers had left."""
    left_s = list[float]()

    def note(_: bytes, context: grpc.ServicerContext) -> bytes:
        left_s.append(context.time_remaining())
        context.abort(grpc.StatusCode.UNAVAILABLE, "no scores here")
        return b""

    methods = {"Score": grpc.unary_unary_rpc_method_handler(note)}
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("scorebridge.v1.ScoringService", methods),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}", left_s
        server.stop(None).wait()


@pytest.mark.usefixtures("packing_takes_3_s")
def test_a_call_s_time_counts_from_its_beginning(asked: tuple[str, list[float]]) -> None:
    target, left_s = asked
    with grpc.insecure_channel(target) as channel, ScoringClient("unused", channel=channel, default=0.5) as client:
        assert client.score("m", np.zeros((1, 3)), timeout_s=20).source is Source.CLIENT_DEFAULT
    assert left_s
    assert max(left_s) < 17


@pytest.mark.usefixtures("packing_takes_3_s")
async def test_a_call_s_time_counts_from_its_beginning_for_asyncio(asked: tuple[str, list[float]]) -> None:
    target, left_s = asked
    async with (
        grpc.aio.insecure_channel(target) as channel,
        AsyncScoringClient("unused", channel=channel, default=0.5) as client,
    ):
        assert (await client.score("m", np.zeros((1, 3)), timeout_s=20)).source is Source.CLIENT_DEFAULT
    assert left_s
    assert max(left_s) < 17


def test_a_closed_client_says_so() -> None:
    client = ScoringClient(NOBODY, default=0.5)
    client.close()
    for rows in (np.zeros((1, 3)), np.zeros((MOST_ROWS + 1, 3))):
        with pytest.raises(RuntimeError, match=CLOSED):
            client.score("m", rows)
    with pytest.raises(RuntimeError, match=CLOSED):
        client.models()


async def test_a_closed_client_for_asyncio_says_so() -> None:
    client = AsyncScoringClient(NOBODY, default=0.5)
    await client.close()
    with pytest.raises(RuntimeError, match=CLOSED):
        await client.score("m", np.zeros((1, 3)))
    with pytest.raises(RuntimeError, match=CLOSED):
        await client.model("m")


@pytest.mark.parametrize("timeout_s", [0, -1, 1e8 + 1, 9e9, math.inf, math.nan])
def test_a_timeout_that_no_clock_holds_is_refused(timeout_s: float) -> None:
    with pytest.raises(ValueError, match=r"^timeout_s must be over 0 and at most 100000000 seconds, not"):
        ScoringClient(NOBODY, timeout_s=timeout_s)
    with ScoringClient(NOBODY, default=0.5) as client, pytest.raises(ValueError, match=r"^timeout_s must be"):
        client.score("m", np.zeros((1, 3)), timeout_s=timeout_s)


def test_a_cancelled_call_has_no_default() -> None:
    request = Batch("m", np.zeros((2, 3)), 0.5, {}).message()
    error = Cancelled("gone", "CANCELLED", status="CANCELLED", by_gateway=False)
    with pytest.raises(Cancelled) as raised:
        Answers({}).fall_back(request, 2, error, 0.0)
    assert raised.value is error


def test_the_caller_s_channel_options_go_before() -> None:
    options = dict(
        plan_channel("a:1,b:2", None, [("grpc.enable_retries", 0)], {"keepalive_s": None}, token=False).options
    )
    assert options["grpc.enable_retries"] == 0
    assert options["grpc.max_receive_message_length"] == -1
    assert options["grpc.default_authority"] == "a:1"
    assert "grpc.keepalive_time_ms" not in options
    assert "grpc.default_authority" not in dict(plan_channel("a:1", None, [], {}, token=False).options)


def test_every_error_says_its_status() -> None:
    error = ScoringError("x", "REASON", status=grpc.StatusCode.ABORTED.name, by_gateway=True)
    assert (error.status, error.by_gateway, error.reason) == ("ABORTED", True, "REASON")
