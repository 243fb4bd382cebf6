"""The Python process that forks the workers: killed, stopped, slow, out of descriptors; and a bundle that hangs."""

import asyncio
import os
import resource
import signal
from pathlib import Path

import psutil
from fixtures import StartGateway, put
from scorebridge import Source
from sick import Sick, make_python_bundle
from waiting import eventually, runs

from bridge.models.version import State


async def test_calls_go_on_when_the_parent_is_killed_and_a_new_one_is_started(python_sick: Sick) -> None:
    sick = python_sick
    parent, workers = sick.parent(), sick.workers()
    async with sick.others_served():
        under_way = asyncio.create_task(sick.call("nap", [0.5]))
        os.kill(parent, signal.SIGKILL)  # as the kernel does where memory is short
        answers = await asyncio.gather(*(sick.call("score", [float(n)]) for n in range(50)))
        assert [answer.scores[0] for answer in answers] == [2.0 * n for n in range(50)]
        assert (await under_way).scores.tolist() == [1.0]
        assert sick.workers() == workers
        await eventually(lambda: sick.parent() != parent and runs(sick.parent()))
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        await sick.recovers({*workers, parent})
    await eventually(lambda: len(sick.spawner.parents) == 1)


async def test_a_stopped_parent_costs_nothing_while_its_workers_live(python_sick: Sick) -> None:
    sick = python_sick
    parent = sick.parent()
    os.kill(parent, signal.SIGSTOP)
    try:
        async with sick.others_served():
            assert (await sick.call("score", [3.0])).source is Source.MODEL
            (lost, *_) = sick.workers()
            os.kill(lost, signal.SIGKILL)
            await eventually(lambda: lost not in sick.workers())
            assert (await sick.call("score", [3.0])).source is Source.MODEL
    finally:
        os.kill(parent, signal.SIGCONT)
    await sick.recovers({lost})


async def test_a_parent_that_stays_stopped_is_replaced(python_sick: Sick) -> None:
    sick = python_sick
    parent, workers = sick.parent(), sick.workers()
    os.kill(parent, signal.SIGSTOP)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    async with sick.others_served():
        await eventually(lambda: sick.parent() != parent, timeout_s=60)
        await sick.recovers({*workers, parent})


async def test_a_parent_without_a_free_descriptor_is_replaced(python_sick: Sick) -> None:
    sick = python_sick
    parent, workers = sick.parent(), sick.workers()
    count = psutil.Process(parent).num_fds()
    resource.prlimit(parent, resource.RLIMIT_NOFILE, (count, count))
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    async with sick.others_served():
        await sick.recovers({*workers, parent})
    assert sick.parent() != parent


async def test_a_gateway_serves_its_other_models_while_one_takes_long_to_load(
    tmp_path: Path, repository: Path, python_sick: Sick
) -> None:
    code = f"import os, time\nwhile not os.path.exists('{tmp_path}/go'): time.sleep(0.01)\ndef predict(x): return x\n"
    put(make_python_bundle(tmp_path / "slow", code, "workers = 1\n"), repository, "slow")
    loading = asyncio.create_task(python_sick.gateway.load())
    async with python_sick.others_served():
        await eventually(lambda: python_sick.gateway.registry.versions("slow"))
        assert not loading.done()
        (tmp_path / "go").touch()
        await loading
    (version,) = python_sick.gateway.registry.versions("slow")
    assert version.state is State.READY, version.reason


async def test_a_bundle_that_never_loads_is_given_up_after_its_time_with_all_it_started(
    tmp_path: Path, repository: Path, start_gateway: StartGateway
) -> None:
    code = f"""
import os, subprocess, time
with open("{tmp_path}/pids", "w") as file:
    print(os.getpid(), subprocess.Popen(["sleep", "1000"]).pid, file=file)
time.sleep(1000)
def predict(x): return x
"""
    put(make_python_bundle(tmp_path / "never", code, "load_timeout_s = 1.0\n"), repository, "never")
    gateway = await start_gateway(repository)
    (version,) = gateway.registry.versions("never")
    assert version.state is not State.READY
    assert version.reason.endswith("the bundle was not loaded within 1 s (load_timeout_s)")
    assert not any(runs(int(pid)) for pid in (tmp_path / "pids").read_text().split())
