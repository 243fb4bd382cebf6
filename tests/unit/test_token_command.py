"""`scorebridge token`: a token, and the lines by which a gateway knows it."""

import hashlib
import os
import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.callers.access import Access
from bridge.callers.caller import Credentials
from bridge.cli.app import app


@pytest.mark.parametrize("name", ["billing", "risk.desk", "a-b_c", "7", "A" * 64])
def test_the_lines_alone_go_to_standard_output_and_make_the_token_known(tmp_path: Path, name: str) -> None:
    done = CliRunner().invoke(app, ["token", name])
    assert done.exit_code == 0
    token = done.stderr.rstrip("\n")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    digest = hashlib.sha256(token.encode()).hexdigest()
    assert tomllib.loads(done.stdout) == {"callers": {name: {"token_sha256": digest}}}
    assert token not in done.stdout
    callers = tmp_path / "callers.toml"
    callers.write_text(done.stdout)
    found = Access(callers).identify(Credentials((f"Bearer {token}",), (), encrypted=True, peer="ipv4:10.0.0.7:5"))
    assert (found.name, found.role) == (name, "score")


def test_no_two_tokens_are_the_same() -> None:
    assert len({CliRunner().invoke(app, ["token", "a"]).stderr for _ in range(20)}) == 20


def test_a_token_in_a_file_is_its_owner_s_and_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "token"
    umask = os.umask(0)
    try:
        done = CliRunner().invoke(app, ["token", "billing", "--token-file", str(path)])
    finally:
        os.umask(umask)
    assert (done.exit_code, done.stderr) == (0, "")
    assert path.stat().st_mode & 0o777 == 0o600
    assert hashlib.sha256(path.read_bytes().rstrip(b"\n")).hexdigest() in done.stdout
    assert path.read_text().strip() not in done.output


@pytest.mark.parametrize("kind", ["a file", "an empty file", "a broken link", "a folder"])
def test_what_is_there_is_never_written_over(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "token"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a broken link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_text("mine" if kind == "a file" else "")
    done = CliRunner().invoke(app, ["token", "billing", "--token-file", str(path)])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"{path} exists already, and a token is never written over: name another file\n"
    assert [one.name for one in tmp_path.iterdir()] == ["token"]
    if path.is_file():
        assert path.read_text() == ("mine" if kind == "a file" else "")


@pytest.mark.parametrize("name", ["", "a b", "ü", "a\n[callers.b]", 'a"b', ".a", "A" * 65, "a/b"])
def test_a_name_that_callers_toml_does_not_take_is_refused(name: str) -> None:
    done = CliRunner().invoke(app, ["token", name])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("a caller's name has 1 to 64 of letters")
    assert len(done.stderr.splitlines()) == 1
