"""Shares: alone a caller may have all, beside others an equal part, and nothing is lost on the way."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Overloaded
from bridge.layers.shares import Shares
from bridge.testing.clock import ManualClock


def on_a_clock(steps: Sequence[tuple[str, float]], most: int = 100) -> list[bool]:
    """Who got what they asked for; negative amounts are given back, an empty name lets time pass."""

    async def main() -> list[bool]:
        shares, got = Shares(most, "bytes"), []
        for caller, amount in steps:
            if not caller:
                await asyncio.sleep(amount)
            elif amount < 0:
                shares.give_back(caller, int(-amount))
            else:
                try:
                    shares.take(caller, int(amount))
                except Overloaded as error:
                    got.append(not error.limit.endswith(" bytes"))
                else:
                    got.append(True)
        return got

    with asyncio.Runner(loop_factory=ManualClock) as runner:
        return runner.run(main())


def test_alone_a_caller_has_all_and_no_more() -> None:
    assert on_a_clock([("a", 60), ("a", 40), ("a", 1), ("a", -40), ("a", 40)]) == [True, True, False, True]


def test_beside_another_a_caller_has_half() -> None:
    assert on_a_clock([("b", 1), ("a", 50), ("a", 1), ("b", 49), ("b", 1)]) == [True, True, False, True, False]


def test_three_have_a_third_each() -> None:
    steps = [("a", 1), ("b", 1), ("c", 33), ("c", 1), ("a", 32), ("b", 33)]
    assert on_a_clock(steps) == [True, True, True, False, True, False]


def test_who_has_too_much_gets_no_more_until_who_was_turned_away_had_its_turn() -> None:
    steps = [("a", 100), ("b", 30), ("a", -10), ("a", 10), ("a", -40), ("b", 30), ("a", 1), ("b", 20)]
    assert on_a_clock(steps) == [True, False, False, True, False, True]


def test_who_does_not_come_again_is_forgotten() -> None:
    assert on_a_clock([("a", 100), ("b", 30), ("a", -10), ("", 1.5), ("a", 10)]) == [True, False, True]


def test_a_caller_who_was_turned_away_alone_is_not_in_its_own_way() -> None:
    assert on_a_clock([("a", 101), ("a", 100)]) == [False, True]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60)), max_size=30))
def test_no_more_is_held_than_there_is(steps: list[tuple[str, int]]) -> None:
    async def main() -> None:
        shares = Shares(100, "bytes")
        held: list[tuple[str, int]] = []
        for caller, amount in steps:
            try:
                shares.take(caller, amount)
            except Overloaded:
                if held:
                    shares.give_back(*held.pop())
            else:
                held.append((caller, amount))
            assert shares.held == sum(amount for _, amount in held) <= 100
        for one in held:
            shares.give_back(*one)
        assert shares.held == 0

    with asyncio.Runner(loop_factory=ManualClock) as runner:
        runner.run(main())
