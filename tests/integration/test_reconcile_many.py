"""A hundred thousand rows that a gateway scored are reconciled, and one altered score among them is found."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from fixtures import Cancer, Pima, StartGateway, deploy
from logged import run, said
from scorebridge import AsyncScoringClient
from scorebridge.v1 import scoring_pb2 as pb

from bridge.prediction_log.frames import encode_frame, encode_preamble
from bridge.prediction_log.reader import segments_of

CALL_ROWS = 2_500
MODELS = {"cancer": 60_000, "glm": 30_000, "forest": 10_000}


def _calls(pima: Pima, cancer: Cancer) -> Iterator[tuple[str, Any, list[str]]]:
    chance = np.random.default_rng(4)
    for model, rows in MODELS.items():
        known = cancer.rows if model == "cancer" else pima.rows
        for first in range(0, rows, CALL_ROWS):
            some = known[chance.integers(0, len(known), CALL_ROWS)]
            names = cancer.names if model == "cancer" else pima.names
            features = some if model == "cancer" else {name: some[:, at] for at, name in enumerate(names)}
            yield model, features, [f"{model}-{row}" for row in range(first, first + CALL_ROWS)]


def _altered(log: Path, target: Path, sequence: int, row: int) -> float:
    """Copies a log with one score one bit up, as nobody can who writes frames that check; the true score."""
    target.mkdir()
    true = 0.0
    for segment in segments_of(log):
        frames = []
        for entry in segment.entries():
            if entry.sequence == sequence:
                response = pb.ScoreResponse.FromString(entry.record.response)
                scores = (
                    response.scores[0].floats if response.scores[0].HasField("floats") else response.scores[0].doubles
                )
                true = scores.values[row]
                kind = np.float32 if response.scores[0].HasField("floats") else np.float64
                scores.values[row] = float(np.nextafter(kind(true), kind(2)))
                entry.record.response = response.SerializeToString()
            frames.append(encode_frame(entry.header.segment_id, entry.sequence, entry.record.SerializeToString()))
        assert segment.header is not None
        (target / segment.path.name).write_bytes(encode_preamble(segment.header) + b"".join(frames))
    return true


@pytest.mark.parametrize("front", ["native"], indirect=True)
async def test_a_hundred_thousand_rows_are_equal_and_one_altered_score_is_found(
    pima: Pima, cancer: Cancer, repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    for model, bundle in (("cancer", cancer.folder), ("glm", pima.folder / "glm"), ("forest", pima.folder / "forest")):
        await deploy(bundle, repository, model)
    log = tmp_path / "log"
    gateway = await start_gateway(repository, log_dir=log, log_segment_bytes=8 << 20)
    async with AsyncScoringClient(gateway.grpc_address) as client:
        for model, features, keys in _calls(pima, cancer):
            answer = await client.score(model, features, timeout_s=60, row_keys=keys)
            assert not answer.defaulted.any()
    await gateway.close()
    assert len(segments_of(log)) > 1

    result = await asyncio.to_thread(run, log, "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 100000 rows are equal" in said(result)

    true = _altered(log, tmp_path / "altered", 30, 1234)
    result = await asyncio.to_thread(
        run, tmp_path / "altered", "--repository", repository, "--output", tmp_path / "report"
    )
    assert result.exit_code == 1, result.output
    (found,) = pq.read_table(tmp_path / "report" / "differences.parquet").to_pylist()
    assert (found["model"], found["sequence"], found["row"]) == ("glm", 30, 1234)
    assert found["row_key"] == f"glm-{6 * CALL_ROWS + 1234}"
    assert (found["rescored"], found["logged"]) == (true, float(np.nextafter(true, 2)))
