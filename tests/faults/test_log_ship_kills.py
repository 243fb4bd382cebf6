"""log ship is killed again and again while a gateway writes, rotates and removes: documents = records."""

import logging
import random
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prediction_logs import record, write_log
from search_nodes import SearchNode
from search_proxies import Fault, SearchProxy, proxied
from ship_commands import ship_once, shipping
from waiting import eventually, moment

from bridge.config import LogSettings
from bridge.prediction_log.writer import PredictionLog

CALLS = "scorebridge-calls-*"
SEGMENT_BYTES = 8000


@asynccontextmanager
async def opened(folder: Path, **settings: Any) -> AsyncIterator[PredictionLog]:
    """A log that a gateway would write, in small segments."""
    log = PredictionLog(folder, LogSettings(log_segment_bytes=SEGMENT_BYTES, **settings), "gateway", {})
    log.open()
    log.start()
    try:
        yield log
    finally:
        await log.close()


class Gateway:
    """Writes calls with ids that count on.

    Attributes:
        written: how many calls are on record.
    """

    def __init__(self) -> None:
        self.written = 0

    def write(self, log: PredictionLog, count: int) -> None:
        """Puts some calls on record."""
        bodies = [[record(f"c{self.written + n}").SerializeToString()] for n in range(count)]
        log.write(bodies)
        self.written += count

    def require_each_once(self, node: SearchNode) -> None:
        """Each call has one document."""
        found = [hit["_source"]["request_id"] for hit in node.found(CALLS)]
        assert sorted(found) == sorted(f"c{number}" for number in range(self.written))


def kill(process: "subprocess.Popen[str]", when: str) -> Fault:
    """The process is killed before the engine has the bulk, or has it and no answer comes, or just after the answer."""

    def end(conversation: Any) -> None:
        if when == "before":
            process.kill()
            process.wait()
            return
        answer = conversation.forward()
        if when == "after":
            conversation.reply(*answer)
        process.kill()

    return end


async def killed(gateway: Gateway, log: PredictionLog, folder: Path, proxy: SearchProxy, dice: random.Random) -> None:
    """Ships while the gateway writes, until a bulk at random."""
    with shipping(folder, proxy.url) as process:
        proxy.faults[:] = [None] * dice.randrange(3) + [kill(process, dice.choice(["before", "between", "after"]))]
        answered = -1
        while process.poll() is None:
            if answered < len(proxy.bulks):  # the next calls come while the bulk of those before is under way
                answered = len(proxy.bulks)
                for _ in range(dice.randrange(1, 15)):
                    gateway.write(log, dice.randrange(1, 6))
            await moment()


@pytest.mark.parametrize("seed", [1])
async def test_five_kills_and_five_more_while_segments_are_removed(
    search_node: SearchNode, tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    folder, gateway, dice = tmp_path / "log", Gateway(), random.Random(seed)  # noqa: S311 - not a secret
    with proxied(search_node.url) as proxy:
        async with opened(folder) as log:
            for _ in range(5):
                await killed(gateway, log, folder, proxy, dice)
        assert ship_once(folder, proxy.url).exit_code == 0
        gateway.require_each_once(search_node)
        segments = set(folder.glob("*.sblog"))
        async with opened(folder, log_keep_bytes=1, log_keep_unshipped_bytes=1 << 30) as log:
            for _ in range(5):
                await killed(gateway, log, folder, proxy, dice)
        assert not segments & set(folder.glob("*.sblog"))
        assert ship_once(folder, proxy.url).exit_code == 0
        gateway.require_each_once(search_node)
        assert log.unshipped == 0
    assert {one.levelno for one in caplog.records if "before it was shipped" in one.getMessage()} == set()


async def test_a_segment_that_is_not_shipped_goes_with_a_warning_only(
    search_node: SearchNode, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, gateway = tmp_path / "log", Gateway()
    async with opened(folder, log_keep_bytes=3 * SEGMENT_BYTES) as log:
        gateway.write(log, 5)
        assert ship_once(folder, search_node.url).exit_code == 0
        while log.unshipped == 0:
            gateway.write(log, 5)
            await moment()
    (warning, *_) = [one for one in caplog.records if "before it was shipped" in one.getMessage()]
    assert warning.levelno == logging.WARNING
    assert f"segment {0:020d}.sblog of the prediction log was removed" in warning.getMessage()
    done = ship_once(folder, search_node.url, "--json")
    assert (done.exit_code, "are missing before" in done.stderr) == (1, True)
    assert search_node.count(CALLS) < gateway.written


async def test_unshipped_segments_stay_up_to_a_size_and_each_time_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, gateway, most = tmp_path / "log", Gateway(), 10 * SEGMENT_BYTES
    folder.mkdir(mode=0o700)
    (folder / "shipped-x.position").write_text("{}")
    async with opened(folder, log_keep_bytes=1, log_keep_unshipped_bytes=most) as log:
        while log.unshipped == 0:
            gateway.write(log, 5)
            await moment()
            assert sum(path.stat().st_size for path in folder.glob("*.sblog")) < most + 2 * SEGMENT_BYTES
    held = [one for one in caplog.records if "is kept although it is due" in one.getMessage()]
    assert len(held) >= 8


@pytest.mark.parametrize(("position", "warned"), [('{"sequence": 6}', False), ('{"sequence": 5}', True), ("?", True)])
async def test_what_a_position_says_decides(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, position: str, *, warned: bool
) -> None:
    folder = tmp_path / "log"
    caplog.set_level(logging.INFO)
    write_log(folder, [record(f"a{n}") for n in range(6)])
    (folder / "shipped-x.position").write_text(position)
    async with opened(folder, log_keep_bytes=1) as log:
        Gateway().write(log, 1)
        await eventually(lambda: not (folder / f"{0:020d}.sblog").exists())
    levels = {one.levelno for one in caplog.records if "was removed" in one.getMessage()}
    assert levels == {logging.WARNING if warned else logging.INFO}
    assert log.unshipped == warned
