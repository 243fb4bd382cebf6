"""`scorebridge reconcile` on logs that are built by hand from scores which R and xgboost gave themselves."""

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost
from fixtures import Cancer, Pima, StartGateway, deploy, put
from logged import CALL_ROWS, Log, doubles, floats, matrix, run, said, slices, table
from scorebridge import AsyncScoringClient
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.bundles.repository import StoredVersion
from bridge.prediction_log.environment import describe_environment


@dataclass
class Served:
    """Three models, and a log of their true scores."""

    log: Log
    repository: Path
    stored: dict[str, StoredVersion]
    pima: Pima


@pytest.fixture
def served(pima: Pima, cancer: Cancer, repository: Path, tmp_path: Path) -> Served:
    stored = {name: put(pima.folder / name, repository, name) for name in ("glm", "forest")}
    stored["cancer"] = put(cancer.folder, repository, "cancer")
    log = Log(tmp_path / "log", describe_environment())
    for at in range(3):
        for name in ("glm", "forest"):
            for first, count in slices(len(pima.rows)):
                features = pima.table(first, count)
                keys = [f"{name}-{at}-{row}" for row in range(first, first + count)]
                order = sorted(features) if at else list(features)
                sent = table({feature: features[feature] for feature in order})
                shown = matrix(pima.rows[first : first + count]) if at == 2 else sent
                log.call(stored[name], shown, [doubles(pima.direct[name][first : first + count])], keys=keys)
    scores = cancer.booster.predict(xgboost.DMatrix(cancer.rows, feature_names=cancer.names))
    for first, count in slices(len(cancer.rows)):
        rows = slice(first, first + count)
        log.call(stored["cancer"], matrix(cancer.rows[rows], cancer.names), [floats(scores[rows])])
    return Served(log, repository, stored, pima)


def alter(record: log_pb.LogRecord, row: int, value: float) -> None:
    response = pb.ScoreResponse.FromString(record.response)
    response.scores[0].doubles.values[row] = value
    record.response = response.SerializeToString()


def test_true_scores_come_out_equal_to_the_bit(served: Served) -> None:
    result = run(served.log.write(), "--repository", served.repository)
    assert result.exit_code == 0, result.output
    rows = 6 * len(served.pima.rows) + 569
    assert rows > 2500
    assert f"all {rows} rows are equal" in said(result)
    assert "environment:" not in result.output


def test_one_altered_score_is_found_and_nothing_else(served: Served, tmp_path: Path) -> None:
    record = served.log.records[4]
    score = pb.ScoreResponse.FromString(record.response).scores[0].doubles.values[11]
    alter(record, 11, float(np.nextafter(score, 1)))
    output = tmp_path / "out"
    result = run(served.log.write(), "--repository", served.repository, "--output", output)
    assert result.exit_code == 1, result.output
    (found,) = pq.read_table(output / "differences.parquet").to_pylist()
    assert (found["model"], found["sequence"], found["row"]) == (record.model, 4, 11)
    assert found["rescored"] == score
    assert found["logged"] == np.nextafter(score, 1)
    assert found["row_key"] == "glm-0-159"
    report = (output / "report.html").read_text()
    assert record.request_id in report
    assert "http" not in report.replace("data:image/png", "")


def test_a_tolerance_lets_small_differences_pass(served: Served) -> None:
    record = served.log.records[0]
    score = pb.ScoreResponse.FromString(record.response).scores[0].doubles.values[0]
    alter(record, 0, score + 1e-9)
    result = run(served.log.write(), "--repository", served.repository, "--tolerance", "1e-6")
    assert result.exit_code == 0, result.output


def test_a_selection_leaves_the_rest_out(served: Served) -> None:
    alter(served.log.records[0], 0, 0.5)
    folder = served.log.write()
    assert run(folder, "--repository", served.repository, "--model", "cancer").exit_code == 0
    assert run(folder, "--repository", served.repository, "--since", "2023-11-14T22:13:30").exit_code == 0
    assert run(folder, "--repository", served.repository, "--until", "2023-11-14T22:13:30").exit_code == 1


def test_a_version_that_is_gone_is_reported_and_the_rest_reconciled(served: Served) -> None:
    served.stored["glm"].path.rename(served.repository / ".retired-glm")
    result = run(served.log.write(), "--repository", served.repository)
    assert result.exit_code == 2
    assert "glm/1: not re-scored: it is no longer in the repository" in said(result)
    assert f"all {3 * len(served.pima.rows) + 569} rows are equal" in said(result)


