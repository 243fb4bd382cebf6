"""Makes text from strangers, such as a model's messages, safe and short enough for a line that people read."""

__all__ = ["brief", "printable", "shortened"]


def printable(text: str) -> str:
    """Returns a text with escapes for all that could move a terminal's cursor, begin a line or reorder its text."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def shortened(text: str, most: int) -> str:
    """Returns a text of up to `most` characters unchanged; of a longer one, the first `most` and its length."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


def brief(text: str, most: int) -> str:
    """Returns any text on one line: escaped as `printable` does, at most `most` characters, then its length if cut."""
    spelled = printable(text[: most + 1])  # only what is shown is escaped, as texts may be very long
    return spelled if len(spelled) <= most else f"{spelled[:most]}... ({len(text)} characters)"
