"""The lines of a text file: decoded piece by piece, of bounded length, and told where they can't be."""

import codecs
import re
from collections.abc import Iterable, Iterator

__all__ = ["LONGEST_LINE", "TextError", "read_lines"]

LONGEST_LINE = 4 << 20  # characters; a row of so many would be no message to a gateway either

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_MARK = "\ufeff"
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MARKED = ("utf-16", "utf-32")  # their own decoders ask for a mark; not so those that are named with a byte order
_IDEOGRAPHS = ("\u4e00", "\u9fff")
_KANA = ("\u3040", "\u30ff")


class TextError(ValueError):
    """Bytes are no text in their encoding, or a line is too long; the sentence names the line, never the content.

    Attributes:
        remedy: what to say or do; empty if nothing comes to mind.
    """

    def __init__(self, sentence: str, remedy: str = "") -> None:
        super().__init__(sentence)
        self.remedy = remedy

    def in_full(self) -> str:
        """The sentence, and what to do behind it."""
        return f"{self}; {self.remedy}" if self.remedy else str(self)


def read_lines(pieces: Iterable[bytes], encoding: str) -> Iterator[str]:
    """The lines of a text with their ends, which are LF, CRLF or CR; nothing else ends a line.

    Args:
        pieces: the bytes, cut anywhere.
        encoding: of Python's; one byte order mark at the beginning is passed over.

    Raises:
        TextError: see there; what came before was given.
    """
    decoder, rest, number, begun = codecs.getincrementaldecoder(encoding)(), "", 0, False
    for piece, last in _with_last(pieces):
        state = decoder.getstate()
        try:
            text = decoder.decode(piece, last)
            text.encode()  # halves of surrogate pairs, of which utf-7 and escapes are able, are no text
        except UnicodeError as error:
            decoder.setstate(state)
            raise _undecodable(decoder, error, rest, number, encoding) from None  # its own holds the bytes
        if text and not begun:
            text, begun = text.removeprefix(_MARK), True
        lines = _LINE.findall(rest + text)
        # The last may go on in the next piece, and a CR may be the half of a line's end.
        rest = lines.pop() if lines and not last and not lines[-1].endswith("\n") else ""
        if len(rest) > LONGEST_LINE:
            raise TextError(f"line {number + len(lines) + 1} is longer than {LONGEST_LINE} characters")
        number += len(lines)
        yield from lines


def _with_last(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    for piece in pieces:
        yield piece, False
    yield b"", True


def _undecodable(
    decoder: codecs.IncrementalDecoder, error: UnicodeError, rest: str, number: int, encoding: str
) -> TextError:
    try:
        read, end = (error.object, error.start) if isinstance(error, UnicodeDecodeError) else (b"", 0)
        good = decoder.decode(read[len(decoder.getstate()[0]) : end])
    except UnicodeError:
        read = b""  # what is before the place is no such text either: there is no mark that says the order of its bytes
    if not read:
        which = " or ".join(f"--encoding {encoding}-{order}" for order in ("le", "be"))
        wide = codecs.lookup(encoding).name in _MARKED
        return TextError(
            f"line {number + 1} is not {encoding}", f"without a byte order mark, say {which}" if wide else ""
        )
    line = number + len(_LINE.findall(rest + good + "?"))
    likely = _likely(read, encoding)
    remedy = f"it may be {likely}: then say --encoding {likely}" if likely else "say what it is with --encoding"
    return TextError(f"line {line} is not {encoding}", remedy)


def _likely(sample: bytes, tried: str) -> str:
    """An encoding in which these bytes are a text that people write; empty if none comes to mind."""
    tried = codecs.lookup(tried).name
    if sample.startswith(_UTF_16_MARKS):
        return "utf-16" if tried != "utf-16" else ""
    if 4 * sample.count(0) > len(sample):  # most of what people write has signs of ASCII
        return "utf-16-be" if sample[::2].count(0) > sample[1::2].count(0) else "utf-16-le"
    for encoding, ranges in (("utf-8", ()), ("cp932", (_KANA,)), ("gbk", (_IDEOGRAPHS,)), ("cp1252", ())):
        if codecs.lookup(encoding).name == tried:
            continue
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(sample)
        except UnicodeDecodeError:
            continue
        if all(_mostly(text, first, last) for first, last in ranges) and (encoding != "gbk" or _in_pairs(sample)):
            return encoding
    return ""


def _mostly(text: str, first: str, last: str) -> bool:
    """At least a third of what is not ASCII is between two characters: beside kana there are other signs."""
    beyond = [one for one in text if not one.isascii()]
    return 3 * sum(first <= one <= last for one in beyond) >= len(beyond) > 0


def _in_pairs(sample: bytes) -> bool:
    """Bytes beyond ASCII stand side by side, two for a character; in a western text they mostly stand alone."""
    runs = re.findall(rb"[\x80-\xff]+", sample)
    return sum(map(len, runs)) >= 2 * len(runs)
