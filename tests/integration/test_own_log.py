"""The own log of a real gateway process: JSON that parses, and a reader that hangs holds no call up."""

import fcntl
import json
import os
import re
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fixtures import Cancer, StartGateway, put
from gateways import GatewayProcess
from scorebridge import AsyncScoringClient, ScoringClient, ScoringError

from bridge import events
from bridge.gateway.event_table import all_events
from bridge.gateway.log_lines import formatter_of
from bridge.gateway.server import Gateway
from bridge.models.version import Version
from bridge.own_log import EVENT_KEY, Event
from bridge.services.asked import CallDraft


def configured(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return path


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_line_of_a_gateway_in_json_is_a_known_event(cancer: Cancer, repository: Path, tmp_path: Path) -> None:
    put(cancer.folder, repository, "cancer")
    put(cancer.folder, repository, "altered")
    for file in (repository / "altered").rglob("model.*"):
        file.chmod(0o644)
        file.write_bytes(b"\x1b[2J\n")
    with (tmp_path / "log").open("w") as log:
        gateway = GatewayProcess(repository, configured(tmp_path, 'own_log = "json"\n'), told=1, stderr=log)
        with ScoringClient(gateway.url) as client:
            client.score("cancer", cancer.rows[:1])
        assert gateway.end(signal.SIGTERM) == 0
    lines = lines_of(tmp_path / "log")
    by_event = {line["event"]: line for line in lines}
    assert by_event.keys() <= {event.name for event in all_events()}
    assert by_event.keys() >= {"version_serves", "version_refused", "draining"}
    serves, refused = by_event["version_serves"], by_event["version_refused"]
    assert (serves["model"], serves["version"], serves["level"]) == ("cancer", 1, "info")
    assert (refused["model"], refused["version"], refused["level"]) == ("altered", 1, "warning")
    assert refused["reason"] in refused["message"]
    assert lines[-1]["event"] == "draining"


def test_the_log_for_people_is_the_default(cancer: Cancer, repository: Path, tmp_path: Path) -> None:
    put(cancer.folder, repository, "cancer")
    with (tmp_path / "log").open("w") as log:
        gateway = GatewayProcess(repository, stderr=log)
        assert gateway.end(signal.SIGTERM) == 0
    lines = (tmp_path / "log").read_text().splitlines()
    serves = next(line for line in lines if "version_serves" in line)
    assert re.fullmatch(r"\S+Z \[info\] version_serves: cancer/1 serves", serves)
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("form", ["console", "json"])
def test_calls_are_answered_and_the_gateway_ends_while_nobody_reads_its_log(
    cancer: Cancer, repository: Path, tmp_path: Path, form: str
) -> None:
    put(cancer.folder, repository, "cancer")
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"\n" * 4096)  # full from the start
    with os.fdopen(writer, "w", closefd=False) as pipe:
        gateway = GatewayProcess(repository, configured(tmp_path, f'own_log = "{form}"\n'), stderr=pipe)
        with ScoringClient(gateway.url) as client:
            for number in range(20):
                assert client.score("cancer", cancer.rows[: number + 1]).scores.size == number + 1
        assert gateway.end(signal.SIGTERM) == 0
    for end in (reader, writer):
        with suppress(OSError):
            os.close(end)


def test_a_reader_that_comes_back_gets_the_lines(cancer: Cancer, repository: Path, tmp_path: Path) -> None:
    put(cancer.folder, repository, "cancer")
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"\n" * 4096)
    with os.fdopen(writer, "w") as pipe:
        gateway = GatewayProcess(repository, configured(tmp_path, 'own_log = "json"\n'), stderr=pipe)
    found: list[bytes] = []
    reading = threading.Thread(target=_read_all, args=(reader, found.append))
    reading.start()
    assert gateway.end(signal.SIGTERM) == 0
    reading.join()
    lines = [json.loads(line) for line in b"".join(found).splitlines() if line]
    assert [line["event"] for line in lines if line["event"] in ("version_serves", "draining")] == [
        "version_serves",
        "draining",
    ]


def _read_all(reader: int, keep: Callable[[bytes], object]) -> None:
    with os.fdopen(reader, "rb") as pipe:
        while part := pipe.read1():
            keep(part)


@pytest.mark.parametrize("front", ["grpc"], indirect=True)
@pytest.mark.parametrize(
    ("broken", "event"),
    [((Version, "score"), events.CALL_BUG), ((CallDraft, "take_and_bind"), events.REQUEST_BUG)],
    ids=["call_bug", "request_bug"],
)
async def test_a_bug_is_told_with_its_call_and_without_its_values(
    broken: tuple[type, str],
    event: Event,
    cancer: Cancer,
    repository: Path,
    start_gateway: StartGateway,
    connect: Callable[[Gateway], AsyncScoringClient],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository)

    def fails(*_: object) -> Any:
        raise ValueError("secret 4711")

    monkeypatch.setattr(*broken, fails)
    with pytest.raises(ScoringError):
        await connect(gateway).score("cancer", cancer.rows[:1], request_id="8c1f", allow_default=False)
    (record,) = [one for one in caplog.records if getattr(one, EVENT_KEY, None) is event]
    for form in ("json", "console"):
        line = formatter_of(form).format(record)
        assert "8c1f" in line
        assert "ValueError" in line
        assert "4711" not in line