def test_another_bundle_under_the_same_version_is_not_taken_for_it(served: Served) -> None:
    for record in served.log.records:
        record.digest = "sha256:0"
    result = run(served.log.write(), "--repository", served.repository, "--model", "cancer")
    assert result.exit_code == 2
    assert "its digest is not the logged one" in said(result)


def test_an_altered_bundle_is_not_loaded(served: Served) -> None:
    (served.stored["cancer"].path / "model.ubj").write_bytes(b"something else")
    result = run(served.log.write(), "--repository", served.repository, "--model", "cancer")
    assert result.exit_code == 2
    assert "model.ubj was altered" in said(result)


def test_default_scores_are_listed_with_what_the_model_gives(served: Served, tmp_path: Path) -> None:
    scores = served.pima.direct["glm"][:3].copy()
    scores[1] = 0.33
    defaulted = [pb.DefaultedRows(first=1, count=1, reason=pb.DEFAULT_REASON_DEADLINE)]
    served.log.call(served.stored["glm"], table(served.pima.table(0, 3)), [doubles(scores)], defaulted, ["a", "b", "c"])
    output = tmp_path / "out"
    result = run(served.log.write(), "--repository", served.repository, "--output", output)
    assert result.exit_code == 0, result.output
    (found,) = pq.read_table(output / "defaulted.parquet").to_pylist()
    assert (found["row_key"], found["logged"], found["reason"]) == ("b", 0.33, "DEADLINE")
    assert found["rescored"] == served.pima.direct["glm"][1]


def test_calls_without_an_answer_are_counted_and_empty_ones_passed_over(served: Served) -> None:
    for status in (1, 4, 13):
        served.log.failure(served.stored["glm"], status)
    empty = {name: np.empty(0) for name in served.pima.names}
    served.log.call(served.stored["glm"], table(empty), [doubles([])])
    result = run(served.log.write(), "--repository", served.repository)
    assert result.exit_code == 0, result.output
    assert "glm/1: calls without an answer: 2 failed, 1 cancelled" in said(result)


