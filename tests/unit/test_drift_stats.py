"""log stats --against: figures by hand over handmade logs, whichever wire the calls came by, and what it says."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from infer_messages import add
from lookup_records import column, look_up, texts
from prediction_logs import default_rows, fail_rows, of_messages, record, write_log
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb
from typer.testing import CliRunner

from bridge.cli.log import app
from bridge.codecs.open_inference import inference_pb2
from bridge.drift.psi import LEAST_SHARE

INFER = "/inference.GRPCInferenceService/ModelInfer"
HALF = 0.3 * math.log(4)  # of shares 0.8 and 0.2 against two halves


def term(now: float, before: float) -> float:
    now, before = max(now, LEAST_SHARE), max(before, LEAST_SHARE)
    return (now - before) * math.log(now / before)


def measured(log: Path, against: object, *options: object) -> dict[str, Any]:
    """What the command says of a log's only version."""
    command = ["stats", str(log), "--against", str(against), "--json", *map(str, options)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.stderr
    (version,) = json.loads(done.stdout)["versions"]
    return dict(version)


def shift(version: dict[str, Any], name: str, kind: str = "feature") -> dict[str, Any]:
    (found,) = [one for one in version["shifts"] if (one["name"], one["kind"]) == (name, kind)]
    return dict(found)


def calls(ages: list[float], rows: int = 1) -> list[log_pb.LogRecord]:
    """Calls with a feature `age` and a score of a hundredth of it."""
    return [record(f"call-{at}", ages[at : at + rows]) for at in range(0, len(ages), rows)]


def write_rows(path: Path, age: list[Any], score: list[Any]) -> Path:
    """Reference rows as CSV."""
    lines = [f"{one},{other}" for one, other in zip(age, score, strict=True)]
    path.write_text("\n".join(["age,score.score", *lines, ""]))
    return path


@pytest.fixture
def halves(tmp_path: Path) -> Path:
    """As many rows of age 1 as of age 2."""
    return write_rows(tmp_path / "training.csv", [1, 2] * 100, [0.01, 0.02] * 100)


@pytest.mark.parametrize("rows", [1, 50])
def test_a_shift_by_hand(tmp_path: Path, halves: Path, rows: int) -> None:
    write_log(tmp_path / "log", calls([1.0] * 160 + [2.0] * 40, rows))
    found = measured(tmp_path / "log", halves)
    for name, kind in (("age", "feature"), ("score", "score")):
        one = shift(found, name, kind)
        assert one["psi"] == pytest.approx(HALF, rel=1e-12)
        assert one["chance"] == pytest.approx(1 / 200 + 1 / 200)
        assert (one["reading"], one["rows"], one["against"], one["why"]) == ("much", 200, 200, None)
    assert (found["model"], found["version"], found["rows"], found["default_rows"]) == ("risk", 3, 200, 0)
    assert (found["whole"], found["why"]) == (True, None)


def test_the_same_rows_have_no_shift(tmp_path: Path) -> None:
    ages = np.random.default_rng(3).normal(50, 9, 500).tolist()
    write_log(tmp_path / "log", calls([*ages, math.nan], 3))
    path = write_rows(tmp_path / "t.csv", [*ages, ""], [*(age / 100 for age in ages), "NA"])
    found = measured(tmp_path / "log", path)
    assert [one["psi"] for one in found["shifts"]] == [0.0, 0.0]


def test_default_scores_are_told_and_do_not_count_as_scores(tmp_path: Path, halves: Path) -> None:
    made = calls([1.0] * 160 + [2.0] * 40, 20)
    default_rows(made[0], 0, 20, pb.DEFAULT_REASON_DEADLINE)
    default_rows(made[-1], 0, 10, pb.DEFAULT_REASON_MODEL_ERROR)
    fail_rows(made[-1], 10, 10, pb.DEFAULT_REASON_INVALID_VALUE)
    refused = of_messages(pb.ScoreRequest(request_id="refused", model="risk"), None)
    write_log(tmp_path / "log", [*made, refused])
    found = measured(tmp_path / "log", halves)
    assert (found["rows"], found["default_rows"]) == (190, 30)
    assert shift(found, "age")["rows"] == 190
    scores = shift(found, "score", "score")
    assert scores["rows"] == 160
    assert scores["psi"] == pytest.approx(term(140 / 160, 0.5) + term(20 / 160, 0.5), rel=1e-12)


def test_missing_values_have_a_bin_of_their_own(tmp_path: Path) -> None:
    write_log(tmp_path / "log", calls([1.0] * 50 + [math.nan] * 50, 10))
    path = write_rows(tmp_path / "t.csv", [1] * 90 + [""] * 5 + ["NA"] * 5, [0.01] * 100)
    found = measured(tmp_path / "log", path)
    assert shift(found, "age")["psi"] == pytest.approx(term(0.5, 0.9) + term(0.5, 0.1), rel=1e-12)
    assert shift(found, "score", "score")["psi"] == pytest.approx(term(0.5, 1) + term(0.5, 0), rel=1e-12)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_feature_that_is_always_missing_has_moved(tmp_path: Path, form: str) -> None:
    request = pb.ScoreRequest(model="risk")
    request.table.columns.add(name="age", missing_rows=range(100)).strings.values.extend([""] * 100)
    write_log(tmp_path / "log", [answered(request, 100)])
    path = tmp_path / f"t.{form}"
    if form == "csv":
        path.write_text("age\n" + "1\nNA\n" * 100)
    else:
        pq.write_table(pa.table({"age": [1.0, None] * 100}), path)
    one = shift(measured(tmp_path / "log", path), "age")
    assert one["psi"] == pytest.approx(term(1, 0.5) + term(0, 0.5), rel=1e-12)


def test_too_few_rows_have_no_figure_but_a_reason(tmp_path: Path, halves: Path) -> None:
    write_log(tmp_path / "few", calls([1.0] * 99))
    one = shift(measured(tmp_path / "few", halves), "age")
    assert (one["psi"], one["rows"], one["why"]) == (None, 99, "calls have 99 rows, which is fewer than 100")
    write_log(tmp_path / "log", calls([1.0] * 100))
    small = write_rows(tmp_path / "small.csv", [1] * 99, [1] * 99)
    one = shift(measured(tmp_path / "log", small), "age")
    assert (one["psi"], one["against"], one["why"]) == (None, 99, "small.csv has 99 rows, which is fewer than 100")
    enough = write_rows(tmp_path / "enough.csv", [1] * 100, [0.01] * 100)
    assert shift(measured(tmp_path / "log", enough), "age")["psi"] == 0


def test_what_only_one_side_has_is_told(tmp_path: Path) -> None:
    write_log(tmp_path / "log", calls([1.0] * 100, 100))
    path = tmp_path / "t.csv"
    path.write_text("user,score.other\n" + "a,1\n" * 100)
    found = measured(tmp_path / "log", path)
    said = {(one["name"], one["kind"]): (one["why"], one["rows"], one["against"]) for one in found["shifts"]}
    assert said == {
        ("age", "feature"): ("t.csv has no column for it", 100, 0),
        ("score", "score"): ("t.csv has no column for it", 100, 0),
        ("user", "feature"): ("no call has it", 0, 100),
        ("other", "score"): ("no call has it", 0, 100),
    }


def of_matrix(names: list[str], values: Any) -> log_pb.LogRecord:
    request = pb.ScoreRequest(model="risk", matrix=pb.Matrix(columns=names, rows=len(values)))
    kind = request.matrix.floats if values.dtype == np.float32 else request.matrix.doubles
    kind.values.extend(values.ravel().tolist())
    return answered(request, len(values))


def answered(request: pb.ScoreRequest, rows: int) -> log_pb.LogRecord:
    response = pb.ScoreResponse(model="risk", version=3)
    response.scores.add(name="score").doubles.values.extend([0.5] * rows)
    return of_messages(request, response)


def of_json(ages: list[float]) -> log_pb.LogRecord:
    request = json.dumps({"columns": {"age": ages}}).encode()
    response = json.dumps({"scores": {"score": [0.5] * len(ages)}}).encode()
    return raw_record("POST /v1/models/risk:score", request, response)


def of_infer(ages: list[float]) -> log_pb.LogRecord:
    request = inference_pb2.ModelInferRequest(model_name="risk")
    add(request, "age", "FP64", [len(ages)], "fp64_contents", ages)
    response = inference_pb2.ModelInferResponse(model_name="risk", model_version="3")
    output = response.outputs.add(name="score", datatype="FP64", shape=[len(ages)])
    output.contents.fp64_contents.extend([0.5] * len(ages))
    response.parameters["score_source"].string_param = "MODEL"
    return raw_record(INFER, request.SerializeToString(), response.SerializeToString())


def of_infer_json(ages: list[float]) -> log_pb.LogRecord:
    tensors = [{"name": "age", "datatype": "FP64", "shape": [len(ages)], "data": ages}]
    outputs = [{"name": "score", "datatype": "FP64", "shape": [len(ages)], "data": [0.5] * len(ages)}]
    answer = {"model_name": "risk", "outputs": outputs, "parameters": {"score_source": "MODEL"}}
    request = json.dumps({"inputs": tensors}).encode()
    return raw_record("POST /v2/models/risk/infer", request, json.dumps(answer).encode())


def raw_record(method: str, request: bytes, response: bytes) -> log_pb.LogRecord:
    like = record()
    like.method, like.request, like.response = method, request, response
    return like


def test_calls_of_every_wire_count_alike(tmp_path: Path, halves: Path) -> None:
    ones, twos = [1.0] * 40, [2.0] * 10
    made = [
        of_matrix(["age"], np.array([ones + twos], np.float64).T),
        of_matrix(["age"], np.array([ones + twos], np.float32).T),
        of_json(ones + twos),
        of_infer(ones + twos),
        of_infer_json(ones + twos),
    ]
    write_log(tmp_path / "log", made)
    found = measured(tmp_path / "log", halves)
    assert (found["rows"], found["why"]) == (250, None)
    assert shift(found, "age")["psi"] == pytest.approx(HALF, rel=1e-12)
    assert shift(found, "score", "score")["rows"] == 250


def test_features_are_what_the_model_got(tmp_path: Path) -> None:
    made = []
    for _ in range(50):
        request = pb.ScoreRequest(model="risk")
        for name in ("extra", "user_id", "age"):
            request.table.columns.add(name=name).doubles.values.extend([1, 2])
        made.append(answered(request, 2))
        made[-1].ignored_columns.extend([0])
        look_up(made[-1], column("clicks", [7, np.nan]), texts("town", [None, "Köln"]), keys=[1])
    write_log(tmp_path / "log", made)
    path = tmp_path / "t.csv"
    path.write_text("age,clicks,town\n" + "1,7,Köln\n2,,\n" * 50)
    found = measured(tmp_path / "log", path)
    assert [(one["name"], one["psi"]) for one in found["shifts"]][:3] == [("age", 0), ("clicks", 0), ("town", 0)]
    assert {one["name"] for one in found["shifts"]} == {"age", "clicks", "town", "score"}


def test_a_matrix_without_names_is_told_unless_the_names_are_known(tmp_path: Path, halves: Path) -> None:
    write_log(tmp_path / "log", [of_matrix([], np.ones((120, 1)))])
    found = measured(tmp_path / "log", halves)
    assert found["why"] == "the features of 120 rows don't count: they came as a matrix without names of columns"
    assert shift(found, "score", "score")["rows"] == 120
    assert shift(found, "age")["why"] == "no call has it"


def test_texts_and_truth_values_are_counted_by_level(tmp_path: Path) -> None:
    request = pb.ScoreRequest(model="risk")
    request.table.columns.add(name="town").strings.values.extend(["Köln"] * 80 + ["Bonn"] * 10 + ["Rom"] * 10)
    request.table.columns.add(name="new").bools.values.extend([True] * 80 + [False] * 20)
    write_log(tmp_path / "log", [answered(request, 100)])
    path = tmp_path / "t.csv"
    path.write_text("town,new\n" + '"Köln",TRUE\n"Bonn",FALSE\n' * 100)
    found = measured(tmp_path / "log", path)
    expected = term(0.8, 0.5) + term(0.1, 0.5) + term(0.1, 0)
    assert shift(found, "town")["psi"] == pytest.approx(expected, rel=1e-12)
    assert shift(found, "new")["psi"] == pytest.approx(HALF, rel=1e-12)


def test_values_of_another_kind_than_the_reference_are_told_and_not_shown(tmp_path: Path) -> None:
    write_log(tmp_path / "log", calls([1.0] * 100, 100))
    path = write_rows(tmp_path / "t.csv", ["secret"] * 100, [0.01] * 100)
    done = CliRunner().invoke(app, ["stats", str(tmp_path / "log"), "--against", str(path)])
    assert "calls have numbers, the reference has a text that is none" in done.stdout
    assert "secret" not in done.output
    pq.write_table(pa.table({"age": [True] * 100}), tmp_path / "t.parquet")
    one = shift(measured(tmp_path / "log", tmp_path / "t.parquet"), "age")
    assert one["why"] == "calls have numbers, the reference has truth values"


def test_a_feature_that_changes_its_kind_has_no_figure(tmp_path: Path, halves: Path) -> None:
    request = pb.ScoreRequest(model="risk")
    request.table.columns.add(name="age").strings.values.extend(["1"] * 100)
    write_log(tmp_path / "log", [*calls([1.0] * 100, 100), answered(request, 100)])
    one = shift(measured(tmp_path / "log", halves), "age")
    assert (one["psi"], one["why"]) == (None, "some calls have numbers, others texts")


@pytest.mark.parametrize("form", ["parquet", "arrow", "jsonl", "folder"])
def test_the_reference_may_have_any_format(tmp_path: Path, form: str) -> None:
    write_log(tmp_path / "log", calls([1.0] * 160 + [2.0] * 40, 10))
    path = tmp_path / f"t.{form}"
    table = pa.table({"age": [1, 2, None, 1] * 50, "score": [0.01, 0.02, float("nan"), 0.01] * 50})
    if form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()).replace("NaN", "null"))
    elif form == "arrow":
        pyarrow.feather.write_feather(table, path, compression="uncompressed")
    else:
        path = path / "part-0.parquet" if form == "folder" else path
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table, path)
    found = measured(tmp_path / "log", path.parent if form == "folder" else path)
    expected = pytest.approx(term(0.8, 0.5) + term(0.2, 0.25) + term(0, 0.25), rel=1e-12)
    assert [one["psi"] for one in found["shifts"]] == [expected, expected]


