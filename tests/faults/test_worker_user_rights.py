"""A gateway with a `worker_user` that could do what it must not, or can't do what it needs, does not start."""

import logging
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from fixtures import SCOREBRIDGE, StartGateway
from other_user import USER, make_key

from bridge.config import ConfigError
from bridge.gateway import rights
from bridge.gateway.rights import AS_ROOT
from bridge.workers.user import WorkerUser

pytestmark = pytest.mark.usefixtures("open_folders")


@pytest.fixture
def settings(tmp_path: Path, repository: Path) -> dict[str, Any]:
    """All that the user must not reach, closed to it."""
    (tmp_path / "keys").mkdir()
    callers = tmp_path / "keys" / "callers.toml"
    callers.write_text('[callers.shop]\ncertificate = "shop"\n')
    folders = {"log_dir": tmp_path / "log", "cache_dir": tmp_path / "cache"}
    folders["cache_dir"].mkdir()
    tls = make_key(tmp_path / "keys")
    return folders | tls | {"callers": callers, "tls_client_ca": tls["tls_certificate"], "repository": repository}


def let(path: Path, mode: int) -> None:
    """Lets others do with a file or folder what the mode says."""
    path.chmod(mode)


async def test_closed_as_they_should_be_it_starts_and_says_nothing(
    settings: dict[str, Any], start_gateway: StartGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await start_gateway(**settings, worker_user=USER)
    assert AS_ROOT not in gateway.pages.readiness()
    assert AS_ROOT not in caplog.messages


async def test_without_the_setting_a_gateway_of_root_says_so_once_and_on_its_page(
    repository: Path, start_gateway: StartGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await start_gateway(repository)
    assert [record.levelno for record in caplog.records if record.message == AS_ROOT] == [logging.WARNING]
    assert f"{AS_ROOT}\n" in gateway.pages.readiness()


@pytest.mark.parametrize(
    ("name", "mode", "sentence"),
    [
        ("tls_key", 0o644, "can read tls_key"),
        ("log_dir", 0o755, "can read log_dir"),
        ("log_dir", 0o733, "can write to log_dir"),
        ("repository", 0o777, "can write to repository"),
        ("tls_key", 0o622, "can write to tls_key"),
        ("tls_certificate", 0o666, "can write to tls_certificate"),
        ("callers", 0o666, "can write to callers"),
        ("cache_dir", 0o733, "can write to cache_dir"),
        ("keys", 0o777, "can replace tls_key"),
    ],
)
async def test_what_the_user_could_reach_is_named_with_the_remedy(
    tmp_path: Path, settings: dict[str, Any], start_gateway: StartGateway, name: str, mode: int, sentence: str
) -> None:
    settings["log_dir"].mkdir(0o700)
    let(settings.get(name, tmp_path / name), mode)
    with pytest.raises(ConfigError) as raised:
        await start_gateway(**settings, worker_user=USER)
    assert str(raised.value).startswith(f"worker_user '{USER}' {sentence} {settings.get(name, settings['tls_key'])}: ")


async def test_what_only_a_link_hides_is_found(
    tmp_path: Path, settings: dict[str, Any], start_gateway: StartGateway
) -> None:
    settings["tls_key"].chmod(0o644)
    (tmp_path / "link").symlink_to(settings["tls_key"])
    with pytest.raises(ConfigError, match=f"^worker_user '{USER}' can read tls_key {tmp_path}/link: "):
        await start_gateway(**(settings | {"tls_key": tmp_path / "link"}), worker_user=USER)


async def test_a_key_that_the_user_s_group_can_read_is_found(
    settings: dict[str, Any], start_gateway: StartGateway
) -> None:
    os.chown(settings["tls_key"], 0, WorkerUser.named(USER).gid)
    settings["tls_key"].chmod(0o640)
    with pytest.raises(ConfigError, match=f"^worker_user '{USER}' can read tls_key "):
        await start_gateway(**settings, worker_user=USER)


async def test_a_folder_of_temporary_files_that_the_user_can_t_enter_is_named(
    repository: Path, start_gateway: StartGateway
) -> None:
    temporary = tempfile.gettempdir()
    let(Path(temporary), 0o700)
    with pytest.raises(
        ConfigError, match=f"^worker_user '{USER}' can't enter the folder of temporary files, {temporary}:"
    ):
        await start_gateway(repository, worker_user=USER)


async def test_r_code_that_the_user_can_t_read_is_named(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "serve.R").touch(0o600)
    monkeypatch.setattr(rights, "rscripts", lambda: tmp_path)
    with pytest.raises(
        ConfigError, match=f"^worker_user '{USER}' can't read the gateway's R code, {tmp_path}/serve.R: "
    ):
        await start_gateway(repository, worker_user=USER)


@pytest.mark.parametrize("lacking", ["setuid", "setgid", "kill", "sys_ptrace", "chown", "dac_override"])
def test_a_root_that_lacks_a_right_of_root_does_not_start(tmp_path: Path, repository: Path, lacking: str) -> None:
    (tmp_path / "gateway.toml").write_text(f"worker_user = '{USER}'\ngrpc_port = 0\nhttp_port = 0\n")
    without = ["setpriv", f"--inh-caps=-{lacking}", f"--bounding-set=-{lacking}"]
    serve = [str(SCOREBRIDGE), "serve", "--repository", str(repository), "--config", str(tmp_path / "gateway.toml")]
    done = subprocess.run([*without, *serve], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"the gateway can't run programs as worker_user '{USER}': it must become that user" in done.stderr
    assert f"CAP_{lacking.upper()}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("mode", "starts"), [(0o644, False), (0o600, True)])
async def test_the_password_of_a_store_is_not_for_r(
    settings: dict[str, Any], start_gateway: StartGateway, tmp_path: Path, mode: int, starts: bool
) -> None:
    secret = tmp_path / "password"
    secret.write_text("secret")
    let(secret, mode)
    stores = {"features": {"url": "redis://127.0.0.1:1/0", "password_file": secret}}
    if starts:
        await start_gateway(**settings, worker_user=USER, stores=stores)
        return
    with pytest.raises(ConfigError, match=f"can read stores.features.password_file {secret}: "):
        await start_gateway(**settings, worker_user=USER, stores=stores)
