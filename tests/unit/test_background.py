"""Work that nobody awaits: heard of if it fails, ended when its owner is closed, or carried to its end."""

import asyncio

import pytest

from bridge.testing.clock import ManualClock
from bridge.workers.background import Background, to_the_end


async def pass_time(seconds: float) -> None:
    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=seconds)


class Work:
    """A second of it."""

    ended = False

    async def do(self, error: Exception | None = None) -> None:
        """Takes a second, and may fail."""
        await pass_time(1.0)
        if error is not None:
            raise error
        self.ended = True


def test_what_is_begun_goes_on_by_itself() -> None:
    async def main() -> None:
        background, work = Background("m/1"), Work()
        background.start(work.do())
        await pass_time(2.0)
        assert work.ended
        await background.close()

    ManualClock.run(main)


def test_what_fails_is_an_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        background = Background("m/1")
        background.start(Work().do(ValueError("a bug")))
        await pass_time(2.0)
        await background.close()

    ManualClock.run(main)
    assert caplog.messages == ["background work for the workers of m/1 failed"]
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "a bug"


@pytest.mark.parametrize("after_s", [0.0, 0.5])
def test_closing_cancels_what_has_not_ended(after_s: float, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        background, works = Background("m/1"), [Work() for _ in range(3)]
        for work in works:
            background.start(work.do())
        if after_s:
            await pass_time(after_s)
        await background.close()
        await pass_time(2.0)
        assert not any(work.ended for work in works)
        await background.close()

    ManualClock.run(main)
    assert caplog.messages == []


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_cancellation_waits_until_all_is_done(times: int) -> None:
    async def main() -> None:
        work = Work()
        task = asyncio.create_task(to_the_end(work.do()))
        for _ in range(times):
            await pass_time(0.1)
            task.cancel()
        await asyncio.wait([task])
        assert work.ended
        assert task.cancelled()

    ManualClock.run(main)


def test_what_is_done_to_the_end_fails_as_its_own_error() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="no"):
            await to_the_end(Work().do(ValueError("no")))

    ManualClock.run(main)


def test_a_cancellation_tells_of_the_error_behind_it() -> None:
    async def main() -> None:
        error = ValueError("no")
        task = asyncio.create_task(to_the_end(Work().do(error)))
        await pass_time(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as raised:
            await task
        assert raised.value.__cause__ is error

    ManualClock.run(main)
