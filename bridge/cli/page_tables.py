"""Tables of Markdown for the generated parts of pages."""

from collections.abc import Iterable, Sequence

__all__ = ["capitalised", "code", "table"]

_BEGINNINGS = ('"', "[", "{", "-", *"0123456789")  # of values


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table.

    Args:
        heads: the heads of its columns.
        rows: the cells of each row, as many as there are heads; a bar in one is escaped.
    """
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for row in rows:
        if len(row) != len(heads):
            raise ValueError(f"a row of {len(row)} cells in a table of {len(heads)} columns")
        cells = (cell.replace("|", "\\|") for cell in row)
        lines.append(" ".join(f"| {cell}" if cell else "|" for cell in cells) + " |")
    return "\n".join(lines)


def code(text: str) -> str:
    """Returns a value, as TOML has it, in the type of code; anything else stays as it is."""
    return f"`{text}`" if text in {"true", "false"} or text[:1] in _BEGINNINGS else text


def capitalised(text: str) -> str:
    """Returns a text whose first letter is a capital one."""
    return text[:1].upper() + text[1:]
