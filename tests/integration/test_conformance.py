"""The cases that every client must pass, the Java one too: clients/conformance, against real gateways and faults."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import scorebridge
from fixtures import ROOT
from scorebridge import AsyncScoringClient, Scores, ScoringClient, ScoringError

FOLDER = ROOT / "clients" / "conformance"
CASES = [case for file in sorted(FOLDER.glob("*.json")) for case in json.loads(file.read_text())]

# The first case waits for a world of several gateways and models: a busy machine takes minutes for them.
pytestmark = pytest.mark.timeout(600)

PASSED_ON = ("default", "allow_default", "partial", "ignore_extra", "version", "labels", "request_id")


@pytest.fixture(scope="module")
def worlds() -> Iterator[dict[str, dict[str, Any]]]:
    """One for each of the two clients, because a case kills a gateway; most of it is the same."""
    command = [sys.executable, str(FOLDER / "conformance_world.py"), "2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield {kind: json.loads(process.stdout.readline()) for kind in ("blocking", "asyncio")}
        process.communicate()


class Caller:
    """One client, told to by a case."""

    def __init__(self, world: dict[str, Any], case: dict[str, Any]) -> None:
        self.world = world
        self.case = case

    def settings(self) -> dict[str, Any]:
        """What the client is made with."""
        case, settings = self.case, dict[str, Any]()
        if "client_default" in case:
            settings["default"] = case["client_default"]
        if "circuit_failures" in case:
            settings["circuit_failures"] = case["circuit_failures"]
        if "circuit_open_ms" in case:
            settings["circuit_open_s"] = case["circuit_open_ms"] / 1000
        if "token" in case:
            settings["token"] = lambda: self.world["token"]
        if "tls" in case:
            trusted, key = Path(self.world["certificate"]).read_bytes(), Path(self.world["key"]).read_bytes()
            own = (key, trusted) if case["tls"] == "mutual" else (None, None)
            settings["credentials"] = grpc.ssl_channel_credentials(trusted, *own)
        return settings

    def arguments(self) -> dict[str, Any]:
        """What each call says."""
        case, repeat = self.case, self.case.get("repeat", 1)
        rows: Any = case.get("columns") or np.array(case["rows"] * repeat, np.float64)
        if isinstance(rows, dict):
            rows = {name: np.array(values * repeat, np.float64) for name, values in rows.items()}
        given = {"model": case["model"], "rows": rows, "timeout_s": case["timeout_ms"] / 1000}
        if "row_keys" in case:
            given["row_keys"] = [str(number) for number in range(case["row_keys"])]
        return given | {name: case[name] for name in PASSED_ON if name in case}

    def ended(self, call: int) -> None:
        """Kills a gateway where the case says so."""
        if call == self.case.get("kill_first_after"):
            os.kill(self.world["first_pid"], signal.SIGKILL)

    async def asyncio(self) -> list[Scores | Exception]:
        """What became of each call."""
        outcomes: list[Scores | Exception] = []
        async with AsyncScoringClient(self.target(), **self.settings()) as client:
            for arguments in self.before():
                with suppress(ScoringError):
                    await client.score(**arguments)
            for call in range(self.case.get("calls", 1)):
                try:
                    outcomes.append(await client.score(**self.arguments()))
                except (ScoringError, ValueError) as error:
                    outcomes.append(error)
                self.ended(call + 1)
        return outcomes

    def target(self) -> str:
        """Where the client is told that gateways are."""
        return str(self.case.get("target_text") or self.world["targets"][self.case["target"]])

    def before(self) -> list[dict[str, Any]]:
        """The arguments of calls before those of the case, whose ends don't matter."""
        before = self.case.get("before", {"calls": 0})
        return [self.arguments() | {"timeout_s": before.get("timeout_ms", 0) / 1000}] * int(before["calls"])

    def blocking(self) -> list[Scores | Exception]:
        """The same with the other client."""
        outcomes: list[Scores | Exception] = []
        with ScoringClient(self.target(), **self.settings()) as client:
            for arguments in self.before():
                with suppress(ScoringError):
                    client.score(**arguments)
            for call in range(self.case.get("calls", 1)):
                try:
                    outcomes.append(client.score(**self.arguments()))
                except (ScoringError, ValueError) as error:
                    outcomes.append(error)
                self.ended(call + 1)
        return outcomes


def verify(outcome: Scores | Exception, expected: dict[str, Any]) -> None:
    if expected.get("error") == "ARGUMENT":
        assert isinstance(outcome, ValueError)
    elif "error" in expected:
        assert type(outcome) is getattr(scorebridge, expected["error"])
        assert isinstance(outcome, ScoringError)
        assert outcome.reason == expected["reason"]
        assert expected.get("message", str(outcome)) == str(outcome)
    else:
        assert isinstance(outcome, Scores), outcome
        assert outcome.source == expected["source"]
        if "lookups" in expected:
            assert [dataclasses.asdict(lookup) for lookup in outcome.lookups] == expected["lookups"]
        if "outputs" in expected:
            assert {name: listed(values) for name, values in outcome.columns.items()} == expected["outputs"]
        else:
            verify_rows(outcome, expected)


def verify_rows(outcome: Scores, expected: dict[str, Any]) -> None:
    """What is expected of some rows holds for each of so many neighbours, and again for the rows behind them."""
    scores, each = expected["scores"], expected.get("each", 1)
    cycles: int = outcome.rows // (len(scores) * each)

    def whole(entries: list[Any]) -> list[Any]:
        once = [entry for entry in entries for _ in range(each)]
        return once * cycles

    reasons = whole(expected.get("reasons", [None] * len(scores)))
    failed = whole(expected.get("failed", [False] * len(scores)))
    assert listed(outcome.scores) == whole(scores)
    assert outcome.reasons == reasons
    assert outcome.failed.tolist() == failed
    pairs = zip(reasons, failed, strict=True)
    assert outcome.defaulted.tolist() == [reason is not None and not missing for reason, missing in pairs]


def listed(values: np.ndarray[Any, Any]) -> list[Any]:
    """The values, None where one is missing."""
    found: list[Any] = values.tolist()
    return [None if value != value else value for value in found]  # noqa: PLR0124 - NaN alone differs from itself


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_blocking(worlds: dict[str, dict[str, Any]], case: dict[str, Any]) -> None:
    if "target_text" in case:
        with pytest.raises(ValueError, match="target"):
            Caller(worlds["blocking"], case).blocking()
        return
    outcomes = Caller(worlds["blocking"], case).blocking()
    for outcome in outcomes if "kill_first_after" in case else outcomes[-1:]:
        verify(outcome, case["expect"])


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_asyncio(worlds: dict[str, dict[str, Any]], case: dict[str, Any]) -> None:
    if "target_text" in case:
        with pytest.raises(ValueError, match="target"):
            await Caller(worlds["asyncio"], case).asyncio()
        return
    outcomes = await Caller(worlds["asyncio"], case).asyncio()
    for outcome in outcomes if "kill_first_after" in case else outcomes[-1:]:
        verify(outcome, case["expect"])
