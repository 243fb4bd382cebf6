"""R code that runs as another user than the gateway: what it reaches, and that its faults end as they always do."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from fixtures import StartGateway, make_r_bundle, put
from gateways import GatewayProcess
from other_user import USER, make_key
from scorebridge import AsyncScoringClient, Source
from sick import DEFAULT, Sick, make_sick_bundle
from waiting import eventually, runs

from bridge import private_folders
from bridge.backends.rserve.backend import RserveBackend
from bridge.models.version import State
from bridge.workers.process_group import ProcessGroup
from bridge.workers.user import WorkerUser

# Each attempt says what it got; one that fails says so.
SPY = """
attempts <- list(
  key = function() readLines(key)[1L],
  log = function() list.files(log, all.files = TRUE, no.. = TRUE)[[1L]],
  record = function() { readBin(file.path(log, ".lock"), "raw", 8L); "opened" },
  write = function() { writeLines("x", file.path(repository, "left")); "written" },
  alter = function() { cat("\\n", file = file.path(repository, "spy", "1", "Pred.R"), append = TRUE); "altered" },
  signal = function() if (tools::pskill(gateway, 23L)) "signalled" else stop(),
  environ = function() { readBin(sprintf("/proc/%d/environ", gateway), "raw", 8L); "read" },
  memory = function() { close(file(sprintf("/proc/%d/mem", gateway), "rb")); "opened" },
  files = function() if (length(list.files(sprintf("/proc/%d/fd", gateway)))) "listed" else stop(),
  shim = function() {
    leader <- as.integer(strsplit(sub("^.*\\\\) ", "", readLines("/proc/self/stat")), " ")[[1L]][3L])
    if (tools::pskill(leader, 23L)) "signalled" else stop()
  }
)
Pred.R <- function(do, x) {
  said <- vapply(do, function(one) {
    tryCatch(attempts[[one]](), error = function(e) "denied", warning = function(w) "denied")
  }, "", USE.NAMES = FALSE)
  list(score = x * k, said = said)
}
"""
SPY_SETTINGS = """
default_score = {score = -1.0, said = "default"}
[features]
do = "string"
x = "double"
[outputs]
score = "double"
said = "string"
"""
REACHED_BY_ROOT = {
    "key": "-----BEGIN PRIVATE KEY-----",
    "log": ".lock",
    "record": "opened",
    "write": "written",
    "alter": "altered",
    "signal": "signalled",
    "environ": "read",
    "memory": "opened",
    "files": "listed",
    "shim": "signalled",
}
pytestmark = pytest.mark.usefixtures("open_folders")

Connect = Callable[..., AsyncScoringClient]


@pytest_asyncio.fixture
async def sick(tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect) -> Sick:
    """The sick model, whose workers run as the other user."""
    put(make_sick_bundle(tmp_path / "bundle"), repository, "sick")
    gateway = await start_gateway(repository, worker_user=USER)
    return Sick(gateway, connect(gateway))


def users(sick: Sick) -> set[int]:
    """The users of all R processes of the model."""
    return owners({*sick.workers(), sick.parent()})


def owners(pids: set[int]) -> set[int]:
    """The users of processes."""
    return {Path(f"/proc/{pid}").stat().st_uid for pid in pids}


@pytest.mark.parametrize(
    ("user", "reached"), [(None, REACHED_BY_ROOT), (USER, dict.fromkeys(REACHED_BY_ROOT, "denied"))]
)
async def test_what_r_code_reaches_of_the_gateway_s_own_and_its_scores_come(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, user: str | None, reached: dict[str, str]
) -> None:
    tls, log = make_key(tmp_path), tmp_path / "log"
    paths = {"key": tls["tls_key"], "log": log, "repository": repository}
    objects = "; ".join(
        [*(f'{name} <- "{path}"' for name, path in paths.items()), f"gateway <- {os.getpid()}L; k <- 2"]
    )
    put(make_r_bundle(tmp_path / "bundle", SPY, objects, SPY_SETTINGS), repository, "spy")
    gateway = await start_gateway(repository, worker_user=user, log_dir=log, **tls)
    trusted = grpc.ssl_channel_credentials(tls["tls_certificate"].read_bytes())
    options = [("grpc.ssl_target_name_override", "localhost")]
    async with AsyncScoringClient(gateway.grpc_address, credentials=trusted, options=options) as client:
        rows = {"do": list(reached), "x": [float(n) for n in range(len(reached))]}
        answer = await client.score("spy", rows, timeout_s=20)
    assert answer.source is Source.MODEL
    assert answer.columns["score"].tolist() == [2.0 * n for n in range(len(reached))]
    assert dict(zip(reached, answer.columns["said"], strict=True)) == reached


async def test_its_processes_have_the_user_s_groups_and_variables_alone_and_no_way_to_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SCOREBRIDGE_SECRET", "of the gateway")
    monkeypatch.setenv("R_LIBS_USER", "/srv/R")
    user = WorkerUser.named(USER)
    folder = private_folders.make_folder("test")
    written = private_folders.temporary_files(folder)
    private_folders.lend(folder, (written,), user.uid, user.gid)
    script = 'cd "$TMPDIR"; cat /proc/self/status > status; env > env; nice > nice; ulimit -v > limit'
    limits: dict[str, Any] = {"niceness": 3, "memory_limit_mb": 500, "user": user}
    group = ProcessGroup.start(["/bin/sh", "-c", script], folder=folder, environment={"TMPDIR": str(written)}, **limits)
    await eventually(lambda: not group.alive)
    await group.close()
    status = dict(line.split(":\t", 1) for line in (written / "status").read_text().splitlines() if ":\t" in line)
    assert status["Uid"].split() == [str(user.uid)] * 4
    assert status["Gid"].split() == [str(user.gid)] * 4
    assert sorted(status["Groups"].split()) == sorted(str(group) for group in user.groups)
    assert (int(status["CapPrm"], 16), status["NoNewPrivs"]) == (0, "1")
    given = dict(line.split("=", 1) for line in (written / "env").read_text().splitlines())
    assert (given["HOME"], given["USER"], given["R_LIBS_USER"]) == (user.home, USER, "/srv/R")
    assert not [name for name in given if name.startswith("SCOREBRIDGE")]
    assert int((written / "nice").read_text()) == os.getpriority(os.PRIO_PROCESS, 0) + 3
    assert int((written / "limit").read_text()) == 500 * 1024
    private_folders.remove_folder(folder)


@pytest.mark.parametrize("do", ["quit", "segfault"])
async def test_a_worker_that_ends_itself_costs_its_call_and_is_replaced_as_the_user(sick: Sick, do: str) -> None:
    before = sick.workers()
    assert users(sick) == {WorkerUser.named(USER).uid}
    answer = await sick.call(do, [1.0, 2.0])
    assert (answer.reasons, answer.scores.tolist()) == (["WORKER_LOST"] * 2, [DEFAULT] * 2)
    await sick.recovers(before)
    assert users(sick) == {WorkerUser.named(USER).uid}


@pytest.mark.parametrize("do", ["loop", "children"])
async def test_a_worker_that_hangs_is_killed_with_what_it_started(sick: Sick, do: str) -> None:
    before = sick.workers()
    assert (await sick.call(do, timeout_s=3)).reasons == ["DEADLINE"]
    await eventually(lambda: sick.snapshot().overrun == 1)
    (lost,) = before - sick.workers()
    await sick.recovers({lost})


async def test_a_worker_and_a_parent_that_are_killed_are_replaced(sick: Sick) -> None:
    parent, workers = sick.parent(), sick.workers()
    os.kill(parent, signal.SIGKILL)
    await eventually(lambda: sick.parent() != parent and runs(sick.parent()))
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    await sick.recovers({*workers, parent})
    assert users(sick) == {WorkerUser.named(USER).uid}
    await eventually(lambda: len(sick.spawner.parents) == 1)


async def test_however_the_gateway_ends_r_ends_with_it_and_the_next_one_removes_its_files(
    tmp_path: Path, repository: Path
) -> None:
    put(make_sick_bundle(tmp_path / "bundle"), repository, "sick")
    (tmp_path / "gateway.toml").write_text(f"worker_user = '{USER}'\n")
    gateway = GatewayProcess(repository, tmp_path / "gateway.toml")
    family = gateway.family()
    assert owners(family) == {0, WorkerUser.named(USER).uid}  # 0 is the shim's
    assert gateway.end(signal.SIGKILL) == -signal.SIGKILL
    await eventually(lambda: not any(runs(pid) for pid in family))
    private_folders.sweep()


@pytest.mark.parametrize(
    ("closed", "said"),
    [
        ("", "the bundle's folder"),
        ("Pred.R", "Pred.R"),
        ("model.RData", "model.RData"),
        ("more", "more"),
        ("more/rates.csv", "more/rates.csv"),
    ],
)
async def test_a_version_that_the_user_can_t_read_is_refused_with_the_remedy(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, closed: str, said: str
) -> None:
    bundle = make_r_bundle(tmp_path / "bundle", "Pred.R <- function(x) x * k")
    (bundle / "more").mkdir()
    (bundle / "more" / "rates.csv").write_text("1\n")
    stored = put(bundle, repository, "m")
    (stored.path / closed).chmod(0o700 if (stored.path / closed).is_dir() else 0o600)
    gateway = await start_gateway(repository, worker_user=USER)
    (version,) = gateway.registry.versions("m")
    assert version.state is State.REFUSED
    assert version.reason == (
        f"{said} can't be read by the user '{USER}', as whom R runs: let this user read the files of the bundle and "
        "enter the folders that they are in"
    )


async def test_a_repository_that_the_user_can_t_enter_refuses_its_r_versions(
    tmp_path: Path, repository: Path, start_gateway: StartGateway
) -> None:
    stored = put(make_r_bundle(tmp_path / "bundle", "Pred.R <- function(x) x * k"), repository, "m")
    stored.path.parent.parent.chmod(0o700)
    gateway = await start_gateway(repository, worker_user=USER)
    (version,) = gateway.registry.versions("m")
    assert version.state is State.REFUSED
    assert version.reason.startswith(f"the bundle's folder can't be read by the user '{USER}'")


@pytest.mark.parametrize("named", ["gateway", "1L", "leader", "-5L", "NA_integer_"])
@pytest.mark.parametrize("user", [None, USER])
async def test_a_worker_that_names_another_process_as_itself_is_none(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, named: str, user: str | None
) -> None:
    code = f"""
