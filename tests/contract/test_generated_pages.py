"""The generated parts of pages are what the code gives; every error has a remedy that fits its status."""

import re
from pathlib import Path

import grpc
import pytest

from bridge import errors, lookup_errors
from bridge.cli import page_errors, pages
from bridge.cli.page_errors import NoRemedy, errors_part
from bridge.cli.page_tables import table
from bridge.cli.pages import COMMAND, DOCS, PARTS, PartUnknown, renewed, stale_pages
from bridge.errors import BridgeError, DefaultReason
from bridge.remedies import REMEDIES
from bridge.services.status import code_of

MARK = re.compile(r"<!-- generated: (.*?) -->")
PAGES = sorted(DOCS.glob("*.md"))


def test_no_page_is_stale() -> None:
    assert not [path.name for path in stale_pages()], f"run `{COMMAND}` and look at what it changes"


def test_every_part_is_in_a_page() -> None:
    named = [name for path in PAGES for name in MARK.findall(path.read_text(encoding="utf-8"))]
    assert sorted(set(named)) == sorted(PARTS)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text("Before.\n\n<!-- generated: stores -->\nwhat was there\n<!-- end -->\n\nAfter.\n", encoding="utf-8")
    return path


def test_a_stale_page_is_found_and_its_prose_is_kept(page: Path) -> None:
    ((found, text),) = stale_pages(page.parent).items()
    assert found == page
    assert text.startswith("Before.\n\n<!-- generated: stores -->\n\n| key | type | default | meaning |\n")
    assert text.endswith(" |\n\n<!-- end -->\n\nAfter.\n")
    assert "what was there" not in text
    page.write_text(text, encoding="utf-8")
    assert stale_pages(page.parent) == {}


def test_the_command_writes_what_is_stale(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pages, "stale_pages", lambda: stale_pages(page.parent))
    pages.main()
    assert capsys.readouterr().out == "page.md\n"
    assert stale_pages(page.parent) == {}


def test_a_part_may_hold_what_a_replacement_would_take_for_its_own() -> None:
    text = "<!-- generated: one -->\n<!-- end -->\n"
    assert r"\1 \g<0> \n" in renewed(text, {"one": lambda: r"\1 \g<0> \n"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!-- generated: colours -->\n<!-- end -->\n", "there is no generated part 'colours': it is one of errors, "),
        ("<!-- generated: stores -->\n", "has no <!-- end --> on a later line"),
        ("<!-- end -->\n", "or the reverse"),
        ("<!-- generated: stores -->\n<!-- generated: stores -->\n<!-- end -->\n", "has no <!-- end -->"),
    ],
)
def test_a_mark_that_says_nothing_is_refused(page: Path, text: str, said: str) -> None:
    page.write_text(text, encoding="utf-8")
    with pytest.raises(PartUnknown, match=f"^page.md: .*{said}"):
        stale_pages(page.parent)


def test_a_table_has_as_many_cells_as_heads_and_no_bar_in_them() -> None:
    assert table(("a", "b"), [("x|y", "")]) == "| a | b |\n|---|---|\n| x\\|y | |"
    with pytest.raises(ValueError, match="a row of 1 cells in a table of 2 columns"):
        table(("a", "b"), [("x",)])


KINDS = [
    kind
    for module in (errors, lookup_errors)
    for name in module.__all__
    if isinstance(kind := getattr(module, name), type) and issubclass(kind, BridgeError)
]


def test_every_error_is_on_the_page_but_those_that_nothing_raises() -> None:
    named = set(re.findall(r"^\| `\w+` \((\w+)\)", errors_part(), re.MULTILINE))
    absent = {kind.__name__ for kind in KINDS} - named
    assert absent == {"BridgeError", "CallerError", "CapacityError", "BackendError", "LookupFailed"}
    raised = "\n".join(path.read_text(encoding="utf-8") for path in DOCS.parent.joinpath("bridge").rglob("*.py"))
    assert re.findall(rf"raise (?:errors\.)?({'|'.join(sorted(absent))})\(", raised) == []


def test_every_default_reason_is_on_the_page() -> None:
    assert [reason for reason in DefaultReason if f"`{reason}`" not in errors_part()] == []


@pytest.mark.parametrize("kind", REMEDIES, ids=lambda kind: kind.__name__)
def test_a_remedy_agrees_with_the_status(kind: type[BridgeError]) -> None:
    again, text = REMEDIES[kind]
    code = code_of(kind("it failed"))
    assert text.endswith(".")
    if code is grpc.StatusCode.UNAVAILABLE:  # which clients try again by themselves
        assert again.startswith("yes")
    if code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        assert again == "no"


def test_remedies_are_of_errors_that_there_are() -> None:
    assert set(REMEDIES) <= set(KINDS)


def test_an_error_without_a_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_errors, "REMEDIES", {})
    with pytest.raises(NoRemedy, match=r"^InvalidRequest has no entry in bridge/remedies.py$"):
        errors_part()
