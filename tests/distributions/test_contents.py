"""What is distributed is what is named, whatever lies beside it: people train and serve in a checkout."""

import email
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from distributions.environments import CLIENT, build
from fixtures import ROOT

MADE = [
    "train.R",
    "train.py",
    "score.py",
    "diabetes/model.RData",
    "diabetes/golden.csv",
    "cancer/model.ubj",
    "models/diabetes/1/model.RData",
    "patients.csv",
    "scored.csv",
    "log/00000000000000000000.sblog",
    "out/risk/3.parquet",
    "gateway.toml",
    "model.ubj",
]
UNSAID = [
    "notes.txt",
    "rows.parquet",
    "clients/python/rows.csv",
    "clients/python/models/1/model.RData",
    "secret/key.pem",
]
TOP = {
    "gateway": [
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "bridge",
        "docs",
        "pyproject.toml",
        "rscripts",
    ],
    "client": [".gitignore", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "scorebridge"],
}
PROJECTS = {"gateway": Path(), "client": CLIENT.relative_to(ROOT)}


def tracked(folder: Path) -> set[str]:
    """What git knows of a folder, or would with the next commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    return {name for name in listed.split("\0") if (folder / name).is_file()}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree in which somebody has followed the README, and left other things too."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in tracked(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    for name in MADE + UNSAID:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("a patient's row")
    return folder


@pytest.fixture(params=PROJECTS)
def package(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sdist(checkout: Path, package: str, tmp_path: Path) -> Path:
    """Unpacked."""
    archive = build("sdist", checkout / PROJECTS[package], tmp_path / "sdist")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path / "unpacked", filter="data")
    [folder] = (tmp_path / "unpacked").iterdir()
    return folder


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def wheel(project: Path, target: Path) -> dict[str, bytes]:
    """Its files."""
    with zipfile.ZipFile(build("wheel", project, target)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_an_sdist_has_exactly_what_is_named(package: str, sdist: Path) -> None:
    assert sorted(path.name for path in sdist.iterdir()) == TOP[package]
    known = {name for name in tracked(ROOT / PROJECTS[package]) if name.split("/")[0] in TOP[package]}
    assert files(sdist) - {"PKG-INFO", ".gitignore"} == known - {".gitignore"}


def test_a_wheel_made_from_the_sdist_is_the_one_made_from_the_tree(
    package: str, checkout: Path, sdist: Path, tmp_path: Path
) -> None:
    project = checkout / PROJECTS[package]
    assert wheel(sdist, tmp_path / "from-sdist") == wheel(project, tmp_path / "from-tree")


def test_a_wheel_has_the_licence_the_types_and_nothing_of_anybodys(
    package: str, checkout: Path, tmp_path: Path
) -> None:
    found = wheel(checkout / PROJECTS[package], tmp_path / "wheel")
    [described] = {name.split("/")[0] for name in found if ".dist-info/" in name}
    root = {"gateway": "bridge", "client": "scorebridge"}[package]
    assert {name.split("/")[0] for name in found} == {described, root}
    assert found[f"{described}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert f"{root}/py.typed" in found
    code = {name for name in found if name.startswith(f"{root}/") and not name.startswith("bridge/rscripts/")}
    assert code == {name for name in tracked(ROOT / PROJECTS[package]) if name.startswith(f"{root}/")}


def test_the_gateways_wheel_has_the_r_scripts(checkout: Path, tmp_path: Path) -> None:
    found = {name for name in wheel(checkout, tmp_path / "wheel") if name.startswith("bridge/rscripts/")}
    assert found == {f"bridge/{name}" for name in tracked(ROOT) if name.startswith("rscripts/")}
    assert "bridge/rscripts/bundle.R" in found


def test_what_the_documentation_makes_is_not_taken_for_something_to_commit(checkout: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=checkout, check=True)
    try:
        assert tracked(checkout).isdisjoint(MADE)
        assert tracked(checkout) >= {*UNSAID, "bridge/py.typed"}
    finally:
        shutil.rmtree(checkout / ".git")


def test_a_package_says_its_licence_where_it_comes_from_and_what_it_is(package: str, sdist: Path) -> None:
    said = email.message_from_string((sdist / "PKG-INFO").read_text())
    assert said["License-Expression"] == "Apache-2.0"
    assert said["License-File"] == "LICENSE"
    assert not [line for line in said.get_all("Classifier", []) if line.startswith("License ::")]
    assert "Source, https://github.com/scorebridge/scorebridge" in said.get_all("Project-URL", [])
    assert said["Description-Content-Type"] == "text/markdown"
    assert said.get_payload() == (ROOT / PROJECTS[package] / "README.md").read_text()
    assert (sdist / "LICENSE").read_text().split() == (ROOT / "LICENSE").read_text().split()
