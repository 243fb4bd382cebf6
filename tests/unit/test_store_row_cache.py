"""The rows of a store that are kept in memory: few, and not for long."""

from bridge.features.stores.row_cache import RowCache


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        """The time, in seconds."""
        return self.now


def test_the_rows_that_were_asked_for_last_are_kept() -> None:
    cache = RowCache(2, 10)
    cache.put([b"a", b"b"], [b"1", b"2"])
    assert cache.get([b"a"]) == [b"1"]
    cache.put([b"c"], [b"3"])
    assert cache.get([b"a", b"b", b"c"]) == [b"1", None, b"3"]


def test_rows_are_kept_for_no_longer_than_their_age() -> None:
    clock = Clock()
    cache = RowCache(10, 10, clock)
    cache.put([b"a"], [b"1"])
    clock.now = 9.9
    assert cache.get([b"a"]) == [b"1"]  # which makes it no younger
    clock.now = 10.0
    assert cache.get([b"a"]) == [None]
    clock.now = 0.0
    assert cache.get([b"a"]) == [None]


def test_neither_absent_rows_nor_long_ones_are_kept() -> None:
    cache = RowCache(10, 10)
    cache.put([b"a", b"b", b"c"], [None, b"x" * 65_537, b"y" * 65_536])
    assert cache.get([b"a", b"b", b"c"]) == [None, None, b"y" * 65_536]


def test_more_rows_than_may_be_kept_at_once() -> None:
    cache = RowCache(3, 10)
    keys = [b"%d" % number for number in range(10)]
    cache.put(keys, keys)
    assert cache.get(keys) == [None] * 7 + keys[7:]
