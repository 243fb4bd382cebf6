"""A keyword that nobody knows is refused by both clients, wherever it is given, before anything is sent."""

from typing import Any

import numpy as np
import pytest
from scorebridge import AsyncScoringClient, ScoringClient
from scorebridge.keywords import check_keywords

NOBODY = "127.0.0.1:1"
ROWS = np.zeros((1, 2))
OF_CLIENTS = [
    ("timeout", "timeout_s"),
    ("time_out_s", "timeout_s"),
    ("defualt", "default"),
    ("default_score", "default"),
    ("circuit_failure", "circuit_failures"),
    ("defaults_file", "defaults_log"),
    ("keep_alive_s", "keepalive_s"),
    ("credential", "credentials"),
]
OF_CALLS = [
    ("timeout", "timeout_s"),
    ("allow_defaults", "allow_default"),
    ("defualt", "default"),
    ("partially", "partial"),
    ("row_key", "row_keys"),
    ("request_ids", "request_id"),
    ("ignore_extras", "ignore_extra"),
    ("label", "labels"),
    ("Version", "version"),
]


@pytest.mark.parametrize("kind", [ScoringClient, AsyncScoringClient])
@pytest.mark.parametrize(("given", "meant"), OF_CLIENTS)
def test_a_slip_in_making_a_client(kind: Any, given: str, meant: str) -> None:
    with pytest.raises(TypeError, match=f"^{kind.__name__} got an unexpected .* '{given}': did you mean '{meant}'\\?$"):
        kind(NOBODY, **{given: 0.5})


@pytest.mark.parametrize(("given", "meant"), OF_CALLS)
async def test_a_slip_in_a_call(given: str, meant: str) -> None:
    slip: Any = {given: 0.5}
    sentence = f"^score got an unexpected keyword argument '{given}': did you mean '{meant}'\\?$"
    with ScoringClient(NOBODY, default=0.5) as client, pytest.raises(TypeError, match=sentence):
        client.score("m", ROWS, **slip)
    async with AsyncScoringClient(NOBODY, default=0.5) as other:
        with pytest.raises(TypeError, match=sentence):
            await other.score("m", ROWS, **slip)


def test_a_keyword_that_is_like_none_is_told_what_there_is() -> None:
    with pytest.raises(TypeError, match=r"^score got an unexpected keyword argument 'xyz'; it takes one, two$"):
        check_keywords("score", {"xyz": 1}, ["one", "two"])


def test_what_is_known_passes() -> None:
    check_keywords("score", {"one": 1}, iter(["one", "two"]))
