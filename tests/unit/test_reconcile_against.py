"""reconcile --against: a file's keys, its types, and what it has no column or row for."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logged import doubles, floats, run, said
from prediction_logs import default_rows, of_messages, write_log
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb


def keyed(keys: Sequence[str], *scores: pb.Column) -> log_pb.LogRecord:
    """A call whose rows have these keys, and what it was answered with."""
    request = pb.ScoreRequest(request_id="call", model="risk", row_keys=keys)
    request.table.columns.add(name="age").doubles.values.extend([40.0] * len(keys))
    return of_messages(request, pb.ScoreResponse(model="risk", version=3, scores=scores))


def texts(values: Sequence[str], name: str = "score") -> pb.Column:
    return pb.Column(name=name, strings=pb.StringArray(values=values))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two outputs, so that the names in a file matter, and a row without a key in any file."""
    folder = tmp_path / "log"
    write_log(folder, [keyed(["1", "2", "other"], doubles([0.25, 0.5, 0.75], "a"), texts(["x", "y", "z"], "b"))])
    return folder


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """One output, of a single row."""
    folder = tmp_path / "one"
    write_log(folder, [keyed(["1"], doubles([0.25]))])
    return folder


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_text_that_looks_like_a_number_or_a_date_is_text(tmp_path: Path) -> None:
    outputs = {"number": ["007", "1"], "date": ["2024-01-01", "2024-01-02"], "empty": ["", "NA"]}
    write_log(tmp_path / "log", [keyed(["k1", "k2"], *(texts(values, name) for name, values in outputs.items()))])
    path = tmp_path / "other.csv"
    path.write_text('row_key,score.number,score.date,score.empty\nk1,007,2024-01-01,""\nk2,1,2024-01-02,NA\n')
    result = run(tmp_path / "log", "--against", path)
    assert result.exit_code == 0, result.output
    assert "all 2 rows are equal" in said(result)


def test_a_cell_becomes_what_the_models_output_is(tmp_path: Path) -> None:
    ints = pb.Column(name="i", int32s=pb.Int32Array(values=[3, 0, 4]), missing_rows=[1])
    bools = pb.Column(name="t", bools=pb.BoolArray(values=[True, False, False]), missing_rows=[1, 2])
    numbers = [doubles([0.1, float("nan"), 1e300], "d"), floats([0.1, float("nan"), 7], "f")]
    write_log(tmp_path / "log", [keyed(["1", "2", "3"], *numbers, ints, bools, texts(["1.0", "NA", "TRUE"], "s"))])
    path = tmp_path / "other.csv"
    path.write_text(
        "row_key,score.d,score.f,score.i,score.t,score.s\n"
        "1,0.1,0.1,3.0,TRUE,1.0\n2,NA,NaN,,NaN,NA\n3,1e300,7,4,NA,TRUE\n"
    )
    result = run(tmp_path / "log", "--against", path)
    assert result.exit_code == 0, result.output
    assert "all 3 rows are equal" in said(result)


@pytest.mark.parametrize(
    ("output", "cell", "kind"),
    [
        (doubles([0.25]), "secret", "double"),
        (doubles([0.25]), "1_0", "double"),
        (pb.Column(name="score", int64s=pb.Int64Array(values=[2])), "2.5", "int64"),
        (pb.Column(name="score", int64s=pb.Int64Array(values=[2])), "9223372036854775808", "int64"),
        (pb.Column(name="score", bools=pb.BoolArray(values=[True])), "2", "bool"),
    ],
)
def test_a_cell_that_is_no_such_score_is_named_without_its_value(
    tmp_path: Path, output: pb.Column, cell: str, kind: str
) -> None:
    write_log(tmp_path / "log", [keyed(["k"], output)])
    path = tmp_path / "other.csv"
    path.write_text(f"row_key,score\nelsewhere,1\nk,{cell}\n")
    result = run(tmp_path / "log", "--against", path)
    assert result.exit_code == 2
    assert said(result) == f"other.csv: the column 'score', line 3: the score is not of type {kind}"


def test_numbers_can_not_be_compared_with_text(log: Path, tmp_path: Path) -> None:
    path = parquet(tmp_path / "other.parquet", **{"row_key": ["1"], "score.b": [1.5]})
    result = run(log, "--against", path)
    assert result.exit_code == 2
    assert "the column 'score.b' is double, the model's output 'b' is text" in said(result)