def test_a_wide_csv_file_is_read_in_parts(tmp_path: Path) -> None:
    request = pb.ScoreRequest(model="risk")
    for place in range(50):
        request.table.columns.add(name=f"x{place}").doubles.values.extend([place] * 100)
    write_log(tmp_path / "log", [answered(request, 100)])
    path = tmp_path / "t.csv"
    names, row = [f"x{place}" for place in range(49, -1, -1)], [str(place) for place in range(49, -1, -1)]
    path.write_text("\n".join([",".join(names), *([",".join(row)] * 100), ""]))
    found = measured(tmp_path / "log", path)
    assert [one["psi"] for one in found["shifts"]] == [*([0.0] * 50), None]


def test_an_exported_log_is_a_reference(tmp_path: Path) -> None:
    made = calls([1.0] * 160 + [2.0] * 40, 20)
    default_rows(made[0], 0, 20, pb.DEFAULT_REASON_DEADLINE)
    for one in made:
        look_up(one, column("clicks", [7] * 20))
    refused = of_messages(pb.ScoreRequest(request_id="refused", model="risk"), None)
    write_log(tmp_path / "log", [*made, refused])
    output = tmp_path / "rows"
    CliRunner().invoke(app, ["export", str(tmp_path / "log"), "--format", "parquet", "--output", str(output)])
    found = measured(tmp_path / "log", output)
    assert [(one["name"], one["psi"], one["against"]) for one in found["shifts"]] == [
        ("age", 0, 200),
        ("clicks", 0, 200),
        ("score", 0, 180),
    ]


