"""What scores Python models again: old interpreters can read it, and its files lose nothing."""

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scorebridge.runner.vectors import Vector
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.columns import Matrix, Type
from bridge.reconcile import rescoring
from bridge.reconcile.call_files import read_answers
from bridge.reconcile.calls import AnsweredCall, LoggedBatch
from bridge.reconcile.compare import Rescored, compare
from bridge.reconcile.rescoring.answers import outputs_bytes

MODULES = sorted(Path(rescoring.__path__[0]).glob("*.py"))
BIG = 2**53 + 1


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_python_3_9_can_read_it(path: Path) -> None:
    ast.parse(path.read_text(), path.name, feature_version=(3, 9))


@pytest.mark.parametrize(
    ("kind", "values", "mask"),
    [
        ("double", np.array([1.5, -0.0, np.inf]), None),
        ("double", np.array([1.5, np.nan, 2.0]).astype(">f8"), None),
        ("float", np.array([0.1, np.nan, 2.0], np.float32), None),
        ("int", np.array([-(2**31), 2**31 - 1, 0], np.int32), None),
        ("int", np.array([0, 255, 7], np.uint8), [True, False, False]),
        ("int64", np.array([-(2**63), 2**63 - 1, BIG]), [False, True, False]),
        ("bool", np.array([True, False, True]), [False, False, True]),
        ("string", np.array(["", "ü\0", "😀"], object), [False, False, True]),
    ],
)
def test_outputs_are_read_as_they_were_written(tmp_path: Path, kind: str, values: Any, mask: Any) -> None:
    missing = None if mask is None else np.array(mask)
    path = tmp_path / "calls.out"
    path.write_bytes(outputs_bytes([Vector("an output", kind, values, missing)]))
    (found,) = read_answers(path, [logged([1, 2, 3])])
    assert isinstance(found, Rescored)
    (column,) = found.columns
    assert (column.name, column.type) == ("an output", Type(kind))
    gone = np.zeros(3, np.bool_) if missing is None else missing
    if kind in ("double", "float"):
        assert column.values.tobytes() == values.astype(column.values.dtype).tobytes()
    else:
        assert column.missing().tolist() == gone.tolist()
        assert column.values[~gone].tolist() == values[~gone].tolist()


def logged(values: list[int]) -> LoggedBatch:
    """A call that was answered with whole numbers."""
    scores = [pb.Column(name="an output", int64s=pb.Int64Array(values=values))]
    table = pb.Table(columns=[pb.Column(name="x", doubles=pb.DoubleArray(values=[0.0] * len(values)))])
    request = pb.ScoreRequest(model="m", table=table)
    call = AnsweredCall(0, log_pb.LogRecord(), request, pb.ScoreResponse(scores=scores))
    return LoggedBatch(call, np.arange(len(values)), Matrix(("x",), np.zeros((len(values), 1))))


@pytest.mark.parametrize(
    ("kind", "other", "distance"),
    [
        ("int64", [BIG, 5], [0, 0]),
        ("int64", [BIG - 1, 5], [1, 0]),
        ("int64", [-(2**63), 5], [float(BIG + 2**63), 0]),
        ("double", [float(2**53), 5.5], [1, 0.5]),
    ],
)
def test_whole_numbers_are_compared_exactly(
    tmp_path: Path, kind: str, other: list[float], distance: list[float]
) -> None:
    path = tmp_path / "calls.out"
    path.write_bytes(outputs_bytes([Vector("an output", kind, np.array(other))]))
    batch = logged([BIG, 5])
    (found,) = read_answers(path, [batch])
    comparison = compare(batch, found, 0.0)
    assert comparison.outputs[0].distance.tolist() == distance
    assert comparison.different.tolist() == [one > 0 for one in distance]
