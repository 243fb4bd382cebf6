"""Reads the lines of a text file: decodes it part by part, bounds the length of lines, and names lines in errors."""

import codecs
import re
from collections.abc import Iterable, Iterator
from io import StringIO

__all__ = ["LONGEST_LINE", "TextError", "read_lines"]

LONGEST_LINE = 4 << 20  # characters; a longer row would not fit into a message to a gateway either

_MARK = "\ufeff"
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MARKED = ("utf-16", "utf-32")  # these need a byte order mark; their forms with -le and -be don't
_IDEOGRAPHS = ("\u4e00", "\u9fff")
_KANA = ("\u3040", "\u30ff")


class TextError(ValueError):
    """Bytes are not text in their encoding, or a line is too long; the message names the line, never the content.

    Attributes:
        remedy: what the user can do about it; empty if that is not known.
    """

    def __init__(self, sentence: str, remedy: str = "") -> None:
        super().__init__(sentence)
        self.remedy = remedy

    def in_full(self) -> str:
        """Returns the message followed by the remedy, if there is one."""
        return f"{self}; {self.remedy}" if self.remedy else str(self)


def read_lines(pieces: Iterable[bytes], encoding: str) -> Iterator[str]:
    """Yields the lines of a text with their ends, which are LF, CRLF or CR; no other character ends a line.

    Args:
        pieces: the bytes of the text, cut at any places.
        encoding: an encoding that Python knows; a byte order mark at the beginning is ignored.

    Raises:
        TextError: bytes are not text in the encoding, or a line is too long; the lines before were yielded.
    """
    decoder, rest, number, begun = codecs.getincrementaldecoder(encoding)(), "", 0, False
    for piece, last in _with_last(pieces):
        state = decoder.getstate()
        try:
            text = decoder.decode(piece, last)
            text.encode()  # refuses single halves of surrogate pairs, which utf-7 and escapes can produce
        except UnicodeError as error:
            decoder.setstate(state)
            raise _undecodable(decoder, error, rest, number, encoding) from None  # the codec's error holds the bytes
        if text and not begun:
            text, begun = text.removeprefix(_MARK), True
        lines = _split(rest + text)
        # The last line may go on in the next piece, and a CR at its end may be the first half of a CRLF.
        rest = lines.pop() if lines and not last and not lines[-1].endswith("\n") else ""
        if len(rest) > LONGEST_LINE:
            raise TextError(f"line {number + len(lines) + 1} is longer than {LONGEST_LINE} characters")
        number += len(lines)
        yield from lines


def _split(text: str) -> list[str]:
    return StringIO(text, newline="").readlines()  # which knows no other ends, and leaves them as they are


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
        read = b""  # the bytes before can't be decoded either: there is no byte order mark
    if not read:
        which = " or ".join(f"--encoding {encoding}-{order}" for order in ("le", "be"))
        wide = codecs.lookup(encoding).name in _MARKED
        return TextError(
            f"line {number + 1} is not {encoding}", f"it has no byte order mark: use {which}" if wide else ""
        )
    line = number + len(_split(rest + good + "?"))
    likely = _likely(read, encoding)
    remedy = f"it may be {likely}: then use --encoding {likely}" if likely else "name its encoding with --encoding"
    return TextError(f"line {line} is not {encoding}", remedy)


def _likely(sample: bytes, tried: str) -> str:
    """Returns an encoding in which these bytes look like text that people write; empty if none fits."""
    tried = codecs.lookup(tried).name
    if sample.startswith(_UTF_16_MARKS):
        return "utf-16" if tried != "utf-16" else ""
    if 4 * sample.count(0) > len(sample):  # most texts have ASCII characters, of which UTF-16 makes bytes of 0
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
    """Whether at least a third of the non-ASCII characters are from `first` to `last`: beside kana there are others."""
    beyond = [one for one in text if not one.isascii()]
    return 3 * sum(first <= one <= last for one in beyond) >= len(beyond) > 0


def _in_pairs(sample: bytes) -> bool:
    """Whether non-ASCII bytes mostly stand in pairs, two for a character; in a western text they mostly stand alone."""
    runs = re.findall(rb"[\x80-\xff]+", sample)
    return sum(map(len, runs)) >= 2 * len(runs)
