"""The wires of one gateway beside scorebridge.v1, and beside MLServer on the same wire with the same bytes."""

import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from load import SCORE, SCOREBRIDGE, calls_per_second, posts_per_second, ready_server
from rounds import Result, take_turns
from world import World

__all__ = ["wires"]

_INFER = "/inference.GRPCInferenceService/ModelInfer"
_REST = "/v2/models/cancer/infer"
_JSON = "/v1/models/cancer:score"
_V1, _OIP, _OIP_REST, _OIP_BINARY, _HTTP_JSON = "scorebridge.v1", "OIP gRPC", "OIP REST", "OIP REST binary", "HTTP/JSON"


def wires(world: World) -> list[Result]:
    """Calls a second of 1 row and of 1,000 rows on each wire, recorded."""
    results = []
    for rows, in_flight in ((1, 32), (1000, 8)):
        batch = world.cancer_rows(rows).astype(np.float32)
        with world.mlserver() as mlserver, _gateway(world) as (grpc_address, http_address):
            peer = world.mlserver_request(batch)
            world.check_mlserver(mlserver, peer, batch)
            world.check_mlserver(grpc_address, peer, batch)
            rest, seconds = _rest_request(batch), world.times.seconds
            call = partial(calls_per_second, in_flight=in_flight, seconds=seconds)
            post = partial(posts_per_second, in_flight=in_flight, seconds=seconds)
            binary, headers = _binary_request(batch)
            measures: dict[str, Callable[[], float]] = {
                _V1: partial(call, grpc_address, SCORE, world.cancer_request(batch)),
                _OIP: partial(call, grpc_address, _INFER, peer.read_bytes()),
                _OIP_REST: partial(post, http_address, _REST, rest),
                _OIP_BINARY: partial(post, http_address, _REST, binary, headers=headers),
                _HTTP_JSON: partial(post, http_address, _JSON, _json_request(batch, list(world.tumours.columns))),
                f"MLServer, {_OIP}": partial(call, mlserver, _INFER, peer.read_bytes()),
                f"MLServer, {_OIP_REST}": partial(post, world.mlserver_http, _REST, rest),
            }
            turns = take_turns(world.times.rounds, measures)
        figures = {f"{name}, rows/s": round(rows * turns.median(name)) for name in turns.values}
        told = f"{rows:,} row{'s' if rows > 1 else ''}, {in_flight} in flight, recorded: calls/s of"
        for name in (_OIP, _OIP_REST, _OIP_BINARY, _HTTP_JSON):
            results.append(Result.noted(f"{told} {name} over those of {_V1}", turns.ratio(name, _V1), **figures))
            figures = {}
        for name in (_OIP, _OIP_REST):
            ratio = turns.ratio(name, f"MLServer, {name}")
            results.append(Result.noted(f"{told} {name} over MLServer's", ratio))
    return results


@contextmanager
def _gateway(world: World) -> Iterator[tuple[str, str]]:
    """A recording gateway on one core, on grpc.aio; the addresses of its two ports."""
    options = ["--grpc-port", "0", "--http-port", "0", "--log-dir", str(Path(world.work, "wires-log"))]
    command = [SCOREBRIDGE, "serve", "--repository", world.repository, *options]
    with ready_server(command) as (line, _):
        _, grpc_part, http_part, *_ = line.split()
        yield grpc_part.removeprefix("grpc="), http_part.removeprefix("http=")


def _tensor(rows: np.ndarray[Any, Any], **more: Any) -> dict[str, Any]:
    return {"name": "x", "shape": list(rows.shape), "datatype": "FP32", **more}


def _rest_request(rows: np.ndarray[Any, Any]) -> bytes:
    return json.dumps({"inputs": [_tensor(rows, data=rows.reshape(-1).tolist())]}).encode()


def _binary_request(rows: np.ndarray[Any, Any]) -> tuple[bytes, list[str]]:
    raw = rows.tobytes()
    asked = {"inputs": [_tensor(rows, parameters={"binary_data_size": len(raw)})]}
    head = json.dumps(asked | {"parameters": {"binary_data_output": True}}).encode()
    lengths = [f"inference-header-content-length: {len(head)}", "content-type: application/octet-stream"]
    assert len(raw) == rows.size * struct.calcsize("f")
    return head + raw, lengths


def _json_request(rows: np.ndarray[Any, Any], names: list[str]) -> bytes:
    columns = {name: rows[:, place].astype(np.float64).tolist() for place, name in enumerate(names)}
    return json.dumps({"columns": columns}).encode()
