"""The steps to TLS, certificates and tokens in docs/security.md, followed to the letter."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from fixtures import ROOT, put
from patients import PATIENTS, make_diabetes
from walkthrough import Block, blocks

HEADING = "## TLS, certificates and tokens, step by step\n"
USUAL = ("localhost:8081", "localhost:8082")
BIN = Path(sys.executable).parent


@dataclass
class Operator:
    """Somebody who follows the steps in a folder; the ports are free ones instead of the usual.

    Attributes:
        folder: where the steps are followed.
        exported: the variables that were exported.
        printed: what each block printed.
    """

    folder: Path
    exported: dict[str, str] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)
    _gateway: subprocess.Popen[str] | None = None
    _ports: tuple[str, ...] = USUAL

    def follow(self, block: Block) -> None:
        """Does what a block says, and keeps what it printed."""
        text = self.on_free_ports(block.text)
        if block.file is not None:
            (self.folder / block.file).write_text(text)
        elif text.startswith("scorebridge serve"):
            self._serve(text.split())
        elif block.language == "python":
            self.printed.append(self.run(sys.executable, "-c", text).stdout)
        else:
            done = self.run("bash", "-euc", f"{text}\nenv -0 > ../environment")
            assert done.returncode == 0, done.stdout + done.stderr
            after = (self.folder.parent / "environment").read_text().split("\0")
            self.exported |= dict(one.split("=", 1) for one in after if one.startswith("SCOREBRIDGE_"))
            self.printed.append(done.stdout)

    def run(self, *command: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """Runs a command with what was exported; empty `changed` variables are not set."""
        variables = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"} | self.exported | changed
        given = {name: text for name, text in variables.items() if text}
        return subprocess.run(command, cwd=self.folder, env=given, capture_output=True, text=True, check=False)

    def on_free_ports(self, text: str) -> str:
        """The text with the ports that the gateway really has."""
        for usual, port in zip(USUAL, self._ports, strict=True):
            text = text.replace(usual, port)
        return text

    def end(self) -> None:
        """Ends the gateway, as Ctrl-C in its terminal does."""
        if self._gateway is not None:
            self._gateway.terminate()
            self._gateway.communicate()

    def _serve(self, command: list[str]) -> None:
        self._gateway = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]],
            cwd=self.folder,
            env=os.environ | {"SCOREBRIDGE_GRPC_PORT": "0", "SCOREBRIDGE_HTTP_PORT": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._gateway.stdout is not None
        ready = self._gateway.stdout.readline()
        self._ports = tuple(f"localhost:{port}" for port in re.findall(r"=0\.0\.0\.0:(\d+)", ready))
        assert len(self._ports) == len(USUAL), ready


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[Block]:
    """The blocks of the section."""
    section = tmp_path_factory.mktemp("page") / "section.md"
    _, _, rest = (ROOT / "docs" / "security.md").read_text().partition(HEADING)
    section.write_text(rest.partition("\n## ")[0])
    return list(blocks(section))


@pytest.fixture(scope="module")
def score() -> list[float]:
    """Filled with what the model gives for the first patient, who is the one of the page."""
    return []


@pytest.fixture(scope="module")
def operator(steps: list[Block], score: list[float], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Who has followed all steps but the last, which asks over HTTP; the model was deployed before."""
    folder = tmp_path_factory.mktemp("operator") / "empty"
    folder.mkdir()
    score += make_diabetes(folder.parent / "bundle")
    operator = Operator(folder)
    put(folder.parent / "bundle", folder / "models", "diabetes")
    try:
        for block in steps:
            if not block.text.startswith("curl"):
                operator.follow(block)
        yield operator
    finally:
        operator.end()


def test_the_command_line_and_the_python_client_get_the_score(operator: Operator, score: list[float]) -> None:
    listed, scored = operator.printed[-2:]
    assert listed.splitlines()[1].split()[:4] == ["diabetes", "1", "ready", "(serves)"]
    source, text = scored.split()
    assert (source, np.float32(text)) == ("MODEL", np.float32(score[0]))


def test_curl_gets_the_score(operator: Operator, steps: list[Block], score: list[float]) -> None:
    (asking,) = [block.text for block in steps if block.text.startswith("curl")]
    done = operator.run("bash", "-euc", operator.on_free_ports(asking))
    (found,) = json.loads(done.stdout)["scores"]["score"]
    assert np.float32(found) == np.float32(score[0])


def test_what_must_be_secret_is_its_owner_s_alone(operator: Operator) -> None:
    made = [operator.folder / "callers.toml", *(operator.folder / "tls").iterdir()]
    assert len(made) == 10
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in made} == {path.name: "0o600" for path in made}


def test_what_the_page_shows_of_callers_toml_is_what_is_in_it(operator: Operator, steps: list[Block]) -> None:
    (shown,) = [block.shown for block in steps if "umask" in block.text]
    written = (operator.folder / "callers.toml").read_text()
    assert re.sub(r'sha256 = ".{64}"', 'sha256 = "..."', written).split("\n")[:-1] == shown


WITHOUT = [
    ({"SCOREBRIDGE_TOKEN_FILE": ""}, "UNAUTHENTICATED"),
    ({"SCOREBRIDGE_TOKEN_FILE": "other.token"}, "UNAUTHENTICATED"),
    ({"SCOREBRIDGE_CLIENT_CERT": "", "SCOREBRIDGE_CLIENT_KEY": ""}, ""),
    ({"SCOREBRIDGE_CLIENT_CERT": "tls/gateway.pem", "SCOREBRIDGE_CLIENT_KEY": "tls/gateway.key"}, ""),
    ({"SCOREBRIDGE_TLS_CA": "tls/shop.pem"}, ""),
]


@pytest.mark.parametrize(("changed", "reason"), WITHOUT)
def test_with_one_thing_missing_or_another_s_nobody_scores(
    operator: Operator, steps: list[Block], changed: dict[str, str], reason: str
) -> None:
    (operator.folder / "other.token").write_text("not-the-token-of-anybody\n")
    (program,) = [block.text for block in steps if block.language == "python"]
    done = operator.run(sys.executable, "-c", program, **changed)
    assert (done.returncode, done.stdout) == (1, "")
    assert reason in done.stderr


@pytest.mark.parametrize(
    "left_out", ["--cert tls/shop.pem --key tls/shop.key", '--header "authorization: Bearer $(cat tls/shop.token)"']
)
def test_curl_with_one_thing_missing_gets_no_score(operator: Operator, steps: list[Block], left_out: str) -> None:
    (asking,) = [block.text for block in steps if block.text.startswith("curl")]
    assert left_out in asking
    done = operator.run("bash", "-uc", operator.on_free_ports(asking).replace(left_out, ""))
    assert "scores" not in done.stdout
    assert done.returncode != 0 or json.loads(done.stdout)["status"] == 401


def test_patients_of_the_page_are_those_of_the_model(steps: list[Block]) -> None:
    for block in steps[-2:]:
        assert all(str(number) in block.text for number in PATIENTS[0].values())
