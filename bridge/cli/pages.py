"""Writes the parts of the pages in docs/ that are made from the code: `python -m bridge.cli.pages`."""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bridge.cli.page_errors import errors_part
from bridge.cli.page_settings import model_settings_part, settings_part, stores_part
from bridge.gateway.event_table import events_part, fields_part
from bridge.gateway.metric_page import metrics_part

__all__ = ["COMMAND", "DOCS", "PARTS", "PartUnknown", "main", "renewed", "stale_pages"]

COMMAND = "python -m bridge.cli.pages"
DOCS = Path(__file__).parents[2] / "docs"

# The parts by the names that pages call them by: <!-- generated: NAME --> and <!-- end --> stand around each.
PARTS: Mapping[str, Callable[[], str]] = {
    "errors": errors_part,
    "events": events_part,
    "fields": fields_part,
    "metrics": metrics_part,
    "model-settings": model_settings_part,
    "settings": settings_part,
    "stores": stores_part,
}

_PART = re.compile(r"(<!-- generated: ([^\n]*?) -->\n).*?(<!-- end -->\n)", re.DOTALL)
_MARK = re.compile(r"<!-- (generated: [^\n]*?|end) -->")


class PartUnknown(ValueError):
    """A page has a mark of a part that nothing makes, or a mark without its other half."""


def renewed(text: str, parts: Mapping[str, Callable[[], str]] = PARTS) -> str:
    """Returns the text of a page with its generated parts made anew; what stands around them stays.

    Args:
        text: the text of the page.
        parts: the functions that return the parts, by name.

    Raises:
        PartUnknown: a mark names a part that there is not, or lacks its other half.
    """

    def made(found: re.Match[str]) -> str:
        if found[2] not in parts:
            raise PartUnknown(f"there is no generated part '{found[2]}': it is one of {', '.join(sorted(parts))}")
        return f"{found[1]}\n{parts[found[2]]().strip()}\n\n{found[3]}"

    new = _PART.sub(made, text)
    if len(_MARK.findall(text)) != 2 * len(_PART.findall(text)):
        raise PartUnknown("a mark <!-- generated: NAME --> has no <!-- end --> on a later line, or the reverse")
    return new


def stale_pages(folder: Path = DOCS) -> dict[Path, str]:
    """Returns the pages of a folder whose generated parts are not what the code gives, each with its new text.

    Raises:
        PartUnknown: a mark of a page names a part that there is not, or lacks its other half.
    """
    found = {}
    for path in sorted(folder.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        try:
            new = renewed(text)
        except PartUnknown as error:
            raise PartUnknown(f"{path.name}: {error}") from error
        if new != text:
            found[path] = new
    return found


def main() -> None:
    """Writes the stale pages of docs/, and prints their names."""
    for path, text in stale_pages().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.name}\n")


if __name__ == "__main__":
    main()
