"""`scorebridge config`: what a gateway would have, and whether it would start; it says what `serve` says."""

import asyncio
import fcntl
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from fixtures import ROOT, SCOREBRIDGE
from gateways import shared
from other_user import USER, make_open
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.config import ConfigError, read_settings
from bridge.gateway.server import Gateway

Given = dict[str, Any]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("SCOREBRIDGE_"):
            monkeypatch.delenv(name)


def run(*command: object, code: int = 0) -> str:
    """What a command of scorebridge prints, in this process: a case has no need of an interpreter of its own."""
    done = CliRunner().invoke(app, [str(part) for part in command])
    assert done.exit_code == code, done.output
    return done.output


@dataclass
class World:
    """What the cases name: files of all kinds in a folder, a port that is taken, a log that is locked."""

    folder: Path
    taken: int

    def settings(self, text: str) -> Path:
        """A settings file with the given text, in which folders and ports are filled in."""
        path = self.folder / "gateway.toml"
        ports = "" if "grpc_port" in text else "grpc_port = 0\n"
        ports += "" if "http_port" in text else "http_port = 0\n"
        repository = "" if "repos" in text else f"repository = '{self.folder}/repository'\n"
        head, bracket, sections = text.partition("[")
        filled = (repository + ports + head + "\n" + bracket + sections).replace("@/", f"{self.folder}/")
        path.write_text(filled.replace("TAKEN", str(self.taken)))
        return path

    def listed(self) -> dict[str, tuple[int, int]]:
        """Every file and folder, with its mode and when it was changed."""
        found = [self.folder, *self.folder.rglob("*")]
        return {str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns) for path in found}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates, callers and passwords, right ones and wrong ones."""
    folder = tmp_path_factory.mktemp("files")
    authority = Authority(folder / "tls")
    for name in ("ours", "theirs"):
        pair = authority.issue("localhost", "DNS:localhost")
        (folder / f"{name}.pem").write_bytes(pair.certificate.read_bytes())
        (folder / f"{name}.key").write_bytes(pair.key.read_bytes())
    (folder / "ca.pem").write_bytes(authority.certificate.read_bytes())
    sha256 = "token_sha256 = '" + "0" * 64 + "'\n"
    for name, text in {
        "junk": "junk\n",
        "empty": "",
        "callers.toml": f"[callers.a]\n{sha256}",
        "expired.toml": f"[callers.a]\n{sha256}expires = 2020-01-01T00:00:00Z\n[callers.b]\n{sha256.replace('0', '1')}",
        "wrong.toml": "[callers.a]\ntoken = 'x'\n[callers.b]\nrole = 'king'\n",
        "certified.toml": "[callers.a]\ncertificate = 'a'\n",
        "password": "a secret\n",
    }.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def world(tmp_path: Path, files: Path) -> Iterator[World]:
    for path in files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    for name in ("repository", "locked", "linked"):
        (tmp_path / name).mkdir()
    (tmp_path / "linked" / ".lock").symlink_to(tmp_path / "junk")
    locked = os.open(tmp_path / "locked" / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(locked, fcntl.LOCK_EX)
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield World(tmp_path, listening.getsockname()[1])
    os.close(locked)


async def _start(path: Path, given: Given) -> None:
    gateway = Gateway(read_settings(path, **given))
    try:
        await gateway.start()
    finally:
        await gateway.close()


def refusal(path: Path, **given: Any) -> str:
    """Why a gateway does not start with these settings; empty if it does."""
    try:
        asyncio.run(_start(path, given))
    except ConfigError as error:
        return str(error)
    return ""


def checked(path: Path, *options: object, code: int | None = None) -> dict[str, list[str]]:
    """What `config check --json` finds."""
    done = CliRunner().invoke(app, ["config", "check", "--config", str(path), *map(str, options), "--json"])
    found: dict[str, list[str]] = json.loads(done.stdout)
    assert done.exit_code == bool(found["errors"])
    assert code is None or done.exit_code == code
    return found


TLS = "tls_certificate = '@/ours.pem'\ntls_key = '@/ours.key'\n"
REDIS = "[stores.s]\nurl = 'redis://127.0.0.1:1/0'\n"
SETTINGS = {
    "nothing is wrong": "",
    "an unknown key": "colour = 1",
    "a misspelled key": "grcp_port = 1",
    "a misspelled repository": "repositry = '@/repository'",
    "a number in quotes": "grpc_port = '1'",
    "a number out of bounds": "grace_s = -1.0",
    "no toml": "grace_s = ",
    "no such repository": "repository = '@/nowhere'",
    "a file for a repository": "repository = '@/junk'",
    "gRPC's port is taken": "grpc_port = TAKEN",
    "HTTP's port is taken": "http_port = TAKEN",
    "the probes' port is taken": "probe_port = TAKEN",
    "another's address": "host = '192.0.2.1'\ninsecure = true",
    "no address": "host = ''\ninsecure = true",
    "no name of a host": "host = 'a..b'\ninsecure = true",
    "this machine by name": "host = 'localhost'",
    "a right TLS pair": TLS,
    "a right TLS pair and authority": TLS + "tls_client_ca = '@/ca.pem'",
    "a key of another certificate": "tls_certificate = '@/ours.pem'\ntls_key = '@/theirs.key'",
    "no such certificate": "tls_certificate = '@/nowhere'\ntls_key = '@/ours.key'",
    "no authority": TLS + "tls_client_ca = '@/junk'",
    "a folder for a key": "tls_certificate = '@/ours.pem'\ntls_key = '@/locked'",
    "a certificate without its key": "tls_certificate = '@/ours.pem'",
    "an authority without TLS": "tls_client_ca = '@/ca.pem'",
    "right callers": "callers = '@/callers.toml'",
    "callers that are known no more": "callers = '@/expired.toml'",
    "no such callers": "callers = '@/nowhere'",
    "wrong callers": "callers = '@/wrong.toml'",
    "nobody": "callers = '@/empty'",
    "callers by certificates that nobody asks for": "callers = '@/certified.toml'",
    "callers by certificates": TLS + "tls_client_ca = '@/ca.pem'\ncallers = '@/certified.toml'",
    "a store that is down": REDIS,
    "a store of no kind": "[stores.s]\nurl = 'http://127.0.0.1'",
    "a store with a password in its url": "[stores.s]\nurl = 'redis://:hidden@127.0.0.1'",
    "a store with something behind its url": "[stores.s]\nurl = 'redis://127.0.0.1/0?x=hidden'",
    "a store with a password": REDIS + "password_file = '@/password'",
    "a store without its password": REDIS + "password_file = '@/nowhere'",
    "a store with an empty password": REDIS + "password_file = '@/empty'",
    "a store with TLS that it has not": REDIS + "tls_ca = '@/ca.pem'",
    "a store without an authority": "[stores.s]\nurl = 'rediss://127.0.0.1:1'\ntls_ca = '@/junk'",
    "a store with an unknown key": REDIS + "time_s = 1",
    "a store whose file is not there": "[stores.s]\nurl = 'memory:@/nowhere'",
    "a new log": "log_dir = '@/log'",
    "a new log in new folders": "log_dir = '@/new/folders/log'",
    "a log that another gateway writes": "log_dir = '@/locked'",
    "a file for a log": "log_dir = '@/junk'",
    "a log below a file": "log_dir = '@/junk/log'",
    "a log whose lock is a link": "log_dir = '@/linked'",
    "no such user": "worker_user = 'no such user'",
    "root for a user": "worker_user = 'root'",
    "other machines": "host = '0.0.0.0'",
    "other machines, insecurely": "host = '0.0.0.0'\ninsecure = true",
    "the native front": "front = 'native'",
    "the native front with TLS": TLS + "front = 'native'",
    "the native front with callers": "front = 'native'\ncallers = '@/callers.toml'",
}

SEVERAL = {"a misspelled repository", "another's address", "no name of a host", "wrong callers"}


@pytest.mark.parametrize("name", SETTINGS)
def test_what_serve_refuses_is_an_error_and_nothing_else_is(world: World, name: str) -> None:
    path = world.settings(SETTINGS[name])
    before = world.listed()
    found = checked(path)
    assert world.listed() == before
    said = refusal(path)
    assert found["errors"][:1] == [said][: bool(said)]
    assert (len(found["errors"]) > 1) == (name in SEVERAL)
    assert "hidden" not in str(found)


@pytest.mark.parametrize(("mode", "sentence"), [(0o644, "can read tls_key"), (0o600, "")])
def test_the_rights_of_workers_are_tried_as_serve_tries_them(world: World, mode: int, sentence: str) -> None:
    """Who is not root may not set the user at all, and is told so by both."""
    make_open(world.folder)
    make_open(Path(tempfile.gettempdir()))
    key = world.folder / "key"
    key.write_bytes((world.folder / "ours.key").read_bytes())
    key.chmod(mode)
    (world.folder / "cache").mkdir()
    text = f"tls_certificate = '@/ours.pem'\ntls_key = '@/key'\nlog_dir = '@/log'\nworker_user = '{USER}'\n"
    path = world.settings(f"{text}cache_dir = '@/cache'")
    before = world.listed()
    errors = checked(path)["errors"]
    assert world.listed() == before
    assert errors[:1] == ([said] if (said := refusal(path)) else [])
    assert (sentence if os.geteuid() == 0 else "needs a gateway that was started as root") in said
    assert bool(said) == bool(sentence or os.geteuid())


@pytest.mark.parametrize("port", ["http_port", "probe_port"])
def test_one_port_for_two_is_an_error(world: World, port: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        number = free.getsockname()[1]
    path = world.settings(f"grpc_port = {number}\n{port} = {number}")
    assert (
        [refusal(path)] == checked(path)["errors"] == [f"HTTP can't listen on 127.0.0.1:{number}: is the port taken?"]
    )


def test_the_environment_and_the_options_are_checked_as_serve_reads_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.settings("")
    monkeypatch.setenv("SCOREBRIDGE_GRACE_S", "soon")
    assert refusal(path) in checked(path)["errors"]
    monkeypatch.setenv("SCOREBRIDGE_GRACE_S", "1")
    assert checked(path, "--grpc-port", world.taken)["errors"] == [refusal(path, grpc_port=world.taken)]
    assert checked(path, "--front", "rust")["errors"] == [refusal(path, front="rust")]
    monkeypatch.setenv("SCOREBRIDGE_STORES", "{")
    assert checked(path)["errors"] == [refusal(path)]


def test_all_errors_are_said_at_once_and_nothing_is_changed(world: World) -> None:
    path = world.settings(
        "grcp_port = 1\nrepository = '@/nowhere'\nhttp_port = TAKEN\nlog_dir = '@/locked'\ncallers = '@/wrong.toml'\n"
        "tls_certificate = '@/ours.pem'\ntls_key = '@/theirs.key'\nworker_user = 'no such user'\ngrace_s = -1.0\n"
        "[stores.a]\nurl = 'redis://h:1'\npassword_file = '@/nowhere'\n[stores.b]\nurl = 'redis://h/x'\n"
        "[stores.c]\nulr = 'redis://h'\n"
    )
    before = world.listed()
    errors = checked(path, code=1)["errors"]
    assert world.listed() == before
    for part in (
        "grcp_port: unknown key: did you mean grpc_port?",
        "grace_s: ",
        "stores.c.ulr: unknown key: did you mean url?",
        "stores.a: ",
        "stores.b: url: ",
        "callers.a.token: unknown key",
        "callers.b.role: ",
        "worker_user",
        f"the repository {world.folder}/nowhere is not a folder",
        f"another gateway writes to the log {world.folder}/locked",
        "are not a certificate and its unencrypted key",
        f"HTTP can't listen on 127.0.0.1:{world.taken}: is the port taken?",
    ):
        assert len([error for error in errors if part in error]) == 1, part
    printed = run("config", "check", "--config", path, code=1)
    assert [line.removeprefix("error: ") for line in printed.splitlines() if line.startswith("error: ")] == errors


def test_no_port_stays_bound_and_no_one_can_connect_meanwhile(world: World) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        number = free.getsockname()[1]
    path = world.settings(f"grpc_port = {number}")
    assert checked(path)["errors"] == []
    with closing(socket.create_server(("127.0.0.1", number))):
        assert checked(path)["errors"] == [f"gRPC can't listen on 127.0.0.1:{number}: is the port taken?"]


WARNED: dict[str, tuple[str, str]] = {
    "insecure": (
        "host = '0.0.0.0'\ninsecure = true",
        "insecure: machines that can reach 0.0.0.0 are served without TLS",
    ),
    "native": ("front = 'native'", "front: 'native' does not bound what it receives: see docs/security.md"),
    "no log": ("log_keep_s = 1.0", "log_dir is not set, so log_keep_s change nothing"),
    "expired": ("callers = '@/expired.toml'", "callers: 'a' is not known any more: its time was over on 2020-01-01"),
    "no file": ("[stores.s]\nurl = 'memory:@/nowhere'", "stores.s: its file can't be read yet: "),
    "no cache": ("cache_dir = '@/junk/cache'", "cache_dir: "),
}


@pytest.mark.parametrize("name", WARNED)
def test_what_a_gateway_starts_with_is_a_warning(world: World, name: str) -> None:
    text, sentence = WARNED[name]
    found = checked(world.settings(text), code=0)
    assert [one for one in found["warnings"] if one.startswith(sentence)], found
    assert not [one for one in checked(world.settings(""))["warnings"] if one.startswith(sentence)]


def test_a_variable_that_is_ignored_is_a_warning(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    others = ("STORE", "TLS_CA", "TIMEOUT_S", "URL", "TOKEN_FILE", "CLIENT_CERT", "CLIENT_KEY", "TIMEZONE", "LOCALE")
    for name in ("GRPC_PRT", "SOMETHING", *others):
        monkeypatch.setenv(f"SCOREBRIDGE_{name}", "x")
    warnings = [one for one in checked(world.settings(""), code=0)["warnings"] if "variable" in one]
    assert warnings == ["the environment variable SCOREBRIDGE_GRPC_PRT is ignored: did you mean SCOREBRIDGE_GRPC_PORT?"]


def test_beside_a_running_gateway_its_ports_and_log_are_taken_and_it_goes_on(world: World) -> None:
    with shared(world.folder / "repository", world.folder, log_dir=world.folder / "log") as gateway:
        host, _, port = gateway.grpc_address.rpartition(":")
        path = world.settings(f"grpc_port = {port}\nlog_dir = '@/log'")
        assert checked(path)["errors"] == [
            f"another gateway writes to the log {world.folder}/log: set another log_dir",
            f"gRPC can't listen on {host}:{port}: is the port taken?",
        ]
        with socket.create_connection((host, int(port)), timeout=10):
            pass
    assert checked(path)["errors"] == []


def test_as_a_process_it_exits_as_serve_does(world: World) -> None:
    path = world.settings("grcp_port = 1")
    for command, printed in (("serve", "stderr"), ("config check", "stdout")):
        done = subprocess.run(
            [str(SCOREBRIDGE), *command.split(), "--config", str(path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "grcp_port: unknown key: did you mean grpc_port?" in getattr(done, printed)
        assert "Traceback" not in done.stderr


AS_ANOTHER = f"""
import os, pwd, sys
import bridge.gateway.serving, bridge.gateway.start_check
from bridge.cli.app import app
os.getuid() or os.setuid(pwd.getpwnam({USER!r}).pw_uid)
app(sys.argv[1:])
"""


def _as_another(path: Path, words: str) -> list[str]:
    """The lines of a command that fails, run as another user."""
    asked = [sys.executable, "-c", AS_ANOTHER, *words.split(), "--config", str(path)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    return (done.stderr + done.stdout).splitlines()


PLACES = {
    "callers": "callers.toml",
    "tls_key": "ours.key",
    "password_file": "password",
    "log_dir": None,
    "repository": None,
}


@pytest.mark.parametrize("closed", ["log_dir", "config", "all"])
def test_what_another_user_may_not_read_is_said_by_both(world: World, closed: str) -> None:
    """Root may read everything; a process that has become another user may not."""
    make_open(world.folder)
    for name in ("open", "closed"):
        (world.folder / name).mkdir()
    at = {name: world.folder / ("closed" if closed in (name, "all") else "open") / name for name in PLACES}
    for name, source in PLACES.items():
        if source is None:
            at[name].mkdir()
        else:
            at[name].write_bytes((world.folder / source).read_bytes())
        at[name].chmod(0o777)
    (world.folder / "open" / "ours.pem").write_bytes((world.folder / "ours.pem").read_bytes())
    text = "".join(f"{name} = '{path}'\n" for name, path in at.items() if name != "password_file")
    path = world.settings(f"{text}tls_certificate = '@/open/ours.pem'\n{REDIS}password_file = '{at['password_file']}'")
    if closed == "config":
        path = path.rename(world.folder / "closed" / "gateway.toml")
    (world.folder / "closed").chmod(0o700 if os.geteuid() == 0 else 0o000)
    try:
        served, found = _as_another(path, "serve"), _as_another(path, "config check")
    finally:
        (world.folder / "closed").chmod(0o700)
    errors = [line.removeprefix("error: ") for line in found if line.startswith("error: ")]
    assert served[-1] in errors
    assert len(errors) == (5 if closed == "all" else 1)


def shown(path: Path, *options: object) -> dict[str, dict[str, Any]]:
    """What `config show --json` lists, by key."""
    document = json.loads(run("config", "show", "--config", path, *options, "--json"))
    return {one["key"]: one for one in document["settings"]}


def test_every_setting_is_shown_with_its_source(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOREBRIDGE_GRACE_S", "3")
    path = world.settings("grace_s = 1.0\nmax_columns = 7\n" + REDIS + "password_file = '@/password'")
    found = shown(path, "--host", "localhost")
    assert {
        key: (one["value"], one["source"], one["source_name"])
        for key, one in found.items()
        if one["source"] != "default"
    } == {
        "repository": (f"{world.folder}/repository", "file", str(path)),
        "host": ("localhost", "command line", "--host"),
        "grpc_port": (0, "file", str(path)),
        "http_port": (0, "file", str(path)),
        "grace_s": (3.0, "environment", "SCOREBRIDGE_GRACE_S"),
        "max_columns": (7, "file", str(path)),
        "stores.s.url": ("redis://127.0.0.1:1/0", "file", str(path)),
        "stores.s.password_file": (f"{world.folder}/password", "file", str(path)),
    }
    assert found["max_streams"]["value"] == 128
    assert found["max_streams"]["default"] == "128"
    assert found["stores.s.failures"] | {"meaning": ""} == {
        "key": "stores.s.failures",
        "value": 5,
        "source": "default",
        "source_name": "",
        "default": "5",
        "meaning": "",
    }
    assert all(one["meaning"].endswith(".") for one in found.values())


def test_what_is_shown_is_what_a_gateway_has(world: World) -> None:
    path = world.settings("grace_s = 1.0\nlog_dir = '@/log'")
    settings = read_settings(path).model_dump(mode="json")
    assert {key: one["value"] for key, one in shown(path).items()} == settings


def test_no_secret_is_shown(world: World) -> None:
    path = world.settings(REDIS + "password_file = '@/password'\n[stores.t]\nurl = 'redis://127.0.0.1/0?pass=hidden'")
    printed = run("config", "show", "--config", path)
    assert 'stores.t.url = "not shown: its form is wrong"' in printed
    assert "hidden" not in printed
    assert "a secret" not in printed
    printed = run("config", "show", "--config", world.settings("[stores.s]\nurl = 'redis://:hidden@h'"), code=1)
    assert "use username and password_file" in printed
    assert "hidden" not in printed


def test_wrong_settings_are_not_shown_but_all_that_is_wrong_is(world: World) -> None:
    printed = run("config", "show", "--config", world.settings("grace_s = -1.0\ncolour = 1"), code=1)
    assert printed.splitlines() == ["colour: unknown key", "grace_s: Input should be greater than or equal to 0"]
    assert run("config", "show", "--config", world.folder / "nowhere", code=1).startswith("there is no settings file")


def _settings_page() -> str:
    return (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


def test_the_page_s_example_is_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = re.search(r"## An example\n.*?```toml\n(.*?)```", _settings_page(), re.DOTALL)
    example = re.search(r"\$ scorebridge config show (.*?)\n    \.\.\.\n(.*?)\n\n", _settings_page(), re.DOTALL)
    assert text is not None
    assert example is not None
    monkeypatch.chdir(tmp_path)
    Path("gateway.toml").write_text(text[1])
    printed = run("config", "show", *example[1].split())
    assert re.sub(r"^    ", "", example[2], flags=re.MULTILINE) in printed


Bundle = Callable[[str], Path]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    def make(text: str) -> Path:
        folder = tmp_path / "bundle"
        folder.mkdir(exist_ok=True)
        (folder / "Pred.R").write_text("Pred.R <- function(x) x\n")
        (folder / "model.RData").write_bytes(b"")
        (folder / "model.toml").write_text(text)
        return folder

    return make


def test_a_model_toml_is_checked_too(bundle: Bundle) -> None:
    assert run("config", "check", "--bundle", bundle("timeout_s = 1.0")) == "ok: the settings are right\n"
    printed = run("config", "check", "--bundle", bundle("timeout = 1.0\n[retry]\nattempts = 0"), code=1)
    assert printed.splitlines() == [
        "error: model.toml: timeout: unknown key: did you mean timeout_s?",
        "error: model.toml: retry.attempts: Input should be greater than 0",
    ]
    found = json.loads(run("config", "check", "--bundle", bundle("timeout_s = 0.0"), "--json", code=1))
    assert found == {"errors": ["model.toml: timeout_s: Input should be greater than 0"], "warnings": []}


def test_a_bundle_whose_settings_don_t_fit_its_files_is_wrong(bundle: Bundle) -> None:
    folder = bundle("backend = 'xgboost'\ninput = 'frame'\n[features]\na = 'int'")
    (error,) = run("config", "check", "--bundle", folder, code=1).splitlines()
    assert error.startswith("error: ")
    assert "model.toml" in error or "xgboost" in error


def test_a_bundle_and_a_gateway_are_not_checked_in_one(bundle: Bundle, tmp_path: Path) -> None:
    printed = run("config", "check", "--bundle", bundle(""), "--host", "h", code=1)
    assert printed == "--bundle checks a model.toml alone: leave out the options of a gateway\n"
    assert "is not a folder" in run("config", "check", "--bundle", tmp_path / "nowhere", code=1)
