"""What a store said of its groups: kept for a while, and for few groups."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bridge.columns import Type
from bridge.features.stores.group import Group, GroupFeature, GroupKind, GroupNotReadable, write_meta
from bridge.features.stores.snapshots import Snapshots

ORDERS = Group("orders", GroupKind.STREAM, streamed=(GroupFeature("orders", Type.DOUBLE),))
RAW = write_meta(ORDERS)


@pytest.fixture
async def go_to(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Any]:
    """Sets the loop's clock to so many seconds after the beginning of the test."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    return lambda seconds: monkeypatch.setattr(loop, "time", lambda: began + seconds)


async def test_the_stores_clock_is_carried_on_by_the_loops(go_to: Callable[[float], Any]) -> None:
    snapshots = Snapshots(1.0)
    go_to(0)
    assert snapshots.put("orders", RAW, 5_000, asked=True).now_ms == 5_000
    go_to(2.5)
    seen = snapshots.get("orders")
    assert seen is not None
    assert (seen.group, seen.now_ms) == (ORDERS, 7_500)
    go_to(3)
    assert snapshots.get("orders") is None


async def test_the_same_description_is_not_read_again() -> None:
    snapshots = Snapshots(1.0)
    first = snapshots.put("orders", RAW, 5_000, asked=True).group
    assert snapshots.put("orders", RAW, 6_000, asked=False).group is first
    assert snapshots.put("orders", RAW + b" ", 6_000, asked=False).group is not first
    assert snapshots.put("orders", b"", 6_000, asked=False).group is None


async def test_one_that_cannot_be_read_leaves_the_last() -> None:
    snapshots = Snapshots(1000.0)
    snapshots.put("orders", RAW, 5_000, asked=True)
    with pytest.raises(GroupNotReadable):
        snapshots.put("orders", b"{", 6_000, asked=False)
    assert (seen := snapshots.get("orders")) is not None
    assert seen.group == ORDERS


async def test_groups_that_no_call_asks_for_any_more_are_forgotten(go_to: Callable[[float], Any]) -> None:
    snapshots = Snapshots(1.0)
    go_to(0)
    for name in ("orders", "others"):
        snapshots.put(name, RAW, 5_000, asked=True)
    go_to(50)
    assert snapshots.get("orders") is None  # too old, but asked for
    assert snapshots.wanted() == ["orders", "others"]
    go_to(61)
    assert snapshots.wanted() == ["orders"]
    snapshots.put("orders", RAW, 6_000, asked=False)
    go_to(111)
    assert snapshots.wanted() == []  # a look in the background is no call's


async def test_of_many_groups_those_that_were_asked_for_last_are_kept(go_to: Callable[[float], Any]) -> None:
    snapshots = Snapshots(1000.0)
    for number in range(256):
        go_to(number / 1000)
        snapshots.put(f"group-{number}", RAW, 5_000, asked=True)
    go_to(1)
    snapshots.get("group-0")
    snapshots.put("group-256", RAW, 5_000, asked=True)
    assert snapshots.get("group-0") is not None
    assert snapshots.get("group-1") is None
    assert len(snapshots.wanted()) == 256
