"""Rows that a failed call names are taken out, and the others asked for again: how many calls that costs."""

from itertools import takewhile
from pathlib import Path

import grpc
import pytest
from doubled import Doubled
from fixtures import StartGateway, make_r_bundle, put
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status as RichStatus
from offline_chunks import chunk_of, table_of

from bridge.calls import ModelRef
from bridge.columns import Unfit
from bridge.errors import DeadlineExceeded, InvalidRequest, RefusedLevel, UnfitRow, UnknownLevel
from bridge.offline.channels import failure_of
from bridge.offline.chunk_scoring import ChunkScoring
from bridge.offline.gateways import Gateways
from bridge.offline.in_process import InProcess
from bridge.offline.scored_chunk import ScoredChunk
from bridge.offline.scorer import Answer, CallFailed, Question
from bridge.services.status import Status

ROWS = 1024


class Refusing(Doubled):
    """Refuses a call as soon as it has a bad row, as a gateway does with text that it can't read.

    A row is bad if x is negative; rows with the same x have the same fault.
    """

    def __init__(self, *, names: bool) -> None:
        super().__init__()
        self._names = names

    async def score(self, question: Question) -> Answer:
        """Doubles x, or fails."""
        answer = await super().score(question)
        x = question.batch.columns[0].values.tolist()
        first = next((row for row, value in enumerate(x) if value < 0), None)
        if first is None:
            return answer
        if not self._names:
            raise CallFailed("INVALID_VALUE", f"column 'x', row {first}: bad", column="x")
        same = len(list(takewhile(lambda value: value == x[first], x[first:])))
        raise CallFailed("INVALID_VALUE", "column 'x': bad", column="x", row=first, rows=same)


async def scored(scorer: Refusing, x: list[float]) -> ScoredChunk:
    scoring = ChunkScoring(scorer, run_id="run", row_wise=True, default=False, workers=2)
    found = await scoring.score(chunk_of(table_of({"x": x})))
    good = [row for row, value in enumerate(x) if value >= 0]
    assert found.kept.tolist() == good
    assert found.columns[0].values.tolist() == [2 * x[row] for row in good]
    assert [(one.row - 1, one.reason, one.column) for one in found.rejects] == [
        (row, "INVALID_VALUE", "x") for row, value in enumerate(x) if value < 0
    ]
    return found


def chunk_with(*bad: int) -> list[float]:
    return [-1.0 if row in bad else float(row) for row in range(ROWS)]


ALL_THE_SAME = [-1.0] * ROWS
EACH_ITS_OWN = [-1.0 - row for row in range(ROWS)]


@pytest.mark.parametrize(
    ("x", "named", "halved"),
    [
        (ALL_THE_SAME, 1, 2 * ROWS - 1),
        (EACH_ITS_OWN, ROWS, 2 * ROWS - 1),
        (chunk_with(700), 3, 21),
        (chunk_with(0, ROWS - 1), 3, 39),
        (chunk_with(5, 300, 900), 7, 55),
        (chunk_with(*range(0, ROWS, 2)), ROWS, 2 * ROWS - 1),
    ],
    ids=["all the same", "each its own", "one", "both ends", "three", "every second"],
)
async def test_named_rows_cost_fewer_calls_than_halving(x: list[float], named: int, halved: int) -> None:
    naming, silent = Refusing(names=True), Refusing(names=False)
    for scorer in (naming, silent):
        await scored(scorer, x)
    assert (naming.asked, silent.asked) == (named, halved)


@pytest.mark.parametrize("wrong", [-1, ROWS, 10**12])
async def test_a_named_row_that_is_none_of_the_call_is_looked_for_by_halving(wrong: int) -> None:
    class Wrong(Refusing):
        async def score(self, question: Question) -> Answer:
            try:
                return await super().score(question)
            except CallFailed as error:
                error.row = wrong
                raise

    await scored(Wrong(names=True), chunk_with(700))


