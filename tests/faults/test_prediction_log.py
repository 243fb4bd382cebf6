"""The prediction log under what can happen to it: kill -9, a full disk, a folder not to be written, two gateways."""

import asyncio
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import grpc
import grpc.aio
import pytest
import xgboost
from fixtures import SCOREBRIDGE, Cancer, StartGateway, put
from gateways import GatewayProcess
from row_messages import to_features
from scorebridge import AsyncScoringClient, InvalidRequest, ModelNotFound, Unavailable
from scorebridge.v1 import scoring_pb2 as pb
from sick import Sick, make_sick_bundle
from waiting import eventually

from bridge.config import ConfigError
from bridge.gateway.server import Gateway
from bridge.prediction_log.reader import Entry, read_log, segments_of
from bridge.prediction_log.segment_file import SegmentFile
from bridge.services.scoring import ScoringService

Connect = Callable[[Gateway], AsyncScoringClient]
SCORE = "/scorebridge.v1.ScoringService/Score"


@pytest.fixture
def served(tmp_path: Path, repository: Path) -> Path:
    put(make_sick_bundle(tmp_path / "sick", "row_wise = true"), repository, "sick")
    return repository


def _same(message: bytes) -> bytes:
    return message


def _request(number: int) -> pb.ScoreRequest:
    table = pb.Table(
        columns=[
            pb.Column(name="do", strings=pb.StringArray(values=["score"])),
            pb.Column(name="x", doubles=pb.DoubleArray(values=[number])),
        ]
    )
    return pb.ScoreRequest(request_id=f"call-{number}", model="sick", table=table, row_keys=[f"row-{number}"])


def _by_id(folder: Path) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in read_log(folder):
        assert entry.record.request_id not in found
        found[entry.record.request_id] = entry
    return found


