"""A caller's rows a second, over time."""

import asyncio

import pytest

from bridge.callers.row_rate import RowRate
from bridge.errors import RateLimited
from bridge.testing.clock import ManualClock


def at_times(rate: RowRate, calls: list[tuple[float, int]]) -> list[bool]:
    """Whether calls with these rows at these times are taken."""

    async def main(clock: ManualClock) -> list[bool]:
        taken, begun = [], clock.time()
        for instant, rows in calls:
            clock.pass_at_once(begun + instant - clock.time())
            try:
                rate.charge("shop", rows)
            except RateLimited:
                taken.append(False)
            else:
                taken.append(True)
        return taken

    clock = ManualClock()
    with asyncio.Runner(loop_factory=lambda: clock) as runner:
        return runner.run(main(clock))


@pytest.mark.parametrize(
    ("per_s", "calls", "taken"),
    [
        (10, [(0, 10), (0, 1)], [True, False]),
        (10, [(0, 10), (0.1, 1)], [True, True]),
        (10, [(0, 35), (2.4, 1), (2.6, 1)], [True, False, True]),  # a large batch is paid for afterwards
        (10, [(0, 5), (100, 10), (100, 1)], [True, True, False]),  # no more than a second's is saved up
        (0.5, [(0, 1), (0, 1), (0.1, 1), (0.2, 1), (2.1, 1)], [True, False, True, False, True]),
        (2, [(0, 0), (0, 0), (0, 0)], [True, True, False]),  # calls without rows count
    ],
)
def test_rows_are_counted_over_time(per_s: float, calls: list[tuple[float, int]], taken: list[bool]) -> None:
    assert at_times(RowRate(per_s), calls) == taken


def test_what_was_refused_does_not_count() -> None:
    assert at_times(RowRate(10), [(0, 11), (0, 1000), (0.2, 1)]) == [True, False, True]


def test_the_error_names_caller_limit_and_the_wait() -> None:
    rate = RowRate(10)

    async def main() -> str:
        rate.charge("shop", 15)
        with pytest.raises(RateLimited) as caught:
            rate.charge("shop", 1)
        assert caught.value.limit == "10 rows/s"
        assert caught.value.default_reason is None
        return str(caught.value)

    with asyncio.Runner(loop_factory=ManualClock) as runner:
        said = runner.run(main())
    assert "'shop'" in said
    assert "0.500 s" in said