def test_another_environment_is_said(served: Served) -> None:
    served.log.environment["R"] = "3.6.0"
    served.log.records[-1].engine = "xgboost 1.0.0"
    result = run(served.log.write(), "--repository", served.repository)
    assert result.exit_code == 0
    assert "environment: R was 3.6.0, is now 4" in said(result)
    assert "cancer/1: environment: the logged scores were computed by xgboost 1.0.0, now by xgboost" in said(result)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_scores_made_elsewhere_are_joined_by_key(served: Served, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"other.{suffix}"
    keys = [f"glm-{at}-{row}" for at in range(3) for row in range(len(served.pima.rows))]
    scores = np.tile(served.pima.direct["glm"], 3)
    scores[5] = 0.25
    if suffix == "csv":
        lines = [f"{key},{score!r}" for key, score in zip(keys, scores.tolist(), strict=True)]
        path.write_text("\n".join(["id,score", *lines]) + "\n")
    else:
        pq.write_table(pa.table({"id": pa.array(keys), "score.score": pa.array(scores)}), path)
    result = run(served.log.write(), "--against", path, "--key", "id", "--model", "glm")
    assert result.exit_code == 1, result.output
    assert f"1 of {len(keys)} rows differ" in said(result)


def test_what_clients_answered_themselves_is_joined_by_request_id(served: Served, tmp_path: Path) -> None:
    late, cancelled, failed = served.log.records[0], served.log.records[1], served.log.records[2]
    cancelled.status, cancelled.response = 1, b""
    failed.status, failed.error_reason, failed.response = 14, "DRAINING", b""
    calls = [(late.request_id, 7), (cancelled.request_id, 5), (failed.request_id, 5), ("never came", 3)]
    lines = [
        json.dumps({"request_id": request_id, "model": "glm", "rows": rows, "reason": "DEADLINE", "default_score": 0.5})
        for request_id, rows in calls
    ]
    file, output = tmp_path / "defaults.jsonl", tmp_path / "out"
    file.write_text("\n".join([*lines, "[]", '{"request_id": "torn', ""]))
    result = run(served.log.write(), "--repository", served.repository, "--output", output, "--client-defaults", file)
    assert result.exit_code == 0, result.output
    fates = "1 answered, 1 cancelled by the client, 1 failed: DRAINING, 1 not in the log"
    assert f"client defaults: 4 calls with 20 rows; by the log {fates}; 2 lines can't be read" in said(result)
    found = {one["request_id"]: one for one in pq.read_table(output / "client_defaults.parquet").to_pylist()}
    seen = [found[request_id]["gateway"] for request_id, _ in calls]
    assert seen == ["answered", "cancelled by the client", "failed: DRAINING", "not in the log"]
    scores = list(pb.ScoreResponse.FromString(late.response).scores[0].doubles.values)
    assert found[late.request_id]["logged"] == pytest.approx(scores, nan_ok=True)
    assert found[late.request_id]["rescored"] == found[late.request_id]["logged"]
    assert found["never came"]["logged"] is None
    assert found["never came"]["default_score"] == 0.5


def test_a_file_of_client_defaults_that_is_not_there_is_refused(served: Served, tmp_path: Path) -> None:
    result = run(served.log.write(), "--repository", served.repository, "--client-defaults", tmp_path / "none")
    assert result.exit_code == 2
    assert "none can't be read" in result.output


def test_rows_that_the_other_file_has_not_are_counted(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text(f"row_key,score.score\nforest-0-0,{float(served.pima.direct['forest'][0])!r}\n")
    result = run(served.log.write(), "--against", path, "--model", "forest")
    assert result.exit_code == 0, result.output
    assert f"forest/1: rows without a counterpart: {3 * len(served.pima.rows) - 1}" in said(result)


@pytest.mark.parametrize("text", ["id,score\na,1\n", "row_key,other\na,1\n", "row_key,score\na,1\na,2\n", ""])
def test_another_file_that_makes_no_sense_is_refused(served: Served, tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text)
    result = run(served.log.write(), "--against", path)
    assert result.exit_code == 2
    assert "other.csv" in result.output


def test_what_is_no_log_can_not_be_reconciled(tmp_path: Path, repository: Path) -> None:
    assert run(tmp_path / "nothing", "--repository", repository).exit_code == 2
    assert run(repository, "--repository", repository).exit_code == 2
    assert run(repository).exit_code == 2


async def test_what_a_gateway_served_is_what_the_models_say(
    *,
    pima: Pima,
    cancer: Cancer,
    repository: Path,
    tmp_path: Path,
    start_gateway: StartGateway,
    connect: Callable[..., AsyncScoringClient],
) -> None:
    patient = tmp_path / "bootstrap"  # the gateway's own answer is to come in time on a busy machine, too
    shutil.copytree(pima.folder / "bootstrap", patient)
    (patient / "model.toml").write_text(f"reply_reserve_s = 0.3\n{(patient / 'model.toml').read_text()}")
    for folder in (pima.folder / "glm", pima.folder / "forest", patient):
        await deploy(folder, repository, folder.name)
    await deploy(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    client = connect(gateway)
    pieces = [pima.table(first, count) for first, count in slices(len(pima.rows))]
    pieces[0]["bmi"] = np.full(CALL_ROWS, np.nan)
    calls = [client.score(name, piece, timeout_s=20) for name in ("glm", "forest") for piece in pieces]
    calls += [
        client.score("cancer", dict(zip(cancer.names, rows.T, strict=True))) for rows in cancer.rows.reshape(1, -1, 30)
    ]
    await asyncio.gather(*calls)
    slow = await client.score("bootstrap", pima.table(0, 5), timeout_s=20)
    late = await client.score("bootstrap", pima.table(5, 5), timeout_s=0.4)
    await gateway.close()
    assert slow.rows == 5
    assert set(late.reasons) == {"DEADLINE"}
    output = tmp_path / "out"
    result = await asyncio.to_thread(run, tmp_path / "log", "--repository", repository, "--output", output)
    assert result.exit_code == 0, result.output
    assert "environment:" not in result.output
    defaulted = pq.read_table(output / "defaulted.parquet").to_pydict()
    assert set(defaulted["logged"]) == {0.33}
    assert [value is not None for value in defaulted["rescored"]].count(True) == 5, "glm gave NA, bootstrap was late"
