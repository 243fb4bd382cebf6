"""Where each setting comes from: the command line, the environment or the file, also within a store's section."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from bridge.config import ConfigError, GatewaySettings, read_settings
from bridge.config_sources import Source, SourceNotReadable, Told, tell


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("SCOREBRIDGE_"):
            monkeypatch.delenv(name)


def told(tmp_path: Path, text: str, **given: Any) -> Told:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return tell(GatewaySettings, path, given)


def test_each_key_has_the_first_source_that_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOREBRIDGE_HOST", "environment")
    monkeypatch.setenv("SCOREBRIDGE_GRPC_PORT", "2")
    found = told(tmp_path, "host = 'file'\ngrpc_port = 1\ngrace_s = 1.0", grpc_port=3, http_port=None)
    assert found.values == {"host": "environment", "grpc_port": 3, "grace_s": 1.0}
    assert found.sources == {
        "host": Source("environment", "SCOREBRIDGE_HOST"),
        "grpc_port": Source("command line", "--grpc-port"),
        "grace_s": Source("file", str(tmp_path / "gateway.toml")),
    }


def test_a_variable_is_named_as_the_environment_spells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("scorebridge_Host", "h")
    assert told(tmp_path, "").sources == {"host": Source("environment", "scorebridge_Host")}


def test_a_store_may_have_keys_of_the_file_and_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCOREBRIDGE_STORES", '{"features": {"url": "redis://there/0"}}')
    found = told(tmp_path, "[stores.features]\nurl = 'redis://here/0'\nfailures = 7\n[stores.other]\nurl = 'memory:f'")
    assert found.values["stores"] == {
        "features": {"url": "redis://there/0", "failures": 7},
        "other": {"url": "memory:f"},
    }
    kinds = {key: source.kind for key, source in found.sources.items()}
    assert kinds == {
        "stores.features.url": "environment",
        "stores.features.failures": "file",
        "stores.other.url": "file",
    }
    monkeypatch.setenv("SCOREBRIDGE_REPOSITORY", "r")
    settings = read_settings(tmp_path / "gateway.toml")
    assert (settings.stores["features"].url, settings.stores["features"].failures) == ("redis://there/0", 7)


def test_without_any_source_nothing_is_said() -> None:
    assert tell(GatewaySettings, None, {"host": None}) == Told({}, {})


@pytest.mark.parametrize("text", ["{secret", "secret"])
def test_a_variable_that_is_no_json_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SCOREBRIDGE_STORES", text)
    with pytest.raises(ConfigError, match=r"^SCOREBRIDGE_STORES is not JSON: give a table of sections, or use"):
        read_settings(None, repository=Path("r"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"host = ", "{path}: Invalid value (at end of document)"),
        (b"# \xff", "{path}: it is not UTF-8"),
        (b"#" * (4 << 20) + b"\n", "{path}: it is larger than 4194304 bytes"),
        (None, "there is no settings file {path}"),
    ],
)
def test_a_file_that_is_no_settings_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "gateway.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceNotReadable, match="^" + re.escape(said.format(path=path)) + "$"):
        tell(GatewaySettings, path, {})


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(b"host = 'h'\n" + b"#" * ((4 << 20) - 11))
    assert tell(GatewaySettings, path, {}).values == {"host": "h"}


def test_settings_made_by_code_have_no_other_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOREBRIDGE_HOST", "environment")
    assert GatewaySettings(repository=Path("r")).host == "127.0.0.1"
