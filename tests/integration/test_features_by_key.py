"""Callers send keys, and a whole gateway looks the features up in a real Redis."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures import SCOREBRIDGE, Addressed, StartGateway, put
from redis_servers import RedisServer
from scorebridge import AsyncScoringClient, Source
from shop import Shop, make_shop, settings_of, users
from waiting import moment

pytestmark = pytest.mark.parametrize("front", ["native", "grpc"], indirect=True)
Connect = Callable[[Addressed], AsyncScoringClient]
_STRICT = """
timeout_s = 30.0

[lookup.user]
group = "users"
key = "user_id"
on_missing = "default"
"""


@pytest.fixture
def shop(tmp_path: Path, repository: Path) -> Shop:
    """The model, deployed."""
    made = make_shop(tmp_path / "shop")
    put(made.folder, repository, "shop")
    return made


async def test_scores_by_key_are_those_of_the_features(
    shop: Shop, repository: Path, redis_store: RedisServer, start_gateway: StartGateway, connect: Connect
) -> None:
    store = users({"a": [1, 1.5, 0.1], "b": [2, 2.5, None]}, "2026-11-23")
    users({"a": [3, 3.5, 0.3], "7": [5, None, 0.5]}, into=store).put_into(redis_store.client)
    gateway = await start_gateway(repository, **settings_of(redis_store.url))
    client = connect(gateway)
    rows = {"amount": [0.5, -0.5, 1.0, 2.0], "user_id": ["a", "b", "7", "nobody"]}
    answer = await client.score("shop", rows, timeout_s=20.0)
    expected = shop.scores([[0.5, 3, 3.5, 0.3], [-0.5, 2, 2.5, None], [1.0, 5, None, 0.5], [2.0, None, None, None]])
    assert answer.scores.tolist() == expected
    assert answer.source is Source.MODEL
    by_number = await client.score("shop", {"amount": [1.0], "user_id": np.array([7])}, timeout_s=20.0)
    assert by_number.scores.tolist() == expected[2:3]
    own = {"amount": [0.5], "user_id": ["a"], "orders": [9], "spent": [0.0]}
    assert (await client.score("shop", own, timeout_s=20.0)).scores.tolist() == shop.scores([[0.5, 9, 0.0, 0.3]])
    all_own = {"amount": [0.5], "orders": [9], "spent": [0.0], "rate": [1.0]}
    assert (await client.score("shop", all_own, timeout_s=20.0)).scores.tolist() == shop.scores([[0.5, 9, 0.0, 1.0]])


async def test_a_big_call_is_looked_up_in_several_trips(
    shop: Shop, repository: Path, redis_store: RedisServer, start_gateway: StartGateway, connect: Connect
) -> None:
    random = np.random.default_rng(3)
    held = {str(key): [int(key), float(value), None] for key, value in enumerate(random.normal(size=5000))}
    users(held).put_into(redis_store.client)
    gateway = await start_gateway(repository, **settings_of(redis_store.url))
    keys = random.permutation(5000)
    amounts = random.normal(size=5000)
    answer = await connect(gateway).score("shop", {"amount": amounts, "user_id": keys}, timeout_s=20.0)
    expected = shop.scores([[amount, *held[str(key)]] for amount, key in zip(amounts, keys, strict=True)])
    assert answer.scores.tolist() == expected


async def test_files_and_runs_are_scored_by_key(
    shop: Shop, repository: Path, redis_store: RedisServer, start_gateway: StartGateway, tmp_path: Path
) -> None:
    """A key such as 007 is text in a file of text; a row without features is rejected, and the others are scored."""
    users({"007": [1, 1.5, 0.1], "7": [9, 9.5, 0.9]}).put_into(redis_store.client)
    strict = make_shop(tmp_path / "strict", _STRICT)
    put(strict.folder, repository, "strict")
    gateway = await start_gateway(repository, **settings_of(redis_store.url))
    rows = tmp_path / "rows.csv"
    rows.write_text("user_id,amount\n007,0.5\n7,1.5\nnobody,2.5\n")
    first, second = shop.scores([[0.5, 1, 1.5, 0.1], [1.5, 9, 9.5, 0.9]])
    out = tmp_path / "out.csv"
    command = [SCOREBRIDGE, "score", "shop", "--input", rows, "--output", out, "--url", gateway.grpc_address]
    await _run(*command)
    scores = [float(line.split(",")[0]) for line in out.read_text().splitlines()[1:]]
    assert scores[:2] == pytest.approx([first, second], rel=1e-9)
    batch = ["batch", "strict", "--input", rows, "--key", "user_id", "--output", tmp_path / "out.parquet"]
    said = await _run(SCOREBRIDGE, *batch, "--url", gateway.grpc_address, "--max-rejects", "1", "--json")
    table = pq.read_table(tmp_path / "out.parquet").to_pydict()
    assert (table["user_id"], table["score"]) == (["007", "7"], [first, second])
    assert "FEATURES_MISSING" in (tmp_path / "out.parquet.rejects.csv").read_text(), said


async def _run(*command: object) -> str:
    done = await asyncio.to_thread(
        subprocess.run, [str(part) for part in command], capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 3}, done.stderr
    return str(done.stdout + done.stderr)


async def test_what_the_command_publishes_is_scored_and_a_new_batch_changes_the_scores(
    shop: Shop,
    repository: Path,
    redis_store: RedisServer,
    start_gateway: StartGateway,
    connect: Connect,
    tmp_path: Path,
) -> None:
    gateway = await start_gateway(repository, **settings_of(redis_store.url, refresh_s=0.02))
    client = connect(gateway)
    keys, amounts = [str(number) for number in range(300)], np.linspace(-1, 1, 300)
    random = np.random.default_rng(5)
    for batch in ("2026-11-23", "2026-11-24"):
        orders, spent, rate = random.integers(-3, 3, 300), random.normal(size=300), random.normal(size=300)
        columns = {"user_id": np.arange(300), "orders": orders, "spent": spent, "rate": rate}
        table = pa.table({name: pa.array(values) for name, values in columns.items()})
        pq.write_table(table, tmp_path / "users.parquet")
        publish = [SCOREBRIDGE, "features", "publish", "users", "--input", tmp_path / "users.parquet", "--batch", batch]
        await _run(*publish, "--key", "user_id", "--store", redis_store.url)
        expected = shop.scores(np.column_stack([amounts, orders, spent, rate]).tolist())
        async with asyncio.timeout(30):
            while True:
                answer = await client.score("shop", {"amount": amounts, "user_id": keys}, timeout_s=20.0)
                if [lookup.batch for lookup in answer.lookups] == [batch]:
                    break
                await moment()
        assert answer.scores.tolist() == expected
