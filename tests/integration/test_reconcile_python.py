"""`scorebridge reconcile` of Python models: what gateways answered is scored again in the model's own interpreter."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from fixtures import StartGateway, put
from logged import Log, doubles, matrix, run, said, table
from scorebridge import AsyncScoringClient, ScoringError
from scorebridge.v1 import scoring_pb2 as pb

from bridge.bundles.repository import StoredVersion
from bridge.gateway.server import Gateway

Connect = Callable[[Gateway], AsyncScoringClient]

one_front = pytest.mark.parametrize("front", ["native"])

BIG = 2**53 + 1
FEATURES = """
[features]
number = "double"
count = "int"
big = "int64"
truth = "bool"
text = "string"
level = {type = "factor", levels = ["low", "höh"], unknown_level = "missing"}
rank = {type = "factor", levels = ["low", "höh"], ordered = true}
"""
# Each row is told in words as the function saw it, so a type or a missing value of another kind is a difference.
ARRAYS = """
import numpy as np

def predict(number, count, big, truth, text, level, rank, loose, extra=np.array([5])):
    seen = dict(locals())
    told = lambda row: "; ".join(f"{a.dtype} {a[row if len(a) > 1 else 0]!r}" for a in seen.values())
    rows, gone = len(number), all(one is None for one in text)  # outputs without any value tell no type
    big = big if big.dtype == np.int64 else np.nan_to_num(big).astype(np.int64)
    return {
        "number": number + np.random.random(rows) + extra[0],
        "small": number.astype(np.float32),
        "big": big + 1,
        "tiny": np.full(rows, -2**31, np.int32),
        "truth": [None if one is None and not gone else not one for one in truth],
        "text": ["-" if gone else None if one is None else one + "ü" for one in text],
        "seen": [told(row) for row in range(rows)],
        "order": (-number).astype(">f8"),
    }
"""
FRAME = """
import numpy as np
import pandas as pd

def predict(lead=7, *, frame):
    told = [" ".join(f"{frame[name].dtype} {frame[name].iloc[row]!r}" for name in frame) for row in range(len(frame))]
    ranked = (frame["rank"] > "low").to_numpy() if frame["rank"].cat.ordered else np.zeros(len(frame), bool)
    return pd.DataFrame({
        "seen": told, "big": frame["big"].astype("Int64"), "count": frame["count"].astype("Int64"),
        "level": frame["level"].astype(object).fillna("none"),
        "ranked": ranked, "half": (frame["number"] / 3).astype(np.float32), "index": frame.index,
    })
