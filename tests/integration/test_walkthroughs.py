"""The README and the quickstart, followed to the letter, one after the other in one folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures import ROOT
from waiting import eventually
from walkthrough import Block, Walkthrough, blocks

pytestmark = pytest.mark.timeout(600)  # they train, deploy and build, as slowly as the machine does

README, QUICKSTART = ROOT / "README.md", ROOT / "docs" / "quickstart.md"
HELLO = Path("clients") / "java" / "examples" / "Hello.java"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Walkthrough]:
    """Somebody in a checkout of their own."""
    for name in ("rscripts", "protos", "clients/java/src", "clients/java/examples"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "clients" / "java" / "pom.xml", tmp_path / "clients" / "java")
    reader = Walkthrough(tmp_path)
    yield reader
    reader.end()


async def followed(reader: Walkthrough, block: Block) -> None:
    """Does what a block says, and sees that it shows what it prints."""
    printed = reader.follow(block)
    if "scorebridge models" in block.text:
        # What was deployed beside a running gateway is there within a second or two.
        listing = Block("sh", "scorebridge models\n", "")
        await eventually(lambda: reader.follow(listing).count("ready (serves)") == len(reader.deployed), timeout_s=90)
    lines = printed.splitlines()
    for line in block.shown:
        # Within a millisecond it is chance whether the gateway still says it.
        assert line.strip() in [text.strip() for text in lines] or (
            line.replace("CLIENT_DEFAULT", "DEFAULT") in lines
        ), f"{line}\nis not in\n{printed}"


async def walk(reader: Walkthrough, page: Path) -> None:
    """Follows a page from its beginning to its end, without Java, and ends its gateway."""
    home = reader.folder
    for block in blocks(page):
        if "java" not in block.text and block.language in ("r", "sh", "python", "csv"):
            await followed(reader, block)
    reader.end()
    reader.folder = home


@pytest.mark.parametrize(
    "pages", [(README, QUICKSTART), (QUICKSTART, README)], ids=["README first", "quickstart first"]
)
async def test_one_after_the_other_in_one_folder(reader: Walkthrough, pages: tuple[Path, Path]) -> None:
    for page in pages:
        await walk(reader, page)
    for folder, more in ((reader.folder, ["progression"]), (reader.folder / "quickstart", [])):
        assert sorted(path.name for path in (folder / "models").iterdir()) == ["cancer", "diabetes", *more]
        assert (folder / "models" / "diabetes" / "1").is_dir()


@pytest.mark.parametrize("page", [README, QUICKSTART], ids=["README", "quickstart"])
def test_trained_a_second_time_r_says_what_to_do_and_python_writes_anew(reader: Walkthrough, page: Path) -> None:
    training = [block for block in blocks(page) if "write_bundle(" in block.text or "save_model" in block.text]
    training = [block for block in training if "scorebridge.write_bundle" not in block.text]
    if page == QUICKSTART:
        reader.follow(Block("sh", "mkdir -p quickstart\ncd quickstart\n", ""))
    for block in training:
        reader.follow(block)
    by_r, by_python = training
    again = ["python", by_python.file] if by_python.file else ["python", "-c", by_python.text]
    for _ in range(2):
        reader.run(*again)
    reader.run("Rscript", str(by_r.file))
    told = reader.run("Rscript", str(by_r.file), code=1)
    assert "diabetes exists and is not empty, and a bundle is never written over: remove it, or name another" in told
    reader.run("rm", "-r", "diabetes")
    reader.run("Rscript", str(by_r.file))


def test_the_readme_s_java_is_the_example() -> None:
    (program,) = [block.text for block in blocks(README) if block.language == "java"]
    assert program == (ROOT / HELLO).read_text()


def test_the_readme_s_dependency_is_the_client_s_own() -> None:
    (dependency,) = [block.text for block in blocks(README) if block.language == "xml"]
    pom = (ROOT / "clients" / "java" / "pom.xml").read_text()
    named = [line.strip() for line in dependency.splitlines() if line.startswith("  ")]
    assert [line.strip() for line in pom.splitlines() if line.strip() in named][:3] == named


async def test_the_readme_s_java_runs_with_a_gateway_and_without(reader: Walkthrough) -> None:
    found = list(blocks(README))
    for block in found:
        if (
            "cancer" not in block.text
            and "progression" not in block.text
            and block.language in ("r", "sh")
            and "java" not in block.text
        ):
            await followed(reader, block)
    (commands,) = [block for block in found if "java -cp" in block.text]
    reader.run("sed", "-i", f"s/127.0.0.1:8081/{reader.grpc}/", str(HELLO))
    assert reader.follow(commands).strip().endswith("MODEL 0.7059954452226251")
    reader.end()
    assert reader.run("bash", "-c", commands.text.splitlines()[-1]).strip() == "CLIENT_DEFAULT 0.5"
