"""A refused call is found in the log by its id and by the model that it asked for, as far as either can be read."""

import uuid
from pathlib import Path

import grpc
import grpc.aio
import pytest
from fixtures import StartGateway, put
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb
from sick import make_sick_bundle
from typer.testing import CliRunner

from bridge.cli.log import app
from bridge.gateway.server import Gateway
from bridge.prediction_log.reader import read_log
from bridge.prediction_log.selection import Selection, selected

WRONG = pb.Table(columns=[pb.Column(name="x", doubles=pb.DoubleArray(values=[1.0]))])


def _request(model: str, request_id: str = "", version: int = 0) -> bytes:
    return pb.ScoreRequest(request_id=request_id, model=model, version=version, table=WRONG).SerializeToString()


async def _refused(gateway: Gateway, log: Path, *requests: bytes) -> list[log_pb.LogRecord]:
    """What is on record of these requests, none of which is answered."""
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        for request in requests:
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary("/scorebridge.v1.ScoringService/Score", bytes, bytes)(request, timeout=10)
    return [entry.record for entry in read_log(log)]


async def test_refused_calls_have_their_id_model_version_and_digest(
    tmp_path: Path, repository: Path, start_gateway: StartGateway
) -> None:
    put(make_sick_bundle(tmp_path / "sick", "row_wise = true"), repository, "sick")
    log = tmp_path / "log"
    gateway = await start_gateway(repository, log_dir=log)
    serving = gateway.registry.serving("sick")
    assert serving is not None
    records = await _refused(
        gateway,
        log,
        _request("sick", "wrong-columns"),
        _request("nobody", "no-model"),
        _request("sick", "no-version", version=9),
        _request("sick"),
        _request("sick", "x" * 129),
        _request("sick", "line\nbreak"),
        b"no message",
    )
    digest = serving.ref.digest
    made = records[3].request_id
    assert [(one.request_id, one.model, one.version, one.digest) for one in records] == [
        ("wrong-columns", "sick", 1, digest),
        ("no-model", "nobody", 0, ""),
        ("no-version", "sick", 0, ""),
        (str(uuid.UUID(made)), "sick", 1, digest),
        ("", "sick", 0, ""),
        ("", "sick", 0, ""),
        ("", "", 0, ""),
    ]
    assert len([*selected(read_log(log), Selection(model="sick"))]) == 5
    shown = CliRunner().invoke(app, ["show", str(log), "--request-id", "no-model"])
    assert "model           nobody\n" in shown.stdout