leader <- as.integer(strsplit(sub("^.*\\\\) ", "", readLines("/proc/self/stat")), " ")[[1L]][3L])
unlockBinding("Sys.getpid", baseenv())
assign("Sys.getpid", local({{ said <- {named}; function() said }}), envir = baseenv())
Pred.R <- function(x) x * k
"""
    objects = f"k <- 2; gateway <- {os.getpid()}L"
    put(make_r_bundle(tmp_path / "bundle", code, objects), repository, "m")
    gateway = await start_gateway(repository, worker_user=user)
    (version,) = gateway.registry.versions("m")
    assert version.state is State.REFUSED
    assert version.reason.endswith("the worker named a process that is not its own")


async def test_a_socket_that_leads_to_another_user_s_process_is_not_spoken_to(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    code = f"""
Pred.R <- function(x) {{
  unlink("../socket")
  file.symlink("{tmp_path}/other", "../socket")
  x * k
}}
"""
    put(make_r_bundle(tmp_path / "bundle", code, settings="default_score = -1.0\nworkers = 1\n"), repository, "m")
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.close()

    async with await asyncio.start_unix_server(listen, tmp_path / "other"):
        gateway = await start_gateway(repository, worker_user=USER)
        client = connect(gateway)
        (version,) = gateway.registry.versions("m")
        assert version.accepted is not None
        assert isinstance(version.accepted.backend, RserveBackend)
        for pid in version.accepted.backend.pool.snapshot().pids:
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: heard)
        answer = await client.score("m", {"x": [1.0]}, timeout_s=10)
    assert (answer.scores.tolist(), answer.reasons) == ([-1.0], ["WORKER_LOST"])
    assert set(heard) == {b""}


NASTY = {
    "a link to what is root's": """
      setwd("..")
      own <- sprintf("conn%d", Sys.getpid())
      unlink(own, recursive = TRUE)
      file.symlink(repository, own)
      tools::pskill(Sys.getpid(), 9L)
