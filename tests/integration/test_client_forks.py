"""Clients in forked children, as gunicorn, celery and multiprocessing make them, each in an interpreter of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures import Cancer, put
from gateways import GatewayProcess

BEGIN = """
import multiprocessing, os, pickle, sys, threading
from concurrent.futures import ProcessPoolExecutor
import grpc
import numpy as np
from scorebridge import AsyncScoringClient, ClientForked, ScoringClient, ScoringError

target = sys.argv[1]
rows = np.zeros((1, 30))
forked = multiprocessing.get_context("fork")
client = ScoringClient(target, timeout_s=20, default=0.5)

def ask(model="cancer"):
    try:
        return str(client.score(model, rows).source)
    except ClientForked as error:
        return type(error).__name__

def all_of(work):
    with ProcessPoolExecutor(2, mp_context=forked) as pool:
        return sorted(set(pool.map(work, ["cancer"] * 4)))
"""


@pytest.fixture(scope="module")
def gateway(cancer: Cancer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    repository = tmp_path_factory.mktemp("repository")
    put(cancer.folder, repository, "cancer")
    process = GatewayProcess(repository)
    yield process
    process.end(signal.SIGTERM)


def printed(gateway: GatewayProcess, script: str, *, supported: bool) -> list[str]:
    environment = os.environ | {"GRPC_ENABLE_FORK_SUPPORT": "1" if supported else "0", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", BEGIN + script, gateway.url]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("supported", [True, False])
def test_a_client_that_has_made_no_call_works_in_children(gateway: GatewayProcess, *, supported: bool) -> None:
    script = "print(all_of(ask)); print(ask()); client.close()"
    assert printed(gateway, script, supported=supported) == ["['MODEL']", "MODEL"]


def test_a_client_that_has_made_calls_gets_a_new_channel_where_grpc_supports_it(gateway: GatewayProcess) -> None:
    script = "print(ask()); print(all_of(ask)); print(ask()); client.close()"
    assert printed(gateway, script, supported=True) == ["MODEL", "['MODEL']", "MODEL"]


def test_else_every_client_of_a_child_says_why_not_at_once(gateway: GatewayProcess) -> None:
    script = """
def anew(model):
    global client
    client = ScoringClient(target, timeout_s=20, default=0.5)
    return ask(model)

print(ask()); print(all_of(ask)); print(all_of(anew)); print(ask()); client.close()
"""
    expected = ["MODEL", "['ClientForked']", "['ClientForked']", "MODEL"]
    assert printed(gateway, script, supported=False) == expected


@pytest.mark.parametrize(("supported", "source"), [(True, "MODEL"), (False, "ClientForked")])
def test_a_client_that_was_closed_before_the_fork_has_been_in_use(
    gateway: GatewayProcess, source: str, *, supported: bool
) -> None:
    script = """
def anew(model):
    global client
    client = ScoringClient(target, timeout_s=20, default=0.5)
    return ask(model)

print(ask()); client.close(); print(all_of(anew))
"""
    assert printed(gateway, script, supported=supported) == ["MODEL", f"['{source}']"]


def test_grpc_is_kept_in_each_process_where_it_supports_forks(gateway: GatewayProcess) -> None:
    script = """
from scorebridge import forks

def kept(model):
    global client
    client = ScoringClient(target, timeout_s=20, default=0.5)
    ask(model); client.close()
    return os.getpid() in forks._kept

print(kept("cancer")); print(all_of(kept))
"""
    assert printed(gateway, script, supported=True) == ["True", "[True]"]
    assert printed(gateway, script, supported=False) == ["False", "[False]"]


def test_a_fork_waits_for_calls_of_other_threads(gateway: GatewayProcess) -> None:
    script = """
ends = threading.Event()

def calls():
    while not ends.is_set():
        client.score("cancer", rows)

threads = [threading.Thread(target=calls) for _ in range(3)]
for thread in threads:
    thread.start()
told = forked.SimpleQueue()
for _ in range(5):
    child = forked.Process(target=lambda: told.put(ask()))
    child.start()
    print(told.get())
    child.join()
ends.set()
for thread in threads:
    thread.join()
client.close()
"""
    assert printed(gateway, script, supported=True) == ["MODEL"] * 5


def test_a_channel_that_was_given_is_grpc_s_to_save(gateway: GatewayProcess) -> None:
    script = """
given = grpc.insecure_channel(target)
client = ScoringClient("unused", timeout_s=20, default=0.5, channel=given)

def reasons(model):
    return client.score(model, rows).reasons[0]

print(ask()); print(all_of(ask)); given.close(); print(reasons("cancer"))
"""
    assert printed(gateway, script, supported=True) == ["MODEL", "['MODEL']", "UNAVAILABLE"]
    assert printed(gateway, script, supported=False) == ["MODEL", "['ClientForked']", "UNAVAILABLE"]


@pytest.mark.parametrize("supported", [True, False])
def test_asyncio_s_client_says_why_not(gateway: GatewayProcess, *, supported: bool) -> None:
    script = """
import asyncio

async def one():
    async with AsyncScoringClient(target, timeout_s=20, default=0.5) as other:
        return str((await other.score("cancer", rows)).source)

def child():
    asyncio.set_event_loop_policy(None)
    asyncio._set_running_loop(None)
    try:
        told.put(asyncio.run(one()))
    except ClientForked as error:
        told.put(type(error).__name__)

told = forked.SimpleQueue()

async def main():
    async with AsyncScoringClient(target, timeout_s=20, default=0.5) as other:
        print((await other.score("cancer", rows)).source)
        process = forked.Process(target=child)
        process.start()
        print(told.get())
        process.join()
        print((await other.score("cancer", rows)).source)

asyncio.run(main())
"""
    assert printed(gateway, script, supported=supported) == ["MODEL", "ClientForked", "MODEL"]


@pytest.mark.parametrize("pool", ["ProcessPoolExecutor(1, mp_context=forked)", "forked.Pool(1)"])
def test_an_error_of_a_child_comes_back_as_it_was(gateway: GatewayProcess, pool: str) -> None:
    script = f"""
def wrong(_):
    client.score("no-such-model", rows)

with {pool} as pool:
    try:
        list(pool.map(wrong, [1]))
    except ScoringError as error:
        print(type(error).__name__, error.reason, error.status, error.by_gateway)
"""
    assert printed(gateway, script, supported=False) == ["ModelNotFound MODEL_NOT_FOUND NOT_FOUND True"]


def test_a_client_can_t_be_pickled_and_says_so(gateway: GatewayProcess) -> None:
    script = """
for one in (client, AsyncScoringClient(target)):
    try:
        pickle.dumps(one)
    except TypeError as error:
        print(error)
"""
    assert printed(gateway, script, supported=False) == [
        "a ScoringClient holds connections and can't be pickled or copied: make one in each process",
        "an AsyncScoringClient holds connections and can't be pickled or copied: make one in each process",
    ]


def test_a_spawned_process_has_a_client_of_its_own(gateway: GatewayProcess, tmp_path: Path) -> None:
    script = tmp_path / "spawns.py"
    script.write_text(
        """
import multiprocessing, sys
import numpy as np
from scorebridge import ScoringClient

def ask(target):
    with ScoringClient(target, timeout_s=20) as client:
        return str(client.score("cancer", np.zeros((1, 30))).source)

if __name__ == "__main__":
    print(ask(sys.argv[1]))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(ask, sys.argv[1:])[0])
"""
    )
    command = [sys.executable, str(script), gateway.url]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() == ["MODEL", "MODEL"]
