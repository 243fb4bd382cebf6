"""Folders of a repository that hold what no bundle holds, hang, or vanish: that model waits or is refused, alone."""

import asyncio
import os
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from fixtures import Cancer, StartGateway, make_r_bundle, put
from scorebridge import AsyncScoringClient, Source
from waiting import eventually

from bridge.bundles import lookout
from bridge.bundles.bundle import Bundle, make_manifest, read_bundle, verify
from bridge.bundles.repository import Repository
from bridge.errors import ModelNotFound
from bridge.gateway.server import Gateway
from bridge.models.version import State, Version

Connect = Callable[[Gateway], AsyncScoringClient]
SETTINGS = '[features]\nx = "double"\n'


@pytest.fixture
def bundle(cancer: Cancer) -> Path:
    return cancer.folder


@pytest.fixture
def scores(cancer: Cancer, connect: Connect) -> Callable[[Gateway], Awaitable[bool]]:
    """Whether the model `good` scores a row by itself."""
    clients: dict[Gateway, AsyncScoringClient] = {}

    async def ask(gateway: Gateway) -> bool:
        client = clients.get(gateway) or clients.setdefault(gateway, connect(gateway))
        row = dict(zip(cancer.names, cancer.rows[:1].T, strict=True))
        return (await client.score("good", row, timeout_s=20)).source is Source.MODEL

    return ask


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Ends every read that hangs, at the latest with the test."""
    event = threading.Event()
    yield event
    event.set()


def found(gateway: Gateway, model: str) -> Version:
    return gateway.registry.versions(model)[-1]


async def page(gateway: Gateway, path: str) -> tuple[int, str]:
    host, _, port = gateway.http_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head, _, text = (await reader.read()).decode().partition("\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()
    return int(head.split()[1]), text


async def test_a_fifo_as_the_choice_of_one_model_holds_up_nobody(
    repository: Path, bundle: Path, start_gateway: StartGateway, scores: Callable[[Gateway], Awaitable[bool]]
) -> None:
    for model in ("good", "odd"):
        put(bundle, repository, model)
    os.mkfifo(repository / "odd" / "serving")
    gateway = await start_gateway(repository, watch_interval_s=0.05)
    assert await scores(gateway)
    assert gateway.registry.resolve("odd").ready, "which version is promoted can't be read"
    (repository / "good" / "serving").symlink_to("/dev/zero")
    put(bundle, repository, "odd", 2)
    await eventually(lambda: gateway.registry.resolve("odd").stored.version == 2)
    assert await scores(gateway)


async def test_eight_fifos_as_settings_hold_up_nobody(
    repository: Path, bundle: Path, start_gateway: StartGateway, scores: Callable[[Gateway], Awaitable[bool]]
) -> None:
    for number in range(8):
        path = put(bundle, repository, f"a{number}").path / "model.toml"
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    put(bundle, repository, "good")
    gateway = await start_gateway(repository, watch_interval_s=0.05)
    assert await scores(gateway)
    for number in range(8):
        version = found(gateway, f"a{number}")
        assert (version.state, version.reason) == (
            State.REFUSED,
            "model.toml is not a regular file, but a FIFO",
        )


@pytest.mark.parametrize(
    ("name", "limit"), [("model.toml", "1 MiB"), ("manifest.json", "16 MiB"), ("golden.csv", "64 MiB")]
)
async def test_a_file_with_a_hole_of_gigabytes_is_refused_unread(
    repository: Path, bundle: Path, start_gateway: StartGateway, name: str, limit: str
) -> None:
    target = Repository(repository)
    with target.staged(bundle) as staged:
        if name == "golden.csv":
            (staged / name).write_bytes(b"")
            os.truncate(staged / name, 65 << 20)
        stored = target.publish(staged, make_manifest(staged, None), "m", 1)
    if name != "golden.csv":
        (stored.path / name).touch()
        os.truncate(stored.path / name, 2 << 30)
    gateway = await start_gateway(repository)
    version = found(gateway, "m")
    assert (version.state, version.reason) == (State.REFUSED, f"{name} is larger than {limit}")


async def test_volumes_of_kubernetes_and_folders_behind_links_serve(
    repository: Path,
    tmp_path: Path,
    bundle: Path,
    start_gateway: StartGateway,
    scores: Callable[[Gateway], Awaitable[bool]],
) -> None:
    stored = put(bundle, tmp_path / "elsewhere", "good")
    (repository / "good").symlink_to(stored.path.parent)
    mounted = repository / "mounted" / "1"
    shutil.copytree(stored.path, mounted / "..2026_11_25")
    (mounted / "..data").symlink_to("..2026_11_25")
    for entry in stored.path.iterdir():
        (mounted / entry.name).symlink_to(f"..data/{entry.name}")
    (repository / "mounted" / "..data").mkdir()
    (repository / "mounted" / "..data" / "serving").write_text("1\n")
    (repository / "mounted" / "serving").symlink_to("..data/serving")
    gateway = await start_gateway(repository)
    assert await scores(gateway)
    assert gateway.registry.resolve("mounted").ready, found(gateway, "mounted").reason


async def test_reads_that_hang_hold_up_their_models_and_none_is_begun_twice(
    repository: Path,
    bundle: Path,
    start_gateway: StartGateway,
    scores: Callable[[Gateway], Awaitable[bool]],
    release: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = list[str]()

    def hang(path: Path) -> Bundle:
        if path.parent.name != "good":
            begun.append(path.parent.name)
            release.wait()
        return read_bundle(path)

    monkeypatch.setattr("bridge.models.registry.read_bundle", hang)
    monkeypatch.setattr(lookout, "_BUNDLE_S", 0.1)
    names = [f"a{number}" for number in range(10)]
    put(bundle, repository, "good")
    for name in names:
        shutil.copytree(repository / "good", repository / name)
    gateway = await start_gateway(repository, watch_interval_s=0.05)
    assert await scores(gateway)
    await eventually(lambda: any("no other is begun" in found(gateway, name).reason for name in names), 30)
    assert sorted(begun) == sorted(names), "tried again, and no second thread"
    assert {found(gateway, name).state for name in names} == {State.WAITING}
    assert "reading the files of a0 hangs, 1 threads wait for the file system\n" in (await page(gateway, "/readyz"))[1]
    put(bundle, repository, "good", 2)
    await eventually(lambda: gateway.registry.resolve("good").stored.version == 2)
    assert await scores(gateway)
    release.set()
    await eventually(lambda: any(found(gateway, name).ready for name in names), 60)
    await eventually(lambda: gateway.registry.hanging() == {})
    assert "hangs" not in (await page(gateway, "/readyz"))[1]


async def test_files_that_hang_while_they_are_verified_take_no_place_from_others(
    repository: Path,
    bundle: Path,
    start_gateway: StartGateway,
    scores: Callable[[Gateway], Awaitable[bool]],
    release: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hang(one: Bundle) -> None:
        if one.path.parent.name != "good":
            release.wait()
        verify(one)

    monkeypatch.setattr("bridge.bundles.lookout.verify", hang)
    put(bundle, repository, "good")
    gateway = await start_gateway(repository, watch_interval_s=0.05)
    for number in range(8):
        put(bundle, repository, f"a{number}")
    await eventually(lambda: sum(version.state is State.LOADING for version in gateway.registry.versions()) == 8)
    put(bundle, repository, "good", 2)
    await eventually(lambda: gateway.registry.resolve("good").stored.version == 2, 30)
    assert await scores(gateway)
    assert {found(gateway, f"a{number}").state for number in range(8)} == {State.LOADING}
    release.set()
    await eventually(lambda: any(found(gateway, f"a{number}").ready for number in range(8)), 60)


@pytest.mark.parametrize("what", ["models", "look"])
async def test_a_repository_or_a_folder_in_it_that_hangs_leaves_what_serves_as_it_is(
    repository: Path,
    bundle: Path,
    start_gateway: StartGateway,
    scores: Callable[[Gateway], Awaitable[bool]],
    release: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    what: str,
) -> None:
    put(bundle, repository, "good")
    gateway = await start_gateway(repository, watch_interval_s=0.02)
    see, hung = getattr(Repository, what), list[object]()

    def hang(*arguments: object) -> object:
        hung.append(arguments)
        release.wait()
        return see(*arguments)

    monkeypatch.setattr(Repository, what, hang)
    monkeypatch.setattr(lookout, "_LOOK_S", 0.05)
    await eventually(lambda: "stay as they are, because its folder can't be read: a read of" in caplog.text)
    put(bundle, repository, "good", 2)
    for _ in range(20):
        assert await scores(gateway)
        assert (await page(gateway, "/livez"))[0] == 200
    assert gateway.registry.resolve("good").stored.version == 1
    assert caplog.text.count("stay as they are") == len(hung) == 1
    release.set()
    await eventually(lambda: gateway.registry.resolve("good").stored.version == 2, 30)


async def test_a_gateway_starts_beside_a_repository_that_hangs(
    repository: Path,
    bundle: Path,
    start_gateway: StartGateway,
    scores: Callable[[Gateway], Awaitable[bool]],
    release: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(bundle, repository, "good")
    models = Repository.models
    monkeypatch.setattr(Repository, "models", lambda one: release.wait() and models(one))
    monkeypatch.setattr(lookout, "_LOOK_S", 0.05)
    gateway = await start_gateway(repository, watch_interval_s=0.05)
    assert (await page(gateway, "/livez"))[0] == 200
    status, text = await page(gateway, "/readyz")
    assert status == 503
    assert text.startswith("reading the repository hangs, 1 threads wait for the file system\n")
    release.set()
    await eventually(lambda: gateway.registry.serving("good"), 30)
    assert await scores(gateway)


def remove_folder(path: Path) -> None:
    shutil.rmtree(path)


def remove_model(path: Path) -> None:
    (path / "model.ubj").unlink()


def remove_manifest(path: Path) -> None:
    (path / "manifest.json").unlink()


REMOVALS = {
    f"{when}.{remove.__name__}": (when, remove)
    for when in ("unread", "read", "verified")
    for remove in (remove_folder, remove_model, remove_manifest)
}


async def test_files_that_vanish_while_a_version_is_loaded_refuse_it_and_end_its_task(
    repository: Path,
    bundle: Path,
    start_gateway: StartGateway,
    scores: Callable[[Gateway], Awaitable[bool]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def vanish(path: Path, now: str) -> None:
        when, remove = REMOVALS.get(path.parent.name, ("", remove_folder))
        if now == when:
            remove(path)

    def read_vanishing(path: Path) -> Bundle:
        vanish(path, "unread")
        one = read_bundle(path)
        vanish(path, "read")
        return one

    def verify_vanishing(one: Bundle) -> None:
        verify(one)
        vanish(one.path, "verified")

    monkeypatch.setattr("bridge.models.registry.read_bundle", read_vanishing)
    monkeypatch.setattr("bridge.bundles.lookout.verify", verify_vanishing)
    for model in ("good", *REMOVALS):
        put(bundle, repository, model)
    gateway = await start_gateway(repository)
    assert await scores(gateway)
    reasons = {model: found(gateway, model).reason for model in REMOVALS if not found(gateway, model).ready}
    # Once its bytes were held against what it says, nothing is left that a manifest is read for.
    assert set(REMOVALS) - set(reasons) == {"read.remove_manifest", "verified.remove_manifest"}
    assert found(gateway, "unread.remove_manifest").state is State.NOT_DEPLOYED
    del reasons["unread.remove_manifest"]
    assert {found(gateway, model).state for model in reasons} == {State.REFUSED}
    assert not [reason for reason in reasons.values() if "the gateway failed" in reason]
    assert reasons["read.remove_model"] == "model.ubj was removed after the bundle was deployed"
    assert (
        reasons["verified.remove_model"]
        == "the model file (model.ubj or model.json) was removed after the bundle was read"
    )
    await gateway.registry.refresh()
    assert await scores(gateway)


async def test_a_version_that_can_not_be_looked_into_is_refused_beside_the_others(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    put(make_r_bundle(tmp_path / "b", "Pred.R <- function(x) x * k", settings=SETTINGS), repository, "m")
    shutil.copytree(repository / "m" / "1", repository / "m" / "2")
    (repository / "m" / "2" / "manifest.json").unlink()
    (repository / "m" / "2" / "manifest.json").symlink_to("absent")
    (repository / "m" / "3").symlink_to("3")
    gateway = await start_gateway(repository)
    assert gateway.registry.resolve("m").stored.version == 1
    assert found(gateway, "m").reason == "manifest.json is a link to nothing"


async def test_a_version_that_serves_is_unloaded_when_its_manifest_is_removed_and_loaded_anew_when_it_is_back(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    put(make_r_bundle(tmp_path / "b", "Pred.R <- function(x) x * k", settings=SETTINGS), repository, "m")
    gateway = await start_gateway(repository)
    served = gateway.registry.resolve("m")
    manifest = repository / "m" / "1" / "manifest.json"
    kept = manifest.read_bytes()
    manifest.unlink()
    await gateway.registry.refresh()
    (listed,) = gateway.registry.versions("m")
    assert (listed.state, listed.reason) == (State.NOT_DEPLOYED, "")
    with pytest.raises(ModelNotFound, match="no version of 'm' is deployed"):
        gateway.registry.resolve("m")
    await eventually(lambda: (served.state, served.accepted) == (State.NOT_RESIDENT, None))
    manifest.write_bytes(kept)
    await gateway.registry.refresh()
    again = gateway.registry.resolve("m")
    assert (again.state, again is served) == (State.READY, False)


async def test_a_refused_version_whose_manifest_is_removed_keeps_no_reason(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    put(make_r_bundle(tmp_path / "b", "Pred.R <- function(x) x * k", settings=SETTINGS), repository, "m")
    (repository / "m" / "1" / "model.RData").write_bytes(b"changed")
    gateway = await start_gateway(repository)
    assert found(gateway, "m").state is State.REFUSED
    (repository / "m" / "1" / "manifest.json").unlink()
    await gateway.registry.refresh()
    assert (found(gateway, "m").state, found(gateway, "m").reason) == (State.NOT_DEPLOYED, "")