def test_the_tables_are_for_people(tmp_path: Path, halves: Path) -> None:
    made = calls([1.0] * 160 + [2.0] * 40, 10)
    default_rows(made[0], 0, 5, pb.DEFAULT_REASON_DEADLINE)
    write_log(tmp_path / "log", made)
    done = CliRunner().invoke(app, ["stats", str(tmp_path / "log"), "--against", str(halves)])
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == [
        "risk/3:",
        "200",
        "rows,",
        "2.50%",
        "with",
        "a",
        "default",
        "score,",
        "2026-11-23T12:00Z",
        "to",
        "2026-11-23T12:00Z",
    ]
    assert lines[1] == ["kind", "name", "psi", "by", "chance", "rows", "against", "shift"]
    assert lines[2] == ["feature", "age", "0.416", "0.010", "200", "200", "much"]
    assert "(Siddiqi 2006)" in done.stdout


def test_a_log_without_answered_calls_says_so(tmp_path: Path, halves: Path) -> None:
    write_log(tmp_path / "log", [of_messages(pb.ScoreRequest(request_id="x", model="risk"), None)])
    done = CliRunner().invoke(app, ["stats", str(tmp_path / "log"), "--against", str(halves)])
    assert (done.exit_code, done.stdout) == (0, "no version has answered a call\n")