def test_outputs_that_the_file_has_not_are_left_out_and_named(log: Path, tmp_path: Path) -> None:
    path, output = tmp_path / "other.csv", tmp_path / "out"
    path.write_text("row_key,score.a\n1,0.25\n2,0.5\n")
    result = run(log, "--against", path, "--output", output)
    assert result.exit_code == 0, result.output
    assert "all 2 rows are equal" in said(result)
    assert "risk/3: outputs that were not compared: b" in said(result)
    path.write_text("row_key,score.a\n1,0.25\n2,0.625\n")
    result = run(log, "--against", path, "--output", output)
    assert result.exit_code == 1
    (found,) = pq.read_table(output / "differences.parquet").to_pylist()
    assert (found["output"], found["row"], found["difference"]) == ("a", 1, 0.125)


def test_a_file_that_meets_the_log_nowhere_compares_nothing(log: Path, tmp_path: Path) -> None:
    path, wrong = tmp_path / "other.csv", tmp_path / "wrong.csv"
    path.write_text("row_key,score.c\n1,0.25\n")
    result = run(log, "--against", path)
    assert result.exit_code == 2
    assert "outputs that were not compared: a, b" in said(result)
    assert "there is no row to be compared" in said(result)
    wrong.write_text("row_key,score.a\n8,0.25\n9,0.25\n")
    write_log(
        tmp_path / "late", [default_rows(keyed(["1", "2"], doubles([1, 2], "a")), 0, 1, pb.DEFAULT_REASON_DEADLINE)]
    )
    result = run(tmp_path / "late", "--against", wrong)
    assert result.exit_code == 2, "a default score is no row that was compared"
    assert "2 of its 2 keys are not in the log; rows of the log without a row in the file: 2" in said(result)


@pytest.mark.parametrize(
    "keys",
    [
        pa.array(["1", None, None, "9"]),
        pa.array([1, None, None, 9]),
        pa.array([1.0, float("nan"), None, 9.0]),
        pa.array(["1", None, None, "9"]).dictionary_encode(),
    ],
)
def test_keys_are_text_or_whole_numbers_and_a_missing_one_is_none(log: Path, tmp_path: Path, keys: Any) -> None:
    path = parquet(tmp_path / "other.parquet", **{"row_key": keys, "score.a": [0.25, 0.0, 0.0, 0.0]})
    result = run(log, "--against", path)
    assert result.exit_code == 0, result.output
    assert "all 1 rows are equal" in said(result)
    met = "1 of its 2 keys are not in the log, 2 of its rows have no key; rows of the log without a row in the file: 2"
    assert f"other.parquet: {met}" in said(result)


@pytest.mark.parametrize(
    ("score", "shown"),
    [
        ([Decimal("0.25")], "decimal"),
        (pa.array([2**63], pa.uint64()), "uint64"),
        ([[0.25]], "list"),
        ([date(2024, 1, 1)], "date32"),
    ],
)
def test_types_that_are_no_scores_are_refused(one: Path, tmp_path: Path, score: Any, shown: str) -> None:
    result = run(one, "--against", parquet(tmp_path / "other.parquet", row_key=["1"], score=score))
    assert result.exit_code == 2
    assert f"the column 'score' is {shown}" in said(result)


@pytest.mark.parametrize(
    "score",
    [
        [0.25],
        np.array([0.25], np.float32),
        np.array([0.25], np.float16),
        ["0.25"],
        pa.array(["0.25"], pa.large_string()),
    ],
)
def test_every_float_and_text_is_a_score(one: Path, tmp_path: Path, score: Any) -> None:
    result = run(one, "--against", parquet(tmp_path / "other.parquet", row_key=["1"], score=score))
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("row_key,score,score\n1,0.25,0.25\n", "other.csv: the column 'score' is there twice"),
        ("row_key,row_key,score\n1,2,0.25\n", "other.csv: the column 'row_key' is there twice"),
        ("row_key,score\n1,\xff\n", "other.csv can't be read"),
    ],
)
def test_a_file_of_no_use_is_refused_in_one_sentence(one: Path, tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(text.encode("latin-1"))
    result = run(one, "--against", path)
    assert result.exit_code == 2
    assert said(result).startswith(sentence)


def test_keys_that_are_no_keys_are_refused(one: Path, tmp_path: Path) -> None:
    result = run(one, "--against", parquet(tmp_path / "other.parquet", row_key=[1.5], score=[0.25]))
    assert result.exit_code == 2
    assert "the column 'row_key', row 1: the key is a number, but not a whole one" in said(result)
    result = run(one, "--against", parquet(tmp_path / "other.parquet", row_key=[date(2024, 1, 1)], score=[0.25]))
    assert result.exit_code == 2
    assert "the column 'row_key' is date32[day]: keys are text or whole numbers" in said(result)


def test_columns_that_do_not_count_may_be_anything(one: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(b"row_key,name,name,score\n1,\xff,b,0.25\n")
    assert run(one, "--against", path).exit_code == 0