def _verify(folder: Path) -> tuple[int, str]:
    done = subprocess.run([str(SCOREBRIDGE), "log", "verify", str(folder)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


class Diary:
    """The bytes of every answer that reached a caller."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[bytes, bytes]] = {}
        self._number = 0

    async def call_until_it_breaks(self, url: str, callers: int = 8) -> None:
        """Until the gateway is gone."""
        async with grpc.aio.insecure_channel(url) as channel:
            call = channel.unary_unary(SCORE, _same, _same)
            await asyncio.gather(*(self._caller(call) for _ in range(callers)))

    async def _caller(self, call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]) -> None:
        while True:
            self._number += 1
            request = _request(self._number)
            raw = request.SerializeToString()
            try:
                self.answers[request.request_id] = (raw, await call(raw, timeout=10))
            except grpc.aio.AioRpcError:
                return


@pytest.mark.parametrize("fsync", ["interval", "always"])
async def test_every_answered_call_is_in_the_log_after_each_kill_9(tmp_path: Path, served: Path, fsync: str) -> None:
    config, log, diary = tmp_path / "gateway.toml", tmp_path / "log", Diary()
    config.write_text(f'log_dir = "{log}"\nlog_fsync = "{fsync}"\n')
    for round_ in range(3):
        gateway = GatewayProcess(served, config)
        calls = asyncio.create_task(diary.call_until_it_breaks(gateway.url))
        enough = len(diary.answers) + 200
        await eventually(lambda enough=enough: len(diary.answers) > enough)  # type: ignore[misc] # a loop's default
        assert await asyncio.to_thread(gateway.end, signal.SIGKILL) == -signal.SIGKILL
        await calls
        logged = _by_id(log)
        for request_id, (request, response) in diary.answers.items():
            assert (logged[request_id].record.request, logged[request_id].record.response) == (request, response)
        assert len(segments_of(log)) == round_ + 1
    code, said = _verify(log)
    assert code == 0, said
    last = GatewayProcess(served, config)  # sweeps up what the killed ones left
    assert await asyncio.to_thread(last.end, signal.SIGTERM) == 0


async def test_with_fsync_always_an_answer_waits_for_the_disk(
    tmp_path: Path, served: Path, start_gateway: StartGateway, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[int, int] = {}
    real = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        real(descriptor)
        synced[os.fstat(descriptor).st_ino] = size

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    log = tmp_path / "log"
    sick = Sick(gateway := await start_gateway(served, log_dir=log, log_fsync="always"), connect(gateway))

    async def one(x: float) -> tuple[str, int]:
        answer = await sick.call("score", [x])
        (segment,) = log.glob("*.sblog")
        return answer.request_id, synced[segment.stat().st_ino]

    answered = await asyncio.gather(*(one(float(n)) for n in range(40)))
    (segment,) = log.glob("*.sblog")
    whole = segment.read_bytes()
    for request_id, on_disk in answered:
        # What a power cut right behind the answer would leave.
        (tmp_path / "cut").mkdir(exist_ok=True)
        (tmp_path / "cut" / segment.name).write_bytes(whole[:on_disk])
        assert request_id in _by_id(tmp_path / "cut")


async def test_errors_and_cancelled_calls_are_on_record_too(
    tmp_path: Path, served: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    log = tmp_path / "log"
    sick = Sick(gateway := await start_gateway(served, log_dir=log), connect(gateway))
    await sick.call("raise", request_id="raised")
    await sick.call("null", request_id="malformed")
    with pytest.raises(InvalidRequest):
        await sick.client.score("sick", {"x": [1.0]}, request_id="wrong")
    with pytest.raises(ModelNotFound):
        await sick.client.score("nobody", {"x": [1.0]}, request_id="unknown")
    await sick.client.score("sick", {"do": [], "x": []}, request_id="empty")
    task = asyncio.create_task(sick.call("nap", [5.0], request_id="cancelled"))
    await eventually(lambda: sick.backend.workload.running == 1)
    task.cancel()
    await eventually(lambda: any(entry.record.request_id == "cancelled" for entry in read_log(log)))
    records = {entry.record.request_id: entry.record for entry in read_log(log)}
    assert records["raised"].defaulted[0].private_detail == "no good"
    assert records["raised"].attempts == 1
    assert pb.ScoreResponse.FromString(records["raised"].response).request_id == "raised"
    assert records["malformed"].defaulted[0].reason == pb.DEFAULT_REASON_MALFORMED_PREDICTION
    assert (records["cancelled"].status, records["cancelled"].error_reason) == (1, "CANCELLED")
    assert records["empty"].status == 0
    statuses = sorted((record.status, record.error_reason) for record in records.values() if record.status > 1)
    assert statuses == [(3, "INVALID_REQUEST"), (5, "MODEL_NOT_FOUND")]
    assert all(pb.ScoreRequest.FromString(record.request).request_id for record in records.values())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("policy", ["serve", "refuse"])
async def test_a_full_disk(
    small_disk: Path, served: Path, start_gateway: StartGateway, connect: Connect, policy: str
) -> None:
    gateway = await start_gateway(served, log_dir=small_disk / "log", log_on_failure=policy)
    sick = Sick(gateway, connect(gateway))
    values = [float(n) for n in range(500)]
    answered = 0
    refused: set[tuple[str, str]] = set()
    for _ in range(20):
        try:
            answer = await sick.call("score", values)
            answered += answer.scores.tolist() == [2 * x for x in values]
        except Unavailable as error:
            refused.add((policy, error.reason))
    lost = gateway._log.lost
    assert lost > 0
    assert refused == (set() if policy == "serve" else {("refuse", "LOG_UNAVAILABLE")})
    assert answered == (20 if policy == "serve" else 20 - lost)
    recorded = list(read_log(small_disk / "log"))
    assert len(recorded) == 20 - lost
    assert segments_of(small_disk / "log")[0].damages == []
    assert f"{lost} records were not written" in gateway.pages.readiness()


@pytest.mark.parametrize("front", ["native", "grpc"])
@pytest.mark.parametrize("policy", ["serve", "refuse"])
async def test_calls_that_are_written_together_on_a_full_disk(
    small_disk: Path, cancer: Cancer, repository: Path, start_gateway: StartGateway, connect: Connect, policy: str
) -> None:
    put(cancer.folder, repository, "cancer")
    # More streams than calls, because nothing is tried again here.
    gateway = await start_gateway(repository, log_dir=small_disk / "log", log_on_failure=policy, max_streams=1024)
    client = connect(gateway)
    expected = cancer.booster.predict(xgboost.DMatrix(cancer.rows[:1], feature_names=cancer.names))
    seen: Counter[str] = Counter()

    async def one(number: int) -> None:
        try:
            answer = await client.score("cancer", cancer.rows[:1], request_id=f"call-{number}")
        except Unavailable as error:
            seen[error.reason] += 1
        else:
            assert answer.scores.tobytes() == expected.tobytes()
            seen["scored"] += 1
            answered.add(answer.request_id)

    answered: set[str] = set()
    await asyncio.gather(*(one(number) for number in range(400)))
    lost = gateway._log.lost
    recorded = {entry.record.request_id for entry in read_log(small_disk / "log")}
    assert lost > 0
    assert len(recorded) == 400 - lost
    assert seen["scored"] == (400 if policy == "serve" else 400 - lost)
    assert policy == "serve" or answered == recorded
    assert seen.keys() <= {"scored", "LOG_UNAVAILABLE"}


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Makes a folder read-only, also for root."""
    bound: list[Path] = []

    def make(folder: Path) -> None:
        subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
        bound.append(folder)
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)

    yield make
    for folder in bound:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("policy", ["serve", "refuse"])
async def test_a_folder_that_becomes_read_only(
    tmp_path: Path,
    served: Path,
    start_gateway: StartGateway,
    connect: Connect,
    read_only: Callable[[Path], None],
    policy: str,
) -> None:
    log = tmp_path / "log"
    gateway = await start_gateway(served, log_dir=log, log_on_failure=policy, log_segment_bytes=1)
    sick = Sick(gateway, connect(gateway))
    assert (await sick.call("score", [1.0])).scores.tolist() == [2.0]
    read_only(log)
    if policy == "serve":
        assert (await sick.call("score", [2.0])).scores.tolist() == [4.0]
    else:
        with pytest.raises(Unavailable) as raised:
            await sick.call("score", [2.0])
        assert raised.value.reason == "LOG_UNAVAILABLE"
    assert gateway._log.lost == 1
    assert len(list(read_log(log))) == 1


async def test_a_cancelled_call_ends_as_cancelled_though_it_can_not_be_recorded(
    tmp_path: Path,
    served: Path,
    start_gateway: StartGateway,
    connect: Connect,
    read_only: Callable[[Path], None],
) -> None:
    log = tmp_path / "log"
    gateway = await start_gateway(served, log_dir=log, log_on_failure="refuse", log_segment_bytes=1)
    sick = Sick(gateway, connect(gateway))
    await sick.call("nap", [0.0])
    (recorded,) = read_log(log)
    request = pb.ScoreRequest.FromString(recorded.record.request)
    longer = to_features({"do": ["nap"], "x": [5.0]})
    assert isinstance(longer, pb.Table)
    request.table.CopyFrom(longer)
    read_only(log)
    context = SimpleNamespace(peer=lambda: "ipv4:127.0.0.1:1", time_remaining=lambda: 20.0, invocation_metadata=tuple)
    service = ScoringService(gateway.registry, gateway._services.answering, gateway._services.intake)
    task = asyncio.create_task(service.score(request.SerializeToString(), context))
    await eventually(lambda: sick.backend.workload.running == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gateway._log.lost == 1


async def test_a_second_gateway_on_the_same_log_does_not_start(
    tmp_path: Path, served: Path, start_gateway: StartGateway
) -> None:
    await start_gateway(served, log_dir=tmp_path / "log")
    with pytest.raises(ConfigError, match="another gateway writes to the log"):
        await start_gateway(served, log_dir=tmp_path / "log")


async def test_a_log_that_can_not_be_written_stops_the_start(
    tmp_path: Path, served: Path, start_gateway: StartGateway
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigError, match="can't be written to"):
        await start_gateway(served, log_dir=tmp_path / "file" / "log")


async def test_segments_rotate_by_size_are_chained_and_the_oldest_go(
    tmp_path: Path, served: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    log = tmp_path / "log"
    kept = {"log_dir": log, "log_segment_bytes": 20_000, "log_keep_bytes": 100_000}
    sick = Sick(gateway := await start_gateway(served, **kept), connect(gateway))
    for _ in range(40):
        await sick.call("score", [float(n) for n in range(500)])
    await gateway.close()  # old segments go in a thread
    segments = segments_of(log)
    assert 3 < len(segments) < 12
    assert sum(segment.path.stat().st_size for segment in segments) < 130_000
    sequences = [entry.sequence for entry in read_log(log)]
    assert sequences == list(range(sequences[0], 40))
    assert sequences[0] > 0
    for before, after in pairwise(segments):
        list(before.entries())
        list(after.entries())
        assert after.header is not None
        assert after.header.previous_sha256 == before.sha256


async def test_after_a_failed_sync_the_segment_is_left_marked_and_a_new_one_begun(
    tmp_path: Path, served: Path, start_gateway: StartGateway, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    settings = {"log_dir": log, "log_fsync": "always", "log_on_failure": "refuse"}
    sick = Sick(gateway := await start_gateway(served, **settings), connect(gateway))
    await sick.call("score")
    real = os.fdatasync

    def broken(_: int) -> None:
        monkeypatch.setattr(os, "fdatasync", real)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(Unavailable, match="can't be put on record"):
        await sick.call("score")
    assert (await sick.call("score", [4.0])).scores.tolist() == [8.0]
    first, second = segments_of(log)
    assert first.path.with_name(first.path.name + ".suspect").exists()
    assert [entry.sequence for entry in second.entries()] == [2]


def test_a_short_write_is_cut_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scorebridge.v1 import prediction_log_pb2 as log_pb  # noqa: PLC0415 - this test alone writes by hand

    segment = SegmentFile(tmp_path, log_pb.SegmentHeader(segment_id=b"i" * 16))
    segment.append(0, [[log_pb.LogRecord(request_id="kept").SerializeToString()]])

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    real, write = os.writev, os.write
    monkeypatch.setattr(os, "writev", lambda descriptor, parts: write(descriptor, b"".join(parts)[:10]))
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        segment.append(1, [[log_pb.LogRecord(request_id="lost").SerializeToString()]])
    monkeypatch.setattr(os, "writev", real)
    segment.append(1, [[log_pb.LogRecord(request_id="next").SerializeToString()]])
    segment.close()
    assert [entry.record.request_id for entry in read_log(tmp_path)] == ["kept", "next"]
    (read,) = segments_of(tmp_path)
    list(read.entries())
    assert (read.damages, read.sha256) == ([], segment.sha256)