async def test_a_gateway_names_all_rows_of_one_fault_at_once(
    tmp_path: Path, repository: Path, start_gateway: StartGateway
) -> None:
    settings = 'row_wise = true\n[features]\nc = {type = "factor", levels = ["a"]}\n[outputs]\nscore = "double"\n'
    put(make_r_bundle(tmp_path / "b", "Pred.R <- function(c) as.double(c)", settings=settings), repository, "levels")
    gateway = await start_gateway(repository)
    away = await Gateways.open(gateway.grpc_address, None, None, "levels")
    here = await InProcess.open(repository, "levels")
    try:
        for levels in (["x"] * 500, ["x", "a"] * 50):
            chunk = chunk_of(table_of({"c": levels}))
            failures = away.failures
            found = [
                await ChunkScoring(one, run_id="run", row_wise=True, default=False, workers=2).score(chunk)
                for one in (away, here)
            ]
            assert away.failures - failures == (levels[1] == "x")
            assert list(map(repr, found[0].rejects)) == list(map(repr, found[1].rejects))
            one = found[0].rejects[-1]
            assert (one.row, one.column, one.reason) == (500 if levels[1] == "x" else 99, "c", "UNKNOWN_LEVEL")
            assert one.detail == "levels/1: column 'c': not one of its 1 levels"
    finally:
        await away.close()
        await here.close()


def failed_with(status: Status) -> CallFailed:
    metadata = grpc.aio.Metadata(*status.metadata)
    return failure_of(grpc.aio.AioRpcError(status.code, grpc.aio.Metadata(), metadata, status.message, None), 1.0)


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (InvalidRequest, "INVALID_VALUE"),
        (UnfitRow, "INVALID_VALUE"),
        (RefusedLevel, "UNKNOWN_LEVEL"),
        (UnknownLevel, "UNKNOWN_LEVEL"),
    ],
)
def test_what_a_gateway_says_of_a_row_arrives(kind: type[InvalidRequest], event: str) -> None:
    error = Unfit("an 'odd', row 3: one", "not one of its 2 levels", kind).of(12, "m/7: ", rows=5)
    failed = failed_with(Status.of(error, ModelRef("m", 7, "d")))
    assert (failed.event, failed.column, failed.row, failed.rows) == (event, "an 'odd', row 3: one", 12, 5)
    assert str(failed) == "m/7: column 'an 'odd', row 3: one': not one of its 2 levels"


def test_what_is_none_of_a_row_names_none() -> None:
    for error, event in (
        (InvalidRequest("column 'x' is there twice"), "INVALID_REQUEST"),
        (InvalidRequest("11 rows", limit="10 rows", column="x", row=3), "TOO_LARGE"),
        (DeadlineExceeded("too late"), "DEADLINE"),
    ):
        failed = failed_with(Status.of(error))
        assert (failed.event, failed.column, failed.row) == (event, "", None)


@pytest.mark.parametrize("metadata", [{}, {"row": "x"}, {"row": "-1"}, {"row": "1", "rows": "1.5"}])
def test_a_gateway_that_names_no_row_by_itself_is_understood_by_its_sentence(metadata: dict[str, str]) -> None:
    for sentence, event in (
        ("m/7: column 'x', row 3: infinite", "INVALID_VALUE"),
        ("m/7: column 'x', row 3: not one of its 2 levels", "UNKNOWN_LEVEL"),
        ("m/7: column 'x' is string, the model takes double", "INVALID_REQUEST"),
    ):
        detail = AnyMessage()
        detail.Pack(ErrorInfo(reason="INVALID_REQUEST", domain="scorebridge.io", metadata=metadata))
        packed = RichStatus(details=[detail]).SerializeToString()
        status = Status(grpc.StatusCode.INVALID_ARGUMENT, sentence, (("grpc-status-details-bin", packed),))
        failed = failed_with(status)
        assert (failed.event, failed.row) == (event, None)
