"""What was looked up is on record: the next day's batch changes nothing of what yesterday's scores were made from."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fixtures import Addressed, StartGateway, make_r_bundle, put
from redis_servers import RedisServer
from scorebridge import AsyncScoringClient, Source
from shop import Shop, make_shop, settings_of, users
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.columns import Type
from bridge.reconcile.run import Options, reconcile_log

pytestmark = pytest.mark.parametrize("front", ["grpc"], indirect=True)
Connect = Callable[[Addressed], AsyncScoringClient]
_R = """
Pred.R <- function(amount, segment, visits, note = NULL) {
  amount + 10 * (segment == "loyal") + ifelse(is.na(visits), 0.5, visits) / 100 + if (is.null(note)) 0 else nchar(note)
}
"""
_R_TOML = """
row_wise = true
timeout_s = 30.0
default_score = -1.0

[features]
amount = "double"
segment = {type = "factor", levels = ["new", "loyal"], unknown_level = "default"}
visits = "int"

[lookup.user]
group = "people"
key = "user_id"
features = ["segment"]
on_missing = "default"

[lookup.history]
group = "visits"
key = "user_id"

[lookup.today]
group = "visits_today"
key = "user_id"
since = "history"

[combine]
visits = {sum = ["history.visits", "today.visits"]}
"""


@pytest.fixture
def shop(tmp_path: Path, repository: Path) -> Shop:
    """A booster and an R model, deployed."""
    made = make_shop(tmp_path / "shop")
    put(made.folder, repository, "shop")
    put(make_r_bundle(tmp_path / "r", _R, settings=_R_TOML), repository, "r")
    return made


def fill(server: RedisServer, shift: int = 0) -> str:
    """Publishes a batch of each group, named after yesterday; returns its name."""
    batch = (datetime.now(UTC).date() - timedelta(1)).isoformat()
    store = users({"a": [1 + shift, 1.5, 0.1], "b": [2, None, 0.2 + shift]}, batch)
    people: dict[str, list[object]] = {"a": ["loyal"], "b": ["new"], "c": [None], "d": ["gone"]}
    store.publish("people", batch, {"segment": Type.STRING}, {"a": ["new"]} if shift else people, age_s=60)
    store.publish("visits", batch, {"visits": Type.INT}, {"a": [3 + shift], "c": [4]}, age_s=60)
    store.stream("visits_today", {"visits": Type.INT64})
    today = store.groups["visits_today"].day(store.now_ms)
    store.count("visits_today", today, "a", visits=str(100 * (shift + 1)))
    store.put_into(server.client)
    return batch


async def test_looked_up_calls_of_every_wire_are_reconciled_after_the_flip(
    shop: Shop,
    repository: Path,
    redis_store: RedisServer,
    start_gateway: StartGateway,
    connect: Connect,
    tmp_path: Path,
) -> None:
    batch = fill(redis_store)
    gateway = await start_gateway(repository, log_dir=tmp_path / "log", **settings_of(redis_store.url))
    client = connect(gateway)
    rows = {"amount": [1.0, 2.0, 3.0, 4.0, 5.0], "user_id": ["a", "b", "c", "d", None]}
    answer = await client.score("r", rows, timeout_s=20.0)
    # a: loyal, 3 visits and 100 today; b: none that are known; c: no segment; d: an unknown one; then no key.
    assert answer.scores.tolist() == pytest.approx([12.03, 2.005, -1.0, -1.0, -1.0])
    assert answer.source is Source.MIXED
    assert [str(one.reason) for one in answer.defaults] == ["MISSING_SCORE", "UNKNOWN_LEVEL", "FEATURES_MISSING"]
    by_key = {"amount": [0.5, 1.5, 2.5], "user_id": ["a", "b", "nobody"]}
    scored = await client.score("shop", by_key, timeout_s=20.0)
    direct = shop.scores([[0.5, 1, 1.5, 0.1], [1.5, 2, None, 0.2], [2.5, None, None, None]])
    assert scored.scores.tolist() == direct
    (lookup,) = scored.lookups
    assert (lookup.name, lookup.group, lookup.batch) == ("user", "users", batch)
    assert (lookup.previous_rows, lookup.missing_rows, lookup.failure) == (0, 1, None)
    await ask_over_http(gateway.http_address, by_key, batch, direct)
    redis_store.client.flushall()
    fill(redis_store, shift=5)
    await gateway.close()
    done = reconcile_log(Options(log=tmp_path / "log", repository=repository))
    assert {str(one.key): (one.calls, one.different) for one in done.versions} == {"r/1": (1, 0), "shop/1": (3, 0)}
    assert not [one.not_rescored for one in done.versions if one.not_rescored]
    shown = CliRunner().invoke(app, ["log", "show", "--request-id", answer.request_id, str(tmp_path / "log")])
    assert shown.exit_code == 0, shown.output
    assert "looked_up.segment" in shown.output
    assert f"user: group people of store features; batch {batch}" in shown.output


async def ask_over_http(address: str, by_key: dict[str, Any], batch: str, direct: list[float]) -> None:
    """The same rows as JSON, and one of them in tensors."""
    async with httpx2.AsyncClient() as http:
        said = (await http.post(f"http://{address}/v1/models/shop:score", json={"columns": by_key})).json()
        assert said["scores"]["score"] == pytest.approx(direct, abs=1e-6)
        assert said["lookups"][0]["batch"] == batch
        tensors = [
            {"name": "amount", "datatype": "FP64", "shape": [1], "data": [0.5]},
            {"name": "user_id", "datatype": "BYTES", "shape": [1], "data": ["a"]},
        ]
        infer = await http.post(f"http://{address}/v2/models/shop/infer", json={"inputs": tensors})
        assert infer.json()["outputs"][0]["data"] == pytest.approx(direct[:1], abs=1e-6)
