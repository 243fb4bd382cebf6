"""The gateway's settings: the command line over the environment over the file."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest

from bridge.config import ConfigError, GatewaySettings, default_cache_dir, read_settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("SCOREBRIDGE_"):
            monkeypatch.delenv(name)


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return path


def test_only_the_repository_must_be_said() -> None:
    with pytest.raises(ConfigError, match=r"^repository: "):
        read_settings(None)
    settings = read_settings(None, repository=Path("r"))
    assert settings.model_dump() == GatewaySettings(repository=Path("r")).model_dump()
    assert (settings.host, settings.grpc_port, settings.http_port, settings.front) == ("127.0.0.1", 8081, 8082, "auto")
    assert settings.max_message_bytes == 4 * 1024 * 1024
    assert settings.log_model_messages is False


def test_what_comes_first_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config(
        tmp_path,
        'repository = "file"\nhost = "file"\ninsecure = true\n'
        'grpc_port = 1\nhttp_port = 1\ngrace_s = 1\nfront = "grpc"\n',
    )
    monkeypatch.setenv("SCOREBRIDGE_HOST", "environment")
    monkeypatch.setenv("SCOREBRIDGE_GRPC_PORT", "2")
    monkeypatch.setenv("SCOREBRIDGE_HTTP_PORT", "2")
    settings = read_settings(path, http_port=3, grpc_port=None, host=None)
    assert settings.repository == Path("file")
    assert (settings.grace_s, settings.front) == (1.0, "grpc")
    assert (settings.host, settings.grpc_port, settings.http_port) == ("environment", 2, 3)
    monkeypatch.delenv("SCOREBRIDGE_HOST")
    assert read_settings(path).host == "file"
    assert read_settings(path, host="given").host == "given"


def test_a_file_read_once_says_nothing_later(tmp_path: Path) -> None:
    read_settings(config(tmp_path, 'repository = "file"\nhost = "file"\ninsecure = true\n'))
    assert read_settings(None, repository=Path("r")).host == "127.0.0.1"


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("ports = 1", {}, "ports: unknown key"),
    ("", {"ports": 1}, "ports: unknown key"),
    ("grpc_port = 65536", {}, "grpc_port: "),
    ("grpc_port = -1", {}, "grpc_port: "),
    ("grpc_port = 'x'", {}, "grpc_port: "),
    ("grpc_port = '1'", {}, "grpc_port: "),
    ("grpc_port = true", {}, "grpc_port: "),
    ("grpc_port = 1.0", {}, "grpc_port: "),
    ("grace_s = '3'", {}, "grace_s: "),
    ("log_keep_s = true", {}, "log_keep_s: "),
    ("log_keep_bytes = '5'", {}, "log_keep_bytes: "),
    ("log_dir = 1", {}, "log_dir: "),
    ("log_model_messages = 1", {}, "log_model_messages: "),
    ("own_log = 'xml'", {}, "own_log: "),
    ("log_model_messages = 'true'", {}, "log_model_messages: "),
    ("grace_s = inf", {}, "grace_s: "),
    ("grace_s = -1", {}, "grace_s: "),
    ("max_message_bytes = 0", {}, "max_message_bytes: "),
    ("max_connections = 0", {}, "max_connections: "),
    ("max_streams = 0", {}, "max_streams: "),
    ("max_header_bytes = 100", {}, "max_header_bytes: "),
    ("handshake_s = 0", {}, "handshake_s: "),
    ("message_s = inf", {}, "message_s: "),
    ("connection_idle_s = -1", {}, "connection_idle_s: "),
    ("connection_age_s = nan", {}, "connection_age_s: "),
    ("keepalive_s = '1'", {}, "keepalive_s: "),
    ("min_ping_interval_s = true", {}, "min_ping_interval_s: "),
    ("front = 'rust'", {}, "front: "),
    ("tls_key = 'k'", {}, "tls_certificate and tls_key must both be set, or neither"),
    ("tls_certificate = 'c'", {}, "tls_certificate and tls_key must both be set, or neither"),
    ("tls_client_ca = 'a'", {}, "tls_client_ca needs tls_certificate and tls_key"),
    (
        "tls_certificate = 'c'\ntls_key = 'k'\nfront = 'native'",
        {},
        "front = 'native' does not support TLS: use front = 'grpc'",
    ),
]


@pytest.mark.parametrize(("text", "given", "sentence"), WRONG)
def test_a_wrong_setting_is_one_sentence_that_names_its_key(
    tmp_path: Path, text: str, given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError, match="^" + re.escape(sentence)) as raised:
        read_settings(config(tmp_path, text), repository=tmp_path, **given)
    assert "\n" not in str(raised.value)


def test_a_slip_of_the_pen_in_a_required_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^repositry: unknown key: did you mean repository\?$"):
        read_settings(config(tmp_path, "repositry = 'r'"))


def test_the_environment_is_text_whatever_the_key_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"REPOSITORY": "r", "GRPC_PORT": "5", "GRACE_S": "3", "LOG_KEEP_S": "2.5", "LOG_KEEP_BYTES": "7"}
    for key, text in given.items():
        monkeypatch.setenv(f"SCOREBRIDGE_{key}", text)
    monkeypatch.setenv("SCOREBRIDGE_FRONT", "grpc")
    monkeypatch.setenv("SCOREBRIDGE_LOG_MODEL_MESSAGES", "true")
    found = read_settings(None)
    assert (found.repository, found.grpc_port, found.grace_s) == (Path("r"), 5, 3.0)
    assert (found.log_keep_s, found.log_keep_bytes, found.front) == (2.5, 7, "grpc")
    assert found.log_model_messages is True


def test_a_wrong_variable_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOREBRIDGE_GRACE_S", "soon")
    with pytest.raises(ConfigError, match=r"^grace_s: "):
        read_settings(None, repository=Path("r"))


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(ConfigError, match=f"^there is no settings file {path}$"):
            read_settings(path, repository=tmp_path)
    broken = config(tmp_path, "host = ")
    with pytest.raises(ConfigError, match=f"^{broken}: "):
        read_settings(broken, repository=tmp_path)
    broken.write_bytes(b"# \xff")
    with pytest.raises(ConfigError, match=f"^{broken}: "):
        read_settings(broken, repository=tmp_path)


def test_the_cache_is_the_user_s_own_wherever_that_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "scorebridge"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache_dir() == tmp_path / "home" / ".cache" / "scorebridge"

    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    assert default_cache_dir().parent == Path(tempfile.gettempdir())
    assert GatewaySettings(repository=tmp_path).cache_dir == default_cache_dir()
