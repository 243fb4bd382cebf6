"""Text that others made, such as a model's messages, in lines that people read."""

__all__ = ["brief", "printable", "shortened"]


def printable(text: str) -> str:
    """Spells out what could move a terminal's cursor, begin a line or change the order of its text."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def shortened(text: str, most: int) -> str:
    """At most so many characters of a text, and how many it has where that is not all."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


def brief(text: str, most: int) -> str:
    """A text of any length and content on one line: at most so many characters, spelled out, and how many it has."""
    spelled = printable(text[: most + 1])  # what is behind them is not worth the time
    return spelled if len(spelled) <= most else f"{spelled[:most]}... ({len(text)} characters)"
