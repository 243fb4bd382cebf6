"""Every page's links to files lead to a file that is there."""

import re
from pathlib import Path

import pytest
from fixtures import ROOT

PAGES = sorted(
    path
    for folder in ("docs", "examples", "clients")
    for path in (ROOT / folder).rglob("*.md")
    if not {"target", "node_modules"} & set(path.parts)
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)|\]\(#([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The names of a page's headings in links to it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    broken = []
    for path, of_file, here in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in path or path.startswith("mailto:"):
            continue
        target, anchor = (page.parent / path if path else page), of_file or here
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(f"{path}#{anchor}")
    assert not broken
