"""`scorebridge r-library`: the line it prints gives R `write_bundle`, wherever the gateway's files lie."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from fixtures import ROOT

from bridge.cli.r_library import install_line, source_line

FOLDERS = [
    "plain",
    "two words",
    'a "quote"',
    "it's",
    "back\\slash\\n",
    "$HOME `id` $(id)",
    "größe 中文",
    "tab\tand\nline",
    "100%25",
    "a~+~b",
    "(a) [b] {c} *? #",
]
# R's own installer fails in a folder with a backslash, a tab, a line end or a star in its name.
INSTALLABLE = ["plain", "two words", 'it\'s "$HOME"', "größe 中文"]


def r_sources(folder: Path) -> Path:
    """A copy of the R side in a folder."""
    return shutil.copytree(ROOT / "rscripts", folder / "rscripts")


def printed_by(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command, cwd="/", env=os.environ | environment, capture_output=True, text=True, check=False, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("name", FOLDERS)
def test_the_line_gives_write_bundle_after_an_e_and_in_a_file(tmp_path: Path, name: str, locale: str) -> None:
    line = source_line(r_sources(tmp_path / name))
    assert line.splitlines() == [line]
    script = tmp_path / "pasted.R"
    script.write_text(f"{line}\ncat(ls())\n", encoding="utf-8")
    for command in (["-e", line, "-e", "cat(ls())"], [str(script)]):
        assert printed_by(["Rscript", "--vanilla", *command], LC_ALL=locale) == "write_bundle"


@pytest.mark.parametrize("name", INSTALLABLE)
def test_the_command_installs_the_package(tmp_path: Path, name: str) -> None:
    library = tmp_path / "library"
    library.mkdir()
    line = install_line(r_sources(tmp_path / name))
    printed_by(["sh", "-c", line], R_LIBS=str(library))
    assert (library / "scorebridge" / "NAMESPACE").read_text().strip() == "export(write_bundle)"


@pytest.fixture(params=["checkout", "wheel"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What Python imports `bridge` from: a checkout, or the folder that a wheel of it is unpacked into."""
    if request.param == "checkout":
        return ROOT
    site = tmp_path / "site packages"
    shutil.copytree(ROOT / "bridge", site / "bridge")
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for source, target in wheel["force-include"].items():
        shutil.copytree(ROOT / source, site / target)
    return site


@pytest.mark.parametrize("options", [[], ["--install"]])
def test_the_command_line_prints_one_line_and_no_more(program: Path, options: list[str]) -> None:
    path = os.pathsep.join([str(program), str(ROOT / "clients" / "python")])
    said = printed_by([sys.executable, "-m", "bridge", "r-library", *options], PYTHONPATH=path)
    folder = program / "rscripts" if program == ROOT else program / "bridge" / "rscripts"
    assert said == (install_line(folder) if options else source_line(folder)) + "\n"
    assert (folder / "bundle.R").is_file()


def test_a_shell_hands_the_line_to_r(tmp_path: Path) -> None:
    code = 'k <- 2; write_bundle("bundle", k, Pred.R = function(x) k * x, golden = data.frame(x = 1), row_wise = TRUE)'
    shell = f"cd {tmp_path} && Rscript --vanilla -e \"$({sys.executable} -m bridge r-library)\" -e '{code}'"
    printed_by(["sh", "-c", shell], PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")]))
    assert sorted(path.name for path in (tmp_path / "bundle").iterdir()) == [
        "Pred.R",
        "golden.csv",
        "model.RData",
        "model.toml",
    ]