def test_damage_is_told(tmp_path: Path, halves: Path) -> None:
    (path,) = write_log(tmp_path / "log", calls([1.0] * 200, 10))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    found = measured(tmp_path / "log", halves)
    assert (found["rows"], found["whole"]) == (190, False)
    assert found["why"] == "parts of the log are damaged or were removed meanwhile"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--against", "nowhere.csv"], "there is no file or folder nowhere.csv\n"),
        (["--against", "golden"], "give --repository, the folder of the versions that answered"),
        (["--against", "golden", "--repository", "nowhere"], "the repository nowhere is not a folder\n"),
        (["--against", "x", "--by", "caller"], "--against compares versions: leave out --by\n"),
        (["--repository", "x"], "--repository is where golden rows are looked for: it needs --against\n"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(tmp_path: Path, options: list[str], said: str) -> None:
    write_log(tmp_path / "log", calls([1.0]))
    done = CliRunner().invoke(app, ["stats", str(tmp_path / "log"), *options])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "can't be read"),
        ("a,a\n1,2\n", "has two columns of one name"),
    ],
)
def test_a_reference_that_makes_no_sense_is_refused(tmp_path: Path, text: str, said: str) -> None:
    write_log(tmp_path / "log", calls([1.0]))
    (tmp_path / "t.csv").write_text(text)
    done = CliRunner().invoke(app, ["stats", str(tmp_path / "log"), "--against", str(tmp_path / "t.csv")])
    assert done.exit_code == 1
    assert said in done.stderr