"""


def bundle(folder: Path, code: str, settings: str = "") -> Path:
    folder.mkdir(parents=True)
    (folder / "Pred.py").write_text(code)
    (folder / "model.toml").write_text(f'backend = "python"\n{settings}')
    return folder


def equal(log: Path, repository: Path, rows: int, *arguments: object) -> str:
    result = run(log, "--repository", repository, *arguments)
    assert result.exit_code == 0, result.output
    assert f"all {rows} rows are equal" in said(result)
    return said(result)


def typed_calls() -> list[dict[str, Any]]:
    """Nothing missing; something missing in each column; nothing there at all."""
    whole = {
        "number": [1.5, -0.0, 3.5],
        "count": [7, -(2**31), 2**31 - 1],
        "big": [BIG, -BIG, 2**63 - 2],
        "truth": [True, False, True],
        "text": ["ü", "", "NA"],
        "level": ["höh", "low", "unknown"],
        "rank": ["höh", "low", "höh"],
        "loose": [BIG, 1, 2],
    }
    holed = {
        "number": [1.5, None, 3.5],
        "count": [7, 0, None],
        "big": [2**53, None, -(2**53)],
        "truth": [True, None, False],
        "text": [None, "", "日"],
        "level": ["höh", None, "low"],
        "rank": [None, "low", "höh"],
        "loose": [None, True, False],
    }
    return [whole, holed, {name: [None] * 3 for name in whole}]


@one_front
async def test_a_function_of_arrays_gets_what_it_got(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(bundle(tmp_path / "arrays", ARRAYS, "seed = 11\n" + FEATURES), repository, "arrays")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    client = connect(gateway)
    answers = [await client.score("arrays", rows, timeout_s=30) for rows in typed_calls()]
    assert list(answers[0].columns["big"]) == [BIG + 1, -BIG + 1, 2**63 - 1]
    assert "int64 " in answers[0].columns["seen"][0]
    assert "object None" in answers[1].columns["seen"][0]
    few = {name: typed_calls()[0][name] for name in reversed(typed_calls()[0])} | {"extra": [0.5, 1.5, 2.5]}
    few["loose"] = np.array([0.1, 0.2, 0.3], np.float32)
    await client.score("arrays", few, timeout_s=30)
    await gateway.close()
    told = equal(tmp_path / "log", repository, 12)
    assert f"scored again by {sys.executable}" in told
    assert "environment:" not in told


@one_front
async def test_a_function_of_a_frame_gets_what_it_got(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(bundle(tmp_path / "frame", FRAME, 'input = "frame"\n' + FEATURES), repository, "frame")
    doubled = "def predict(frame):\n    return frame.to_numpy() @ [1.1, 0.7, -0.3]\n"
    features = 'input = "frame"\n[features]\na = "double"\nb = "double"\nc = "double"\n'
    put(bundle(tmp_path / "block", doubled, features), repository, "block")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    client = connect(gateway)
    for rows in typed_calls():
        rows.pop("loose")
        rows["text"][1] = "one"
        answer = await client.score("frame", rows, timeout_s=30)
        assert answer.columns["index"].dtype == np.int64
        assert list(answer.columns["ranked"]) == [one == "höh" for one in rows["rank"]]
    numbers = np.random.default_rng(3).normal(size=(101, 3))
    await client.score("block", numbers, timeout_s=30)
    await client.score("block", pd.DataFrame(numbers, columns=["c", "b", "a"]), timeout_s=30)
    await gateway.close()
    equal(tmp_path / "log", repository, 9 + 202)
    equal(tmp_path / "log", repository, 202, "--model", "block/1")


@one_front
async def test_a_matrix_is_whole_numbers_where_the_feature_is(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    code = 'def predict(a, b):\n    return [f"{a.dtype} {one * 2} {b.dtype}" for one in a]\n'
    put(bundle(tmp_path / "bundle", code, '[features]\na = "int64"\n'), repository, "whole")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    client = connect(gateway)
    answer = await client.score("whole", np.array([[float(2**53), 0.5], [3.0, 1.5]]), timeout_s=30)
    assert list(answer.scores) == [f"int64 {2**54} float64", "int64 6 float64"]
    answer = await client.score("whole", np.array([[np.nan, 0.5], [3.0, 1.5]], np.float32), timeout_s=30)
    assert list(answer.scores) == ["float64 nan float64", "float64 6.0 float64"]
    with pytest.raises(ScoringError):
        await client.score("whole", np.array([[0.5, 0.5]]), timeout_s=30)
    await gateway.close()
    equal(tmp_path / "log", repository, 4)


@one_front
async def test_rows_by_themselves_defaults_and_rows_without_a_score(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    code = """
def predict(x, n):
    if x[0] < 0:
        raise ValueError("negative")
    return float(x[0]) * 3 + (n.dtype == "int64")
"""
    put(bundle(tmp_path / "one", code, "row_by_row = true\n"), repository, "one")
    put(bundle(tmp_path / "two", code, "row_by_row = true\ndefault_score = 0.5\n"), repository, "two")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    client = connect(gateway)
    await client.score("one", {"x": [1.1, 2.2, 3.3], "n": [1, None, 3]}, timeout_s=30)
    answer = await client.score("two", {"x": [1.1, -2.2, 3.3], "n": [1, 2, 3]}, timeout_s=30)
    assert answer.scores[1] == 0.5
    answer = await client.score("one", {"x": [1.1, -2.2], "n": [1, 2]}, timeout_s=30, partial=True)
    assert np.isnan(answer.scores[1])
    await gateway.close()
    output = tmp_path / "out"
    told = equal(tmp_path / "log", repository, 6, "--output", output)
    assert "rows that could not be re-scored: 1 (ValueError: negative)" in told
    assert (
        pq.read_table(output / "defaulted.parquet").column("not_rescored").to_pylist() == ["ValueError: negative"] * 2
    )


STATEFUL = """
calls = [0]
_box = {}

def predict(x):
    calls[0] += 1
    global last
    last = x
    return x + calls[0]
