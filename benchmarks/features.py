"""What looking features up costs: python benchmarks/features.py [--entities N] [--rounds N]. It starts a Redis.

Publishes a group of 30 features, then measures, in turns:
the lookup step alone (keys to columns) beside redis-py's MGET of the same keys, in CPU of this process;
whole calls by key beside calls that send the features.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import redis.asyncio
import xgboost
from redis_servers import redis_server
from scorebridge import AsyncScoringClient

from bridge.columns import Column, Table, Type
from bridge.features.lookups.look_up import look_up
from bridge.features.lookups.plan import Lookup, LookupPlan
from bridge.features.stores.group import row_prefix
from bridge.features.stores.redis_store import RedisStore
from bridge.store_settings import StoreSettings

FEATURES = [f"x{place}" for place in range(30)]
BATCH = "2026-11-24"
SIZES = (1, 100, 1000)
SCOREBRIDGE = Path(sys.executable).with_name("scorebridge")
_TOML = 'timeout_s = 10.0\ndefault_score = 0.5\n[lookup.user]\ngroup = "users"\nkey = "user_id"\n'


def write_users(path: Path, entities: int) -> None:
    """Writes the features of many users, 2 % of them missing."""
    random = np.random.default_rng(19)
    columns = {name: pa.array(random.normal(size=entities), mask=random.random(entities) < 0.02) for name in FEATURES}
    pq.write_table(pa.table({"user_id": pa.array(np.arange(entities))} | columns), path)


def publish(path: Path, url: str, entities: int, client: Any) -> None:
    """Publishes them by the command, and prints what it took."""
    before = client.info("memory")["used_memory"]
    began = time.perf_counter()
    command = [SCOREBRIDGE, "features", "publish", "users", "--input", path, "--key", "user_id", "--store", url]
    subprocess.run([str(part) for part in [*command, "--batch", BATCH]], check=True)
    took_s = time.perf_counter() - began
    used = client.info("memory")["used_memory"] - before
    print(f"publish: {entities:,} entities in {took_s:.1f} s, {entities / took_s:,.0f} a second, ", end="")
    print(f"{used / 1e6:,.0f} MB of Redis, {used / entities:.0f} bytes an entity")


async def cpu_ms(work: Callable[[], Awaitable[Any]], calls: int) -> tuple[float, float]:
    """CPU and wall time of one call, milliseconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        await work()
    return (time.process_time() - cpu) * 1e3 / calls, (time.perf_counter() - wall) * 1e3 / calls


async def step(url: str, entities: int, rounds: int) -> None:
    """The lookup step beside redis-py's MGET."""
    client = redis.asyncio.Redis.from_url(url)
    settings = StoreSettings(url=url, timeout_s=5.0)
    store = RedisStore("features", settings)
    await store.start()
    lookup = Lookup("user", "users", "user_id", store, settings, None, ("previous", "missing"), True, None, None)
    plan = LookupPlan(FEATURES, [lookup], [])
    random = np.random.default_rng(1)
    for size in SIZES:
        numbers = random.choice(entities, size, replace=False)
        rows = Table((Column("user_id", Type.INT64, numbers),), size)
        keys = [row_prefix("users", BATCH) + str(number).encode() for number in numbers]

        async def ours(rows: Table = rows) -> None:
            found = await look_up(plan, rows, (0,), left_s=10.0)
            assert found is not None
            assert not found.unfit

        async def bare(keys: list[bytes] = keys) -> None:
            await client.mget(keys)

        calls = max(20, 4000 // size)
        await cpu_ms(ours, 20)
        await cpu_ms(bare, 20)
        measured = [(await cpu_ms(ours, calls), await cpu_ms(bare, calls)) for _ in range(rounds)]
        show(f"step, {size:>5} entities, CPU ms", [(one[0], two[0]) for one, two in measured])
        show(f"step, {size:>5} entities, wall ms", [(one[1], two[1]) for one, two in measured])
    await store.close()
    await client.aclose()


def show(what: str, measured: list[tuple[float, float]]) -> None:
    """Prints the medians of two ways, and the median of their ratios in the same round."""
    one, other = (statistics.median(values) for values in zip(*measured, strict=True))
    ratio = statistics.median(first / second for first, second in measured)
    print(f"{what}: {one:.3f} against {other:.3f}: {ratio:.2f}")


@contextmanager
def gateway(url: str, work: Path) -> Iterator[str]:
    """A gateway that keeps a log and serves a booster of 200 trees by key; yields its address."""
    random = np.random.default_rng(2)
    values = random.normal(size=(2000, len(FEATURES))).astype(np.float32)
    data = xgboost.DMatrix(values, values[:, 0] > 0, feature_names=FEATURES)
    (work / "shop").mkdir()
    (work / "repository").mkdir()
    xgboost.train({"objective": "binary:logistic", "max_depth": 6}, data, 200).save_model(work / "shop" / "model.ubj")
    (work / "shop" / "model.toml").write_text(_TOML)
    deploy = [SCOREBRIDGE, "deploy", work / "shop", "--repository", work / "repository", "--model", "shop"]
    subprocess.run([str(part) for part in deploy], check=True, stdout=subprocess.DEVNULL)
    (work / "gateway.toml").write_text(f'[stores.features]\nurl = "{url}"\ntimeout_s = 5.0\n')
    serve = [SCOREBRIDGE, "serve", "--repository", work / "repository", "--log-dir", work / "log"]
    serve += ["--config", work / "gateway.toml", "--grpc-port", "0", "--http-port", "0"]
    with subprocess.Popen([str(part) for part in serve], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("ready "))
        yield line.split()[1].removeprefix("grpc=")
        process.terminate()


async def calls(address: str, rows: pa.Table, rounds: int) -> None:
    """Whole calls by key beside calls that send the features."""
    random = np.random.default_rng(3)
    async with AsyncScoringClient(address) as client:
        for size in SIZES:
            numbers = random.choice(rows.num_rows, size, replace=False)
            taken = rows.take(numbers)
            sent = {name: taken.column(name).to_numpy(zero_copy_only=False) for name in FEATURES}  # null becomes NaN
            by_key = await client.score("shop", {"user_id": numbers}, timeout_s=5.0)
            with_features = await client.score("shop", sent, timeout_s=5.0)
            assert by_key.scores.tolist() == with_features.scores.tolist()

            async def keyed(numbers: Any = numbers) -> None:
                await client.score("shop", {"user_id": numbers}, timeout_s=5.0)

            async def featured(sent: Any = sent) -> None:
                await client.score("shop", sent, timeout_s=5.0)

            count = max(20, 2000 // size)
            measured = [(await cpu_ms(keyed, count), await cpu_ms(featured, count)) for _ in range(rounds)]
            show(f"call by key beside one with features, {size:>5} rows, wall ms", [(a[1], b[1]) for a, b in measured])


def main() -> None:
    """Runs it all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, redis_server("--maxmemory", "4gb") as server:
        path = Path(folder) / "users.parquet"
        write_users(path, given.entities)
        publish(path, server.url, given.entities, server.client)
        asyncio.run(step(server.url, given.entities, given.rounds))
        with gateway(server.url, Path(folder)) as address:
            asyncio.run(calls(address, pq.read_table(path), given.rounds))


if __name__ == "__main__":
    main()
