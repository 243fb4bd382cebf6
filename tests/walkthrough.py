"""A page of the documentation as its reader follows it: files written, commands and programs run, all as it says."""

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Block", "Walkthrough", "blocks"]

_FILE = re.compile(r"`([\w.]+\.(?:R|py|csv|toml))`")
_USUAL = ("127.0.0.1:8081", "127.0.0.1:8082")


@dataclass
class Block:
    """A fenced block, the line before it, and the indented lines after it, which show what is printed."""

    language: str
    text: str
    before: str
    shown: list[str] = field(default_factory=list)

    @property
    def file(self) -> str | None:
        """The file that the reader is told to put it into."""
        named = _FILE.search(self.before)
        return named.group(1) if named and self.language != "sh" else None


def blocks(page: Path) -> Iterator[Block]:
    """A page's fenced blocks, in their order."""
    fence: list[str] | None = None
    found, before = Block("", "", ""), ""
    for line in [*page.read_text(encoding="utf-8").splitlines(), "```"]:
        if fence is not None and line == "```":
            found = Block(fence[0], "".join(f"{text}\n" for text in fence[1:]), before)
            fence, before = None, ""
        elif fence is not None:
            fence.append(line)
        elif line.startswith("```"):
            if found.text:
                yield found
            fence = [line.removeprefix("```")]
        elif line.startswith("    "):
            found.shown.append(line.strip())
        elif line:
            before = line


class Walkthrough:
    """One reader, with one folder and one gateway at a time, whose ports are free ones instead of the usual.

    Args:
        folder: where the reader is; `cd` changes it.

    Attributes:
        deployed: the names of the models that were deployed for the gateway.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.deployed: set[str] = set()
        self._gateway: subprocess.Popen[str] | None = None
        self._ports = _USUAL

    @property
    def grpc(self) -> str:
        """Where the gateway listens."""
        return self._ports[0]

    def follow(self, block: Block) -> str:
        """Does what a block says; what that printed."""
        text = self._on_free_ports(block.text)
        if block.file is not None:
            (self.folder / block.file).write_text(text, encoding="utf-8")
            return ""
        if block.language == "python":
            return self.run("python", "-c", text)
        return "".join(self._command(line) for line in text.splitlines()) if block.language == "sh" else ""

    def run(self, *command: str, code: int = 0) -> str:
        """Runs a command to its end; what it printed."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | {"PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            encoding="utf-8",
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def end(self) -> None:
        """Ends the gateway, as Ctrl-C in its terminal does."""
        if self._gateway is not None:
            self._gateway.terminate()
            self._gateway.communicate()
        self._gateway, self._ports = None, _USUAL
        self.deployed.clear()

    def _command(self, line: str) -> str:
        if line.startswith("cd "):
            self.folder /= line.removeprefix("cd ")
            return ""
        if line.startswith("scorebridge serve"):
            return self._serve(line)
        if line.startswith("curl "):
            with urllib.request.urlopen(line.removeprefix("curl ")) as page:  # noqa: S310 - the gateway's own
                return str(page.read(), "utf-8")
        if line.startswith("scorebridge deploy "):
            self.deployed.add(line.partition(" --model ")[2])
        if line.startswith(("scorebridge models", "scorebridge score")):
            line += f" --url {self.grpc}"
        return self.run("bash", "-c", line)

    def _serve(self, line: str) -> str:
        command = [str(Path(sys.executable).with_name("scorebridge")), *line.split()[1:]]
        ports = {"SCOREBRIDGE_GRPC_PORT": "0", "SCOREBRIDGE_HTTP_PORT": "0"}
        self._gateway = subprocess.Popen(
            command,
            cwd=self.folder,
            env=os.environ | ports,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._gateway.stdout is not None
        ready = self._gateway.stdout.readline()
        assert ready.startswith("ready "), ready
        grpc, http = (part.partition("=")[2] for part in ready.split()[1:3])
        self._ports = (grpc, http)
        return ready.replace(grpc, _USUAL[0]).replace(http, _USUAL[1])

    def _on_free_ports(self, text: str) -> str:
        for usual, port in zip(_USUAL, self._ports, strict=True):
            text = text.replace(usual, port)
        return text
