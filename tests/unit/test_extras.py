"""Columns that were ignored or only keys, taken out of a request that a log holds."""

import pytest
from scorebridge.v1 import scoring_pb2 as pb

from bridge.errors import InvalidRequest
from bridge.features.extras import drop_columns


def table() -> pb.ScoreRequest:
    return pb.ScoreRequest(table=pb.Table(columns=[pb.Column(name=name) for name in "abcd"]))


def matrix(*, single: bool) -> pb.ScoreRequest:
    values = [float(number) for number in range(8)]
    kind = {"floats": pb.FloatArray(values=values)} if single else {"doubles": pb.DoubleArray(values=values)}
    return pb.ScoreRequest(matrix=pb.Matrix(columns=list("abcd"), rows=2, **kind))


def test_a_table_keeps_its_other_columns_in_order() -> None:
    request = table()
    drop_columns(request, [0, 2])
    assert [column.name for column in request.table.columns] == ["b", "d"]


@pytest.mark.parametrize("single", [True, False])
def test_a_matrix_keeps_the_others_values(*, single: bool) -> None:
    request = matrix(single=single)
    drop_columns(request, [1, 3])
    values = request.matrix.floats.values if single else request.matrix.doubles.values
    assert list(request.matrix.columns) == ["a", "c"]
    assert list(values) == [0.0, 2.0, 4.0, 6.0]


@pytest.mark.parametrize("request_", [table(), matrix(single=False), pb.ScoreRequest()])
def test_a_place_without_a_column_is_refused(request_: pb.ScoreRequest) -> None:
    with pytest.raises(InvalidRequest, match=r"^column 4 is on record as ignored or a key, but the request lacks it$"):
        drop_columns(request_, [1, 4])


def test_nothing_ignored_leaves_the_request_alone() -> None:
    request = table()
    drop_columns(request, [])
    assert request == table()