"""


@one_front
async def test_each_call_meets_the_model_as_it_was_loaded(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(bundle(tmp_path / "bundle", STATEFUL), repository, "stateful")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    client = connect(gateway)
    for _ in range(3):
        answer = await client.score("stateful", {"x": [1.0]}, timeout_s=30)
        assert list(answer.scores) == [2.0]
    await gateway.close()
    equal(tmp_path / "log", repository, 3)


def test_a_planted_difference_is_found_to_the_last_digit(tmp_path: Path, repository: Path) -> None:
    code = 'def predict(x, n):\n    return {"score": x / 3, "n": n + 1}\n'
    stored = put(bundle(tmp_path / "bundle", code), repository, "planted")
    log, output = Log(tmp_path / "log"), tmp_path / "out"
    numbers = [1.0, 2.0, 4.0]
    for _ in range(2):
        rows = [doubles(numbers, "x"), pb.Column(name="n", int64s=pb.Int64Array(values=[BIG, 2, 3]))]
        scores = [
            doubles([one / 3 for one in numbers]),
            pb.Column(name="n", int64s=pb.Int64Array(values=[BIG + 1, 3, 4])),
        ]
        log.call(stored, pb.Table(columns=rows), scores)
    equal(log.write(), repository, 6)
    response = pb.ScoreResponse.FromString(log.records[1].response)
    score, whole = response.scores
    score.doubles.values[2] = np.nextafter(4.0 / 3, 2)  # noqa: PD011 - a message's field
    whole.int64s.values[0] = BIG  # noqa: PD011 - likewise; as a double it is the same
    log.records[1].response = response.SerializeToString()
    (tmp_path / "log").rename(tmp_path / "before")
    result = run(log.write(), "--repository", repository, "--output", output)
    assert result.exit_code == 1, result.output
    assert "2 of 6 rows differ" in said(result)
    found = {one["output"]: one for one in pq.read_table(output / "differences.parquet").to_pylist()}
    assert (found["score"]["sequence"], found["score"]["row"]) == (1, 2)
    assert (found["n"]["row"], found["n"]["difference"]) == (0, 1.0)
    assert (found["n"]["logged_text"], found["n"]["rescored_text"]) == (str(BIG), None)


ENDS = """
import os, signal, time

def predict(x):
    if x[0] == 1:
        os._exit(3)
    if x[0] == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    if x[0] == 3:
        os.killpg(0, signal.SIGKILL)
    if x[0] == 4:
        while True:
            pass
    if x[0] == 5:
        raise SystemExit("enough")
    if x[0] == 6:
        return [x]
    os.chdir("/")
    print("x" * 1_000_000, input() if x[0] == 7 else "")
    return x * 2
