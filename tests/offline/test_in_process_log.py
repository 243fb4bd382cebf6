"""The prediction log of a run that scores in this process, read by the commands that read a gateway's."""

import asyncio
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures import SCOREBRIDGE, Cancer, Pima, deploy, make_r_bundle, put
from offline_chunks import chunk_of, question_of, table_of
from scorebridge.v1 import scoring_pb2 as pb

from bridge.config import ConfigError
from bridge.offline.chunk_scoring import ChunkScoring
from bridge.offline.in_process import InProcess
from bridge.offline.scorer import CallFailed
from bridge.prediction_log.reader import read_log


async def told(*arguments: Any) -> str:
    """What a command prints when it finds nothing wrong."""
    command = [str(one) for one in (SCOREBRIDGE, *arguments)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def run(repository: Path, log: Path, model: str, names: Sequence[str], rows: np.ndarray[Any, Any]) -> None:
    """Scores rows as one chunk of a run."""
    scorer = await InProcess.open(repository, model, log_dir=log)
    scoring = ChunkScoring(scorer, run_id="night", row_wise=True, default=False, workers=2)
    try:
        batch = table_of({name: rows[:, place] for place, name in enumerate(names)})
        await scoring.score(chunk_of(batch))
    finally:
        await scorer.close()


async def test_the_calls_of_runs_are_reconciled_and_not_a_bit_differs(
    cancer: Cancer, pima: Pima, repository: Path, tmp_path: Path
) -> None:
    await deploy(cancer.folder, repository, "cancer")
    await deploy(pima.folder / "glm", repository, "glm")
    log, rows = tmp_path / "log", cancer.rows.copy()
    rows[::5, 2] = np.nan
    rows[3, 0] = np.inf
    await run(repository, log, "cancer", cancer.names, rows)
    await run(repository, log, "glm", pima.names, pima.rows)
    summary = json.loads(await told("reconcile", log, "--repository", repository, "--json"))
    assert "cancer" in json.dumps(summary)
    assert "glm/1" in await told("log", "stats", log)
    export = tmp_path / "export"
    await told("log", "export", log, "--format", "parquet", "--output", export)
    assert list(export.rglob("*.parquet"))


async def test_a_record_has_the_request_and_the_answer_that_a_gateway_would_have_had(
    tmp_path: Path, repository: Path
) -> None:
    settings = 'row_wise = true\n[features]\nx = "double"\n[outputs]\nscore = "double"\n'
    code = "Pred.R <- function(x) { if (any(x < 0)) stop('bad'); x * k }"
    put(make_r_bundle(tmp_path / "b", code, settings=settings), repository, "twice")
    log = tmp_path / "log"
    scorer = await InProcess.open(repository, "twice", log_dir=log)
    await scorer.score(question_of(table_of({"x": [1.0, -2.0]}), keys=("a", "b")))
    with pytest.raises(CallFailed, match="x"):
        await scorer.score(question_of(table_of({"x": ["text"]})))
    with pytest.raises(ConfigError, match="another gateway writes to the log"):
        await InProcess.open(repository, "twice", log_dir=log)
    await scorer.close()
    good, bad = [entry.record for entry in read_log(log)]
    request, response = pb.ScoreRequest.FromString(good.request), pb.ScoreResponse.FromString(good.response)
    assert good.method == "/scorebridge.v1.ScoringService/Score"
    assert (good.request_id, good.model, good.version, good.caller) == ("run/0/0", "twice", 1, "batch")
    assert (request.batch_id, list(request.row_keys), request.partial) == ("run", ["a", "b"], True)
    assert request.default_policy == pb.DEFAULT_POLICY_NEVER
    assert response.scores[0].doubles.values[0] == 2.0
    assert [(one.first, one.reason) for one in response.failed_rows] == [(1, pb.DEFAULT_REASON_MODEL_ERROR)]
    assert bad.error_reason == "INVALID_REQUEST"
