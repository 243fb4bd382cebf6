"""Clients that go away: alone, in the queue, and inside a joint run."""

import asyncio

import pytest
from scorebridge import Source
from sick import Sick, StartSick
from waiting import eventually


async def _cancel(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_alone(sick: Sick) -> None:
    before = sick.workers()
    task = asyncio.create_task(sick.call("loop"))
    await eventually(lambda: sick.snapshot().idle == 1)
    await _cancel(task)
    await eventually(lambda: len(before - sick.workers()) == 1)
    await sick.recovers(before - sick.workers())


async def test_in_the_queue(sick: Sick) -> None:
    busy = [asyncio.create_task(sick.call("nap", [0.3])) for _ in range(2)]
    await eventually(lambda: sick.snapshot().idle == 0)
    waiting = asyncio.create_task(sick.call("score"))
    await eventually(lambda: sick.backend.workload.pending_rows == 3)
    await _cancel(waiting)
    await eventually(lambda: sick.backend.workload.pending_rows == 2)
    assert {answer.source for answer in await asyncio.gather(*busy)} == {Source.MODEL}
    await sick.recovers(set())


async def test_inside_a_joint_run_the_others_keep_their_scores(start_sick: StartSick) -> None:
    sick = await start_sick("row_wise = true\nworkers = 1")
    busy = asyncio.create_task(sick.call("nap", [0.2]))
    await eventually(lambda: sick.snapshot().idle == 0)
    joined = [asyncio.create_task(sick.call("nap", [0.2 + n / 100])) for n in range(5)]
    await eventually(lambda: sick.backend.workload.pending_rows == 6)
    await busy
    await eventually(lambda: sick.snapshot().idle == 0)
    await _cancel(joined.pop(2))
    answers = await asyncio.gather(*joined)
    assert [answer.scores[0] for answer in answers] == [2 * (0.2 + n / 100) for n in (0, 1, 3, 4)]
    assert {answer.attempts for answer in answers} == {1}
    assert sick.backend.workload.running == 0


async def test_one_member_that_raises_costs_only_itself(start_sick: StartSick) -> None:
    sick = await start_sick("row_wise = true\nworkers = 1")
    busy = asyncio.create_task(sick.call("nap", [0.2]))
    await eventually(lambda: sick.snapshot().idle == 0)
    values = [[1.0], [-1.0, 2.0], [3.0]]
    joined = [asyncio.create_task(sick.call("bad_rows", one)) for one in values]
    await busy
    answers = await asyncio.gather(*joined)
    assert [answer.reasons for answer in answers] == [[None], ["MODEL_ERROR", None], [None]]
    assert [answer.scores[-1] for answer in answers] == [2.0, 4.0, 6.0]


async def test_a_slow_client_holds_up_nobody(sick: Sick) -> None:
    _, port = sick.gateway.grpc_address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")  # preface, and never more
    await writer.drain()
    answers = await asyncio.gather(*(sick.call("score", [float(n)]) for n in range(20)))
    assert [answer.scores[0] for answer in answers] == [2.0 * n for n in range(20)]
    writer.close()
    await writer.wait_closed()
    assert reader is not None