"""


def test_a_call_that_ends_the_interpreter_or_its_time_costs_the_others_nothing(
    tmp_path: Path, repository: Path
) -> None:
    stored = put(bundle(tmp_path / "bundle", ENDS), repository, "ends")
    log = Log(tmp_path / "log")
    for first in range(9):
        log.call(stored, table({"x": [float(first), 0.5]}), [doubles([2.0 * first, 1.0])])
    output = tmp_path / "out"
    result = run(log.write(), "--repository", repository, "--timeout", "0.5", "--output", output)
    assert result.exit_code == 1, result.output
    assert "rows of the model that were not re-scored, because it took too long: 2" in said(result)
    assert "12 of 16 rows differ; 2 rows were not re-scored" in said(result)
    found = {
        one["sequence"]: one["not_rescored"].partition(",")[0]
        for one in pq.read_table(output / "differences.parquet").to_pylist()
    }
    assert found == {
        1: "the process of the call ended with exit code 3",
        2: "the process of the call ended by SIGSEGV",
        3: "the Python process ended",
        5: "SystemExit: enough",
        6: "predict returned a list of lists or arrays",
        7: "EOFError: EOF when reading a line",
    }


def named(repository: Path, folder: Path) -> tuple[StoredVersion, Path]:
    """A model that asks for another interpreter, and a log of its calls."""
    code = "import sys\n\ndef predict(x):\n    return {'score': x * 2, 'by': [sys.executable] * len(x)}\n"
    stored = put(bundle(folder / "named", code, 'python = "own"\n'), repository, "named")
    log = Log(folder / "log")
    by = pb.Column(name="by", strings=pb.StringArray(values=["/usr/bin/python3"]))
    log.call(stored, table({"x": [1.5]}), [doubles([3.0]), by])
    return stored, log.write()


def test_the_interpreter_has_its_name_from_the_settings(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, log = named(repository, tmp_path)
    result = run(log, "--repository", repository)
    assert result.exit_code == 2, result.output
    assert "named/1: not re-scored: model.toml says python = 'own': name that interpreter, by --config" in said(result)
    settings = tmp_path / "gateway.toml"
    settings.write_text(f'repository = "{repository}"\n[pythons]\nown = "/usr/bin/python3"\n')
    equal(log, repository, 1, "--config", settings)
    monkeypatch.setenv("SCOREBRIDGE_PYTHONS", json.dumps({"own": "/usr/bin/python3"}))
    equal(log, repository, 1)


@pytest.mark.parametrize(
    ("interpreter", "why"),
    [
        ("/nowhere/python", "the interpreter /nowhere/python is not there, or may not be run"),
        ("/bin/false", "the model can't be loaded: Python ended with exit code 1"),
    ],
)
def test_an_interpreter_that_is_gone_is_one_sentence(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, interpreter: str, why: str
) -> None:
    _, log = named(repository, tmp_path)
    monkeypatch.setenv("SCOREBRIDGE_PYTHONS", json.dumps({"own": interpreter}))
    result = run(log, "--repository", repository)
    assert result.exit_code == 2, result.output
    assert f"named/1: not re-scored: {why}" in said(result)


def test_versions_are_told_apart_and_an_altered_one_is_not_loaded(tmp_path: Path, repository: Path) -> None:
    log = Log(tmp_path / "log")
    for version in (1, 2, 3):
        code = "raise OSError('no\\nluck')" if version == 3 else f"def predict(x):\n    return x * {version}\n"
        stored = put(bundle(tmp_path / f"v{version}", code), repository, "many", version)
        log.call(stored, table({"x": [1.5, 2.5]}), [doubles([1.5 * version, 2.5 * version])])
    folder = log.write()
    result = run(folder, "--repository", repository)
    assert result.exit_code == 2, result.output
    assert "many/3: not re-scored: the model can't be loaded: OSError: no luck" in said(result)
    equal(folder, repository, 2, "--model", "many/2")
    for pred in (repository / "many").glob("*/Pred.py"):
        pred.write_text(pred.read_text().replace("x *", "x +"))
    result = run(folder, "--repository", repository, "--model", "many/1")
    assert result.exit_code == 2, result.output
    assert "many/1: not re-scored: " in said(result)
    assert "there is no row to be compared" in said(result)


def unfit(columns: Sequence[pb.Column] | pb.Matrix, tmp_path: Path, repository: Path, settings: str) -> str:
    """Why a row that got its default score, while its version was loading, can't be scored."""
    stored = put(bundle(tmp_path / "bundle", "def predict(x):\n    return x\n", settings), repository, "unfit")
    log = Log(tmp_path / "log")
    rows = columns if isinstance(columns, pb.Matrix) else pb.Table(columns=columns)
    count = rows.rows if isinstance(rows, pb.Matrix) else 2
    failed = [pb.FailedRows(first=0, count=count, reason=pb.DEFAULT_REASON_INVALID_VALUE)]
    scores = pb.Column(name="score", doubles=pb.DoubleArray(values=[0.0] * count), missing_rows=range(count))
    log.call(stored, rows, [scores], failed=failed)
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 0, result.output
    return said(result)


@pytest.mark.parametrize(
    ("column", "settings", "why"),
    [
        (doubles([1.0, 2.0], "x"), '[features]\nx = "int"\n', "does not fit the type"),
        (doubles([1.0, 2.0], "x"), '[features]\nx = "string"\n', "does not fit the type"),
        (pb.Column(name="x", int64s=pb.Int64Array(values=[1, 2**31])), '[features]\nx = "int"\n', "a whole number"),
        (pb.Column(name="x", int64s=pb.Int64Array(values=[1, BIG])), '[features]\nx = "double"\n', "a whole number"),
        (pb.Column(name="x", int64s=pb.Int64Array(values=[0, BIG]), missing_rows=[0]), "", "a whole number"),
        (
            pb.Column(name="x", strings=pb.StringArray(values=["a", "c"])),
            '[features]\nx = {type = "factor", levels = ["a", "b"]}\n',
            "a value that is none of its levels",
        ),
        (doubles([1.0, 2.0], "y"), "", "does not take the column 'y'"),
    ],
)
def test_rows_that_serving_refuses_are_not_scored_here(
    tmp_path: Path, repository: Path, column: pb.Column, settings: str, why: str
) -> None:
    assert why in unfit([column], tmp_path, repository, settings)


@pytest.mark.parametrize(
    ("number", "settings"),
    [(0.5, '[features]\nx = "int"\n'), (2.0**31, '[features]\nx = "int"\n'), (2.0**54, '[features]\nx = "int64"\n')],
)
def test_numbers_of_a_matrix_that_serving_refuses_are_not_scored_here(
    tmp_path: Path, repository: Path, number: float, settings: str
) -> None:
    assert "has a number that does not fit" in unfit(matrix(np.array([[number]])), tmp_path, repository, settings)