""",
    "folders without end": """
      for (n in 1:1500) { dir.create("d"); setwd("d") }
      tools::pskill(Sys.getpid(), 9L)
""",
    "a folder that nobody may enter": """
      dir.create("d/e", recursive = TRUE)
      Sys.chmod(c("d/e", "d", "."), "000")
      tools::pskill(Sys.getpid(), 9L)
""",
}


@pytest.mark.parametrize("left", NASTY)
async def test_what_a_worker_leaves_in_its_folder_is_removed_and_nothing_else(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect, left: str
) -> None:
    code = f"Pred.R <- function(x) {{ if (x[1L] > 1e6) {{ {NASTY[left]} }}; x * k }}"
    settings = "default_score = -1.0\nworkers = 1\ntimeout_s = 30\n[features]\nx = 'double'\n"
    stored = put(
        make_r_bundle(tmp_path / "bundle", code, f'k <- 2; repository <- "{repository}"', settings), repository, "m"
    )
    gateway = await start_gateway(repository, worker_user=USER)
    client = connect(gateway)
    assert (await client.score("m", {"x": [1e7]}, timeout_s=20)).reasons == ["WORKER_LOST"]
    answer = await client.score("m", {"x": [-1.0]}, timeout_s=20, request_id="after")
    assert (answer.source, answer.scores.tolist()) == (Source.MODEL, [-2.0])
    await gateway.close()
    assert sorted(path.name for path in stored.path.iterdir()) == [
        "Pred.R",
        "manifest.json",
        "model.RData",
        "model.toml",
    ]
